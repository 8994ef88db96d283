/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an image comes from, unpacked by libarchive; gzip by zlib itself, since libarchive (3.6)
 * does not look at the checksum that each gzip member ends with.
 */
#include "storage/store-source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/shell.h"

#define INPUT_SIZE 65536u

struct msd_source {
	int fd;
	char *name;
	const struct msd_progress *progress;
	const struct packing *packing;	/* NULL: as it is */
	struct archive *archive;	/* of what is packed; NULL: with zlib */
	z_stream zlib;
	bool in_member;			/* zlib has begun a member and not seen its end */
	bool unpacked;			/* all */
	uint64_t total, arrived;
	bool hashing;
	struct sha256_ctx sha256;
	int error;			/* of a read within libarchive */
	size_t ahead_len, ahead_used;	/* what was looked at and not yet handed out */
	uint8_t ahead[INPUT_SIZE];
	uint8_t input[INPUT_SIZE];
};

static const struct packing {
	const char *name;
	const char *magic;
	size_t magic_len;
	int (*support)(struct archive *archive);
	const char *suffixes[3];
} packings[] = {
	{ "gzip", "\x1f\x8b\x08", 3, NULL, { ".gz", ".gzip" } },
	{ "bzip2", "BZh", 3, archive_read_support_filter_bzip2, { ".bz2", ".bzip2" } },
	{ "xz", "\xfd" "7zXZ\0", 6, archive_read_support_filter_xz, { ".xz" } },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, archive_read_support_filter_zstd, { ".zst", ".zstd" } },
};
#define N_PACKINGS (sizeof(packings) / sizeof(packings[0]))

