/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Directories, read entry by entry in the order of the file system. Not by opendir(3), which
 * costs three system calls and four imports more.
 */
#ifndef MSD_BASE_DIR_H
#define MSD_BASE_DIR_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct msd_dir {
	int fd;
	bool fills;		/* set it for configfs, where a read gives all there is room for: saves the last */
	ssize_t at, len;
	_Alignas(struct dirent64) char buf[4096];
};

static inline void msd_dir_close(struct msd_dir *dir)
{
	msd_closep(&dir->fd);
}

#define _cleanup_dir_ _cleanup_(msd_dir_close)

/*
 * path as openat(2) takes it, for msd_dir_close also when it fails. Returns 0; -errno, and then
 * has no entries.
 */
int msd_dir_open(struct msd_dir *ret, int dirfd, const char *path);

/* The same for the directory that is open as fd, which it takes, or for a failed open. */
int msd_dir_take(struct msd_dir *ret, int fd);

/*
 * The next entry but "." and "..", until the next call. NULL: there is none and errno is 0, or
 * errno says why it cannot be read.
 */
const struct dirent64 *msd_dir_next(struct msd_dir *dir);

#endif
