/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text that a shell reads back as it is. */
#include "base/shell.h"

#include <stdio.h>
#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

char *msd_shell_quote(const char *text, char *buf, size_t len)
{
	size_t n = 0;

	if (*text && !text[strspn(text, plain)]) {
		snprintf(buf, len, "%s", text);
		return buf;
	}
	if (len < 3) {
		snprintf(buf, len, "%s", "");
		return buf;
	}
	buf[n++] = '\'';
	/* room for a quote in four bytes, the closing one and the end */
	for (; *text && n + 6 <= len; text++) {
		if (*text == '\'') {
			memcpy(buf + n, "'\\''", 4);
			n += 4;
		} else {
			buf[n++] = *text;
		}
	}
	buf[n++] = '\'';
	buf[n] = '\0';
	return buf;
}

const char *msd_quoted(const char *text)
{
	static char ring[4][1024];
	static unsigned turn;

	turn = (turn + 1) % 4;
	return msd_shell_quote(text, ring[turn], sizeof(ring[turn]));
}
