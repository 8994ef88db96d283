/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image holds: CD or disk, file system and label, what boots from it, how far it reaches. */
#ifndef MSD_STORAGE_CONTENT_H
#define MSD_STORAGE_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Plain memory: it travels through a pipe from the process that read the image. */
struct msd_content {
	bool cd;		/* ISO 9660 or UDF, for a CD drive; else for a flash drive */
	bool hybrid;		/* a CD that has a partition table too */
	bool bios, uefi;	/* boots there, as the drive that cd names */
	char fstype[16];	/* as libblkid calls it; "" when not recognised */
	char label[128];	/* "" when it has none */
	uint64_t claims_bytes;	/* where its volume or last partition ends; 0: says nothing */
	char claimant[16];	/* who says so: "ISO volume", "GPT", "MBR" */
};

/*
 * Reads some ten sectors of the image on fd, of size_bytes. With partitions, file system and
 * label are those of the largest one. Moves the offset of fd. An image that nothing is known about is no error.
 * Returns 0, -ENOMEM or the -errno of a read.
 *
 * ISO 9660: ECMA-119 8.4. El Torito 1.0, section 2. MBR and GPT: UEFI 2.10, chapter 5.
 */
int msd_content_read(int fd, uint64_t size_bytes, struct msd_content *ret);

#endif
