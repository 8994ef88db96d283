/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sectors that tell what an image is, as they lie on the disk. */
#ifndef MSD_STORAGE_CONTENT_DISK_H
#define MSD_STORAGE_CONTENT_DISK_H

#include <stddef.h>

#include "base/bytes.h"

/* ECMA-119 8.4 */
struct content_iso_volume {
	uint8_t type;		/* 1: primary */
	uint8_t id[5];		/* "CD001" */
	uint8_t version, unused1;
	uint8_t system_id[32], volume_id[32], unused2[8];
	le32 blocks;
	uint8_t blocks_be[4], unused3[32];
	le32 volumes, volume_number;	/* two 16-bit numbers each, both byte orders */
	le16 block_size;
};
_Static_assert(offsetof(struct content_iso_volume, blocks) == 80, "ISO 9660 8.4.8");
_Static_assert(offsetof(struct content_iso_volume, block_size) == 128, "ISO 9660 8.4.12");

/* El Torito 1.0, figure 7 */
struct content_boot_record {
	uint8_t type;		/* 0 */
	uint8_t id[5];		/* "CD001" */
	uint8_t version;
	uint8_t system[32];	/* "EL TORITO SPECIFICATION" */
	uint8_t unused[32];
	le32 catalog_lba;
};
_Static_assert(offsetof(struct content_boot_record, catalog_lba) == 0x47, "El Torito figure 7");

#endif
