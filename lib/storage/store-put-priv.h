/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the two halves of a put share: how an image arrives, and how it gets its name. */
#ifndef MSD_STORAGE_STORE_PUT_PRIV_H
#define MSD_STORAGE_STORE_PUT_PRIV_H

#include "storage/store-put.h"
#include "storage/store-source.h"
#include "store-priv.h"

struct put {
	const struct msd_put_params *params;
	const struct msd_progress *progress;
	const struct msd_log *log;
	struct store_place place;
	struct msd_source *source;
	struct msd_digest *digest;
	int fd;				/* the part, locked */
	struct stat old;		/* of the image whose place it takes */
	bool replaces, old_complete;
	bool marked;			/* the marker is ours to remove */
	bool known;			/* total is the size of the image, not of what is packed */
	bool hashing;
	bool wrong;			/* not what it should be: no use in keeping it */
	void *there;			/* a block of what was present */
	uint64_t total;
	uint64_t present;		/* of the part before we came */
	uint64_t written, reserved;
	uint64_t max_bytes;		/* of a file there */
	uint8_t sha256[MSD_SHA256_SIZE];
};

/* need: how much there is no room for, 0 when the end came while it was written. */
int put_fail_no_room(const struct put *put, uint64_t need, struct msd_error *err);
int put_fail_taken(const struct put *put, struct msd_error *err);

/* Checks what has arrived and puts it under its name. */
int put_finish(struct put *put, struct msd_error *err);

#endif
