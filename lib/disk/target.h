/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a new image is written: a file that replaces the old one at the end, or a block device. */
#ifndef MSD_DISK_TARGET_H
#define MSD_DISK_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/replace.h"

struct msd_target;

struct msd_target_params {
	struct msd_replace_params file;
	bool sparse;		/* do not preallocate; else a file system that cannot gets a warning */
	bool device;		/* a block device may be written */
	bool may_be_sparse;	/* the user has --sparse to choose */
	uint64_t content_bytes;	/* what is to be written of it then, at least */
};

/*
 * What path is now. *ret_size_bytes: of a block device, 0 for anything else;
 * *ret_sector_bytes: its logical sectors, else 0. Returns 0 or -errno (none when it is missing).
 */
int msd_target_look(const char *path, uint64_t *ret_size_bytes, uint32_t *ret_sector_bytes,
		    struct msd_error *reterr);

/*
 * Opens a target of size_bytes; on a block device the first and last MiB are zeroed, so that
 * nothing old is found there. Nothing is under the name path before the commit, but for a device.
 *
 * Returns 0; -MSD_E_UNSAFE for a block device without params.device; -MSD_E_BUSY for one in
 * use; -MSD_E_TOOBIG for one that is smaller; as msd_replace_open(); -ENOSPC with the room that
 * there is; -errno.
 */
int msd_target_open(const char *path, uint64_t size_bytes, const struct msd_target_params *params,
		    const struct msd_log *log, struct msd_target **ret, struct msd_error *reterr);

/* A window on all of it; stays the target's. */
struct msd_io *msd_target_get_io(const struct msd_target *target);

/* Does it read as zeros where nothing was written? */
bool msd_target_is_fresh(const struct msd_target *target);

/* Gives it its name. Returns as msd_replace_commit(); -ENOSPC as msd_target_open(). */
int msd_target_commit(struct msd_target *target, bool sync, struct msd_error *reterr);

/* Without a commit nothing is left of a file. NULL is fine. Returns NULL. */
struct msd_target *msd_target_close(struct msd_target *target);
void msd_target_closep(struct msd_target **target);

#endif
