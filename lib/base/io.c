/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window on an image. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct msd_io {
	const struct msd_io_ops *ops;
	void *ctx;
	char *name;
	uint64_t offset;	/* from the start of what ops stands for */
	uint64_t size;
	int fd;			/* -1: not on a file */
	bool owns_ctx;
};

/* The context of a window on a file. */
struct file_ctx {
	int fd;
	bool owns_fd;
};

static int file_pread(void *ctx, void *buf, size_t len, uint64_t offset)
{
	const struct file_ctx *file = ctx;
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(file->fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int file_pwrite(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	const struct file_ctx *file = ctx;
	const char *p = buf;

	while (len > 0) {
		ssize_t n = pwrite(file->fd, p, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int file_sync(void *ctx)
{
	const struct file_ctx *file = ctx;

	return fsync(file->fd) < 0 ? -errno : 0;
}

static void file_close(void *ctx)
{
	struct file_ctx *file = ctx;

	if (file->owns_fd)
		close(file->fd);
	free(file);
}

static const struct msd_io_ops file_ops = {
	.pread = file_pread,
	.pwrite = file_pwrite,
	.sync = file_sync,
	.close = file_close,
};

int msd_io_new(const struct msd_io_ops *ops, void *ctx, const char *name, uint64_t offset_bytes,
	       uint64_t size_bytes, struct msd_io **ret)
{
	struct msd_io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	io->name = strdup(name);
	if (!io->name) {
		free(io);
		return -ENOMEM;
	}
	io->ops = ops;
	io->ctx = ctx;
	io->owns_ctx = true;
	io->offset = offset_bytes;
	io->size = size_bytes;
	io->fd = -1;
	*ret = io;
	return 0;
}

static int open_file_window(int fd, bool owns_fd, const char *name, struct msd_io **ret,
			    struct msd_error *err)
{
	_cleanup_free_ struct file_ctx *file = malloc(sizeof(*file));
	struct stat st;
	uint64_t size;
	int rc;

	if (!file)
		return msd_fail_on(err, ENOMEM, name);
	if (fstat(fd, &st) < 0)
		return msd_fail_os(err, name);
	if (S_ISREG(st.st_mode))
		size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return msd_fail(err, MSD_E_FORMAT, "%s: neither a regular file nor a block device",
				name);
	else if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return msd_fail_os(err, name);
	file->fd = fd;
	file->owns_fd = owns_fd;
	rc = msd_io_new(&file_ops, file, name, 0, size, ret);
	if (rc < 0)
		return msd_fail_on(err, -rc, name);
	(*ret)->fd = fd;
	msd_steal(file);
	return 0;
}

int msd_io_open_fd(int fd, const char *name, struct msd_io **ret, struct msd_error *reterr)
{
	return open_file_window(fd, false, name, ret, reterr);
}

int msd_io_open(int dirfd, const char *path, int flags, struct msd_io **ret,
		struct msd_error *reterr)
{
	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	_cleanup_close_ int fd = openat(dirfd, path, flags | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return msd_fail_os(reterr, path);
	rc = open_file_window(fd, true, path, ret, reterr);
	if (rc == 0)
		msd_steal_fd(&fd);
	return rc;
}

int msd_io_new_window(struct msd_io *parent, uint64_t offset_bytes, uint64_t size_bytes,
		      struct msd_io **ret)
{
	int rc;

	if (offset_bytes > parent->size || size_bytes > parent->size - offset_bytes)
		return -ERANGE;
	rc = msd_io_new(parent->ops, parent->ctx, parent->name, parent->offset + offset_bytes,
			size_bytes, ret);
	if (rc < 0)
		return rc;
	(*ret)->fd = parent->fd;
	(*ret)->owns_ctx = false;
	return 0;
}

struct msd_io *msd_io_close(struct msd_io *io)
{
	if (!io)
		return NULL;
	if (io->owns_ctx && io->ops->close)
		io->ops->close(io->ctx);
	free(io->name);
	free(io);
	return NULL;
}

void msd_io_closep(struct msd_io **io)
{
	msd_io_close(*io);
}

uint64_t msd_io_get_size(const struct msd_io *io)
{
	return io->size;
}

const char *msd_io_get_name(const struct msd_io *io)
{
	return io->name;
}

int msd_io_get_fd(const struct msd_io *io, uint64_t *ret_offset_bytes)
{
	if (ret_offset_bytes)
		*ret_offset_bytes = io->offset;
	return io->fd;
}

/* Returns 0, or fails with the message for a range that the window does not have. */
static int check_range(const struct msd_io *io, size_t len, uint64_t offset, struct msd_error *err)
{
	if (offset <= io->size && len <= io->size - offset)
		return 0;
	return msd_fail(err, ERANGE, "%s: %zu bytes at %llu lie beyond its end at %llu", io->name,
			len, (unsigned long long)offset, (unsigned long long)io->size);
}

int msd_io_pread(struct msd_io *io, void *buf, size_t len, uint64_t offset_bytes,
		 struct msd_error *reterr)
{
	int rc = check_range(io, len, offset_bytes, reterr);

	if (rc < 0)
		return rc;
	rc = io->ops->pread(io->ctx, buf, len, io->offset + offset_bytes);
	if (rc < 0)
		return msd_fail_errno(reterr, -rc, "%s: read at %llu", io->name,
				      (unsigned long long)(io->offset + offset_bytes));
	return 0;
}

int msd_io_pwrite(struct msd_io *io, const void *buf, size_t len, uint64_t offset_bytes,
		  struct msd_error *reterr)
{
	int rc = check_range(io, len, offset_bytes, reterr);

	if (rc < 0)
		return rc;
	rc = io->ops->pwrite(io->ctx, buf, len, io->offset + offset_bytes);
	if (rc < 0)
		return msd_fail_errno(reterr, -rc, "%s: write at %llu", io->name,
				      (unsigned long long)(io->offset + offset_bytes));
	return 0;
}

bool msd_io_is_unable(int errnum)
{
	return errnum == EOPNOTSUPP || errnum == EXDEV || errnum == EINVAL || errnum == ENOTTY ||
	       errnum == ENOSYS || errnum == EPERM || errnum == EBADF || errnum == ETXTBSY;
}

ssize_t msd_io_copy_from(struct msd_io *io, int fd, off_t *offset, size_t len, uint64_t to_bytes)
{
	loff_t out = (loff_t)(io->offset + to_bytes);
	ssize_t n;

	if (io->fd < 0)
		return -EOPNOTSUPP;
	if (check_range(io, len, to_bytes, NULL) < 0)
		return -ERANGE;
	n = copy_file_range(fd, offset, io->fd, &out, len, 0);
	return n >= 0 ? n : msd_io_is_unable(errno) ? -EOPNOTSUPP : -errno;
}

int msd_io_sync(struct msd_io *io, struct msd_error *reterr)
{
	int rc = io->ops->sync(io->ctx);

	if (rc < 0)
		return msd_fail_errno(reterr, -rc, "%s: sync", io->name);
	return 0;
}
