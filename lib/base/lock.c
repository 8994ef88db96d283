/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locks between commands. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* flock has no time-out of its own, and a signal for it would be the program's business. */
#define LOCK_POLL_MS 20

static int open_lock_file(const char *dir, const char *name, struct msd_error *err)
{
	_cleanup_close_ int dirfd = -1;
	char file[NAME_MAX + 1];
	int fd;

	if (snprintf(file, sizeof(file), "%s.lock", name) >= (int)sizeof(file))
		return msd_fail_on(err, ENAMETOOLONG, name);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0 && errno == ENOENT) {
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return msd_fail_os(err, dir);
		dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (dirfd < 0)
		return msd_fail_os(err, dir);
	fd = openat(dirfd, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return msd_fail_errno(err, errno, "%s/%s", dir, file);
	return fd;
}

int msd_lock_take(const char *dir, const char *name, bool shared, uint64_t timeout_ms,
		  const char *what, int *ret_fd, struct msd_error *reterr)
{
	_cleanup_close_ int fd = open_lock_file(dir, name, reterr);
	int op = (shared ? LOCK_SH : LOCK_EX) | LOCK_NB;

	if (fd < 0)
		return fd;
	for (uint64_t waited_ms = 0; flock(fd, op) < 0; waited_ms += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return msd_fail_errno(reterr, errno, "%s/%s.lock", dir, name);
		if (waited_ms >= timeout_ms)
			return msd_fail(reterr, MSD_E_BUSY, "%s: another command is at it", what);
		msd_clock_sleep(LOCK_POLL_MS);
	}
	*ret_fd = msd_steal_fd(&fd);
	return 0;
}
