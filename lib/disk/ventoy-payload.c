/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The boot partition of a Ventoy release: unpacked while it is read, changed in memory. */
#include <errno.h>
#include <string.h>

#include "disk/ventoy-priv.h"
#include "disk/ventoy-source-priv.h"

/* Changes and what was looked at are kept in blocks of this size, KEPT_MAX of them. */
#define BLOCK 4096u
#define BLOCKS (VENTOY_BOOT_BYTES / BLOCK)
#define KEPT_MAX 1024u
#define CHUNK (1u << 20)

/* The packed file, as far as it has been unpacked. */
struct stream {
	struct ventoy_source *source;
	struct ventoy_xz *xz;
	uint64_t done;
};

struct ventoy_payload {
	const struct msd_ventoy_release *release;
	struct msd_io *io;
	struct stream stream;
	unsigned kept;
	uint8_t *block[BLOCKS];		/* NULL: as the release has it */
	struct msd_error err;		/* why the last read through io failed */
};

static void stream_close(struct stream *stream)
{
	stream->xz = ventoy_xz_close(stream->xz);
	stream->source = ventoy_source_close(stream->source);
	stream->done = 0;
}

static int stream_open(struct stream *stream, const struct msd_ventoy_release *release,
		       struct msd_error *err)
{
	const char *path = ventoy_release_path(release);
	enum ventoy_member member;
	int rc;

	stream_close(stream);
	rc = ventoy_source_open(path, &stream->source, err);
	if (rc < 0)
		return rc;
	do
		rc = ventoy_source_next(stream->source, &member, err);
	while (rc > 0 && member != VENTOY_MEMBER_DISK);
	if (rc == 0)
		return msd_fail(err, MSD_E_FAILED, "%s: changed while it was read", path);
	if (rc < 0)
		return rc;
	return ventoy_xz_open(stream->source, &stream->xz, err);
}

/* The next len bytes; with the last ones of the partition the file's end is checked. */
static int stream_read(struct stream *stream, void *buf, size_t len, struct msd_error *err)
{
	static const char wrong_size[] = "does not unpack to 32 MiB";
	size_t got, more = 0;
	uint8_t beyond;
	int rc = ventoy_xz_read(stream->xz, buf, len, &got, err);

	if (rc < 0)
		return rc;
	stream->done += got;
	if (got < len)
		return ventoy_source_fail(stream->source, err, wrong_size);
	if (stream->done < VENTOY_BOOT_BYTES)
		return 0;
	rc = ventoy_xz_read(stream->xz, &beyond, 1, &more, err);
	if (rc == 0 && more)
		return ventoy_source_fail(stream->source, err, wrong_size);
	return rc;
}

/* Unpacks, to nowhere, up to offset, which may lie behind or before what is unpacked. */
static int stream_seek(struct ventoy_payload *payload, uint64_t offset, struct msd_error *err)
{
	struct stream *stream = &payload->stream;
	uint8_t nowhere[4 * BLOCK];
	int rc = 0;

	if (!stream->xz || offset < stream->done)
		rc = stream_open(stream, payload->release, err);
	while (rc == 0 && stream->done < offset) {
		uint64_t left = offset - stream->done;

		rc = stream_read(stream, nowhere, left < sizeof(nowhere) ? (size_t)left : sizeof(nowhere), err);
	}
	return rc;
}

/* Keeps block number n. */
static int keep_block(struct ventoy_payload *payload, unsigned n)
{
	_cleanup_free_ uint8_t *block = NULL;
	int rc;

	if (payload->block[n])
		return 0;
	if (payload->kept == KEPT_MAX || !(block = malloc(BLOCK)))
		return msd_fail_errno(&payload->err, ENOMEM, "%s: too much of its file system",
				      ventoy_release_path(payload->release));
	rc = stream_seek(payload, (uint64_t)n * BLOCK, &payload->err);
	if (rc == 0)
		rc = stream_read(&payload->stream, block, BLOCK, &payload->err);
	if (rc < 0)
		return rc;
	payload->block[n] = msd_steal(block);
	payload->kept++;
	return 0;
}

/* Copies between buf and the kept blocks. */
static int transfer(struct ventoy_payload *payload, uint8_t *out, const uint8_t *in, size_t len,
		    uint64_t offset)
{
	while (len > 0) {
		unsigned n = (unsigned)(offset / BLOCK);
		size_t at = offset % BLOCK, part = len < BLOCK - at ? len : BLOCK - at;
		/* an errno is all that a window's operation can hand up */
		int rc = keep_block(payload, n);

		if (rc < 0)
			return rc == -ENOMEM ? rc : -EIO;
		if (in) {
			memcpy(payload->block[n] + at, in, part);
			in += part;
		} else {
			memcpy(out, payload->block[n] + at, part);
			out += part;
		}
		len -= part;
		offset += part;
	}
	return 0;
}

static int payload_pread(void *ctx, void *buf, size_t len, uint64_t offset)
{
	return transfer(ctx, buf, NULL, len, offset);
}

