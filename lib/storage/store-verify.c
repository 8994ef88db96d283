/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is an image still what it was when it came? */
#include "storage/store-verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "storage/content.h"
#include "store-priv.h"
#include "storage/usage.h"
#include "storage/writers.h"

#define FAT_GRAIN_S 2		/* FAT keeps even seconds only */

static int found(struct msd_verify *ret, enum msd_verify_state state, const char *fmt, ...)
	MSD_PRINTF(3, 4);
static int found(struct msd_verify *ret, enum msd_verify_state state, const char *fmt, ...)
{
	va_list ap;

	ret->state = state;
	va_start(ap, fmt);
	vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
	return 0;
}

static int hash_all(int fd, const char *name, uint64_t size, const struct msd_progress *progress,
		    uint8_t ret[MSD_SHA256_SIZE], struct msd_error *err)
{
	_cleanup_(msd_digest_freep) struct msd_digest *digest = NULL;
	uint64_t done = 0;
	int rc = msd_digest_new(true, &digest);

	if (rc < 0)
		return msd_fail_on(err, -rc, name);
	for (;;) {
		void *buf = msd_digest_get_buffer(digest);
		ssize_t n = pread(fd, buf, MSD_DIGEST_BLOCK, (off_t)done);

		if (msd_progress(progress, done, size))
			return msd_fail(err, MSD_E_CANCELLED, "%s: interrupted", name);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return msd_fail_errno(err, errno, "%s: reading it at %llu", name,
					      (unsigned long long)done);
		if (n == 0)
			break;
		msd_digest_add(digest, (size_t)n);
		done += (uint64_t)n;
	}
	msd_digest_end(digest, ret);
	return 0;
}

/*
 * The file of the checksum has the time that the image had, and lies beside it, so what keeps one
 * keeps the other. Only FAT may have cut one already that it still has in memory as it was.
 */
static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec)
		return true;
	if ((a->tv_nsec || a->tv_sec % FAT_GRAIN_S) && (b->tv_nsec || b->tv_sec % FAT_GRAIN_S))
		return false;
	return llabs((long long)(a->tv_sec - b->tv_sec)) <= FAT_GRAIN_S;
}

/* Returns 1 with the checksum that applies to the image of st, 0 with why there is none. */
static int read_sum(const struct store_place *place, const struct stat *st,
		    uint8_t ret[MSD_SHA256_SIZE], struct msd_verify *verify)
{
	struct timespec time;

	if (store_sum_read(place, ret, &time) < 0)
		return found(verify, MSD_VERIFY_UNCHECKED, "no checksum was recorded");
	if (!is_same_time(&time, &st->st_mtim))
		return found(verify, MSD_VERIFY_UNCHECKED,
			     "written since it was put, its checksum no longer applies");
	return 1;
}

/* Does it end before what is on it? Returns 1 when it does, 0, -errno. */
static int check_end(int fd, const char *name, uint64_t size, struct msd_verify *verify,
		     struct msd_error *err)
{
	char text[2][MSD_SIZE_TEXT];
	struct msd_content content;
	int rc = msd_content_read(fd, size, &content);

	if (rc < 0)
		return msd_fail_errno(err, -rc, "%s: reading it", name);
	if (content.claims_bytes <= size)
		return 0;
	msd_format_sizes((const uint64_t[]){ size, content.claims_bytes }, 2, text);
	found(verify, MSD_VERIFY_DAMAGED, "ends after %s, but its %s goes on to %s", text[0],
	      content.claimant, text[1]);
	return 1;
}

static int verify_file(const struct store_place *place, int fd,
		       const struct msd_progress *progress, struct msd_verify *ret,
		       struct msd_error *err)
{
	uint8_t recorded[MSD_SHA256_SIZE], is[MSD_SHA256_SIZE];
	char a[MSD_SHA256_HEX_SIZE], b[MSD_SHA256_HEX_SIZE];
	struct msd_error busy;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return msd_fail_os(err, place->name);
	if (!S_ISREG(st.st_mode))
		return msd_fail(err, MSD_E_FORMAT, "%s: is a folder or device, not an image",
				place->name);
	rc = check_end(fd, place->name, (uint64_t)st.st_size, ret, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = msd_usage_check(place->path, false, &busy);
	if (rc == -MSD_E_BUSY)
		return found(ret, MSD_VERIFY_UNCHECKED, "%s", busy.msg);
	if (rc == 0)
		rc = read_sum(place, &st, recorded, ret);
	if (rc <= 0)
		return rc;
	rc = hash_all(fd, place->name, (uint64_t)st.st_size, progress, is, err);
	if (rc < 0)
		return rc;
	if (memcmp(recorded, is, sizeof(is)))
		return found(ret, MSD_VERIFY_DAMAGED, "SHA-256 was %s when it was put and is %s",
			     msd_sha256_format(recorded, a), msd_sha256_format(is, b));
	return found(ret, MSD_VERIFY_OK, "%s", "");
}

/* An upload that is not finished: does anybody still write it, here or under its own name? */
static int verify_upload(const struct store_place *place, struct msd_verify *ret)
{
	_cleanup_free_ char *folder = strndup(place->path, strlen(place->path) - strlen(place->base) - 1);
	struct msd_writer *writers = NULL;
	size_t n = 0;

	found(ret, MSD_VERIFY_INCOMPLETE, "its upload was interrupted");
	if (folder)
		msd_writers_read_below(folder, &writers, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		const char *file = strrchr(writers[i].path, '/');

		if (file && (!strcmp(file + 1, place->base) || !strcmp(file + 1, place->part)))
			found(ret, MSD_VERIFY_WRITING, "is being written by %s (pid %d)", writers[i].name,
			      (int)writers[i].pid);
	}
	msd_writers_free(writers, n);
	return 0;
}

int msd_store_verify(struct msd_store *store, const char *name,
		     const struct msd_progress *progress, struct msd_verify *ret,
		     struct msd_error *reterr)
{
	_cleanup_(store_place_close) struct store_place place = STORE_PLACE_NONE;
	_cleanup_close_ int fd = -1;
	int rc = store_place_open(store, name, &place, reterr);

	if (rc < 0)
		return rc;
	if (store_place_stat(&place, place.marker, NULL) == 1 &&
	    (store_place_stat(&place, place.base, NULL) == 1 ||
	     store_place_stat(&place, place.part, NULL) == 1))
		return verify_upload(&place, ret);
	fd = openat(place.dirfd, place.base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
		msd_fail(reterr, MSD_E_NOTFOUND, "%s: no such image in the storage", name);
		msd_hint(reterr, "msd-store list");
		return -MSD_E_NOTFOUND;
	}
	if (fd < 0)
		return msd_fail_os(reterr, name);
	return verify_file(&place, fd, progress, ret, reterr);
}
