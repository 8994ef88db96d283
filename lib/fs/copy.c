/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The copy engine. */
#include "copy-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* From here on a file is copied for itself: its holes and a reflink are worth their calls. */
#define LARGE_BYTES SINK_BYTES
/* Between two looks at the progress. */
#define STEP_BYTES (16u << 20)

struct copy {
	struct writing *writing;
	struct sink *sink;
	struct msd_tree *tree;
	int out_fd;			/* of the image, -1: none */
	uint64_t out_base;		/* of the window in it */
	int dirfd;			/* of the folder read last */
	uint16_t dir_source;
	uint32_t dir_node;
	uint16_t tried_source;		/* what the flags below are about */
	bool no_clone, no_range;	/* has failed: not tried again for this source */
};

/* One file as it is copied. */
struct file {
	uint32_t node;
	int fd;
	uint64_t start;			/* of its content in fd */
	uint64_t size;
	uint64_t to;			/* where it goes in the window */
};

static int fail_file(struct copy *copy, const struct file *file, int errnum)
{
	_cleanup_free_ char *path = tree_source_path(copy->tree, file->node);

	return sink_fail(copy->sink, msd_fail_on(copy->writing->err, errnum, path ? path : node_name(copy->tree, file->node)));
}

static int fail_changed(struct copy *copy, const struct file *file, const char *how)
{
	_cleanup_free_ char *path = tree_source_path(copy->tree, file->node);

	return sink_fail(copy->sink, msd_fail(copy->writing->err, MSD_E_FAILED,
					      "%s: %s while the image was made",
					      path ? path : node_name(copy->tree, file->node), how));
}

/* Keeps the folder open as long as files come from it, which is all of its files. */
static int open_folder(struct copy *copy, const struct node *node)
{
	_cleanup_free_ char *path = NULL;

	if (copy->dirfd >= 0 && copy->dir_source == node->source && copy->dir_node == node->parent)
		return 0;
	msd_closep(&copy->dirfd);
	copy->dirfd = -1;
	path = tree_path_in(copy->tree, node->source, node->parent);
	if (!path)
		return -ENOMEM;
	copy->dirfd = tree_open(path, O_PATH | O_DIRECTORY);
	copy->dir_source = node->source;
	copy->dir_node = node->parent;
	return copy->dirfd < 0 ? copy->dirfd : 0;
}

/* Returns a descriptor that is closed by close_source(), or -errno. */
static int open_source(struct copy *copy, const struct node *node, uint32_t at)
{
	int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
	int fd, rc;

	if (node->source == SOURCE_SPOOL)
		return copy->tree->spool_fd;
	if (copy->tree->sources[node->source].is_file) {
		fd = open(copy->tree->sources[node->source].path, flags);
		return fd < 0 ? -errno : fd;
	}
	rc = open_folder(copy, node);
	if (rc < 0)
		return rc;
	if (!copy->tree->params.dereference)
		flags |= O_NOFOLLOW;
	fd = openat(copy->dirfd, tree_source_name(copy->tree, at), flags);
	return fd < 0 ? -errno : fd;
}

static void close_source(const struct copy *copy, const struct file *file)
{
	if (file->fd != copy->tree->spool_fd)
		close(file->fd);
}

/* Reads len bytes at offset. Returns the count, less only at the end of the file, or -errno. */
static ssize_t read_at(const struct copy *copy, const struct file *file, void *buf, size_t len,
		       uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(file->fd, (char *)buf + done, len - done,
				  (off_t)(file->start + offset + done));

		if (n < 0 && errno == EINTR && !msd_progress(copy->sink->progress, 0, 0))
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
		/* what was planned is here, and nothing behind it: no second call to learn that */
		if (n == 0 || offset + done == file->size)
			break;
	}
	return (ssize_t)done;
}

static int copy_small(struct copy *copy, const struct file *file)
{
	/* the byte to spare tells a file that grew */
	size_t spare = file->fd == copy->tree->spool_fd ? 0 : 1;
	uint8_t *to;
	ssize_t n;

	sink_seek(copy->sink, file->to);
	to = sink_reserve(copy->sink, (size_t)file->size);
	n = read_at(copy, file, to, (size_t)file->size + spare, 0);
	if (n < 0)
		return fail_file(copy, file, (int)-n);
	if ((uint64_t)n != file->size)
		return fail_changed(copy, file, (uint64_t)n < file->size ? "became shorter" :
								      "became longer");
	copy->sink->done_bytes += file->size;
	return copy->sink->rc;
}

/* Through the sink: for what the kernel cannot copy by itself. */
static int copy_by_reading(struct copy *copy, const struct file *file, uint64_t from, uint64_t end)
{
	while (from < end && copy->sink->rc == 0) {
		size_t len = end - from < SINK_BYTES ? (size_t)(end - from) : SINK_BYTES;
		uint8_t *to;
		ssize_t n;

		sink_seek(copy->sink, file->to + from);
		to = sink_reserve(copy->sink, len);
		n = read_at(copy, file, to, len, from);
		if (n < 0)
			return fail_file(copy, file, (int)-n);
		if ((size_t)n != len)
			return fail_changed(copy, file, "became shorter");
		copy->sink->done_bytes += len;
		from += len;
	}
	return copy->sink->rc;
}

