/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image comes from: a file or a pipe, as it is or unpacked on the way. */
#ifndef MSD_STORAGE_STORE_SOURCE_H
#define MSD_STORAGE_STORE_SOURCE_H

#include <sys/types.h>

#include "base/progress.h"
#include "storage/digest.h"

struct msd_source;

/*
 * Looks at the first bytes behind fd, which stays the caller's: gzip, bzip2, xz and Zstandard
 * are unpacked unless as_is. hashing: what is packed is hashed as it arrives. name is for
 * messages and copied; progress (NULL is fine) is asked whether to stop while a pipe gives
 * nothing. Returns 0; -MSD_E_FORMAT for a folder; -MSD_E_CANCELLED; -ENOMEM; -errno.
 */
int msd_source_open(int fd, const char *name, bool as_is, bool hashing,
		    const struct msd_progress *progress, struct msd_source **ret,
		    struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_source *msd_source_close(struct msd_source *source);
void msd_source_closep(struct msd_source **source);

/* "gzip", "bzip2", "xz", "zstd"; NULL when it is not unpacked. */
const char *msd_source_get_packing(const struct msd_source *source);

/* How much arrives in all, 0 when nobody knows; and how much has arrived so far. */
uint64_t msd_source_get_total(const struct msd_source *source);
uint64_t msd_source_get_arrived(const struct msd_source *source);

/*
 * Fills buf, whole blocks but for the last. Returns how much it is, 0 at the end;
 * -MSD_E_DAMAGED when what is packed is broken or ends early; -MSD_E_CANCELLED; -errno.
 */
ssize_t msd_source_read(struct msd_source *source, void *buf, size_t len,
			struct msd_error *reterr);

/*
 * SHA-256 of all packed data, to its end, when it was opened with hashing. Returns 0;
 * -MSD_E_CANCELLED; -errno.
 */
int msd_source_end(struct msd_source *source, uint8_t ret[MSD_SHA256_SIZE],
		   struct msd_error *reterr);

/*
 * Length of the suffix that goes when a file is unpacked: 3 for "debian.img.xz" and "xz", 0
 * when name has none of that packing.
 */
size_t msd_source_suffix_len(const char *name, const char *packing);

#endif
