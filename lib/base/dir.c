/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Directories. */
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int msd_dir_take(struct msd_dir *ret, int fd)
{
	ret->fd = fd;
	ret->fills = false;
	ret->at = ret->len = 0;
	return fd < 0 ? -errno : 0;
}

int msd_dir_open(struct msd_dir *ret, int dirfd, const char *path)
{
	return msd_dir_take(ret, openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

const struct dirent64 *msd_dir_next(struct msd_dir *dir)
{
	const struct dirent64 *entry;

	do {
		errno = 0;
		if (dir->at >= dir->len) {
			if (dir->fills && dir->len && dir->len <= (ssize_t)(sizeof(dir->buf) - sizeof(*entry)))
				return NULL;
			dir->at = 0;
			dir->len = getdents64(dir->fd, dir->buf, sizeof(dir->buf));
			if (dir->len <= 0)
				return NULL;
		}
		entry = (const void *)(dir->buf + dir->at);
		dir->at += entry->d_reclen;
	} while (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."));
	return entry;
}
