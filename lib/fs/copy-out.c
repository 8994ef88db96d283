/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copying files out of a volume. */
#include "fs/copy-out.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	BUF_BYTES = 1 << 18,		/* stays in the processor's cache between read and write */
	PAGE_BYTES = 4096,		/* an aligned buffer is copied into faster, by half */
	HOLE_BYTES = 4096,		/* the smallest hole worth making */
	CLONE_MIN_BYTES = 1 << 16,
};

struct msd_copy_out {
	struct msd_fs *fs;
	struct msd_io *io;
	const struct msd_progress *progress;
	uint64_t total;
	bool cannot_clone;
	uint64_t buf_offset;		/* of what is in buf */
	size_t buf_len;
	uint8_t *buf;
};

/* One file on its way. */
struct job {
	struct msd_copy_out *copy;
	const struct msd_sink *sink;
	uint64_t pos;			/* in the file */
	uint64_t written_to;		/* end of the last bytes written: less than pos in a hole */
	struct msd_error *err;
};

int msd_copy_out_new(struct msd_fs *fs, const struct msd_progress *progress,
		     struct msd_copy_out **ret)
{
	struct msd_copy_out *copy = calloc(1, sizeof(*copy));

	if (!copy || !(copy->buf = aligned_alloc(PAGE_BYTES, BUF_BYTES))) {
		free(copy);
		return -ENOMEM;
	}
	copy->fs = fs;
	copy->io = msd_fs_get_io(fs);
	copy->progress = progress;
	*ret = copy;
	return 0;
}

void msd_copy_out_free(struct msd_copy_out *copy)
{
	if (!copy)
		return;
	free(copy->buf);
	free(copy);
}

uint64_t msd_copy_out_get_total(const struct msd_copy_out *copy)
{
	return copy->total;
}

/*
 * len bytes of the image at offset, in the buffer. Small files that lie one behind the other
 * are read together: when this one begins where the last read ended, a whole buffer is.
 */
static int fetch(struct msd_copy_out *copy, uint64_t offset, size_t len, const uint8_t **ret,
		 struct msd_error *err)
{
	uint64_t end = copy->buf_offset + copy->buf_len, left = msd_io_get_size(copy->io) - offset;
	size_t wanted = len;
	int rc;

	if (offset < copy->buf_offset || offset + len > end) {
		if (offset >= copy->buf_offset && offset <= end + BUF_BYTES / 4)
			wanted = BUF_BYTES;
		if (wanted > left)
			wanted = (size_t)left;
		copy->buf_len = 0;
		rc = msd_io_pread(copy->io, copy->buf, wanted, offset, err);
		if (rc < 0)
			return rc;
		copy->buf_offset = offset;
		copy->buf_len = wanted;
	}
	*ret = copy->buf + (offset - copy->buf_offset);
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && !memcmp(p, p + 1, len - 1);
}

