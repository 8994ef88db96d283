/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exFAT as it lies on a disk: Microsoft's "exFAT file system specification" 1.00. */
#ifndef MSD_FS_EXFAT_DISK_H
#define MSD_FS_EXFAT_DISK_H

#include <stddef.h>

#include "base/bytes.h"

/* 2: the main boot region, and the same again as the backup one, in sectors */
#define EXFAT_BOOT_SECTORS 12u		/* boot, 8 extended, OEM parameters, reserved, checksum */
#define EXFAT_CHECKSUM_SECTOR 11u
#define EXFAT_FAT_OFFSET_MIN (2 * EXFAT_BOOT_SECTORS)

/* 3.1.5, 3.1.9, 3.1.14, 3.1.15: limits */
#define EXFAT_VOLUME_BYTES_MIN (1u << 20)
#define EXFAT_CLUSTERS_MAX 0xFFFFFFF5u	/* numbers 2 … 0xFFFFFFF6 */
#define EXFAT_CLUSTER_BYTES_MAX (32u << 20)
#define EXFAT_FIRST_CLUSTER 2u

/* 3.1.13 */
#define EXFAT_FLAG_SECOND_FAT 0x0001
#define EXFAT_FLAG_DIRTY 0x0002
#define EXFAT_FLAG_MEDIA_FAILURE 0x0004

#define EXFAT_REVISION 0x0100
#define EXFAT_BOOT_SIGNATURE 0xAA55
#define EXFAT_EXTENDED_SIGNATURE 0xAA550000u	/* the last 4 bytes of an extended boot sector */
#define EXFAT_PERCENT_UNKNOWN 0xFF

/* 3.1 */
struct exfat_boot_sector {
	uint8_t jump[3];
	uint8_t fs_name[8];		/* "EXFAT   " */
	uint8_t must_be_zero[53];
	le64 partition_offset;		/* sectors; 0: ignore it */
	le64 volume_length;		/* sectors */
	le32 fat_offset;		/* sectors from here */
	le32 fat_length;		/* sectors */
	le32 heap_offset;		/* sectors */
	le32 cluster_count;
	le32 root_cluster;
	le32 serial;
	le16 revision;
	le16 flags;			/* not in the checksum */
	uint8_t sector_shift;		/* 9 … 12 */
	uint8_t cluster_shift;		/* sectors in a cluster; with sector_shift 25 at most */
	uint8_t fats;			/* 1; 2 with TexFAT */
	uint8_t drive_select;
	uint8_t percent_in_use;		/* not in the checksum */
	uint8_t reserved[7];
	uint8_t boot_code[390];
	le16 signature;
};

_Static_assert(sizeof(struct exfat_boot_sector) == 512, "exFAT boot sector");
_Static_assert(offsetof(struct exfat_boot_sector, partition_offset) == 64, "PartitionOffset");
_Static_assert(offsetof(struct exfat_boot_sector, heap_offset) == 88, "ClusterHeapOffset");
_Static_assert(offsetof(struct exfat_boot_sector, serial) == 100, "VolumeSerialNumber");
_Static_assert(offsetof(struct exfat_boot_sector, flags) == 106, "VolumeFlags");
_Static_assert(offsetof(struct exfat_boot_sector, percent_in_use) == 112, "PercentInUse");
_Static_assert(offsetof(struct exfat_boot_sector, boot_code) == 120, "BootCode");

/* 4.1 */
#define EXFAT_FAT_ENTRY0 0xFFFFFFF8u	/* the media type */
#define EXFAT_FAT_ENTRY1 0xFFFFFFFFu
#define EXFAT_BAD 0xFFFFFFF7u
#define EXFAT_EOC 0xFFFFFFFFu

/* 6.2.1: EntryType; bit 7 in use, bit 6 secondary, bit 5 benign */
#define EXFAT_TYPE_IN_USE 0x80
#define EXFAT_TYPE_SECONDARY 0x40
#define EXFAT_TYPE_BENIGN 0x20
enum exfat_type {
	EXFAT_TYPE_END = 0x00,
	EXFAT_TYPE_BITMAP = 0x81,
	EXFAT_TYPE_UPCASE = 0x82,
	EXFAT_TYPE_LABEL = 0x83,
	EXFAT_TYPE_FILE = 0x85,
	EXFAT_TYPE_GUID = 0xA0,
	EXFAT_TYPE_STREAM = 0xC0,
	EXFAT_TYPE_NAME = 0xC1,
	EXFAT_TYPE_VENDOR = 0xE0,
	EXFAT_TYPE_VENDOR_ALLOC = 0xE1,
};

/* 6.3.4, 6.4.2: GeneralPrimaryFlags and GeneralSecondaryFlags */
#define EXFAT_ALLOC_POSSIBLE 0x01
#define EXFAT_NO_FAT_CHAIN 0x02		/* contiguous; its entries in the FAT mean nothing */

