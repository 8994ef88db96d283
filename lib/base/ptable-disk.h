/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partition tables as they lie on a disk: MBR, and GPT as the UEFI specification 2.10, section 5. */
#ifndef MSD_BASE_PTABLE_DISK_H
#define MSD_BASE_PTABLE_DISK_H

#include <stddef.h>

#include "base/bytes.h"

struct mbr_entry {
	uint8_t status;			/* 0x80: active */
	uint8_t first_chs[3];
	uint8_t type;
	uint8_t last_chs[3];
	le32 start;			/* in sectors; in an EBR from there or the extended partition */
	le32 n_sectors;
};

struct mbr {
	uint8_t code[440];
	le32 disk_id;
	uint8_t zero[2];
	struct mbr_entry entries[4];
	uint8_t signature[2];		/* 0x55 0xaa */
};
_Static_assert(sizeof(struct mbr) == 512, "MBR");
_Static_assert(offsetof(struct mbr, entries) == 446, "MBR entries");

enum {
	MBR_TYPE_EXTENDED = 0x05,
	MBR_TYPE_EXTENDED_LBA = 0x0f,
	MBR_TYPE_EXTENDED_LINUX = 0x85,
	MBR_TYPE_GPT = 0xee,
	MBR_TYPE_EFI = 0xef,
};

struct gpt_header {
	uint8_t signature[8];		/* "EFI PART" */
	le32 revision;
	le32 header_bytes;		/* 92 or more, all of it under header_crc */
	le32 header_crc;		/* with this field as zero */
	le32 reserved;
	le64 my_lba;
	le64 alternate_lba;
	le64 first_usable_lba;
	le64 last_usable_lba;
	uint8_t disk_guid[16];
	le64 entries_lba;
	le32 n_entries;
	le32 entry_bytes;		/* 128 times a power of two */
	le32 entries_crc;
};
_Static_assert(sizeof(struct gpt_header) == 92, "GPT header");

struct gpt_entry {
	uint8_t type[16];		/* all zero: not used */
	uint8_t guid[16];
	le64 first_lba;
	le64 last_lba;			/* inclusive */
	le64 attributes;
	le16 name[36];
};
_Static_assert(sizeof(struct gpt_entry) == 128, "GPT entry");

#endif
