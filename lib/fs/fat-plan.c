/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The geometry of FAT12, FAT16 and FAT32: numbers in, numbers out. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "fs/fat-disk.h"
#include "fat-priv.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define CLUSTER_BYTES_MAX 65536u	/* what Windows and Linux both take */
#define SECTORS_MAX 0xFFFFFFFFull	/* BPB_TotSec32 */

/* The specification asks to stay 16 clusters away from where the kinds meet. */
static const struct { uint32_t min, max; } ranges[] = {
	[MSD_FS_FAT12] = { 1, FAT12_CLUSTERS_END - 17 },
	[MSD_FS_FAT16] = { FAT12_CLUSTERS_END + 16, FAT16_CLUSTERS_END - 17 },
	[MSD_FS_FAT32] = { FAT16_CLUSTERS_END + 16, FAT32_CLUSTERS_MAX },
};

/* Up to which size of the volume Windows (or, for small ones, sense) takes which clusters. */
static const struct preference { enum msd_fs_kind kind; uint32_t cluster_bytes; uint64_t upto; } preferences[] = {
	{ MSD_FS_FAT12, 512, 2000 * KIB }, { MSD_FS_FAT12, 1024, 4000 * KIB },
	{ MSD_FS_FAT12, 2048, 8000 * KIB }, { MSD_FS_FAT12, 4096, 16000 * KIB },
	{ MSD_FS_FAT12, 8192, 32000 * KIB }, { MSD_FS_FAT12, 16384, 64000 * KIB },
	{ MSD_FS_FAT12, 32768, 128000 * KIB }, { MSD_FS_FAT12, 65536, UINT64_MAX },
	{ MSD_FS_FAT16, 512, 4400 * KIB }, { MSD_FS_FAT16, 1024, 16 * MIB },
	{ MSD_FS_FAT16, 2048, 126 * MIB }, { MSD_FS_FAT16, 4096, 252 * MIB },
	{ MSD_FS_FAT16, 8192, 504 * MIB }, { MSD_FS_FAT16, 16384, 1008 * MIB },
	{ MSD_FS_FAT16, 32768, 2016 * MIB }, { MSD_FS_FAT16, 65536, UINT64_MAX },
	{ MSD_FS_FAT32, 512, 66 * MIB }, { MSD_FS_FAT32, 1024, 132 * MIB },
	{ MSD_FS_FAT32, 2048, 264 * MIB }, { MSD_FS_FAT32, 4096, 8 * GIB },
	{ MSD_FS_FAT32, 8192, 16 * GIB }, { MSD_FS_FAT32, 16384, 32 * GIB },
	{ MSD_FS_FAT32, 32768, UINT64_MAX },
};

/* Up to which size MSD_FS_FAT is which kind. */
static const struct { enum msd_fs_kind kind; uint64_t upto; } by_size[] = {
	{ MSD_FS_FAT12, 8000 * KIB }, { MSD_FS_FAT16, 264 * MIB }, { MSD_FS_FAT32, UINT64_MAX },
};

/* BPB_RootEntCnt has 16 bits and counts whole sectors. */
static uint32_t root_records_max(const struct msd_format_params *params)
{
	return 65536 - params->sector_bytes / RECORD_BYTES;
}

static uint32_t preferred_cluster(enum msd_fs_kind kind, uint64_t bytes, uint32_t sector_bytes)
{
	const struct preference *p = preferences;

	while (p->kind != kind || bytes > p->upto)
		p++;
	return p->cluster_bytes < sector_bytes ? sector_bytes : p->cluster_bytes;
}

static bool in_range(enum msd_fs_kind kind, uint64_t clusters)
{
	return clusters >= ranges[kind].min && clusters <= ranges[kind].max;
}

/* Sectors of a table for so many clusters. */
static uint64_t table_sectors(const struct msd_fs_layout *layout, uint64_t clusters)
{
	uint64_t entries = clusters + FAT_FIRST_CLUSTER;
	uint64_t bytes = layout->kind == MSD_FS_FAT12 ? (entries * 3 + 1) / 2 :
			 layout->kind == MSD_FS_FAT16 ? entries * 2 : entries * 4;

	return div_up(bytes, layout->sector_bytes);
}

