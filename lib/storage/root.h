/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the images lie: the fstab line that is marked for it, or a configured folder. */
#ifndef MSD_STORAGE_ROOT_H
#define MSD_STORAGE_ROOT_H

#include "base/error.h"

struct libmnt_table;

#define MSD_FSTAB "/etc/fstab"
#define MSD_ROOT_DEFAULT "/var/lib/kvmd/msd"

struct msd_root {
	char *path;	/* the folder of the images: absolute, no "." or ".." in it */
	char *target;	/* mount point that is made rw and ro: path or above it; NULL: the
			   storage is no mount of its own, and nothing is remounted for it */
	char *user;	/* whom path belongs to, as fstab says; NULL: as it is */
	char *group;
};

/*
 * Finds the storage: the line of fstab with the option X-kvmd.otgmsd-root, -user or -group;
 * without one the folder path, which may be NULL for MSD_ROOT_DEFAULT. fstab is MSD_FSTAB, but
 * for tests; one that is not there has no lines. mounts, who has the table already; or NULL. A mounted file system is not touched when it
 * is the storage itself, so a hung server does not hang this.
 *
 * Returns 0 with *ret for msd_root_done. -MSD_E_NOTFOUND with what to type or to add to fstab:
 * several marked lines, a root outside its mount point, a folder or a mount that is missing.
 * -MSD_E_CONFIG: path is not absolute. -errno.
 */
int msd_root_read(const char *fstab, const char *path, struct libmnt_table *mounts,
		  struct msd_root *ret, struct msd_error *reterr);
void msd_root_done(struct msd_root *root);

#endif