static int payload_pwrite(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	return transfer(ctx, NULL, buf, len, offset);
}

static int payload_sync(void *ctx)
{
	return 0;
}

static const struct msd_io_ops payload_ops = {
	.pread = payload_pread,
	.pwrite = payload_pwrite,
	.sync = payload_sync,
};

int ventoy_payload_open(const struct msd_ventoy_release *release, struct ventoy_payload **ret,
			struct msd_error *reterr)
{
	const char *path = ventoy_release_path(release);
	_cleanup_(ventoy_payload_closep) struct ventoy_payload *payload = calloc(1, sizeof(*payload));
	_cleanup_free_ char *name = NULL;

	if (!payload || asprintf(&name, "%s: %s", path, ventoy_member_name(VENTOY_MEMBER_DISK)) < 0)
		return msd_fail_on(reterr, ENOMEM, path);
	payload->release = release;
	if (msd_io_new(&payload_ops, payload, name, 0, VENTOY_BOOT_BYTES, &payload->io) < 0)
		return msd_fail_on(reterr, ENOMEM, path);
	*ret = msd_steal(payload);
	return 0;
}

struct ventoy_payload *ventoy_payload_close(struct ventoy_payload *payload)
{
	if (!payload)
		return NULL;
	msd_io_close(payload->io);
	stream_close(&payload->stream);
	for (unsigned n = 0; n < BLOCKS; n++)
		free(payload->block[n]);
	free(payload);
	return NULL;
}

void ventoy_payload_closep(struct ventoy_payload **payload)
{
	ventoy_payload_close(*payload);
}

struct msd_io *ventoy_payload_get_io(struct ventoy_payload *payload)
{
	return payload->io;
}

int ventoy_payload_fail(const struct ventoy_payload *payload, int rc, struct msd_error *reterr)
{
	if (payload->err.code) {
		if (reterr)
			*reterr = payload->err;
		return -payload->err.code;
	}
	/* an image that is not recognised is one thing, a release another */
	if (rc != -MSD_E_FORMAT && rc != -MSD_E_DAMAGED)
		return rc;
	if (reterr)
		reterr->code = MSD_E_FAILED;
	return -MSD_E_FAILED;
}

int ventoy_payload_check(struct ventoy_payload *payload, const struct msd_progress *progress,
			 struct msd_error *reterr)
{
	int rc = 0;

	for (uint64_t at = payload->stream.done; rc == 0 && at < VENTOY_BOOT_BYTES; at += CHUNK) {
		if (msd_progress(progress, at, VENTOY_BOOT_BYTES))
			return msd_fail(reterr, MSD_E_CANCELLED, "%s: stopped",
					msd_io_get_name(payload->io));
		rc = stream_seek(payload, at, reterr);
	}
	return rc < 0 ? rc : stream_seek(payload, VENTOY_BOOT_BYTES, reterr);
}

/* What has been kept, and maybe changed, takes the place of what comes from the release. */
static void overlay(const struct ventoy_payload *payload, uint8_t *chunk, uint64_t offset)
{
	for (size_t at = 0; at < CHUNK; at += BLOCK) {
		const uint8_t *block = payload->block[(offset + at) / BLOCK];

		if (block)
			memcpy(chunk + at, block, BLOCK);
	}
}

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

/* Writes the parts of a chunk that are not zero, each in one go. */
static int write_nonzero(struct msd_io *io, const uint8_t *chunk, uint64_t offset,
			 struct msd_error *err)
{
	for (size_t at = 0, end; at < CHUNK; at = end) {
		int rc;

		end = at + BLOCK;
		if (is_zero(chunk + at))
			continue;
		while (end < CHUNK && !is_zero(chunk + end))
			end += BLOCK;
		rc = msd_io_pwrite(io, chunk + at, end - at, offset + at, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int ventoy_payload_copy(struct ventoy_payload *payload, struct msd_io *io, uint64_t offset_bytes,
			bool fresh, const struct msd_progress *progress, struct msd_error *reterr)
{
	struct stream *stream = &payload->stream;
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	int rc = 0;

	if (!chunk)
		return msd_fail_on(reterr, ENOMEM, ventoy_release_path(payload->release));
	if (!stream->xz || stream->done > 0)
		rc = stream_open(stream, payload->release, reterr);
	for (uint64_t at = 0; rc == 0 && at < VENTOY_BOOT_BYTES; at += CHUNK) {
		if (msd_progress(progress, at, VENTOY_BOOT_BYTES))
			return msd_fail(reterr, MSD_E_CANCELLED, "%s: stopped",
					msd_io_get_name(io));
		rc = stream_read(stream, chunk, CHUNK, reterr);
		if (rc < 0)
			return rc;
		overlay(payload, chunk, at);
		rc = fresh ? write_nonzero(io, chunk, offset_bytes + at, reterr) :
			     msd_io_pwrite(io, chunk, CHUNK, offset_bytes + at, reterr);
	}
	if (rc == 0)
		msd_progress(progress, VENTOY_BOOT_BYTES, VENTOY_BOOT_BYTES);
	return rc;
}
