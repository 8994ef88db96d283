/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of /proc. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

int msd_proc_read(const char *path, char **ret, struct msd_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0, size = 0;
	ssize_t n;

	if (fd < 0)
		return msd_fail_os(reterr, path);
	do {
		if (size - len < 2) {
			char *bigger = realloc(text, size = size ? 2 * size : 16384);

			if (!bigger)
				return msd_fail_on(reterr, ENOMEM, path);
			text = bigger;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0)
			return msd_fail_os(reterr, path);
		len += (size_t)n;
	} while (n > 0);
	text[len] = '\0';
	*ret = msd_steal(text);
	return 0;
}

FILE *msd_proc_open(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}
