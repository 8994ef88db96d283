/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the readers of FAT and exFAT share. */
#ifndef MSD_FS_READ_PRIV_H
#define MSD_FS_READ_PRIV_H

#include "fs/read.h"

struct msd_fs_ops {
	/* The entry of the FAT: a cluster, 0 at the end of a chain, one of FS_* below. */
	int (*read_next)(struct msd_fs *fs, uint32_t cluster, uint32_t *ret, struct msd_error *err);
	int (*dir_next)(struct msd_fs_dir *dir, struct msd_fs_node *ret, struct msd_error *err);
	int (*read_label)(struct msd_fs *fs, char *buf, size_t len, struct msd_error *err);
};

/*
 * What no cluster has as its number, of read_next: none that there is, a free one, one marked as
 * bad. And of a map whose chain came back to itself.
 */
#define FS_NONE 0xFFFFFFFFu
#define FS_LOOP 0xFFFFFFFEu
#define FS_FREE 0xFFFFFFFDu
#define FS_BAD 0xFFFFFFFCu

struct local_time {
	uint32_t key;			/* date and hour that base is of; 0: none */
	time_t base;
};

struct msd_fs {
	struct msd_io *io;
	const struct msd_fs_ops *ops;
	struct msd_damage damage;
	uint64_t n_damages;
	const char *path;		/* of what a walk is at */
	bool strict;			/* tell what readers can pass over, too */
	bool strict_hashes;		/* exFAT: of names, which are by the usual upcase table */
	bool hush_chains;		/* tell nothing of chains: they are checked elsewhere */
	struct msd_fs_info info;
	struct msd_area *fat;
	uint64_t boot_offset;		/* of the boot sector used: not 0 for a backup */
	uint64_t fat_offset, fat_bytes;	/* of the one that is read */
	int64_t copies[3];		/* how far from it the others lie that are kept the same */
	unsigned n_copies;
	uint64_t root_offset, root_bytes;	/* FAT12 and FAT16; 0 elsewhere */
	uint64_t fsinfo_offset, backup_offset;	/* FAT32, of the boot sector's copy; 0: none */
	uint32_t root_cluster;
	uint64_t dir_bytes_read;	/* since msd_fs_begin_walk */
	uint16_t oem[128];		/* UTF-16 of the codepage's upper half */
	uint8_t boot_label[11];		/* FAT */
	uint8_t second_fat;		/* exFAT: 1 when FAT and bitmap are the second ones */
	struct msd_area *bitmap;	/* exFAT, once msd_exfat_open_bitmap was asked for it */
	struct local_time local_time;
};

/* Reads a folder 32 bytes at a time. */
struct msd_fs_dir {
	struct msd_fs *fs;
	struct msd_fs_map map;
	struct msd_extent extent;	/* what is not in buf yet */
	uint64_t buf_offset;		/* in the window, of buf */
	uint32_t slot;			/* of the next one */
	uint32_t pos, len;		/* in buf */
	bool ended;
	bool is_counted;		/* part of a walk, whose folders are no more than the volume */
	const struct msd_extent *list;	/* read these instead of the map */
	size_t n_list;
	/* called for each slot, once */
	void (*on_slot)(void *data, uint32_t slot, const uint8_t *raw);
	void *on_slot_data;
	uint32_t seen;			/* slots that it was called for */
	uint8_t buf[8192];
};

/* Where in the window a cluster's entry of the FAT is. */
static inline uint64_t fs_entry_offset(const struct msd_fs *fs, uint32_t cluster)
{
	static const uint8_t halves[] = { 3, 4, 8, 8 };

	return fs->fat_offset + (uint64_t)cluster * halves[fs->info.type] / 2;
}

/* Counts and tells it. */
void msd_fs_damage(struct msd_fs *fs, uint64_t offset_bytes, const char *fmt, ...)
	MSD_PRINTF(3, 4);

/* Returns 1 with the next 32 bytes and where they lie, 0 at the end, <0. Valid until the next. */
int msd_fs_dir_slot(struct msd_fs_dir *dir, const uint8_t **ret, uint64_t *ret_offset,
		    struct msd_error *err);

/* Makes the slot read last the next one again. */
void msd_fs_dir_unread(struct msd_fs_dir *dir);

static inline bool fs_is_cluster(const struct msd_fs *fs, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < fs->info.n_clusters;
}

static inline uint64_t fs_cluster_offset(const struct msd_fs *fs, uint32_t cluster)
{
	return fs->info.heap_offset_bytes + (uint64_t)(cluster - 2) * fs->info.cluster_bytes;
}

/*
 * UTF-16 of the host's byte order as a name that is safe to print and to make; false when it had
 * to be altered: '/' and control characters are '_', a lone surrogate is U+FFFD.
 */
bool msd_fs_name_set(struct msd_fs_node *node, const uint16_t *units, unsigned n);

/* FAT's date and time, in local time; the epoch when it is none. */
struct timespec msd_fs_time(struct msd_fs *fs, uint16_t date, uint16_t time, unsigned hundredths);

/* The same in UTC: seconds, or -1. */
int64_t msd_fs_time_utc(uint16_t date, uint16_t time);

/* The first run of free clusters at from or behind it. Returns 1, 0 for none, <0. */
int fs_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		 struct msd_error *err);
int fat_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		  struct msd_error *err);
int exfat_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		    struct msd_error *err);

/* Takes the boot sector at offset in. Returns 1, 0 when it is not one, <0. */
int msd_fat_probe(struct msd_fs *fs, uint64_t offset, struct msd_error *err);
int msd_exfat_probe(struct msd_fs *fs, uint64_t offset, struct msd_error *err);

/* A short name, without the 0xE5 rule, as it reads. Returns the count of units. */
unsigned msd_fat_short_units(const struct msd_fs *fs, const uint8_t name[11], uint16_t units[12]);

/* Into the FAT's pages; to the disk with msd_area_flush. */
int msd_fat_write_entry(struct msd_fs *fs, uint32_t cluster, uint32_t value, struct msd_error *err);
int msd_exfat_write_bits(struct msd_fs *fs, uint32_t first, uint32_t n, bool used,
			 struct msd_error *err);

/* Sets fs->bitmap. Returns 0, -MSD_E_DAMAGED, -ENOMEM, -errno of reading. */
int msd_exfat_open_bitmap(struct msd_fs *fs, struct msd_error *err);

#endif
