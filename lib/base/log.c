/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an object tells what it does. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void msd_log(const struct msd_log *log, enum msd_log_level level, const char *fmt, ...)
{
	char msg[PATH_MAX + 512];
	va_list ap;

	if (!log || !log->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log->fn(log->data, level, msg);
}