/* The fixed root of FAT12 and FAT16: as usual for the size, or what the tree needs. */
static void plan_root(struct msd_fs_layout *layout, const struct need *need, uint64_t bytes)
{
	uint32_t per_sector = layout->sector_bytes / RECORD_BYTES;
	uint64_t records = bytes <= MIB ? 112 : bytes <= 4 * MIB ? 224 : 512;

	layout->root_records = layout->root_sectors = 0;
	if (layout->kind == MSD_FS_FAT32)
		return;
	if (records < need->root_records)
		records = need->root_records;
	layout->root_sectors = (uint32_t)div_up(records, per_sector);
	layout->root_records = layout->root_sectors * per_sector;
}

/* All that lies before the clusters, which begin where whole clusters of the image begin. */
static uint64_t head_sectors(const struct msd_fs_layout *layout, uint64_t fat_sectors)
{
	uint32_t align = layout->cluster_bytes > ALIGN_BYTES ? layout->cluster_bytes : ALIGN_BYTES;
	uint32_t reserved = layout->kind == MSD_FS_FAT32 ? 32 : 1;

	return round_up(reserved + layout->fats * fat_sectors + layout->root_sectors,
			align / layout->sector_bytes);
}

static uint64_t clusters_beside(const struct msd_fs_layout *layout, uint64_t fat_sectors)
{
	uint64_t head = head_sectors(layout, fat_sectors);

	if (head >= layout->sectors)
		return 0;
	return (layout->sectors - head) / (layout->cluster_bytes / layout->sector_bytes);
}

/* The rest of the layout, once the tables and the count of clusters are settled. */
static void settle(struct msd_fs_layout *layout, const struct need *need, uint64_t fat_sectors,
		   uint64_t clusters)
{
	uint32_t root = 0;

	layout->fat_sectors = (uint32_t)fat_sectors;
	layout->clusters = (uint32_t)clusters;
	layout->heap_sector = head_sectors(layout, fat_sectors);
	layout->reserved_sectors = (uint32_t)(layout->heap_sector - layout->root_sectors -
					      layout->fats * fat_sectors);
	if (layout->kind == MSD_FS_FAT32) {
		layout->root_cluster = FAT_FIRST_CLUSTER;
		root = count_clusters(layout, need->root_records * RECORD_BYTES);
		root += root == 0;
	}
	layout->tree_cluster = FAT_FIRST_CLUSTER + root;
}

/* For the size in layout. The smallest table that serves all the clusters beside it. */
static uint64_t plan_for_size(struct msd_fs_layout *layout, const struct need *need,
			      uint64_t *ret_fat_sectors)
{
	uint64_t low = 1, high;

	plan_root(layout, need, layout->sectors * layout->sector_bytes);
	high = table_sectors(layout, clusters_beside(layout, 0)) + 1;
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (table_sectors(layout, clusters_beside(layout, middle)) <= middle)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_fat_sectors = low;
	return clusters_beside(layout, low);
}

/* The clusters that the tree and the free room take, the root of FAT32 included. */
static uint64_t clusters_needed(const struct msd_fs_layout *layout, const struct need *need)
{
	uint64_t n = need_clusters(need, layout->cluster_bytes);

	if (layout->kind == MSD_FS_FAT32)
		n += need->root_records ?
		     div_up(need->root_records * RECORD_BYTES, layout->cluster_bytes) : 1;
	return n;
}

