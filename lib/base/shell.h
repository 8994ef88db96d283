/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text that a shell reads back as it is, for commands in hints. */
#ifndef MSD_BASE_SHELL_H
#define MSD_BASE_SHELL_H

#include <stddef.h>

/* text as one word of a shell, in quotes when it needs them; cut to len. Returns buf. */
char *msd_shell_quote(const char *text, char *buf, size_t len);

/* The same for hints, which have no more room: one of four buffers that take turns, for one thread. */
const char *msd_quoted(const char *text);

/* The most that quoting makes of len bytes, with the end. */
#define MSD_SHELL_QUOTED_MAX(len) (4 * (len) + 3)

#endif
