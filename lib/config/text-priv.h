/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of a configuration file. */
#ifndef MSD_CONFIG_TEXT_PRIV_H
#define MSD_CONFIG_TEXT_PRIV_H

#include <stdbool.h>

#include "base/error.h"

/*
 * All of the file, ended by NUL and freed by the caller. Returns 0; -ENOENT (the message says so);
 * -MSD_E_CONFIG when it is unreadable, too big, no text, or others than root can write it and this
 * process is root's; -ENOMEM.
 */
int msd_config_text_read(const char *path, char **ret, struct msd_error *reterr);

/*
 * Blanks every comment, and refuses what libconfuse 3.3 takes wrongly: it counts the line of a
 * comment three times, expands ${VAR} from the environment, and lets the end of the file close
 * what is open. path is for the messages. Returns 0 or -MSD_E_CONFIG.
 */
int msd_config_text_clean(const char *path, char *text, struct msd_error *reterr);

#endif
