/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole disk image: partition table, file system and files, planned and then written. */
#ifndef MSD_DISK_IMAGE_H
#define MSD_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "disk/ptable-write.h"
#include "fs/format.h"
#include "fs/tree.h"

struct msd_image_params {
	bool raw;			/* nothing in it: all of format but sector_bytes is not used */
	uint64_t size_bytes;		/* of the image; 0: as large as the tree needs */
	enum msd_ptable_make partition;
	bool active;
	uint8_t seed[16];		/* of the partition table's ids */
	struct msd_format_params format;	/* its sizes and places are this plan's to fill */
};

struct msd_image_plan {
	uint64_t size_bytes;		/* of the image */
	uint64_t volume_start_bytes, volume_bytes;
	uint8_t mbr_type;
	struct msd_format_params format;
	struct msd_fs_layout layout;	/* not of a raw one */
};

/*
 * Seed and serial number. From epoch_s, what is in params and, with has_serial, the serial there, so
 * that the same arguments give the same bytes; or random without either. Returns 0 or -errno.
 */
int msd_image_make_ids(struct msd_image_params *params, bool has_epoch, int64_t epoch_s,
		       bool has_serial);

/* Pure but for the places that tree's nodes get. Returns as msd_format_plan(). */
int msd_image_plan(const struct msd_image_params *params, struct msd_tree *tree,
		   struct msd_image_plan *ret_plan, struct msd_error *reterr);

/*
 * Writes it all to io, a window of plan.size_bytes; fresh as for msd_format_write(). Returns as
 * that and msd_ptable_write().
 */
int msd_image_write(struct msd_io *io, const struct msd_image_params *params,
		    const struct msd_image_plan *plan, struct msd_tree *tree, bool fresh,
		    const struct msd_progress *progress, struct msd_error *reterr);

#endif
