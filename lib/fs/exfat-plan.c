/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The geometry of exFAT: numbers in, numbers out. */
#include "base/parse.h"
#include "fs/exfat-disk.h"
#include "exfat-priv.h"
#include "fs/name.h"

#define MIB (1024ull * 1024)
#define GIB (1024 * MIB)

/* Where tables and clusters begin: as Windows and SD cards have it where there is room for it. */
#define BOUNDARY_BYTES MIB
#define BOUNDARY_FROM (64 * MIB)

static uint32_t preferred_cluster(uint64_t bytes, uint32_t sector_bytes)
{
	uint32_t cluster = bytes <= 256 * MIB ? 4096 : bytes <= 32 * GIB ? 32768 : 131072;

	return cluster < sector_bytes ? sector_bytes : cluster;
}

static uint64_t boundary_sectors(const struct msd_fs_layout *layout, uint64_t volume_bytes)
{
	uint64_t boundary = volume_bytes >= BOUNDARY_FROM ? BOUNDARY_BYTES : ALIGN_BYTES;

	if (boundary < layout->cluster_bytes && layout->cluster_bytes <= volume_bytes / 64)
		boundary = layout->cluster_bytes;
	return boundary / layout->sector_bytes;
}

/* Fills what lies before the clusters, for a table of clusters entries. */
static void plan_head(struct msd_fs_layout *layout, uint64_t clusters, uint64_t boundary)
{
	layout->reserved_sectors = (uint32_t)round_up(EXFAT_FAT_OFFSET_MIN, boundary);
	layout->fat_sectors = (uint32_t)div_up((clusters + EXFAT_FIRST_CLUSTER) * 4,
					       layout->sector_bytes);
	layout->heap_sector = round_up((uint64_t)layout->reserved_sectors + layout->fat_sectors,
				       boundary);
}

/* The clusters of bitmap, up-case table and root, in this order. */
static void plan_first_clusters(struct msd_fs_layout *layout, const struct need *need)
{
	uint32_t root = count_clusters(layout, need->root_records * RECORD_BYTES);

	layout->bitmap_cluster = EXFAT_FIRST_CLUSTER;
	layout->upcase_cluster = layout->bitmap_cluster +
				 count_clusters(layout, exfat_bitmap_bytes(layout));
	layout->root_cluster = layout->upcase_cluster + count_clusters(layout, MSD_UPCASE_BYTES);
	layout->tree_cluster = layout->root_cluster + root + (root == 0);
}

/* For the size in layout. Returns the count of clusters, which may be too large. */
static uint64_t plan_for_size(struct msd_fs_layout *layout)
{
	uint64_t per_cluster = layout->cluster_bytes / layout->sector_bytes;
	uint64_t boundary = boundary_sectors(layout, layout->sectors * layout->sector_bytes);
	uint64_t most;

	plan_head(layout, 0, boundary);
	if (layout->reserved_sectors >= layout->sectors)
		return 0;
	/* a table for the clusters that there would be without one: a little too large */
	most = (layout->sectors - layout->reserved_sectors) / per_cluster;
	if (most > EXFAT_CLUSTERS_MAX)
		return most;
	plan_head(layout, most, boundary);
	if (layout->heap_sector >= layout->sectors)
		return 0;
	return (layout->sectors - layout->heap_sector) / per_cluster;
}

static bool try_size(const struct msd_format_params *params, const struct need *need,
		     uint32_t cluster_bytes, struct msd_fs_layout *layout)
{
	uint64_t clusters;

	*layout = (struct msd_fs_layout){
		.kind = MSD_FS_EXFAT, .sector_bytes = params->sector_bytes,
		.cluster_bytes = cluster_bytes, .fats = 1,
		.sectors = params->size_bytes / params->sector_bytes,
	};
	clusters = plan_for_size(layout);
	if (clusters > EXFAT_CLUSTERS_MAX)
		return false;
	layout->clusters = (uint32_t)clusters;
	plan_first_clusters(layout, need);
	/* bitmap, up-case table and root must have room */
	return layout->tree_cluster - EXFAT_FIRST_CLUSTER <= clusters;
}