/* Shares whole blocks. Returns how far it came, or an error. */
static int clone_blocks(struct copy *copy, const struct file *file, uint64_t *ret_end)
{
	const uint64_t out = copy->out_base + file->to;
	struct file_clone_range range = {
		.src_fd = file->fd, .src_offset = file->start,
		.src_length = file->size / ALIGN_BYTES * ALIGN_BYTES, .dest_offset = out,
	};

	*ret_end = 0;
	if (copy->no_clone || copy->out_fd < 0 || out % ALIGN_BYTES || file->start % ALIGN_BYTES)
		return 0;
	if (ioctl(copy->out_fd, FICLONERANGE, &range) == 0) {
		*ret_end = range.src_length;
		copy->sink->done_bytes += range.src_length;
		return 0;
	}
	/* any other failure is one */
	if (!msd_io_is_unable(errno))
		return fail_file(copy, file, errno);
	copy->no_clone = true;
	return 0;
}

/* In the kernel, a step at a time. Gives how far it came. */
static int copy_in_kernel(struct copy *copy, const struct file *file, uint64_t *from, uint64_t end)
{
	while (*from < end && !copy->no_range && copy->sink->rc == 0) {
		off_t in = (off_t)(file->start + *from);
		size_t len = end - *from < STEP_BYTES ? (size_t)(end - *from) : STEP_BYTES;
		ssize_t n = msd_io_copy_from(copy->sink->io, file->fd, &in, len, file->to + *from);

		if (n == -EOPNOTSUPP) {
			copy->no_range = true;
			break;
		}
		if (n < 0 && n != -EINTR)
			return fail_file(copy, file, (int)-n);
		if (n == 0)
			return fail_changed(copy, file, "became shorter");
		if (n > 0) {
			*from += (uint64_t)n;
			copy->sink->done_bytes += (uint64_t)n;
		}
		/* nothing is gathered: only looks at the progress */
		sink_flush(copy->sink);
	}
	return copy->sink->rc;
}

/* The data between from and end; what is a hole stays one. */
static int copy_data(struct copy *copy, const struct file *file, uint64_t from, bool holes)
{
	while (from < file->size) {
		uint64_t end = file->size;
		int rc;

		if (holes) {
			off_t data = lseek(file->fd, (off_t)(file->start + from), SEEK_DATA);
			off_t hole = data < 0 ? -1 : lseek(file->fd, data, SEEK_HOLE);

			if (data < 0 && errno == ENXIO)
				break;
			if (hole >= 0) {
				from = (uint64_t)data - file->start;
				end = (uint64_t)hole - file->start;
			}
			if (from >= file->size)
				break;
			if (end > file->size)
				end = file->size;
		}
		rc = copy_in_kernel(copy, file, &from, end);
		if (rc == 0)
			rc = copy_by_reading(copy, file, from, end);
		if (rc < 0)
			return rc;
		from = end;
	}
	return 0;
}

/* Zeros of a hole, where the image has none of itself. */
static bool may_skip_holes(const struct copy *copy)
{
	return copy->sink->fresh;
}

static int copy_large(struct copy *copy, const struct file *file)
{
	struct stat before, after;
	uint64_t cloned;
	bool spooled = file->fd == copy->tree->spool_fd, holes;
	int rc;

	if (fstat(file->fd, &before) < 0)
		return fail_file(copy, file, errno);
	if (!spooled && (!S_ISREG(before.st_mode) || (uint64_t)before.st_size != file->size))
		return fail_changed(copy, file, (uint64_t)before.st_size < file->size ?
						"became shorter" : "changed");
	/* the sink goes on behind the file */
	rc = sink_flush(copy->sink);
	if (rc == 0)
		rc = clone_blocks(copy, file, &cloned);
	if (rc < 0)
		return rc;
	holes = !spooled && may_skip_holes(copy) &&
		(uint64_t)before.st_blocks * 512 < file->size;
	rc = copy_data(copy, file, cloned, holes);
	if (rc < 0)
		return rc;
	if (spooled)
		return 0;
	if (fstat(file->fd, &after) < 0)
		return fail_file(copy, file, errno);
	if (after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
		return fail_changed(copy, file, "changed");
	return 0;
}

static int copy_file(struct copy *copy, uint32_t at)
{
	const struct node *node = &copy->tree->nodes[at];
	struct file file = {
		.node = at, .size = node->size_bytes,
		.start = node->source == SOURCE_SPOOL ? node->u.data : 0,
		.to = cluster_offset(copy->writing->layout, node->first_cluster),
	};
	int rc;

	if (copy->tried_source != node->source) {
		copy->tried_source = node->source;
		copy->no_clone = copy->no_range = false;
	}
	file.fd = open_source(copy, node, at);
	if (file.fd < 0)
		return fail_file(copy, &file, -file.fd);
	rc = file.size < LARGE_BYTES ? copy_small(copy, &file) : copy_large(copy, &file);
	close_source(copy, &file);
	return rc;
}

/* For a log that may not exist: a path takes time. */
static int tell(const struct writing *writing, uint32_t at)
{
	_cleanup_free_ char *path = NULL;

	if (!writing->params->log)
		return 0;
	path = tree_image_path(writing->tree, at);
	if (!path)
		return msd_fail_on(writing->err, ENOMEM, node_name(writing->tree, at));
	msd_log(writing->params->log, MSD_LOG_STEP, "%s", path + 1);
	return 0;
}

int copy_files(struct writing *writing)
{
	struct copy copy = {
		.writing = writing, .sink = &writing->sink, .tree = writing->tree, .dirfd = -1,
		.tried_source = SOURCE_SPOOL,
	};
	int rc = 0;

	copy.out_fd = msd_io_get_fd(writing->sink.io, &copy.out_base);
	for (uint32_t i = tree_next(copy.tree, TREE_ROOT); rc == 0 && i != TREE_NONE;
	     i = tree_next(copy.tree, i)) {
		rc = tell(writing, i);
		if (rc == 0 && !node_is_folder(&copy.tree->nodes[i]) && copy.tree->nodes[i].size_bytes > 0)
			rc = copy_file(&copy, i);
	}
	msd_closep(&copy.dirfd);
	return rc;
}