static int put(struct job *job, const uint8_t *p, size_t len)
{
	if (job->sink->write && len > 0) {
		job->pos += len;
		job->written_to = job->pos;
		job->copy->total += len;
		return job->sink->write(job->sink->data, p, len, job->err);
	}
	while (len > 0) {
		ssize_t n = job->sink->is_regular && job->written_to != job->pos ?
				    pwrite(job->sink->fd, p, len, (off_t)job->pos) :
				    write(job->sink->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return msd_fail_os(job->err, job->sink->name);
		if (job->sink->is_regular && job->written_to != job->pos &&
		    lseek(job->sink->fd, (off_t)job->pos + n, SEEK_SET) < 0)
			return msd_fail_os(job->err, job->sink->name);
		p += n;
		len -= (size_t)n;
		job->pos += (uint64_t)n;
		job->written_to = job->pos;
		job->copy->total += (uint64_t)n;
	}
	return 0;
}

/* Zeros: skipped where a hole stands for them. */
static int put_zeros(struct job *job, uint64_t len)
{
	static uint8_t zeros[65536]; /* never written; const would lie in the file */

	if (job->sink->is_regular) {
		job->pos += len;
		job->copy->total += len;
		return 0;
	}
	while (len > 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		int rc = put(job, zeros, n);

		if (rc < 0)
			return rc;
		len -= n;
	}
	return 0;
}

/* Writes what is not zero of a piece, in runs as long as they come. */
static int put_sparse(struct job *job, const uint8_t *p, size_t len)
{
	size_t from = 0, at = 0;
	int rc = 0;

	if (!job->sink->is_regular || len < HOLE_BYTES)
		return put(job, p, len);
	while (rc == 0 && at < len) {
		size_t n = HOLE_BYTES - (size_t)((job->pos + (at - from)) % HOLE_BYTES);

		if (n > len - at)
			n = len - at;
		if (n < HOLE_BYTES || !is_zero(p + at, n)) {
			at += n;
			continue;
		}
		rc = put(job, p + from, at - from);
		if (rc == 0)
			rc = put_zeros(job, n);
		at += n;
		from = at;
	}
	return rc < 0 ? rc : put(job, p + from, len - from);
}

/* Where image and output are one file system that can share blocks. Returns 1 when it did. */
static int clone(struct job *job, const struct msd_extent *extent)
{
	struct msd_copy_out *copy = job->copy;
	struct file_clone_range range;
	uint64_t base, len = extent->size_bytes;

	if (!job->sink->is_regular || copy->cannot_clone || len < CLONE_MIN_BYTES)
		return 0;
	range.src_fd = msd_io_get_fd(copy->io, &base);
	range.src_offset = base + extent->offset_bytes;
	range.dest_offset = job->pos;
	if (range.src_fd < 0 || range.src_offset % 4096 || range.dest_offset % 4096)
		return 0;
	/* only the end of a file may be shorter than a block, and the extent is not the image's */
	range.src_length = len / 4096 * 4096;
	if (ioctl(job->sink->fd, FICLONERANGE, &range) < 0) {
		copy->cannot_clone = true;
		return 0;
	}
	job->pos += range.src_length;
	copy->total += range.src_length;
	return lseek(job->sink->fd, (off_t)job->pos, SEEK_SET) < 0 ?
		       msd_fail_os(job->err, job->sink->name) :
		       (job->written_to = job->pos, 1);
}

/* A part of the image that is a hole itself need not be read; files on tmpfs and ext4 tell. */
static uint64_t skip_hole(struct msd_copy_out *copy, uint64_t offset, uint64_t len)
{
	uint64_t base;
	int fd = msd_io_get_fd(copy->io, &base);
	off_t data;

	if (fd < 0 || len < BUF_BYTES)
		return 0;
	data = lseek(fd, (off_t)(base + offset), SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? len : 0;
	if ((uint64_t)data <= base + offset)
		return 0;
	return (uint64_t)data - base - offset < len ? (uint64_t)data - base - offset : len;
}

static int copy_extent(struct job *job, struct msd_extent extent)
{
	struct msd_copy_out *copy = job->copy;
	int rc = clone(job, &extent);

	if (rc > 0) {
		uint64_t done = extent.size_bytes / 4096 * 4096;

		extent.offset_bytes += done;
		extent.size_bytes -= done;
		rc = 0;
	}
	while (rc == 0 && extent.size_bytes > 0) {
		uint64_t n = skip_hole(copy, extent.offset_bytes, extent.size_bytes);
		const uint8_t *p;

		if (n > 0) {
			rc = put_zeros(job, n);
		} else {
			n = extent.size_bytes < BUF_BYTES ? extent.size_bytes : BUF_BYTES;
			rc = fetch(copy, extent.offset_bytes, (size_t)n, &p, job->err);
			if (rc == 0)
				rc = put_sparse(job, p, (size_t)n);
		}
		extent.offset_bytes += n;
		extent.size_bytes -= n;
		if (rc == 0 && msd_progress(copy->progress, copy->total, 0))
			return msd_fail(job->err, MSD_E_CANCELLED, "%s: stopped", job->sink->name);
	}
	return rc;
}

int msd_copy_out_file(struct msd_copy_out *copy, const struct msd_fs_node *node,
		      const struct msd_sink *sink, struct msd_error *reterr)
{
	struct job job = { copy, sink, 0, 0, reterr };
	uint64_t size = node->size_bytes;
	struct msd_extent extent;
	struct msd_fs_map map;
	int rc;

	msd_fs_map_init(copy->fs, node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, reterr)) > 0) {
		/* what exFAT says was never written may hold another file's old bytes */
		uint64_t valid = node->valid_bytes > job.pos ? node->valid_bytes - job.pos : 0;

		if (extent.size_bytes > valid)
			extent.size_bytes = valid;
		if (extent.size_bytes == 0)
			break;
		rc = copy_extent(&job, extent);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (!map.damaged || sink->pad) {
		rc = put_zeros(&job, size - job.pos);
		if (rc < 0)
			return rc;
	}
	if (sink->is_regular && job.written_to < job.pos &&
	    ftruncate(sink->fd, (off_t)job.pos) < 0)
		return msd_fail_os(reterr, sink->name);
	return map.damaged;
}
