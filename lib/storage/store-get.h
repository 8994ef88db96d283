/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image goes out of the storage: to a file or a pipe, compressed on request. */
#ifndef MSD_STORAGE_STORE_GET_H
#define MSD_STORAGE_STORE_GET_H

#include "storage/store.h"

/* ".gz", ".xz", ".zst", ".bz2" for gzip, xz, zstd, bzip2; NULL for any other name. */
const char *msd_packing_get_suffix(const char *packing);

/*
 * Opens an image for reading. Refused while a drive can write it, but for snapshot: a clone of
 * its blocks that changes no more, on file systems that share blocks (btrfs, XFS, bcachefs),
 * for which the storage is held rw until msd_store_release. Returns 0 with the descriptor;
 * -MSD_E_NOTFOUND; -MSD_E_BUSY; -MSD_E_UNSAFE when it is not whole and not force;
 * -MSD_E_UNSUPPORTED for a snapshot; -errno.
 */
int msd_store_open_image(struct msd_store *store, const char *name, bool snapshot, bool force,
			 int *ret_fd, struct msd_error *reterr);

/*
 * Copies all of in to out, packed unless packing is NULL; name is for messages. What is zero
 * stays a hole when out is a new regular file. Returns 0; -MSD_E_UNSUPPORTED when libarchive
 * has no such packing; -MSD_E_CANCELLED; -EPIPE when the reader of a pipe has gone; -errno.
 */
int msd_store_copy_out(int in, int out, const char *name, const char *packing,
		       const struct msd_progress *progress, struct msd_error *reterr);

#endif
