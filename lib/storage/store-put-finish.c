/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a put has brought: is it what was meant, and then under its name. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "storage/content.h"
#include "storage/usage.h"
#include "store-put-priv.h"

static int check_size(const struct put *put, struct msd_error *err)
{
	uint64_t want = put->params->size_bytes, got = msd_source_get_arrived(put->source);
	uint64_t total = msd_source_get_total(put->source);

	if (!got)	/* cloned */
		got = put->written;
	if (total && total != got)
		return msd_fail(err, MSD_E_FAILED, "%s: was written while it was read",
				put->params->source);
	if (want && want != got)
		return msd_fail(err, MSD_E_DAMAGED, "%s: should be %" PRIu64 " bytes and is %" PRIu64
				", the transfer was cut", put->params->source, want, got);
	return 0;
}

/* Is it what was published? Size first: a checksum is wrong for every reason. */
static int check_arrived(struct put *put, struct msd_error *err)
{
	char want[MSD_SHA256_HEX_SIZE], got[MSD_SHA256_HEX_SIZE];
	uint8_t arrived[MSD_SHA256_SIZE];
	bool packed = msd_source_get_packing(put->source);
	int rc = packed ? msd_source_end(put->source, arrived, err) : 0;

	if (put->hashing)
		msd_digest_end(put->digest, put->sha256);
	if (rc == 0)
		rc = check_size(put, err);
	if (rc < 0 || !put->params->has_sha256)
		return rc;
	if (!packed)
		memcpy(arrived, put->sha256, sizeof(arrived));
	if (!memcmp(arrived, put->params->sha256, sizeof(arrived)))
		return 0;
	put->wrong = true;
	msd_fail(err, MSD_E_DAMAGED, "%s: SHA-256 should be %s and is %s", put->params->source,
		 msd_sha256_format(put->params->sha256, want), msd_sha256_format(arrived, got));
	msd_hint(err, "fetch it again, unless the checksum is that of another file%s",
		 packed ? " (it must be of the packed one)" : "");
	return -MSD_E_DAMAGED;
}

/* A pipe that breaks looks like the end of the image; the image itself may know better. */
static int check_content(const struct put *put, struct msd_error *err)
{
	char text[2][MSD_SIZE_TEXT];
	struct msd_content content;
	int rc = msd_content_read(put->fd, put->written, &content);

	if (rc < 0)
		return msd_fail_errno(err, -rc, "%s: reading it back", put->place.name);
	if (put->written == 0)
		return msd_fail(err, MSD_E_DAMAGED, "%s: is empty", put->params->source);
	if (put->params->force || content.claims_bytes <= put->written)
		return 0;
	msd_format_sizes((const uint64_t[]){ put->written, content.claims_bytes }, 2, text);
	msd_fail(err, MSD_E_DAMAGED, "%s: ends after %s, but its %s goes on to %s: the image was cut",
		 put->params->source, text[0], content.claimant, text[1]);
	msd_hint(err, "fetch it again; --force takes it as it is");
	return -MSD_E_DAMAGED;
}

/* As the image before it, else as its folder: kvmd runs as the user that the storage is for. */
static void give_owner(const struct put *put)
{
	mode_t mask = umask(0), mode = put->replaces ? put->old.st_mode & 0777 : 0666 & ~mask;
	struct stat like = put->old;

	umask(mask);
	if (!put->replaces && fstat(put->place.dirfd, &like) < 0)
		return;
	/* who may not give it away keeps it */
	if (fchown(put->fd, like.st_uid, like.st_gid) == 0 || errno == EPERM)
		fchmod(put->fd, mode);
}

static int sync_folder(const struct put *put, struct msd_error *err)
{
	/* file systems that cannot do it (EINVAL) have nothing to be synced */
	if (fsync(put->place.dirfd) == 0 || errno == EINVAL)
		return 0;
	return msd_fail_errno(err, errno, "%s: writing its folder to the disk", put->place.name);
}

static int rename_part(const struct put *put, struct msd_error *err)
{
	const struct store_place *place = &put->place;
	bool may_replace = put->replaces || put->params->force;
	int rc;

	rc = renameat2(place->dirfd, place->part, place->dirfd, place->base,
		       may_replace ? 0 : RENAME_NOREPLACE);
	/* NFS and others have no such flag */
	if (rc < 0 && errno == EINVAL && store_place_stat(place, place->base, NULL) == 0)
		rc = renameat(place->dirfd, place->part, place->dirfd, place->base);
	if (rc < 0 && errno == EEXIST)
		return put_fail_taken(put, err);
	if (rc < 0)
		return msd_fail_errno(err, errno, "%s: giving it its name", place->name);
	return 0;
}

static void tell(const struct put *put)
{
	const char *packing = msd_source_get_packing(put->source);
	char hex[MSD_SHA256_HEX_SIZE];

	msd_log(put->log, MSD_LOG_STEP, "%s: %" PRIu64 " bytes%s%s%s%s", put->place.name,
		put->written, packing ? ", unpacked with " : "", packing ? packing : "",
		put->hashing ? ", SHA-256 " : "",
		put->hashing ? msd_sha256_format(put->sha256, hex) : "");
}

/* The order is all: data, name, and only then the marker goes. */
int put_finish(struct put *put, struct msd_error *err)
{
	const struct store_place *place = &put->place;
	struct stat st;
	int rc = check_arrived(put, err);

	if (rc == 0)
		rc = check_content(put, err);
	if (rc < 0)
		return rc;
	give_owner(put);
	if (fsync(put->fd) < 0)
		return errno == ENOSPC ? put_fail_no_room(put, 0, err) :
		       msd_fail_errno(err, errno, "%s: writing it to the disk", place->name);
	/* a put that took long: a drive may have the old image by now */
	rc = put->replaces ? msd_usage_check(place->path, true, err) : 0;
	if (rc == 0)
		rc = rename_part(put, err);
	if (rc < 0)
		return rc;
	put->marked = false;		/* from here on the image is there */
	if (put->hashing && fstat(put->fd, &st) == 0)
		store_sum_write(place, put->sha256, &st.st_mtim);
	else
		unlinkat(place->dirfd, place->sum, 0);
	rc = sync_folder(put, err);
	if (rc < 0)
		return rc;
	if (unlinkat(place->dirfd, place->marker, 0) < 0 && errno != ENOENT)
		return msd_fail_errno(err, errno, "%s: is whole, but its marker '%s' stays",
				      place->name, place->marker);
	tell(put);
	return sync_folder(put, err);
}
