/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole new Ventoy disk with files in its data partition, planned and then written. */
#ifndef MSD_DISK_VENTOY_IMAGE_H
#define MSD_DISK_VENTOY_IMAGE_H

#include "disk/image.h"
#include "disk/ventoy.h"

/*
 * What a Ventoy disk has beside what any image has. Of the image's parameters, partition is MBR
 * or GPT, format.kind exFAT or FAT32, and format.label and cluster_bytes may be left out.
 */
struct msd_ventoy_image_params {
	struct msd_ventoy_release *release;	/* NULL: an empty boot partition, no boot code */
	uint64_t reserve_bytes;
	bool insecure;				/* secure boot off */
};

/*
 * The plan for such an image, as msd_image_plan() makes it for others; volume is the data
 * partition, and *ret_layout has the rest. Returns as that and msd_ventoy_plan().
 */
int msd_ventoy_image_plan(const struct msd_image_params *params,
			  const struct msd_ventoy_image_params *ventoy, struct msd_tree *tree,
			  struct msd_image_plan *ret_plan, struct msd_ventoy_layout *ret_layout,
			  struct msd_error *reterr);

/* Writes it all, as msd_image_write(). Returns as that and msd_ventoy_format(). */
int msd_ventoy_image_write(struct msd_io *io, const struct msd_image_params *params,
			   const struct msd_ventoy_image_params *ventoy,
			   const struct msd_image_plan *plan, const struct msd_ventoy_layout *layout,
			   struct msd_tree *tree, bool fresh, const struct msd_progress *progress,
			   struct msd_error *reterr);

#endif
