/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The FAT or exFAT volume of an image: the whole of it, or one of its partitions. */
#ifndef MSD_DISK_VOLUME_H
#define MSD_DISK_VOLUME_H

#include "base/damage.h"
#include "base/error.h"
#include "base/io.h"
#include "disk/ptable.h"
#include "fs/read.h"

struct msd_volume {
	struct msd_io *io;		/* the window on it */
	struct msd_fs *fs;
	uint64_t offset_bytes;		/* of the window in the image */
	unsigned partition;		/* 0: the whole image */
	struct msd_ptable ptable;
	struct msd_damage damage;	/* the caller's; fs tells offsets in the image through it */
};

/*
 * Opens the volume in io, which must outlive it: partition's, or with 0 the only one that
 * there is; EFI system partitions, and those of a GPT that get no drive letter, are left aside
 * when there is another. Damage is told with offsets in the image.
 *
 * Returns 0; -MSD_E_FORMAT when there is none (what there is in the message, what reads it in the
 * hint); -MSD_E_NOTFOUND without such a partition; -MSD_E_USAGE when several fit;
 * -MSD_E_DAMAGED; -ENOMEM; -errno.
 */
int msd_volume_open(struct msd_io *io, unsigned partition, const uint16_t *codepage,
		    const struct msd_damage *damage, struct msd_volume **ret,
		    struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_volume *msd_volume_close(struct msd_volume *volume);
void msd_volume_closep(struct msd_volume **volume);

#endif
