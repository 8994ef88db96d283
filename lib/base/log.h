/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an object tells what it does: the program's choice, nowhere by default. */
#ifndef MSD_BASE_LOG_H
#define MSD_BASE_LOG_H

#include "base/error.h"

enum msd_log_level {
	MSD_LOG_WARNING,	/* the user should know; "SUBJECT: WHY" as in an error */
	MSD_LOG_HINT,		/* the way out that belongs to the warning before it */
	MSD_LOG_STEP,		/* what is done: one line for an attribute, a mount, a file */
};

struct msd_log {
	void (*fn)(void *data, enum msd_log_level level, const char *msg);
	void *data;
};

/* log may be NULL. */
void msd_log(const struct msd_log *log, enum msd_log_level level, const char *fmt, ...)
	MSD_PRINTF(3, 4);

#endif
