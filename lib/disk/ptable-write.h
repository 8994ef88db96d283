/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new partition table, by libfdisk. */
#ifndef MSD_DISK_PTABLE_WRITE_H
#define MSD_DISK_PTABLE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

enum msd_ptable_make { MSD_PTABLE_MAKE_NONE, MSD_PTABLE_MAKE_MBR, MSD_PTABLE_MAKE_GPT };

struct msd_ptable_make_partition {
	uint64_t start_bytes, size_bytes;	/* whole sectors */
	uint8_t mbr_type;			/* GPT: always Microsoft basic data */
	bool active;				/* GPT: "legacy BIOS bootable" */
	const char *name;			/* GPT; NULL for none */
	bool no_letter;				/* GPT: Windows shall not show it */
};

#define MSD_PTABLE_MAKE_MAX 2

struct msd_ptable_make_params {
	enum msd_ptable_make kind;
	uint32_t sector_bytes;
	uint8_t seed[16];			/* of the ids: the same seed, the same bytes */
	const char *first_lba;			/* GPT: the first usable sector; NULL: libfdisk's choice */
	unsigned n_partitions;
	struct msd_ptable_make_partition partitions[MSD_PTABLE_MAKE_MAX];
};

/*
 * Writes table and partitions to an image or device of which io is the whole. Returns 0;
 * -MSD_E_FAILED when libfdisk refuses; -errno.
 */
int msd_ptable_write(struct msd_io *io, const struct msd_ptable_make_params *params,
		     struct msd_error *reterr);

#endif