/* For so many clusters, or what the kind has at least. Returns the count. */
static uint64_t plan_for_clusters(struct msd_fs_layout *layout, const struct need *need, uint64_t n)
{
	uint64_t fat_sectors;

	if (n < ranges[layout->kind].min)
		n = ranges[layout->kind].min;
	if (layout->cluster_bytes < ALIGN_BYTES)
		n = round_up(n, ALIGN_BYTES / layout->cluster_bytes);
	fat_sectors = table_sectors(layout, n);
	/* the usual root depends on the size, and the size on the root: once more settles it */
	layout->sectors = n * (layout->cluster_bytes / layout->sector_bytes);
	for (unsigned i = 0; i < 2; i++) {
		plan_root(layout, need, layout->sectors * layout->sector_bytes);
		layout->sectors = head_sectors(layout, fat_sectors) +
				  n * (layout->cluster_bytes / layout->sector_bytes);
	}
	if (n <= ranges[layout->kind].max)
		settle(layout, need, fat_sectors, n);
	return n;
}

static void begin(struct msd_fs_layout *layout, const struct msd_format_params *params,
		  enum msd_fs_kind kind, uint32_t cluster_bytes)
{
	*layout = (struct msd_fs_layout){
		.kind = kind, .sector_bytes = params->sector_bytes,
		.cluster_bytes = cluster_bytes, .fats = 2,
	};
}

/* Can the volume be of this kind, with the clusters asked for or near those preferred? */
static bool try_size(const struct msd_format_params *params, const struct need *need,
		     enum msd_fs_kind kind, struct msd_fs_layout *layout)
{
	uint32_t cluster = params->cluster_bytes ? params->cluster_bytes :
			   preferred_cluster(kind, params->size_bytes, params->sector_bytes);
	uint64_t sectors = params->size_bytes / params->sector_bytes, fat_sectors, clusters;
	bool grown = false;

	/* of exactly 2 TiB the last sector cannot be counted */
	if (sectors == SECTORS_MAX + 1)
		sectors--;
	if (sectors > SECTORS_MAX)
		return false;
	for (;;) {
		begin(layout, params, kind, cluster);
		layout->sectors = sectors;
		clusters = plan_for_size(layout, need, &fat_sectors);
		if (in_range(kind, clusters)) {
			settle(layout, need, fat_sectors, clusters);
			return true;
		}
		if (params->cluster_bytes)
			return false;
		if (clusters > ranges[kind].max && cluster < CLUSTER_BYTES_MAX) {
			cluster *= 2;
			grown = true;
		} else if (clusters < ranges[kind].min && cluster > params->sector_bytes && !grown) {
			cluster /= 2;
		} else {
			return false;
		}
	}
}

/* The smallest volume of this kind that holds what is needed. */
static bool try_need(const struct msd_format_params *params, const struct need *need,
		     enum msd_fs_kind kind, uint64_t upto, struct msd_fs_layout *layout)
{
	uint32_t first = params->cluster_bytes ? params->cluster_bytes : params->sector_bytes;
	uint32_t last = params->cluster_bytes ? params->cluster_bytes : CLUSTER_BYTES_MAX;

	for (uint32_t cluster = first; cluster <= last; cluster *= 2) {
		uint64_t n, bytes;

		begin(layout, params, kind, cluster);
		n = plan_for_clusters(layout, need, clusters_needed(layout, need));
		bytes = layout->sectors * layout->sector_bytes;
		if (n > ranges[kind].max || layout->sectors > SECTORS_MAX || bytes > upto)
			continue;
		if (params->cluster_bytes ||
		    preferred_cluster(kind, bytes, params->sector_bytes) <= cluster)
			return true;
	}
	return false;
}

/* From which size to which the kind can be, whatever is in it. */
static void size_range(const struct msd_format_params *params, enum msd_fs_kind kind,
		       uint64_t *ret_min, uint64_t *ret_max)
{
	const struct need nothing = { 0 };
	struct msd_fs_layout layout;
	uint32_t cluster = params->cluster_bytes;

	begin(&layout, params, kind, cluster ? cluster : params->sector_bytes);
	plan_for_clusters(&layout, &nothing, 0);
	*ret_min = layout.sectors * layout.sector_bytes;
	begin(&layout, params, kind, cluster ? cluster : CLUSTER_BYTES_MAX);
	plan_for_clusters(&layout, &nothing, ranges[kind].max);
	if (layout.sectors > SECTORS_MAX + 1)
		layout.sectors = SECTORS_MAX + 1;
	*ret_max = layout.sectors * layout.sector_bytes;
}

