/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the parts of a Ventoy disk lie. Units are sectors of 512 bytes, whatever the disk. */
#ifndef MSD_DISK_VENTOY_DISK_H
#define MSD_DISK_VENTOY_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define VENTOY_SECTOR 512u

/* The data partition begins here, and the boot partition right behind it. */
#define VENTOY_DATA_LBA 2048u
#define VENTOY_BOOT_SECTORS 65536u
#define VENTOY_BOOT_BYTES (VENTOY_BOOT_SECTORS * VENTOY_SECTOR)

/* core.img: from sector 1, or from 34 behind the GPT, up to the data partition. */
#define VENTOY_CORE_LBA_MBR 1u
#define VENTOY_CORE_LBA_GPT 34u
#define VENTOY_CORE_BYTES_MAX ((VENTOY_DATA_LBA - VENTOY_CORE_LBA_MBR) * VENTOY_SECTOR)
/* The byte of core.img that names the sector of its own rest. */
#define VENTOY_CORE_REST_OFFSET 500u

/* What the user has set on the disk: an update leaves it. */
#define VENTOY_SETTINGS_LBA 2040u

/* Behind the last sector of both partitions: the copy of the GPT. */
#define VENTOY_GPT_BACKUP_SECTORS 33u

struct ventoy_mbr_entry {
	uint8_t status;			/* 0x80: active */
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	le32 first_lba;
	le32 sectors;
};
_Static_assert(sizeof(struct ventoy_mbr_entry) == 16, "MBR entry");

#define VENTOY_TYPE_DATA 0x07
#define VENTOY_TYPE_BOOT 0xef
#define VENTOY_TYPE_PROTECTIVE 0xee
#define VENTOY_ACTIVE 0x80

/* Sector 0: boot code with holes that an installer fills, then what any MBR has. */
struct ventoy_sector0 {
	uint8_t head[0x30];		/* EB 63 90 and zeros */
	uint8_t code1[0x5c - 0x30];
	le64 core_lba;			/* an installer sets the lowest byte alone */
	uint8_t boot_drive;
	uint8_t code2[0x180 - 0x65];	/* the head's jump leads here */
	uint8_t uuid[16];		/* the disk's; 16 times 'X' in the template */
	uint8_t mark[16];		/* the same on every Ventoy disk */
	uint8_t code3[0x1b8 - 0x1a0];
	uint8_t signature[4];
	uint8_t zero[2];
	struct ventoy_mbr_entry entry[4];
	uint8_t magic[2];		/* 55 AA */
};
_Static_assert(sizeof(struct ventoy_sector0) == 512, "sector 0");
_Static_assert(offsetof(struct ventoy_sector0, core_lba) == 0x5c, "sector of core.img");
_Static_assert(offsetof(struct ventoy_sector0, code2) == 0x65, "where the first jump leads");
_Static_assert(offsetof(struct ventoy_sector0, uuid) == 0x180, "disk UUID");
_Static_assert(offsetof(struct ventoy_sector0, mark) == 0x190, "mark");
_Static_assert(offsetof(struct ventoy_sector0, signature) == 0x1b8, "disk signature");
_Static_assert(offsetof(struct ventoy_sector0, entry) == 0x1be, "partition table");

#define VENTOY_HEAD { 0xeb, 0x63, 0x90 }
#define VENTOY_MARK { 0x56, 0x54, 0x00, 0x47, 0x65, 0x00, 0x48, 0x44,                             \
		      0x00, 0x52, 0x64, 0x00, 0x20, 0x45, 0x72, 0x0d }

/* Bytes of boot.img that go into sector 0: all before the signature. */
#define VENTOY_BOOT_CODE_BYTES 440u

#endif
