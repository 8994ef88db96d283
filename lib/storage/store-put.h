/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image comes into the storage, whole or not at all. */
#ifndef MSD_STORAGE_STORE_PUT_H
#define MSD_STORAGE_STORE_PUT_H

#include "storage/digest.h"
#include "storage/store.h"

struct msd_put_params {
	int fd;				/* of what is put; stays the caller's */
	const char *source;		/* what to call it in messages */
	const char *path;		/* of the file that fd is; NULL for a pipe */
	const char *name;		/* of the image, below the storage */
	bool trim_suffix;		/* name loses ".xz" when it is unpacked */
	bool as_is;			/* not unpacked */
	bool resume;			/* go on where one stopped, and keep what there is after a failure */
	bool force;			/* takes the place of one of that name; may end early */
	bool no_checksum;		/* records none, and so may clone instead of copy */
	bool has_sha256;		/* what arrives must have this checksum */
	uint8_t sha256[MSD_SHA256_SIZE];
	uint64_t size_bytes;		/* what arrives must be so long; 0: not known */
};

/*
 * Puts an image; the storage is held rw from here to msd_store_release. It arrives under a
 * hidden name, with kvmd's marker beside it, and gets its own name when all of it is on the
 * disk and its checksum is right; so whatever ends the work leaves the old image or none. A
 * whole image of that name keeps its place, without a marker, until then. What an earlier put
 * left is compared, not trusted: a resumed one reads its source from the beginning and writes
 * only what differs.
 *
 * After a failure nothing is left of it, but with resume what has arrived stays.
 *
 * Returns 0; -MSD_E_NAME; -MSD_E_NOTFOUND (folder); -MSD_E_UNSAFE when the
 * name is taken and not force; -MSD_E_BUSY when a drive or another put has it, or a drive can
 * write what is put; -MSD_E_TOOBIG
 * for a file that the file system cannot hold; -ENOSPC; -MSD_E_DAMAGED when checksum or size
 * are not right, packed data is broken, or the image ends before its own volume or partition
 * does and not force; -MSD_E_CANCELLED; -errno.
 */
int msd_store_put(struct msd_store *store, const struct msd_put_params *params,
		  const struct msd_progress *progress, struct msd_error *reterr);

#endif
