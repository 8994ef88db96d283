/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of /proc and the like, which may be long and do not tell their size. */
#ifndef MSD_BASE_PROC_H
#define MSD_BASE_PROC_H

#include <stdio.h>

#include "base/error.h"

/*
 * All of it, for free(); without stdio, which costs two system calls more. Returns 0; -ENOENT;
 * -errno.
 */
int msd_proc_read(const char *path, char **ret, struct msd_error *reterr);

/* To be read line by line, for fclose(). NULL: it cannot be opened, errno says why. */
FILE *msd_proc_open(int dirfd, const char *path);

#endif
