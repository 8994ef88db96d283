/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of SHA-256 checksums, as sha256sum writes and publishers sign them. */
#ifndef MSD_STORAGE_SUMS_H
#define MSD_STORAGE_SUMS_H

#include "base/error.h"
#include "storage/digest.h"

/*
 * Looks name up in such a file: "HEX  NAME", "HEX *NAME", "\HEX  NAME" with escapes, or
 * "SHA256 (NAME) = HEX", by the last component of NAME. All other lines are passed over, such
 * as those of a signature. Returns 0; -MSD_E_NOTFOUND when no line names it; -MSD_E_DAMAGED
 * when several do and differ; -errno.
 */
int msd_sums_find(int dirfd, const char *path, const char *name, uint8_t ret[MSD_SHA256_SIZE],
		  struct msd_error *reterr);

/* The line that sha256sum would print for name, escaped as it does, to be freed. NULL: no memory. */
char *msd_sums_format(const uint8_t sha256[MSD_SHA256_SIZE], const char *name);

#endif
