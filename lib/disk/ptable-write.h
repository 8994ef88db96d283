/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A partition table with one partition, by libfdisk. */
#ifndef MSD_DISK_PTABLE_WRITE_H
#define MSD_DISK_PTABLE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

enum msd_ptable_make { MSD_PTABLE_MAKE_NONE, MSD_PTABLE_MAKE_MBR, MSD_PTABLE_MAKE_GPT };

struct msd_ptable_make_params {
	enum msd_ptable_make kind;
	uint32_t sector_bytes;
	uint64_t start_bytes, size_bytes;	/* of the partition; whole sectors */
	uint8_t mbr_type;			/* GPT: always Microsoft basic data */
	bool active;				/* GPT: "legacy BIOS bootable" */
	uint8_t seed[16];			/* of the ids: the same seed, the same bytes */
};

/*
 * Writes table and partition to an image or device of which io is the whole. Returns 0;
 * -MSD_E_FAILED when libfdisk refuses; -errno.
 */
int msd_ptable_write(struct msd_io *io, const struct msd_ptable_make_params *params,
		     struct msd_error *reterr);

#endif
