/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image comes into the storage, whole or not at all. */
#include "storage/store-put.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/shell.h"
#include "store-put-priv.h"
#include "storage/usage.h"

#define FAT_MAX_FILE UINT32_MAX
#define AHEAD_BYTES (128ull << 20)	/* reserved at once while the size is not known */
#define WINDOW_BYTES (8ull << 20)	/* sent to the disk at once, two windows at a time */

static int fail_too_big(const struct put *put, uint64_t size, struct msd_error *err)
{
	char text[24];

	msd_fail(err, MSD_E_TOOBIG, "%s: %s%s, and the storage is FAT, where no file can have 4 GiB",
		 put->place.name, put->known ? "has " : "more than ",
		 msd_format_size(size, text, sizeof(text)));
	msd_hint(err, "put it on another partition (msd-store list --partitions), or make this one "
		 "ext4 or exFAT");
	return -MSD_E_TOOBIG;
}

int put_fail_no_room(const struct put *put, uint64_t need, struct msd_error *err)
{
	uint64_t sizes[2] = { need ? need : put->written, 0 };
	char text[2][MSD_SIZE_TEXT];
	struct statfs vfs;

	if (fstatfs(put->place.dirfd, &vfs) == 0)
		sizes[1] = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	msd_format_sizes(sizes, 2, text);
	if (need)
		msd_fail(err, ENOSPC, "%s: needs %s, and the storage has %s left", put->place.name,
			 text[0], text[1]);
	else
		msd_fail(err, ENOSPC, "%s: the storage is full after %s of it", put->place.name, text[0]);
	msd_hint(err, "msd-store list shows what takes the room, msd-store rm NAME gives it back");
	return -ENOSPC;
}

int put_fail_taken(const struct put *put, struct msd_error *err)
{
	const struct msd_put_params *params = put->params;
	const char *file = params->path ? msd_quoted(params->path) : "-";

	if (put->old_complete) {
		msd_fail(err, MSD_E_UNSAFE, "%s: an image of that name is there already",
			 put->place.name);
		/* one of several files, perhaps, and a name is for one */
		if (params->path)
			msd_hint(err, "--force replaces it; msd-store put %s --name=OTHER keeps both", file);
		else
			msd_hint(err, "--force replaces it, --name=OTHER keeps both");
	} else {
		msd_fail(err, MSD_E_UNSAFE, "%s: an upload of that name was interrupted, or is going on",
			 put->place.name);
		msd_hint(err, "msd-store put %s%s%s --resume completes it, --force starts anew", file,
			 params->trim_suffix ? "" : " --name=",
			 params->trim_suffix ? "" : msd_quoted(params->name));
	}
	return -MSD_E_UNSAFE;
}

/*
 * Has any other process the file open? An upload of kvmd goes straight to the image's own name;
 * a lease is given only to the one who has it open alone.
 */
