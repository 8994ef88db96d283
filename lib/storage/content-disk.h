/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sectors that tell what an image is, as they lie on the disk. */
#ifndef MSD_STORAGE_CONTENT_DISK_H
#define MSD_STORAGE_CONTENT_DISK_H

#include <stddef.h>

#include "base/bytes.h"

/* UEFI 2.10, table 5.1 and 5.2 */
struct content_mbr_entry {
	uint8_t status;		/* 0x80: active */
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	le32 start_lba;
	le32 sectors;
};

struct content_mbr {
	uint8_t code[440];
	le32 disk_id;
	uint8_t reserved[2];
	struct content_mbr_entry entries[4];
	uint8_t signature[2];	/* 0x55 0xaa */
};
_Static_assert(sizeof(struct content_mbr) == 512, "MBR");
_Static_assert(offsetof(struct content_mbr, entries) == 446, "MBR entries");

/* UEFI 2.10, table 5.5 */
struct content_gpt_header {
	uint8_t signature[8];	/* "EFI PART" */
	le32 revision, header_size, header_crc, reserved;
	le64 my_lba, alternate_lba, first_lba, last_lba;
	uint8_t disk_guid[16];
	le64 entries_lba;
	le32 entries_n, entry_size, entries_crc;
};
_Static_assert(offsetof(struct content_gpt_header, entries_lba) == 72, "GPT header");

/* UEFI 2.10, table 5.6 */
struct content_gpt_entry {
	uint8_t type[16], guid[16];
	le64 first_lba, last_lba, attributes;
	uint8_t name[72];
};
_Static_assert(sizeof(struct content_gpt_entry) == 128, "GPT entry");

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