#define EXFAT_DIR_BYTES_MAX (256u << 20)
#define EXFAT_ENTRIES_MAX 19u		/* of one file: file, stream, 17 names */
#define EXFAT_NAME_UNITS 15u		/* in one name entry */
#define EXFAT_NAME_UNITS_MAX 255u
#define EXFAT_LABEL_UNITS_MAX 11u

/* 7.1 */
struct exfat_bitmap_entry {
	uint8_t type;
	uint8_t flags;			/* bit 0: 1 for the second one */
	uint8_t reserved[18];
	le32 first_cluster;
	le64 size_bytes;
};

/* 7.2 */
struct exfat_upcase_entry {
	uint8_t type;
	uint8_t reserved1[3];
	le32 checksum;
	uint8_t reserved2[12];
	le32 first_cluster;
	le64 size_bytes;
};

/* 7.3 */
struct exfat_label_entry {
	uint8_t type;
	uint8_t units;			/* 0 … 11 */
	le16 label[11];
	uint8_t reserved[8];
};

/* 7.4.4 */
enum exfat_attr {
	EXFAT_ATTR_READ_ONLY = 0x01,
	EXFAT_ATTR_HIDDEN = 0x02,
	EXFAT_ATTR_SYSTEM = 0x04,
	EXFAT_ATTR_DIRECTORY = 0x10,
	EXFAT_ATTR_ARCHIVE = 0x20,
};

/* 7.4.10: minutes from UTC in quarters of an hour, 7 bits signed */
#define EXFAT_UTC_VALID 0x80

/* 7.4 */
struct exfat_file_entry {
	uint8_t type;
	uint8_t secondary_count;	/* 2 … 18 */
	le16 checksum;			/* exfat_entries_checksum() */
	le16 attr;
	le16 reserved1;
	le32 create_time;		/* FAT's date << 16 | FAT's time */
	le32 write_time;
	le32 access_time;
	uint8_t create_time_cs;		/* 0-199 hundredths on top of the two seconds */
	uint8_t write_time_cs;
	uint8_t create_utc;
	uint8_t write_utc;
	uint8_t access_utc;
	uint8_t reserved2[7];
};

/* 7.6 */
struct exfat_stream_entry {
	uint8_t type;
	uint8_t flags;
	uint8_t reserved1;
	uint8_t name_units;		/* 1 … 255 */
	le16 name_hash;			/* msd_exfat_name_hash() */
	le16 reserved2;
	le64 valid_bytes;		/* what lies beyond reads as zero */
	le32 reserved3;
	le32 first_cluster;		/* 0 without any */
	le64 size_bytes;
};

/* 7.7 */
struct exfat_name_entry {
	uint8_t type;
	uint8_t flags;
	le16 name[15];			/* 0x0000 behind the last one */
};

union exfat_entry {
	uint8_t type;
	uint8_t raw[32];
	struct exfat_bitmap_entry bitmap;
	struct exfat_upcase_entry upcase;
	struct exfat_label_entry label;
	struct exfat_file_entry file;
	struct exfat_stream_entry stream;
	struct exfat_name_entry name;
};

_Static_assert(sizeof(union exfat_entry) == 32, "exFAT directory entry");
_Static_assert(offsetof(struct exfat_bitmap_entry, first_cluster) == 20, "FirstCluster");
_Static_assert(offsetof(struct exfat_upcase_entry, first_cluster) == 20, "FirstCluster");
_Static_assert(offsetof(struct exfat_file_entry, create_time) == 8, "CreateTimestamp");
_Static_assert(offsetof(struct exfat_file_entry, access_utc) == 24, "LastAccessedUtcOffset");
_Static_assert(offsetof(struct exfat_stream_entry, valid_bytes) == 8, "ValidDataLength");
_Static_assert(offsetof(struct exfat_stream_entry, size_bytes) == 24, "DataLength");

/* 3.4, figure 1: over the first 11 sectors, without the flags and the percentage. Start with 0. */
static inline uint32_t exfat_boot_checksum(uint32_t sum, const uint8_t *sector, size_t len,
					   int is_boot_sector)
{
	for (size_t i = 0; i < len; i++)
		if (!is_boot_sector || (i != 106 && i != 107 && i != 112))
			sum = (sum << 31 | sum >> 1) + sector[i];
	return sum;
}

/* 6.3.3, figure 2: over a file's n entries, without the field itself. */
static inline uint16_t exfat_entries_checksum(const union exfat_entry *entries, unsigned n)
{
	const uint8_t *p = (const uint8_t *)entries, *field = p + 2, *end = p + n * 32;
	uint16_t sum = 0;

	while (p < end) {
		sum = (uint16_t)((uint32_t)sum << 15 | sum >> 1);
		sum = (uint16_t)(sum + *p++);
		if (p == field)
			p += 2;
	}
	return sum;
}

#endif
