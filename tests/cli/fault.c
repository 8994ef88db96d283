/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preloaded into a program: its FAULT_AT-th call of FAULT_CALL (write, fsync, rename, link,
 * allocate, truncate, range) fails with FAULT_ERRNO; with FAULT_NAMED there are no unnamed files, with
 * FAULT_KILL the call ends the program by SIGKILL. The file FAULT_DONE says that it came to that.
 */
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_due(const char *call)
{
	static int count;
	const char *wanted = getenv("FAULT_CALL"), *at = getenv("FAULT_AT");
	int fd;

	if (!wanted || strcmp(wanted, call) || ++count != atoi(at ? at : "1"))
		return 0;
	fd = NEXT(open)(getenv("FAULT_DONE"), O_WRONLY | O_CREAT, 0600);
	close(fd);
	if (getenv("FAULT_KILL"))
		raise(SIGKILL);
	errno = atoi(getenv("FAULT_ERRNO"));
	return 1;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return fd > 2 && is_due("write") ? -1 : NEXT(write)(fd, buf, len);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	return is_due("write") ? -1 : NEXT(pwrite)(fd, buf, len, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	return is_due("write") ? -1 : NEXT(pwrite64)(fd, buf, len, at);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	return is_due("range") ? -1 : NEXT(copy_file_range)(in, in_at, out, out_at, len, flags);
}

int fsync(int fd)
{
	return is_due("fsync") ? -1 : NEXT(fsync)(fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return is_due("rename") ? -1 : NEXT(renameat)(from_fd, from, to_fd, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return is_due("link") ? -1 : NEXT(linkat)(from_fd, from, to_fd, to, flags);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	return is_due("allocate") ? -1 : NEXT(fallocate)(fd, mode, at, len);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	return is_due("allocate") ? -1 : NEXT(fallocate64)(fd, mode, at, len);
}

int ftruncate(int fd, off_t len)
{
	return is_due("truncate") ? -1 : NEXT(ftruncate)(fd, len);
}

int ftruncate64(int fd, off64_t len)
{
	return is_due("truncate") ? -1 : NEXT(ftruncate64)(fd, len);
}

static int no_unnamed(int flags)
{
	if ((flags & O_TMPFILE) != O_TMPFILE || !getenv("FAULT_NAMED"))
		return 0;
	errno = EOPNOTSUPP;
	return 1;
}

int openat(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return no_unnamed(flags) ? -1 : NEXT(openat)(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return no_unnamed(flags) ? -1 : NEXT(openat64)(dirfd, path, flags, mode);
}
