/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder of a test's own, and commands that are run in it. */
#ifndef TESTS_UNIT_VENTOY_SH_H
#define TESTS_UNIT_VENTOY_SH_H

#include "tree.h"

static char root[] = "/tmp/msd-ventoy-XXXXXX";

static inline const char *in_root(const char *name)
{
	return pathf("%s/%s", root, name);
}

/* Runs a command in root; that it fails, fails the test. */
static inline void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void sh(const char *fmt, ...)
{
	char command[2048];
	va_list ap;
	int len = snprintf(command, sizeof(command), "cd %s && PATH=$PATH:/usr/sbin && { ", root);

	va_start(ap, fmt);
	len += vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	snprintf(command + len, sizeof(command) - (size_t)len, "; } >/dev/null 2>&1");
	if (system(command) != 0) {
		print_message("%s\n", command);
		fail();
	}
}

#endif
