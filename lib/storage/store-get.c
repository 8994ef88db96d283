/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image goes out of the storage. */
#include "storage/store-get.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "store-priv.h"
#include "storage/usage.h"

#define BLOCK (1u << 20)

static const struct packing {
	const char *name, *suffix;
	int (*add)(struct archive *archive);
} packings[] = {
	{ "gzip", ".gz", archive_write_add_filter_gzip },
	{ "xz", ".xz", archive_write_add_filter_xz },
	{ "zstd", ".zst", archive_write_add_filter_zstd },
	{ "bzip2", ".bz2", archive_write_add_filter_bzip2 },
};

static const struct packing *find_packing(const char *name)
{
	for (unsigned i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
		if (!strcmp(packings[i].name, name))
			return &packings[i];
	return NULL;
}

const char *msd_packing_get_suffix(const char *packing)
{
	const struct packing *found = find_packing(packing);

	return found ? found->suffix : NULL;
}

/* A file without a name that shares the blocks of fd as they are now. */
static int snapshot_image(struct msd_store *store, const struct store_place *place, int fd,
			  int *ret_fd, struct msd_error *err)
{
	_cleanup_close_ int copy = -1;
	int rc = store_place_hold(store, place, err);

	if (rc < 0)
		return rc;
	copy = openat(place->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (copy < 0 || ioctl(copy, FICLONE, fd) < 0) {
		struct msd_error busy = { 0 };

		msd_fail(err, MSD_E_UNSUPPORTED, "%s: its file system cannot make a snapshot: %s",
			 place->name, strerror(errno));
		if (msd_usage_check(place->path, false, &busy) == -MSD_E_BUSY)
			msd_hint(err, "%s", busy.hint);
		else
			msd_hint(err, "nothing can write it now: msd-store get without --snapshot");
		return -MSD_E_UNSUPPORTED;
	}
	*ret_fd = msd_steal_fd(&copy);
	return 0;
}

static int check_whole(const struct store_place *place, bool force, struct msd_error *err)
{
	if (force || (store_place_stat(place, place->marker, NULL) != 1 &&
		      store_place_stat(place, place->base, NULL) == 1))
		return 0;
	msd_fail(err, MSD_E_UNSAFE, "%s: is not whole, its upload was interrupted or is going on",
		 place->name);
	msd_hint(err, "msd-store put FILE --name=%s --resume completes it, --force gets what there is",
		 msd_quoted(place->name));
	return -MSD_E_UNSAFE;
}

int msd_store_open_image(struct msd_store *store, const char *name, bool snapshot, bool force,
			 int *ret_fd, struct msd_error *reterr)
{
	_cleanup_(store_place_close) struct store_place place = STORE_PLACE_NONE;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int rc = store_place_open(store, name, &place, reterr);

	if (rc < 0)
		return rc;
	fd = openat(place.dirfd, place.base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = openat(place.dirfd, place.part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
		msd_fail(reterr, MSD_E_NOTFOUND, "%s: no such image in the storage", name);
		msd_hint(reterr, "msd-store list");
		return -MSD_E_NOTFOUND;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return msd_fail_os(reterr, name);
	if (!S_ISREG(st.st_mode))
		return msd_fail(reterr, MSD_E_FORMAT, "%s: is a folder or device, not an image", name);
	rc = check_whole(&place, force, reterr);
	if (rc == 0 && snapshot)
		return snapshot_image(store, &place, fd, ret_fd, reterr);
	if (rc == 0 && store_place_stat(&place, place.base, NULL) == 1)
		rc = msd_usage_check(place.path, false, reterr);
	if (rc == 0)
		*ret_fd = msd_steal_fd(&fd);
	return rc;
}

/* Where what is read goes: a descriptor or libarchive, which writes to it. */
struct sink {
	int out;
	const char *name;
	bool regular;			/* zeros may become holes */
	bool packed;
	struct archive *archive;
	uint64_t done, total;
	const struct msd_progress *progress;
};

static int write_all(const struct sink *sink, const char *buf, size_t len, struct msd_error *err)
{
	while (len > 0) {
		ssize_t n = write(sink->out, buf, len);

		if (n < 0 && errno == EINTR) {
			if (msd_progress(sink->progress, sink->done, sink->total))
				return msd_fail(err, MSD_E_CANCELLED, "%s: interrupted", sink->name);
			continue;
		}
		if (n < 0)
			return msd_fail_errno(err, errno, "%s: writing the copy", sink->name);
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static bool is_zero(const char *buf, size_t len)
{
	return buf[0] == 0 && !memcmp(buf, buf + 1, len - 1);
}

static int put_block(struct sink *sink, const char *buf, size_t len, struct msd_error *err)
{
	if (sink->packed) {
		if (archive_write_data(sink->archive, buf, len) == (la_ssize_t)len)
			return 0;
		return msd_fail(err, MSD_E_FAILED, "%s: compressing it: %s", sink->name,
				archive_error_string(sink->archive));
	}
	if (sink->regular && is_zero(buf, len)) {
		if (lseek(sink->out, (off_t)len, SEEK_CUR) >= 0)
			return 0;
	}
	return write_all(sink, buf, len, err);
}

static int open_packer(struct sink *sink, const char *packing, struct msd_error *err)
{
	const struct packing *found = find_packing(packing);
	struct archive_entry *entry;
	int rc;

	sink->archive = archive_write_new();
	entry = archive_entry_new();
	if (!sink->archive || !entry) {
		archive_entry_free(entry);
		return msd_fail_on(err, ENOMEM, sink->name);
	}
	archive_entry_set_pathname(entry, "image");
	archive_entry_set_filetype(entry, AE_IFREG);
	/* the last block as it is: no padding behind the packed data */
	archive_write_set_bytes_in_last_block(sink->archive, 1);
	rc = !found || found->add(sink->archive) != ARCHIVE_OK ||
	     archive_write_set_format_raw(sink->archive) != ARCHIVE_OK ||
	     archive_write_open_fd(sink->archive, sink->out) != ARCHIVE_OK ||
	     archive_write_header(sink->archive, entry) != ARCHIVE_OK;
	archive_entry_free(entry);
	if (rc)
		return msd_fail(err, MSD_E_UNSUPPORTED, "%s: libarchive of this system cannot pack %s",
				sink->name, packing);
	sink->packed = true;
	return 0;
}

static int copy_all(struct sink *sink, int in, struct msd_error *err)
{
	_cleanup_free_ char *buf = malloc(BLOCK);
	ssize_t n;

	if (!buf)
		return msd_fail_on(err, ENOMEM, sink->name);
	while ((n = read(in, buf, BLOCK)) != 0) {
		int rc;

		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return msd_fail_errno(err, errno, "%s: reading it", sink->name);
		rc = n ? put_block(sink, buf, (size_t)n, err) : 0;
		if (rc < 0)
			return rc;
		sink->done += (uint64_t)n;
		if (msd_progress(sink->progress, sink->done, sink->total))
			return msd_fail(err, MSD_E_CANCELLED, "%s: interrupted", sink->name);
	}
	if (sink->packed && archive_write_close(sink->archive) != ARCHIVE_OK)
		return msd_fail(err, MSD_E_FAILED, "%s: compressing it: %s", sink->name,
				archive_error_string(sink->archive));
	if (sink->regular && !sink->packed && ftruncate(sink->out, (off_t)sink->done) < 0)
		return msd_fail_errno(err, errno, "%s: setting the size of the copy", sink->name);
	return 0;
}

int msd_store_copy_out(int in, int out, const char *name, const char *packing,
		       const struct msd_progress *progress, struct msd_error *reterr)
{
	struct sink sink = { .out = out, .name = name, .progress = progress };
	struct stat from, to;
	int rc = 0;

	if (fstat(in, &from) < 0 || fstat(out, &to) < 0)
		return msd_fail_os(reterr, name);
	sink.total = (uint64_t)from.st_size;
	/* `>>` writes at the end, wherever we seek */
	sink.regular = S_ISREG(to.st_mode) && to.st_size == 0 && !(fcntl(out, F_GETFL) & O_APPEND);
	if (packing)
		rc = open_packer(&sink, packing, reterr);
	if (rc == 0)
		rc = copy_all(&sink, in, reterr);
	archive_write_free(sink.archive);
	return rc;
}