/* The smallest volume with these clusters that holds what is needed. */
static bool try_need(const struct msd_format_params *params, const struct need *need,
		     uint32_t cluster_bytes, struct msd_fs_layout *layout)
{
	struct msd_format_params sized = *params;
	uint64_t wanted = need_clusters(need, cluster_bytes);
	uint64_t clusters = wanted + 2;

	sized.size_bytes = EXFAT_VOLUME_BYTES_MIN;
	/* bitmap and table grow with the clusters that they are for: once or twice around */
	for (;;) {
		uint64_t used;

		if (clusters > EXFAT_CLUSTERS_MAX)
			return false;
		if (try_size(&sized, need, cluster_bytes, layout)) {
			used = layout->tree_cluster - EXFAT_FIRST_CLUSTER + wanted;
			if (used <= layout->clusters)
				return true;
			if (used > clusters)
				clusters = used;
		}
		*layout = (struct msd_fs_layout){
			.sector_bytes = params->sector_bytes, .cluster_bytes = cluster_bytes,
		};
		plan_head(layout, clusters, boundary_sectors(layout, clusters * cluster_bytes));
		sized.size_bytes = layout->heap_sector * params->sector_bytes +
				   clusters * cluster_bytes;
		if (sized.size_bytes < EXFAT_VOLUME_BYTES_MIN)
			sized.size_bytes = EXFAT_VOLUME_BYTES_MIN;
		sized.size_bytes = round_up(sized.size_bytes, ALIGN_BYTES);
		clusters++;
	}
}

/*
 * With the clusters that make the smallest volume, none larger than those preferred for its
 * size: thousands of small files in clusters of 32 KiB would be mostly empty.
 */
static bool smallest(const struct msd_format_params *params, const struct need *need,
		     struct msd_fs_layout *best)
{
	uint32_t first = params->sector_bytes > ALIGN_BYTES ? params->sector_bytes : ALIGN_BYTES;

	best->sectors = 0;
	for (uint32_t cluster = first; cluster <= EXFAT_CLUSTER_BYTES_MAX; cluster *= 2) {
		struct msd_fs_layout layout;

		if (!try_need(params, need, cluster, &layout))
			continue;
		if (best->sectors && (layout.sectors > best->sectors ||
				      preferred_cluster(layout.sectors * layout.sector_bytes,
							params->sector_bytes) < cluster))
			break;
		*best = layout;
	}
	return best->sectors > 0;
}

static int fail_size(const struct msd_format_params *params, struct msd_error *err)
{
	const uint64_t sizes[] = { params->size_bytes + params->outside_bytes,
				   EXFAT_VOLUME_BYTES_MIN + params->outside_bytes };
	char size[2][MSD_SIZE_TEXT];

	msd_format_sizes(sizes, 2, size);
	return msd_fail(err, MSD_E_USAGE,
			"--type=exfat cannot be %s%s: exfat works from %s, with at most 4294967285 clusters",
			params->size_bytes ? size[0] : "so large",
			params->cluster_bytes ? " with these clusters" : "", size[1]);
}

int exfat_plan(const struct msd_format_params *params, const struct need *need,
	       struct msd_fs_layout *layout, struct msd_error *err)
{
	uint32_t cluster = params->cluster_bytes;

	if (cluster && (cluster < params->sector_bytes || cluster > EXFAT_CLUSTER_BYTES_MAX))
		return msd_fail(err, MSD_E_USAGE,
				"--cluster-size=%u: clusters of exFAT are %u to %u bytes here", cluster,
				params->sector_bytes, EXFAT_CLUSTER_BYTES_MAX);
	if (params->size_bytes) {
		if (!cluster)
			cluster = preferred_cluster(params->size_bytes, params->sector_bytes);
		if (params->size_bytes < EXFAT_VOLUME_BYTES_MIN ||
		    !try_size(params, need, cluster, layout))
			return fail_size(params, err);
		return 0;
	}
	if (cluster)
		return try_need(params, need, cluster, layout) ? 0 : fail_size(params, err);
	return smallest(params, need, layout) ? 0 : fail_size(params, err);
}
