/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FAT12, FAT16 and FAT32 as they lie on a disk: Microsoft's "FAT: General Overview of On-Disk
 * Format" (FAT32 File System Specification) 1.03, whose section titles are named below.
 */
#ifndef MSD_FS_FAT_DISK_H
#define MSD_FS_FAT_DISK_H

#include <stddef.h>

#include "base/bytes.h"

/* "FAT Type Determination": by the count of data clusters alone. */
#define FAT12_CLUSTERS_END 4085u	/* below it FAT12 */
#define FAT16_CLUSTERS_END 65525u	/* below it FAT16, else FAT32 */
#define FAT32_CLUSTERS_MAX 0x0FFFFFF5u	/* numbers 2 … 0x0FFFFFF6; the next one marks bad ones */

#define FAT_FIRST_CLUSTER 2u

/* "FAT Data Structure": what an entry of the table holds beside the next cluster. */
#define FAT12_BAD 0x0FF7u
#define FAT16_BAD 0xFFF7u
#define FAT32_BAD 0x0FFFFFF7u
#define FAT12_EOC 0x0FFFu	/* end of chain as written; when read, BAD + 1 and above */
#define FAT16_EOC 0xFFFFu
#define FAT32_EOC 0x0FFFFFFFu
#define FAT32_MASK 0x0FFFFFFFu	/* the four bits above are kept as they are */

/* Entry 1 of a FAT16 or FAT32 table; set bits mean that all is well. */
#define FAT16_CLEAN_SHUTDOWN 0x8000u
#define FAT16_NO_HARD_ERROR 0x4000u
#define FAT32_CLEAN_SHUTDOWN 0x08000000u
#define FAT32_NO_HARD_ERROR 0x04000000u

#define FAT_MEDIA_FIXED 0xF8
#define FAT_EXT_BOOT_SIGNATURE 0x29
#define FAT_BOOT_SIGNATURE 0xAA55
#define FAT_FLAG_DIRTY 0x01	/* of reserved1 (Windows, Linux): not unmounted cleanly */

/* "Boot Sector and BPB" */
struct fat_bpb16 {			/* from offset 36, FAT12 and FAT16 */
	uint8_t drive_number;
	uint8_t reserved1;
	uint8_t boot_signature;		/* FAT_EXT_BOOT_SIGNATURE: the three fields below count */
	le32 volume_id;
	uint8_t volume_label[11];
	uint8_t fs_type[8];		/* decides nothing */
	uint8_t boot_code[448];
};

struct fat_bpb32 {			/* from offset 36, FAT32 */
	le32 fat_sectors;
	le16 ext_flags;			/* bit 7: only the FAT that bits 0-3 name is active */
	le16 fs_version;
	le32 root_cluster;
	le16 fs_info_sector;
	le16 backup_boot_sector;
	uint8_t reserved[12];
	uint8_t drive_number;
	uint8_t reserved1;
	uint8_t boot_signature;
	le32 volume_id;
	uint8_t volume_label[11];
	uint8_t fs_type[8];
	uint8_t boot_code[420];
};

struct fat_boot_sector {
	uint8_t jump[3];
	uint8_t oem_name[8];
	le16 bytes_per_sector;
	uint8_t sectors_per_cluster;
	le16 reserved_sectors;
	uint8_t fats;
	le16 root_entries;		/* 0 on FAT32 */
	le16 total_sectors16;		/* 0: total_sectors32 holds it */
	uint8_t media;
	le16 fat_sectors16;		/* 0 on FAT32 */
	le16 sectors_per_track;
	le16 heads;
	le32 hidden_sectors;
	le32 total_sectors32;
	union {
		struct fat_bpb16 fat16;
		struct fat_bpb32 fat32;
	} u;
	le16 signature;			/* at 510, whatever the sector size */
};

_Static_assert(sizeof(struct fat_boot_sector) == 512, "FAT boot sector");
_Static_assert(offsetof(struct fat_boot_sector, bytes_per_sector) == 11, "BPB_BytsPerSec");
_Static_assert(offsetof(struct fat_boot_sector, fats) == 16, "BPB_NumFATs");
_Static_assert(offsetof(struct fat_boot_sector, media) == 21, "BPB_Media");
_Static_assert(offsetof(struct fat_boot_sector, total_sectors32) == 32, "BPB_TotSec32");
_Static_assert(offsetof(struct fat_boot_sector, u.fat16.volume_id) == 39, "BS_VolID");
_Static_assert(offsetof(struct fat_boot_sector, u.fat16.fs_type) == 54, "BS_FilSysType");
_Static_assert(offsetof(struct fat_boot_sector, u.fat32.root_cluster) == 44, "BPB_RootClus");
_Static_assert(offsetof(struct fat_boot_sector, u.fat32.fs_info_sector) == 48, "BPB_FSInfo");
_Static_assert(offsetof(struct fat_boot_sector, u.fat32.volume_id) == 67, "BS_VolID");
_Static_assert(offsetof(struct fat_boot_sector, u.fat32.fs_type) == 82, "BS_FilSysType");
_Static_assert(offsetof(struct fat_boot_sector, signature) == 510, "Signature_word");

