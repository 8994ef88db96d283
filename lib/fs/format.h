/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a file system with files in it: a plan that is only numbers, then one pass of writing. */
#ifndef MSD_FS_FORMAT_H
#define MSD_FS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/progress.h"
#include "fs/tree.h"

enum msd_fs_kind {
	MSD_FS_FAT,		/* 12, 16 or 32 by size; only in params */
	MSD_FS_FAT12,
	MSD_FS_FAT16,
	MSD_FS_FAT32,
	MSD_FS_EXFAT,
};

/* "fat32" */
const char *msd_fs_kind_text(enum msd_fs_kind kind);

struct msd_format_params {
	enum msd_fs_kind kind;
	uint64_t size_bytes;		/* of the volume; 0: as large as the tree needs */
	uint64_t free_bytes;		/* room beside the tree, when size_bytes is 0 */
	uint32_t sector_bytes;		/* 512, 1024, 2048 or 4096 */
	uint32_t cluster_bytes;		/* 0: as Windows would choose */
	uint64_t start_lba;		/* of the partition, in sectors; 0 without one */
	uint64_t outside_bytes;		/* of the image beside the volume: messages speak of images */
	const char *label;		/* UTF-8; NULL or "": none */
	uint32_t serial;
	int64_t now_s;			/* the time of the label */
	bool utc;			/* FAT's times are in UTC, not in the time zone of TZ */
	const struct msd_log *log;	/* each file and folder as it is written; or NULL */
};

/* The whole geometry. Places are in sectors from the start of the volume. */
struct msd_fs_layout {
	enum msd_fs_kind kind;		/* never MSD_FS_FAT */
	uint32_t sector_bytes;
	uint32_t cluster_bytes;
	uint64_t sectors;		/* of the volume */
	uint32_t reserved_sectors;	/* FAT: before the first table; exFAT: the same */
	uint32_t fat_sectors;		/* of one table */
	uint32_t fats;
	uint32_t root_records;		/* FAT12 and FAT16: the root's fixed room; else 0 */
	uint32_t root_sectors;		/* the same in sectors */
	uint64_t heap_sector;		/* where cluster 2 is */
	uint32_t clusters;
	uint32_t used_clusters;		/* always the first ones */
	uint32_t bitmap_cluster;	/* exFAT */
	uint32_t upcase_cluster;	/* exFAT */
	uint32_t root_cluster;		/* FAT32 and exFAT */
	uint32_t tree_cluster;		/* the first one behind all these */
	uint64_t content_bytes;		/* of files, for the progress */
};

/*
 * Computes the layout and gives every folder and file of tree its clusters: the places of all
 * bytes are known before the first is written. tree is sealed, or NULL for an empty file system.
 *
 * Returns 0; -MSD_E_USAGE when kind, size, sectors and clusters do not go together (the message
 * says which sizes do) or the label does not fit; -MSD_E_TOOBIG when a file or folder is larger
 * than the kind can hold (named), or the tree larger than size_bytes (the size it needs is
 * named); -ENOMEM.
 */
int msd_format_plan(const struct msd_format_params *params, struct msd_tree *tree,
		    struct msd_fs_layout *ret_layout, struct msd_error *reterr);

/*
 * Writes the planned file system to a window of layout.sectors. fresh: the window reads as
 * zeros so far, so zeros need not be written. Files that changed since they were planned are
 * an error. Does not sync.
 *
 * Returns 0; -MSD_E_CANCELLED; -MSD_E_FAILED for a source that changed; -errno.
 */
int msd_format_write(struct msd_io *io, const struct msd_format_params *params,
		     const struct msd_fs_layout *layout, struct msd_tree *tree, bool fresh,
		     const struct msd_progress *progress, struct msd_error *reterr);

#endif
