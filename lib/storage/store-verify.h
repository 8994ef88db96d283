/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is an image still what it was when it came? */
#ifndef MSD_STORAGE_STORE_VERIFY_H
#define MSD_STORAGE_STORE_VERIFY_H

#include "storage/store.h"

enum msd_verify_state {
	MSD_VERIFY_OK,		/* its checksum is the recorded one, and it reaches to its end */
	MSD_VERIFY_UNCHECKED,	/* nothing wrong to be seen, but no checksum to compare; see why */
	MSD_VERIFY_WRITING,	/* a process that can be seen is just writing it; see why */
	MSD_VERIFY_INCOMPLETE,	/* its upload was interrupted */
	MSD_VERIFY_DAMAGED,	/* not what was recorded, or ends early; see why */
};

struct msd_verify {
	enum msd_verify_state state;
	char why[512];		/* "" for OK */
};

/*
 * Reads all of an image and compares it with the checksum that put recorded; an image that was
 * written since, by a target host or by hand, has none that applies. Also looks whether its
 * ISO 9660 volume or its partitions go beyond its end. Returns 0; -MSD_E_NAME;
 * -MSD_E_NOTFOUND; -MSD_E_CANCELLED; -errno, -EIO for a medium that cannot be read.
 */
int msd_store_verify(struct msd_store *store, const char *name,
		     const struct msd_progress *progress, struct msd_verify *ret,
		     struct msd_error *reterr);

#endif
