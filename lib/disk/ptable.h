/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partition tables: what is where on a disk image that anybody may have made. */
#ifndef MSD_DISK_PTABLE_H
#define MSD_DISK_PTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/damage.h"
#include "base/error.h"
#include "base/io.h"

enum msd_ptable_kind { MSD_PTABLE_NONE, MSD_PTABLE_MBR, MSD_PTABLE_GPT };

/* More than these are passed over, and told as damage. */
#define MSD_PARTITIONS_MAX 256

struct msd_partition {
	unsigned number;		/* as Linux counts: MBR 1 to 4, logical ones from 5 */
	uint64_t offset_bytes;
	uint64_t size_bytes;		/* what of it lies within the image */
	bool active;			/* MBR only */
	bool efi;			/* an EFI system partition */
	uint8_t mbr_type;		/* MBR only */
	uint8_t gpt_type[16];		/* GPT only */
	uint64_t gpt_attributes;	/* GPT only */
};

struct msd_ptable {
	enum msd_ptable_kind kind;
	unsigned sector_bytes;		/* 512 or 4096 */
	unsigned n_partitions;
	struct msd_partition partitions[MSD_PARTITIONS_MAX];
};

/*
 * Reads the partition table of io, a whole disk: MBR with logical partitions, or GPT, from its
 * second header when the first is damaged. Partitions that begin beyond the end are left out;
 * that, overlaps, loops and bad checksums are told to damage, which may be NULL. A disk
 * without a table is kind MSD_PTABLE_NONE. Returns 0, -ENOMEM, -EIO or another -errno of reading.
 */
int msd_ptable_read(struct msd_io *io, const struct msd_damage *damage, struct msd_ptable *ret,
		    struct msd_error *reterr);

/* "none", "mbr", "gpt" */
const char *msd_ptable_get_kind_name(enum msd_ptable_kind kind);

#endif