static bool is_open_elsewhere(const struct put *put)
{
	_cleanup_close_ int fd = openat(put->place.dirfd, put->place.base,
					O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct statfs sfs;

	/* a file server gives leases as it likes */
	if (fd < 0 || fstatfs(fd, &sfs) < 0 || sfs.f_type == NFS_SUPER_MAGIC ||
	    (uint32_t)sfs.f_type == CIFS_SUPER_MAGIC || (uint32_t)sfs.f_type == SMB2_SUPER_MAGIC)
		return false;
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

/* May the name be used? */
static int check_old(struct put *put, struct msd_error *err)
{
	const struct store_place *place = &put->place;
	int there = store_place_stat(place, place->base, &put->old);
	int rc;

	put->replaces = put->old_complete = false;
	if (there <= 0)
		return there < 0 ? msd_fail_on(err, -there, place->name) : 0;
	if (!S_ISREG(put->old.st_mode))
		return msd_fail(err, MSD_E_REFUSED, "%s: the name is taken by a %s", place->name,
				S_ISDIR(put->old.st_mode) ? "folder" : "link or device");
	put->replaces = true;
	put->old_complete = store_place_stat(place, place->marker, NULL) == 0;
	rc = msd_usage_check(place->path, true, err);
	if (rc < 0)
		return rc;
	if (!put->params->force && (put->old_complete || !put->params->resume))
		return put_fail_taken(put, err);
	if (!put->old_complete && is_open_elsewhere(put)) {
		msd_fail(err, MSD_E_BUSY, "%s: another program is just writing it", place->name);
		msd_hint(err, "fuser -v %s", msd_quoted(place->path));
		return -MSD_E_BUSY;
	}
	return 0;
}

/* An interrupted upload of kvmd's lies under the image's own name: it is a part now. */
static int adopt_upload(struct put *put, struct msd_error *err)
{
	const struct store_place *place = &put->place;

	if (!put->params->resume || !put->replaces || put->old_complete ||
	    store_place_stat(place, place->part, NULL) != 0)
		return 0;
	if (renameat(place->dirfd, place->base, place->dirfd, place->part) < 0 && errno != ENOENT)
		return msd_fail_errno(err, errno, "%s: taking over what there is of it", place->name);
	return 0;
}

/* The marker is there before the first byte, unless the name stands for a whole image. */
static int mark(struct put *put, struct msd_error *err)
{
	const struct store_place *place = &put->place;
	int fd;

	if (put->old_complete)
		return 0;
	fd = openat(place->dirfd, place->marker, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return msd_fail_errno(err, errno, "%s: making its marker '%s'", place->name,
				      place->marker);
	close(fd);
	put->marked = !put->replaces;
	return 0;
}

static int open_part(struct put *put, struct msd_error *err)
{
	struct stat st;
	int rc = adopt_upload(put, err);

	if (rc == 0)
		rc = store_part_lock(&put->place, true, &put->fd, err);
	/* another put may have ended before we had the lock */
	if (rc == 0)
		rc = check_old(put, err);
	if (rc == 0)
		rc = mark(put, err);
	if (rc < 0)
		return rc;
	if (!put->params->resume && ftruncate(put->fd, 0) < 0)
		return msd_fail_errno(err, errno, "%s: starting anew", put->place.name);
	if (fstat(put->fd, &st) < 0)
		return msd_fail_os(err, put->place.name);
	put->present = (uint64_t)st.st_size;
	if (put->present)
		msd_log(put->log, MSD_LOG_STEP, "%s: %" PRIu64 " bytes are there already",
			put->place.name, put->present);
	return 0;
}

static int find_limits(struct put *put, struct msd_error *err)
{
	struct statfs sfs;

	if (fstatfs(put->place.dirfd, &sfs) < 0)
		return msd_fail_os(err, put->place.name);
	put->max_bytes = (uint64_t)sfs.f_type == MSDOS_SUPER_MAGIC ? FAT_MAX_FILE : INT64_MAX;
	return 0;
}

/* Before anything is made: what is known of the size must fit. */
static int check_room(struct put *put, struct msd_error *err)
{
	struct statfs vfs;
	struct stat st;
	uint64_t have = 0;

	if (put->total > put->max_bytes)
		return fail_too_big(put, put->total, err);
	/* what an earlier one left is gone on with, or given back first */
	if (store_place_stat(&put->place, put->place.part, &st) == 1)
		have = (uint64_t)st.st_blocks * 512;
	else if (put->params->resume && put->replaces && !put->old_complete)
		have = (uint64_t)put->old.st_blocks * 512;
	if (put->total <= have)
		return 0;
	if (fstatfs(put->place.dirfd, &vfs) < 0)
		return msd_fail_os(err, put->place.name);
	if (put->total - have > (uint64_t)vfs.f_bavail * vfs.f_frsize)
		return put_fail_no_room(put, put->total - have, err);
	return 0;
}

/*
 * Room up to end, so that the target host never meets a full storage and the image lies in one
 * piece. Size stays what has arrived. File systems that cannot do it have no room reserved.
 */
static int reserve(struct put *put, uint64_t end, struct msd_error *err)
{
	if (end <= put->reserved)
		return 0;
	if (!put->known)
		end += AHEAD_BYTES;
	if (fallocate(put->fd, FALLOC_FL_KEEP_SIZE, (off_t)put->reserved,
		      (off_t)(end - put->reserved)) == 0) {
		put->reserved = end;
		return 0;
	}
	if (errno == ENOSPC && put->known)
		return put_fail_no_room(put, end - put->reserved, err);
	put->reserved = INT64_MAX;
	return 0;
}

static bool is_present(struct put *put, const void *buf, size_t len)
{
	if (put->written + len > put->present)
		return false;
	if (!put->there && !(put->there = malloc(MSD_DIGEST_BLOCK)))
		return false;
	return pread(put->fd, put->there, len, (off_t)put->written) == (ssize_t)len &&
	       !memcmp(put->there, buf, len);
}

static int write_block(struct put *put, const char *buf, size_t len, struct msd_error *err)
{
	int rc;

	if (len > put->max_bytes - put->written)
		return fail_too_big(put, put->written + len, err);
	rc = reserve(put, put->written + len, err);
	if (rc < 0)
		return rc;
	if (is_present(put, buf, len)) {
		put->written += len;
		return 0;
	}
	while (len > 0) {
		ssize_t n = pwrite(put->fd, buf, len, (off_t)put->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
			return put_fail_no_room(put, 0, err);
		if (n < 0)
			return msd_fail_errno(err, errno, "%s: writing at %" PRIu64, put->place.name,
					      put->written);
		buf += n;
		len -= (size_t)n;
		put->written += (uint64_t)n;
	}
	return 0;
}

/*
 * The disk works while more arrives, and no more than two windows wait for it: then the end is
 * no long silence, and a board of 128 MB keeps its memory. Some file systems cannot: no matter.
 */
static void push_out(const struct put *put, uint64_t before)
{
	uint64_t window = put->written / WINDOW_BYTES * WINDOW_BYTES;

	if (window == before / WINDOW_BYTES * WINDOW_BYTES)
		return;
	sync_file_range(put->fd, (off_t)(window - WINDOW_BYTES), WINDOW_BYTES,
			SYNC_FILE_RANGE_WRITE);
	if (window >= 3 * WINDOW_BYTES)
		sync_file_range(put->fd, (off_t)(window - 3 * WINDOW_BYTES), WINDOW_BYTES,
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				SYNC_FILE_RANGE_WAIT_AFTER);
}

static int report(const struct put *put, struct msd_error *err)
{
	uint64_t total = msd_source_get_total(put->source);

	if (!msd_progress(put->progress, msd_source_get_arrived(put->source),
			  total ? total : put->params->size_bytes))
		return 0;
	return msd_fail(err, MSD_E_CANCELLED, "%s: interrupted", put->place.name);
}

static int copy(struct put *put, bool writing, struct msd_error *err)
{
	for (;;) {
		void *buf = msd_digest_get_buffer(put->digest);
		ssize_t n = msd_source_read(put->source, buf, MSD_DIGEST_BLOCK, err);
		uint64_t before = put->written;
		int rc = 0;

		if (n <= 0)
			return (int)n;
		msd_digest_add(put->digest, (size_t)n);
		if (writing)
			rc = write_block(put, buf, (size_t)n, err);
		else
			put->written += (size_t)n;
		if (rc == 0 && writing)
			push_out(put, before);
		if (rc == 0)
			rc = report(put, err);
		if (rc < 0)
			return rc;
	}
}

/* Shares the blocks of a file that lies on the same file system, where that can be. */
static bool clone_source(struct put *put)
{
	struct stat st;

	if (!put->known || put->params->resume || fstat(put->params->fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != put->total ||
	    ioctl(put->fd, FICLONE, put->params->fd) < 0)
		return false;
	/* a source with holes: the drive needs their room as well */
	if (fallocate(put->fd, 0, 0, (off_t)put->total) == 0 || errno == EOPNOTSUPP)
		return true;
	/* no room for them: copying will say so */
	return ftruncate(put->fd, 0) < 0;
}

static int transfer(struct put *put, struct msd_error *err)
{
	bool cloned = clone_source(put);
	int rc = 0;

	if (!cloned && put->known)
		rc = reserve(put, put->total, err);
	if (cloned && !put->hashing)
		put->written = put->total;
	else if (rc == 0)
		rc = copy(put, !cloned, err);
	if (rc < 0)
		return rc;
	if (ftruncate(put->fd, (off_t)put->written) < 0)
		return msd_fail_errno(err, errno, "%s: setting its size", put->place.name);
	return 0;
}

static void undo(struct put *put)
{
	const struct store_place *place = &put->place;

	if (put->params->resume && !put->wrong && (put->present || put->written))
		return;
	if (put->fd >= 0)
		unlinkat(place->dirfd, place->part, 0);
	if (put->marked)
		unlinkat(place->dirfd, place->marker, 0);
}

static int open_source(struct put *put, char *name, size_t len, struct msd_error *err)
{
	const struct msd_put_params *params = put->params;
	int rc = params->path ? msd_usage_check(params->path, false, err) : 0;
	size_t suffix;

	if (rc == 0)
		rc = msd_source_open(params->fd, params->source, params->as_is, params->has_sha256,
				     put->progress, &put->source, err);
	if (rc < 0)
		return rc;
	put->known = !msd_source_get_packing(put->source) &&
		     (msd_source_get_total(put->source) || params->size_bytes);
	if (put->known)
		put->total = msd_source_get_total(put->source) ? msd_source_get_total(put->source) :
			     params->size_bytes;
	suffix = params->trim_suffix ?
		 msd_source_suffix_len(params->name, msd_source_get_packing(put->source)) : 0;
	if (snprintf(name, len, "%.*s", (int)(strlen(params->name) - suffix), params->name) >=
	    (int)len)
		return msd_fail(err, MSD_E_NAME, "'%s': the name is too long", params->name);
	return 0;
}

static int run(struct put *put, struct msd_store *store, char *name, size_t len,
	       struct msd_error *err)
{
	int rc = open_source(put, name, len, err);

	if (rc == 0)
		rc = store_place_open(store, name, &put->place, err);
	if (rc == 0)
		rc = store_place_hold(store, &put->place, err);
	if (rc == 0)
		rc = find_limits(put, err);
	if (rc == 0)
		rc = check_old(put, err);
	if (rc == 0)
		rc = check_room(put, err);
	if (rc == 0)
		rc = open_part(put, err);
	if (rc == 0 && msd_digest_new(put->hashing, &put->digest) < 0)
		rc = msd_fail_on(err, ENOMEM, name);
	if (rc == 0)
		rc = transfer(put, err);
	if (rc == 0)
		rc = put_finish(put, err);
	if (rc < 0)
		undo(put);
	return rc;
}

int msd_store_put(struct msd_store *store, const struct msd_put_params *params,
		  const struct msd_progress *progress, struct msd_error *reterr)
{
	struct put put = {
		.params = params,
		.progress = progress,
		.log = store->log,
		.place = STORE_PLACE_NONE,
		.fd = -1,
		.hashing = params->has_sha256 || !params->no_checksum,
	};
	char name[PATH_MAX];
	int rc = run(&put, store, name, sizeof(name), reterr);

	free(put.there);
	msd_digest_free(put.digest);
	msd_source_close(put.source);
	if (put.fd >= 0)
		close(put.fd);
	store_place_close(&put.place);
	return rc;
}
