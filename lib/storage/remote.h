/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files on a file server, which may be dead: whoever asks it then waits for ever. */
#ifndef MSD_STORAGE_REMOTE_H
#define MSD_STORAGE_REMOTE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

#define MSD_REMOTE_TIMEOUT_MS 3000

struct libmnt_table;

/*
 * Whether path (absolute, without links) lies on a file server, and on which file system, by the
 * table of mounts alone.
 */
bool msd_remote_find(struct libmnt_table *mounts, const char *path, dev_t *ret_dev);

/*
 * stat(2), on a file server by a process of its own that is given so much time. Returns 0,
 * -ETIMEDOUT, or -errno.
 */
int msd_remote_stat(const char *path, int timeout_ms, struct stat *ret);

/* -MSD_E_FAILED with what to do when path lies on a server that says nothing; else 0. */
int msd_remote_check(const char *path, struct msd_error *reterr);

#endif
