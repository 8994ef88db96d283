/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a storage that becomes writable is put right in: whom it belongs to, old folders in it. */
#ifndef MSD_STORAGE_LAYOUT_H
#define MSD_STORAGE_LAYOUT_H

#include <sys/types.h>

#include "base/error.h"
#include "base/log.h"
#include "storage/root.h"

struct msd_owner {
	uid_t uid;	/* (uid_t)-1: stays as it is */
	gid_t gid;	/* (gid_t)-1: stays as it is */
};

/*
 * The ids of the names or numbers in root. Returns 0; -MSD_E_CONFIG: there is no such user or
 * group; -errno.
 */
int msd_owner_read(const struct msd_root *root, struct msd_owner *ret, struct msd_error *reterr);

/*
 * Gives the folder of the images to owner and moves what old versions of kvmd left: images/ and
 * meta/ into the folder itself, with a marker .__NAME.incomplete for an image that has no
 * meta/NAME.complete; .__NAME.complete is removed. Follows no link within the mount point, since
 * the folder belongs to a user and this runs as root. Each change is a step in log; what could
 * not be changed (a file system without owners, a name that is taken) is a warning.
 *
 * Returns 0, -errno when the folder cannot be opened.
 */
int msd_layout_update(const struct msd_root *root, const struct msd_owner *owner,
		      const struct msd_log *log, struct msd_error *reterr);

#endif
