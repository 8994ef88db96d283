/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a file system has to bring: its counts, its geometry and its records. */
#ifndef MSD_FS_FORMAT_PRIV_H
#define MSD_FS_FORMAT_PRIV_H

#include "fs/format.h"
#include "sink-priv.h"
#include "tree-priv.h"

#define RECORD_BYTES 32u		/* of a folder, in FAT and exFAT alike */
#define CLUSTER_SHIFT_MIN 9u
#define CLUSTER_SHIFTS 17u		/* 512 bytes … 32 MiB */
#define ALIGN_BYTES 4096u		/* of the clusters in the image, for reflinks */

/* What a tree asks of a volume, but for the root folder. */
struct need {
	uint64_t clusters[CLUSTER_SHIFTS];	/* by cluster size, 512 << i */
	uint64_t root_records;
	uint64_t free_bytes;
};

/* Everything that goes on while a file system is written. */
struct writing {
	struct sink sink;
	const struct msd_format_params *params;
	const struct msd_fs_layout *layout;
	struct msd_tree *tree;			/* NULL: empty */
	struct msd_error *err;
};

struct fs_type {
	uint64_t file_bytes_max;
	uint64_t folder_bytes_max;
	const char *folder_limit;		/* "65,536 entries" */
	unsigned folder_records;		/* of a new subfolder: "." and ".." */
	unsigned root_records;			/* of a new root, without a label */

	/* How many records a name takes. */
	unsigned (*count_records)(const uint16_t *units, size_t n);
	/* Returns 0 or -MSD_E_USAGE. *ret_records: what the label adds to the root. */
	int (*check_label)(const char *label, unsigned *ret_records, struct msd_error *err);
	/*
	 * Pure: fills all but content_bytes. With params.size_bytes 0 the smallest volume that holds
	 * need. Returns as msd_format_plan().
	 */
	int (*plan)(const struct msd_format_params *params, const struct need *need,
		    struct msd_fs_layout *layout, struct msd_error *err);
	/* What lies before the root folder: boot sectors, tables, bitmap. */
	void (*write_head)(struct writing *writing);
	/* The records of one folder, TREE_ROOT included; the sink stands at its place. */
	int (*write_folder)(struct writing *writing, uint32_t folder);
};

extern const struct fs_type fat_type, exfat_type;

static inline uint64_t div_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

static inline uint64_t round_up(uint64_t n, uint64_t to)
{
	return div_up(n, to) * to;
}

static inline uint64_t cluster_offset(const struct msd_fs_layout *layout, uint32_t cluster)
{
	return layout->heap_sector * layout->sector_bytes +
	       (uint64_t)(cluster - 2) * layout->cluster_bytes;
}

/* How many clusters a file or folder of so many bytes has. */
static inline uint32_t count_clusters(const struct msd_fs_layout *layout, uint64_t bytes)
{
	return (uint32_t)div_up(bytes, layout->cluster_bytes);
}

static inline uint64_t need_clusters(const struct need *need, uint32_t cluster_bytes)
{
	unsigned shift = (unsigned)__builtin_ctz(cluster_bytes) - CLUSTER_SHIFT_MIN;

	return need->clusters[shift] + div_up(need->free_bytes, cluster_bytes);
}

/*
 * FAT's date and time, date << 16 | time, and the hundredths within two seconds; what is out of
 * 1980 … 2107 becomes the nearest that is in it. utc, or the time zone of TZ.
 */
uint32_t fat_time_make(int64_t time_s, uint8_t time_cs, bool utc, uint8_t *ret_cs);

#endif