/* "FAT32 FSInfo Sector Structure and Backup Boot Sector" */
#define FAT_FSINFO_LEAD 0x41615252u
#define FAT_FSINFO_STRUCT 0x61417272u
#define FAT_FSINFO_TRAIL 0xAA550000u
#define FAT_FSINFO_UNKNOWN 0xFFFFFFFFu	/* of both numbers, which are hints anyway */

struct fat_fsinfo {
	le32 lead_signature;
	uint8_t reserved1[480];
	le32 struct_signature;
	le32 free_clusters;
	le32 next_free;
	uint8_t reserved2[12];
	le32 trail_signature;
};

_Static_assert(sizeof(struct fat_fsinfo) == 512, "FSInfo");
_Static_assert(offsetof(struct fat_fsinfo, struct_signature) == 484, "FSI_StrucSig");
_Static_assert(offsetof(struct fat_fsinfo, trail_signature) == 508, "FSI_TrailSig");

/* "FAT Directory Structure" */
enum fat_attr {
	FAT_ATTR_READ_ONLY = 0x01,
	FAT_ATTR_HIDDEN = 0x02,
	FAT_ATTR_SYSTEM = 0x04,
	FAT_ATTR_VOLUME_ID = 0x08,
	FAT_ATTR_DIRECTORY = 0x10,
	FAT_ATTR_ARCHIVE = 0x20,
	FAT_ATTR_LONG_NAME = 0x0F,
	FAT_ATTR_LONG_NAME_MASK = 0x3F,
};

/* Of nt_case, not in the specification: Windows NT and Linux keep an all-lower-case 8.3 so. */
#define FAT_CASE_LOWER_BASE 0x08
#define FAT_CASE_LOWER_EXT 0x10

#define FAT_DIRENT_END 0x00	/* of name[0]: this and all that follow are free */
#define FAT_DIRENT_FREE 0xE5
#define FAT_DIRENT_E5 0x05	/* stands for a real first byte 0xE5 */

#define FAT_DIRENTS_MAX 65536u	/* of a folder: 2 MiB of entries, so says Microsoft's driver */

struct fat_dirent {
	uint8_t name[11];		/* base 8, extension 3, padded with blanks */
	uint8_t attr;
	uint8_t nt_case;
	uint8_t create_time_cs;		/* 0-199 hundredths on top of the two seconds */
	le16 create_time;
	le16 create_date;
	le16 access_date;
	le16 cluster_high;		/* 0 on FAT12 and FAT16 */
	le16 write_time;		/* hour << 11 | minute << 5 | second / 2, local time */
	le16 write_date;		/* year - 1980 << 9 | month << 5 | day */
	le16 cluster_low;
	le32 size_bytes;		/* 0 for a folder */
};

_Static_assert(sizeof(struct fat_dirent) == 32, "FAT directory entry");
_Static_assert(offsetof(struct fat_dirent, cluster_high) == 20, "DIR_FstClusHI");
_Static_assert(offsetof(struct fat_dirent, size_bytes) == 28, "DIR_FileSize");

/*
 * "FAT Long Directory Entries": before the short one, last part first. The name ends with
 * 0x0000 unless it fills its entries; 0xFFFF follows.
 */
#define FAT_LFN_LAST 0x40	/* of order: the first one on the disk */
#define FAT_LFN_UNITS 13u
#define FAT_LFN_ENTRIES_MAX 20u
#define FAT_NAME_UNITS_MAX 255u

struct fat_lfn {
	uint8_t order;			/* 1 … 20 */
	le16 name1[5];
	uint8_t attr;			/* FAT_ATTR_LONG_NAME */
	uint8_t type;			/* 0 */
	uint8_t checksum;		/* of the short name: msd_fat_lfn_checksum() */
	le16 name2[6];
	le16 cluster;			/* 0 */
	le16 name3[2];
};

_Static_assert(sizeof(struct fat_lfn) == 32, "FAT long directory entry");
_Static_assert(offsetof(struct fat_lfn, checksum) == 13, "LDIR_Chksum");
_Static_assert(offsetof(struct fat_lfn, name3) == 28, "LDIR_Name3");

#endif