/* Whole len but at the end. A signal ends the waiting for a pipe: the work may have to stop. */
static ssize_t read_fd(struct msd_source *source, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(source->fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR) {
			if (msd_progress(source->progress, source->arrived, source->total))
				return -MSD_E_CANCELLED;
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* The stream from its beginning, with what was looked at. */
static ssize_t read_input(struct msd_source *source, void *buf, size_t len)
{
	size_t ahead = source->ahead_len - source->ahead_used;
	ssize_t n;

	if (ahead > len)
		ahead = len;
	if (ahead)
		memcpy(buf, source->ahead + source->ahead_used, ahead);
	source->ahead_used += ahead;
	n = len > ahead ? read_fd(source, (char *)buf + ahead, len - ahead) : 0;
	if (n < 0)
		return n;
	n += (ssize_t)ahead;
	if (source->hashing)
		sha256_update(&source->sha256, (size_t)n, buf);
	source->arrived += (uint64_t)n;
	return n;
}

static la_ssize_t read_for_archive(struct archive *archive, void *data, const void **ret)
{
	struct msd_source *source = data;
	ssize_t n = read_input(source, source->input, sizeof(source->input));

	*ret = source->input;
	if (n >= 0)
		return n;
	source->error = (int)-n;
	archive_set_error(archive, EIO, "read");
	return ARCHIVE_FATAL;
}

static const struct packing *recognise(const uint8_t *head, size_t len)
{
	for (unsigned i = 0; i < N_PACKINGS; i++)
		if (len >= packings[i].magic_len + 6 &&
		    !memcmp(head, packings[i].magic, packings[i].magic_len))
			return &packings[i];
	return NULL;
}

static int fail_unpacking(struct msd_source *source, const char *text, struct msd_error *err)
{
	if (source->error == MSD_E_CANCELLED)
		return msd_fail(err, MSD_E_CANCELLED, "%s: interrupted", source->name);
	if (source->error)
		return msd_fail_errno(err, source->error, "%s: reading it", source->name);
	return msd_fail(err, MSD_E_DAMAGED, "%s: its %s data is damaged or ends early (%s)",
			source->name, source->packing->name, text ? text : "no reason given");
}

static int open_archive(struct msd_source *source, struct msd_error *err)
{
	struct archive_entry *entry;

	source->archive = archive_read_new();
	if (!source->archive)
		return msd_fail_on(err, ENOMEM, source->name);
	if (source->packing->support(source->archive) != ARCHIVE_OK ||
	    archive_read_support_format_raw(source->archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(source->archive) != ARCHIVE_OK)
		return msd_fail(err, MSD_E_UNSUPPORTED, "%s: libarchive of this system cannot unpack %s",
				source->name, source->packing->name);
	if (archive_read_open(source->archive, source, NULL, read_for_archive, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(source->archive, &entry) < ARCHIVE_WARN)
		return fail_unpacking(source, archive_error_string(source->archive), err);
	return 0;
}

static int open_zlib(struct msd_source *source, struct msd_error *err)
{
	if (inflateInit2(&source->zlib, 15 + 16) != Z_OK)	/* 16: gzip, and nothing else */
		return msd_fail_on(err, ENOMEM, source->name);
	return 0;
}

/* Makes input for zlib. Returns 1, 0 when all is unpacked, or fails. */
static int feed_zlib(struct msd_source *source, struct msd_error *err)
{
	z_stream *zlib = &source->zlib;
	ssize_t n;

	if (zlib->avail_in == 0) {
		n = read_input(source, source->input, sizeof(source->input));
		if (n < 0)
			source->error = (int)-n;
		if (n < 0 || (n == 0 && source->in_member))
			return fail_unpacking(source, "unexpected end", err);
		zlib->next_in = source->input;
		zlib->avail_in = (uInt)n;
	}
	if (source->in_member)
		return 1;
	/* another member may follow; zeros and what else there is, gzip passes over as well */
	if (zlib->avail_in == 0 || *zlib->next_in != 0x1f || inflateReset(zlib) != Z_OK)
		return 0;
	source->in_member = true;
	return 1;
}

static ssize_t read_zlib(struct msd_source *source, void *buf, size_t len, struct msd_error *err)
{
	z_stream *zlib = &source->zlib;

	zlib->next_out = buf;
	zlib->avail_out = (uInt)len;
	while (zlib->avail_out > 0 && !source->unpacked) {
		int rc = feed_zlib(source, err);

		if (rc < 0)
			return rc;
		if (rc == 0) {
			source->unpacked = true;
			break;
		}
		rc = inflate(zlib, Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			source->in_member = false;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return fail_unpacking(source, zlib->msg ? zlib->msg : "zlib", err);
	}
	return (ssize_t)(len - zlib->avail_out);
}

int msd_source_open(int fd, const char *name, bool as_is, bool hashing,
		    const struct msd_progress *progress, struct msd_source **ret,
		    struct msd_error *reterr)
{
	_cleanup_(msd_source_closep) struct msd_source *source = calloc(1, sizeof(*source));
	struct stat st;
	ssize_t n;

	if (!source || !(source->name = strdup(name)))
		return msd_fail_on(reterr, ENOMEM, name);
	if (fstat(fd, &st) < 0)
		return msd_fail_os(reterr, name);
	if (S_ISDIR(st.st_mode)) {
		msd_fail(reterr, MSD_E_FORMAT, "%s: is a folder, not an image", name);
		msd_hint(reterr, "msd-mkimage -d %s files.img makes an image of it", msd_quoted(name));
		return -MSD_E_FORMAT;
	}
	source->fd = fd;
	source->progress = progress;
	sha256_init(&source->sha256);
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		source->total = at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
	}
	if (!as_is) {
		n = read_fd(source, source->ahead, 16);
		if (n == -MSD_E_CANCELLED)
			return msd_fail(reterr, MSD_E_CANCELLED, "%s: interrupted", name);
		if (n < 0)
			return msd_fail_errno(reterr, (int)-n, "%s: reading it", name);
		source->ahead_len = (size_t)n;
		source->packing = recognise(source->ahead, source->ahead_len);
		source->hashing = hashing && source->packing;
	}
	if (source->packing) {
		int rc = source->packing->support ? open_archive(source, reterr) :
						    open_zlib(source, reterr);

		if (rc < 0)
			return rc;
	}
	*ret = msd_steal(source);
	return 0;
}

struct msd_source *msd_source_close(struct msd_source *source)
{
	if (!source)
		return NULL;
	archive_read_free(source->archive);
	inflateEnd(&source->zlib);
	free(source->name);
	free(source);
	return NULL;
}

void msd_source_closep(struct msd_source **source)
{
	msd_source_close(*source);
}

const char *msd_source_get_packing(const struct msd_source *source)
{
	return source->packing ? source->packing->name : NULL;
}

uint64_t msd_source_get_total(const struct msd_source *source)
{
	return source->total;
}

uint64_t msd_source_get_arrived(const struct msd_source *source)
{
	return source->arrived;
}

ssize_t msd_source_read(struct msd_source *source, void *buf, size_t len,
			struct msd_error *reterr)
{
	ssize_t n;

	if (source->archive) {
		n = archive_read_data(source->archive, buf, len);
		return n < 0 ? fail_unpacking(source, archive_error_string(source->archive),
					      reterr) : n;
	}
	if (source->packing)
		return read_zlib(source, buf, len, reterr);
	n = read_input(source, buf, len);
	if (n == -MSD_E_CANCELLED)
		return msd_fail(reterr, MSD_E_CANCELLED, "%s: interrupted", source->name);
	if (n < 0)
		return msd_fail_errno(reterr, (int)-n, "%s: reading it", source->name);
	return n;
}

int msd_source_end(struct msd_source *source, uint8_t ret[MSD_SHA256_SIZE],
		   struct msd_error *reterr)
{
	ssize_t n;

	/* padding behind the last packed block belongs to what was published */
	while ((n = read_input(source, source->input, sizeof(source->input))) > 0)
		;
	if (n == -MSD_E_CANCELLED)
		return msd_fail(reterr, MSD_E_CANCELLED, "%s: interrupted", source->name);
	if (n < 0)
		return msd_fail_errno(reterr, (int)-n, "%s: reading it", source->name);
	sha256_digest(&source->sha256, MSD_SHA256_SIZE, ret);
	return 0;
}

size_t msd_source_suffix_len(const char *name, const char *packing)
{
	size_t len = strlen(name);

	for (unsigned i = 0; packing && i < N_PACKINGS; i++) {
		if (strcmp(packings[i].name, packing))
			continue;
		for (const char *const *s = packings[i].suffixes; *s; s++)
			if (len > strlen(*s) && !strcasecmp(name + len - strlen(*s), *s))
				return strlen(*s);
	}
	return 0;
}