static int fail_size(const struct msd_format_params *params, struct msd_error *err)
{
	enum msd_fs_kind first = params->kind == MSD_FS_FAT ? MSD_FS_FAT12 : params->kind;
	enum msd_fs_kind last = params->kind == MSD_FS_FAT ? MSD_FS_FAT32 : params->kind;
	/* what was asked for, then from where to where each kind works */
	uint64_t sizes[8] = { params->size_bytes + params->outside_bytes };
	char text[256] = "", size[8][MSD_SIZE_TEXT];
	size_t n = 1;

	for (enum msd_fs_kind kind = first; kind <= last; kind++, n += 2) {
		size_range(params, kind, &sizes[n], &sizes[n + 1]);
		sizes[n] += params->outside_bytes;
		sizes[n + 1] += params->outside_bytes;
	}
	msd_format_sizes(sizes, n, size);
	n = 1;
	for (enum msd_fs_kind kind = first; kind <= last; kind++, n += 2)
		msd_append(text, sizeof(text), ", ", "%s works from %s to %s", msd_fs_kind_text(kind),
			   size[n], size[n + 1]);
	return msd_fail(err, MSD_E_USAGE, "--type=%s cannot be %s%s: %s",
			msd_fs_kind_text(params->kind),
			params->size_bytes ? size[0] : "so large",
			params->cluster_bytes ? " with these clusters" : "", text);
}

static int check_params(const struct msd_format_params *params, const struct need *need,
			struct msd_error *err)
{
	if (params->cluster_bytes && (params->cluster_bytes < params->sector_bytes ||
				      params->cluster_bytes > CLUSTER_BYTES_MAX))
		return msd_fail(err, MSD_E_USAGE,
				"--cluster-size=%u: clusters of FAT are %u to %u bytes here",
				params->cluster_bytes, params->sector_bytes, CLUSTER_BYTES_MAX);
	if (need->root_records > root_records_max(params) && params->kind != MSD_FS_FAT32 &&
	    params->kind != MSD_FS_FAT) {
		msd_fail(err, MSD_E_TOOBIG, "the root folder of %s has %u entries at most, and needs %llu",
			 msd_fs_kind_text(params->kind), root_records_max(params),
			 (unsigned long long)need->root_records);
		msd_hint(err, "--type=fat32 or --type=exfat");
		return -MSD_E_TOOBIG;
	}
	return 0;
}

/* The kinds in the order in which they are tried: the one for the size first. */
static enum msd_fs_kind kind_for_size(const struct msd_format_params *params,
				      const struct need *need)
{
	unsigned i = 0;

	while (params->size_bytes > by_size[i].upto)
		i++;
	return need->root_records > root_records_max(params) ? MSD_FS_FAT32 : by_size[i].kind;
}

int fat_plan(const struct msd_format_params *params, const struct need *need,
	     struct msd_fs_layout *layout, struct msd_error *err)
{
	int rc = check_params(params, need, err);
	bool found = false;

	if (rc < 0)
		return rc;
	if (params->size_bytes && params->kind != MSD_FS_FAT)
		found = try_size(params, need, params->kind, layout);
	else if (params->size_bytes)
		found = try_size(params, need, kind_for_size(params, need), layout);
	else if (params->kind != MSD_FS_FAT)
		found = try_need(params, need, params->kind, UINT64_MAX, layout);
	/* sectors or clusters of an unusual size can move the borders */
	for (unsigned i = 0; !found && params->kind == MSD_FS_FAT && i < 3; i++) {
		enum msd_fs_kind kind = by_size[i].kind;

		if (kind != MSD_FS_FAT32 && need->root_records > root_records_max(params))
			continue;
		found = params->size_bytes ? try_size(params, need, kind, layout) :
			try_need(params, need, kind, by_size[i].upto, layout);
	}
	return found ? 0 : fail_size(params, err);
}
