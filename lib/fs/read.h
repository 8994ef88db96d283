/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading FAT12, FAT16, FAT32 and exFAT, whoever made them and whatever happened to them since. */
#ifndef MSD_FS_READ_H
#define MSD_FS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/damage.h"
#include "base/error.h"
#include "base/io.h"
#include "fs/area.h"

enum msd_fs_type { MSD_FS_TYPE_FAT12, MSD_FS_TYPE_FAT16, MSD_FS_TYPE_FAT32, MSD_FS_TYPE_EXFAT };

struct msd_fs;
struct msd_fs_dir;

struct msd_fs_info {
	enum msd_fs_type type;
	uint32_t sector_bytes;
	uint32_t cluster_bytes;
	uint32_t n_clusters;
	unsigned n_fats;
	uint64_t size_bytes;		/* as the boot sector has it */
	uint64_t heap_offset_bytes;	/* of the first cluster */
	uint32_t serial;
	bool dirty;			/* not unmounted, or with errors, by its last user */
};

/* UTF-8 of the longest name, 255 units of UTF-16, with its end. */
#define MSD_FS_NAME_BYTES (255 * 3 + 1)

/* A file or folder. Zeroed but for is_dir it stands for the root. */
struct msd_fs_node {
	char name[MSD_FS_NAME_BYTES];	/* never "", ".", ".." nor with '/' or control characters */
	bool is_dir;
	uint8_t short_name[11];		/* FAT: as in a directory entry, without the 0xE5 rule */
	uint16_t attributes;		/* FAT_ATTR_*: read-only 1, hidden 2, system 4, archive 32 */
	bool contiguous;		/* exFAT: its clusters follow each other, the FAT is not asked */
	uint32_t first_cluster;		/* 0: none */
	uint64_t size_bytes;		/* of a folder: on exFAT what it has room for, on FAT 0 */
	uint64_t valid_bytes;		/* exFAT: what lies beyond reads as zero */
	struct timespec mtime;
	uint32_t slot;			/* its first entry of 32 bytes in its folder */
	uint32_t n_slots;
	uint64_t entry_offset_bytes;	/* of the entry that has name and size, in the window */
};

/*
 * Recognises and opens what lies in io, which must outlive it. codepage is what short names
 * are in, from msd_codepage_read, NULL for 437. Damage is told to damage, which may be NULL and is
 * copied; offsets count in io.
 *
 * Returns 0; -MSD_E_FORMAT for anything but FAT and exFAT; -MSD_E_DAMAGED when nothing of it
 * can be read; -ENOMEM; -errno of reading.
 */
int msd_fs_open(struct msd_io *io, const uint16_t *codepage, const struct msd_damage *damage,
		struct msd_fs **ret, struct msd_error *reterr);

/* The same for FAT alone, with neither codepage nor damage: a program without exFAT is smaller. */
int msd_fs_open_fat(struct msd_io *io, struct msd_fs **ret, struct msd_error *reterr);

/* The same from the copies of the boot sector, for when the first one is damaged. */
int msd_fs_open_backup(struct msd_io *io, const uint16_t *codepage, const struct msd_damage *damage,
		       struct msd_fs **ret, struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_fs *msd_fs_close(struct msd_fs *fs);
void msd_fs_closep(struct msd_fs **fs);

void msd_fs_get_info(const struct msd_fs *fs, struct msd_fs_info *ret);
const char *msd_fs_get_type_name(enum msd_fs_type type);
struct msd_io *msd_fs_get_io(const struct msd_fs *fs);

/* Further damage goes there. */
void msd_fs_set_damage(struct msd_fs *fs, const struct msd_damage *damage);

/* How much damage was found so far; and where: the path that a walk is at, "" for the root. */
uint64_t msd_fs_get_damages(const struct msd_fs *fs);
const char *msd_fs_get_path(const struct msd_fs *fs);

/* The label, UTF-8, "" without one; from the root folder, else from the boot sector. */
int msd_fs_read_label(struct msd_fs *fs, char *buf, size_t len, struct msd_error *reterr);

/* Counts what the FAT or the bitmap has as free. Returns 0 or -errno of reading. */
int msd_fs_count_free(struct msd_fs *fs, uint32_t *ret_clusters, struct msd_error *reterr);

/*
 * The entries of a folder in the order on the disk, without "." and "..", labels, deleted and
 * vendors' entries. NULL for node: the root. All folders read since msd_fs_open together are held
 * to the size of the volume; more is told as damage (folders that are in each other, or
 * share clusters) and ends the folder. Returns 0 or -ENOMEM.
 */
int msd_fs_dir_open(struct msd_fs *fs, const struct msd_fs_node *node, struct msd_fs_dir **ret,
		    struct msd_error *reterr);

/* Returns 1 with an entry, 0 at the end, -errno of reading. Damage is told and passed over. */
int msd_fs_dir_next(struct msd_fs_dir *dir, struct msd_fs_node *ret, struct msd_error *reterr);
struct msd_fs_dir *msd_fs_dir_close(struct msd_fs_dir *dir);
void msd_fs_dir_closep(struct msd_fs_dir **dir);

/* Begins the count of the folders' size anew: for one more walk over the whole tree. */
void msd_fs_begin_walk(struct msd_fs *fs);

/*
 * Finds "a/b/c", in upper or lower case, an exact match first; "" and "/" are the root. Returns 0,
 * -ENOENT, -ENOTDIR, -errno of reading.
 */
int msd_fs_lookup(struct msd_fs *fs, const char *path, struct msd_fs_node *ret,
		  struct msd_error *reterr);

/* Where the bytes of a file or folder lie, as few extents as there can be. On the stack. */
struct msd_fs_map {
	struct msd_fs *fs;
	uint64_t left_bytes;		/* UINT64_MAX: as far as the chain goes */
	uint32_t cluster;		/* that comes next, 0: none */
	uint32_t n_steps, limit;	/* Brent's way to find a loop */
	uint32_t mark;
	uint64_t place;			/* what says which cluster comes next: an entry of a folder, of the FAT */
	bool contiguous, begun;
	bool fixed_root;
	bool damaged;			/* it ended before left_bytes were found */
};

/* Begins with a node's first byte. Reads nothing. */
void msd_fs_map_init(struct msd_fs *fs, const struct msd_fs_node *node, struct msd_fs_map *ret);

/*
 * Returns 1 with an extent; 0 at the end, or where the chain is damaged, which is told and set
 * in damaged; -errno of reading.
 */
int msd_fs_map_next(struct msd_fs_map *map, struct msd_extent *ret, struct msd_error *reterr);

#endif
