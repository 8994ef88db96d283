/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a new image is written. */
#include "disk/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WIPE_BYTES (1u << 20)

struct msd_target {
	struct msd_replace *replace;	/* NULL for a block device */
	int fd;				/* of the block device */
	struct msd_io *whole;		/* the device, when the target is less */
	struct msd_io *io;
	uint64_t room_later_bytes;	/* preallocated at the commit; 0: was before, or never */
	bool may_be_sparse;		/* as its parameters say */
	uint64_t content_bytes;
};

int msd_target_look(const char *path, uint64_t *ret_size_bytes, uint32_t *ret_sector_bytes,
		    struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int sector;

	*ret_size_bytes = *ret_sector_bytes = 0;
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, ret_size_bytes) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
		return msd_fail_os(reterr, path);
	*ret_sector_bytes = (uint32_t)sector;
	return 0;
}

static int wipe(struct msd_io *io, uint64_t size, struct msd_error *err)
{
	_cleanup_free_ void *zeros = calloc(1, WIPE_BYTES);
	size_t len = size < WIPE_BYTES ? (size_t)size : WIPE_BYTES;
	int rc;

	if (!zeros)
		return msd_fail_on(err, ENOMEM, msd_io_get_name(io));
	rc = msd_io_pwrite(io, zeros, len, 0, err);
	if (rc == 0)
		rc = msd_io_pwrite(io, zeros, len, size - len, err);
	return rc;
}

static int open_device(struct msd_target *target, const char *path, uint64_t size_bytes,
		       const struct msd_target_params *params, struct msd_error *err)
{
	int rc;

	if (!params->device) {
		msd_fail(err, MSD_E_UNSAFE, "%s: a block device, all that is on it would be lost", path);
		msd_hint(err, "--force");
		return -MSD_E_UNSAFE;
	}
	/* O_EXCL: not while it is mounted or another driver has it */
	target->fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (target->fd < 0 && errno == EBUSY)
		return msd_fail(err, MSD_E_BUSY, "%s: in use", path);
	if (target->fd < 0)
		return msd_fail_os(err, path);
	rc = msd_io_open_fd(target->fd, path, &target->whole, err);
	if (rc < 0)
		return rc;
	if (msd_io_get_size(target->whole) < size_bytes)
		return msd_fail(err, MSD_E_TOOBIG, "%s: %llu bytes, smaller than the image of %llu", path,
				(unsigned long long)msd_io_get_size(target->whole),
				(unsigned long long)size_bytes);
	rc = msd_io_new_window(target->whole, 0, size_bytes, &target->io);
	if (rc < 0)
		return msd_fail_on(err, -rc, path);
	return wipe(target->whole, msd_io_get_size(target->whole), err);
}

/* What this user can have; as much as anyone wants where that is not known. */
static uint64_t get_free(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) < 0 || st.f_blocks == 0)
		return UINT64_MAX;
	return (uint64_t)(geteuid() == 0 ? st.f_bfree : st.f_bavail) * st.f_frsize;
}

static int fail_room(const struct msd_target *target, const char *path, uint64_t size_bytes,
		     uint64_t free_bytes, int errnum, struct msd_error *err)
{
	msd_fail_errno(err, errnum, "%s: room for %llu bytes", path, (unsigned long long)size_bytes);
	if (errnum == ENOSPC && free_bytes != UINT64_MAX)
		msd_hint(err, "%llu bytes are free there%s", (unsigned long long)free_bytes,
			 target->may_be_sparse && target->content_bytes < free_bytes ?
			 "; --sparse takes only what is written" : "");
	return -errnum;
}

/*
 * Where files can be shared into the image, room is taken after that: of room taken before, btrfs
 * keeps all as long as any is in use, and XFS makes holes where the files have some.
 */
static bool shares_blocks(int fd)
{
	return ioctl(fd, FICLONE, fd) == 0;
}

static int make_room(const struct msd_target *target, const char *path, uint64_t size_bytes,
		     bool sparse, const struct msd_log *log, struct msd_error *err)
{
	int fd = msd_replace_get_fd(target->replace);
	uint64_t free_bytes = get_free(fd);

	if (!sparse && size_bytes > 0) {
		/* which would fill the file system before it finds out */
		if (size_bytes > free_bytes)
			return fail_room(target, path, size_bytes, free_bytes, ENOSPC, err);
		if (fallocate(fd, 0, 0, (off_t)size_bytes) == 0)
			return 0;
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return fail_room(target, path, size_bytes, free_bytes, errno, err);
		msd_log(log, MSD_LOG_WARNING,
			"%s: its file system cannot preallocate; the image is sparse and needs room later",
			path);
	}
	if (ftruncate(fd, (off_t)size_bytes) < 0)
		return fail_room(target, path, size_bytes, free_bytes, errno, err);
	return 0;
}

static int open_file(struct msd_target *target, const char *path, uint64_t size_bytes,
		     const struct msd_target_params *params, const struct msd_log *log,
		     struct msd_error *err)
{
	bool sparse = params->sparse;
	int rc;

	if (size_bytes > INT64_MAX)
		return msd_fail_on(err, EFBIG, path);
	rc = msd_replace_open(path, &params->file, &target->replace, err);
	if (rc == 0 && !sparse && shares_blocks(msd_replace_get_fd(target->replace))) {
		sparse = true;
		target->room_later_bytes = size_bytes;
	}
	if (rc == 0)
		rc = make_room(target, path, size_bytes, sparse, log, err);
	if (rc == 0)
		rc = msd_io_open_fd(msd_replace_get_fd(target->replace), path, &target->io, err);
	return rc;
}

int msd_target_open(const char *path, uint64_t size_bytes, const struct msd_target_params *params,
		    const struct msd_log *log, struct msd_target **ret, struct msd_error *reterr)
{
	_cleanup_(msd_target_closep) struct msd_target *target = calloc(1, sizeof(*target));
	struct stat st;
	int rc;

	if (!target)
		return msd_fail_on(reterr, ENOMEM, path);
	target->fd = -1;
	target->may_be_sparse = params->may_be_sparse;
	target->content_bytes = params->content_bytes;
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		rc = open_device(target, path, size_bytes, params, reterr);
	else
		rc = open_file(target, path, size_bytes, params, log, reterr);
	if (rc < 0)
		return rc;
	*ret = msd_steal(target);
	return 0;
}

struct msd_io *msd_target_get_io(const struct msd_target *target)
{
	return target->io;
}

bool msd_target_is_fresh(const struct msd_target *target)
{
	return target->replace;
}

int msd_target_commit(struct msd_target *target, bool sync, struct msd_error *reterr)
{
	int fd = target->replace ? msd_replace_get_fd(target->replace) : -1;

	if (target->room_later_bytes &&
	    fallocate(fd, 0, 0, (off_t)target->room_later_bytes) < 0)
		return fail_room(target, msd_io_get_name(target->io), target->room_later_bytes,
				 get_free(fd), errno, reterr);
	if (target->replace)
		return msd_replace_commit(target->replace, sync, reterr);
	return sync ? msd_io_sync(target->io, reterr) : 0;
}

struct msd_target *msd_target_close(struct msd_target *target)
{
	if (!target)
		return NULL;
	msd_io_close(target->io);
	msd_io_close(target->whole);
	msd_replace_close(target->replace);
	msd_closep(&target->fd);
	free(target);
	return NULL;
}

void msd_target_closep(struct msd_target **target)
{
	msd_target_close(*target);
}
