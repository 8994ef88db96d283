/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a file system with files in it: what all kinds do the same way. */
#include "fs/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "copy-priv.h"
#include "format-priv.h"
#include "fs/name.h"

static const struct fs_type *type_of(enum msd_fs_kind kind)
{
	return kind == MSD_FS_EXFAT ? &exfat_type : &fat_type;
}

const char *msd_fs_kind_text(enum msd_fs_kind kind)
{
	static const char *const texts[] = {
		[MSD_FS_FAT] = "fat", [MSD_FS_FAT12] = "fat12", [MSD_FS_FAT16] = "fat16",
		[MSD_FS_FAT32] = "fat32", [MSD_FS_EXFAT] = "exfat",
	};

	return texts[kind];
}

uint32_t fat_time_make(int64_t time_s, uint8_t time_cs, bool utc, uint8_t *ret_cs)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if ((int64_t)t != time_s || !(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)))
		tm.tm_year = time_s < 0 ? 0 : INT_MAX;
	if (tm.tm_year < 80) {
		*ret_cs = 0;
		return 1u << 21 | 1u << 16;
	}
	if (tm.tm_year > 207) {
		*ret_cs = 199;
		return 127u << 25 | 12u << 21 | 31u << 16 | 23u << 11 | 59u << 5 | 29u;
	}
	/* a leap second has no number */
	if (tm.tm_sec > 59)
		tm.tm_sec = 59;
	*ret_cs = (uint8_t)(tm.tm_sec % 2 * 100 + time_cs);
	return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 |
	       (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 | (uint32_t)tm.tm_min << 5 |
	       (uint32_t)tm.tm_sec / 2;
}

/* Reports a file or folder that the kind cannot hold. */
static void too_big(struct msd_tree *tree, uint32_t node, const char *why)
{
	_cleanup_free_ char *path = tree_source_path(tree, node);

	tree_problem(tree, path && *path ? path : "/", why);
}

/* Sizes of all folders, and what all of it takes with clusters of every size. */
static int count_need(const struct fs_type *type, struct msd_tree *tree, struct need *need,
		      struct msd_error *err)
{
	uint64_t problems = tree->n_problems;

	for (uint32_t i = 0; i < tree->n_nodes; i++)
		if (node_is_folder(&tree->nodes[i]))
			tree->nodes[i].size_bytes = i == TREE_ROOT ? need->root_records * RECORD_BYTES :
						    type->folder_records * RECORD_BYTES;
	for (uint32_t i = TREE_ROOT + 1; i < tree->n_nodes; i++) {
		uint16_t units[MSD_NAME_UNITS_MAX];
		int n = msd_utf8_to_utf16(node_name(tree, i), units, MSD_NAME_UNITS_MAX);

		/* the seal has checked them all */
		if (n <= 0)
			continue;
		tree->nodes[i].records = (uint8_t)type->count_records(units, (size_t)n);
		tree->nodes[tree->nodes[i].parent].size_bytes += tree->nodes[i].records * RECORD_BYTES;
	}
	for (uint32_t i = 0; i < tree->n_nodes; i++) {
		struct node *node = &tree->nodes[i];
		bool folder = node_is_folder(node);

		if (folder && node->size_bytes > type->folder_bytes_max)
			too_big(tree, i, type->folder_limit);
		else if (!folder && node->size_bytes > type->file_bytes_max)
			too_big(tree, i, "4 GiB or larger, which no FAT can hold");
		if (i == TREE_ROOT)
			continue;
		/* an empty folder has a cluster all the same */
		for (unsigned s = 0; s < CLUSTER_SHIFTS; s++)
			need->clusters[s] += folder && node->size_bytes == 0 ? 1 :
					     div_up(node->size_bytes, 1u << (CLUSTER_SHIFT_MIN + s));
	}
	need->root_records = tree->nodes[TREE_ROOT].size_bytes / RECORD_BYTES;
	if (tree->n_problems == problems)
		return 0;
	msd_fail(err, MSD_E_TOOBIG, "source: %llu of its files or folders cannot be in such an image",
		 (unsigned long long)(tree->n_problems - problems));
	if (type == &fat_type)
		msd_hint(err, "--type=exfat");
	return -MSD_E_TOOBIG;
}

static int check_params(const struct msd_format_params *params, struct msd_error *err)
{
	uint32_t sector = params->sector_bytes, cluster = params->cluster_bytes;

	if (sector < 512 || sector > 4096 || (sector & (sector - 1)))
		return msd_fail(err, MSD_E_USAGE, "--sector-size=%u: none of 512, 1024, 2048, 4096",
				sector);
	if (cluster & (cluster - 1))
		return msd_fail(err, MSD_E_USAGE, "--cluster-size=%u: not a power of two", cluster);
	return 0;
}

static bool has_room(const struct msd_fs_layout *layout, const struct need *need)
{
	return layout->tree_cluster - 2 + need_clusters(need, layout->cluster_bytes) <=
	       layout->clusters;
}

/* The volume is too small: says how large it must be. */
static int fail_room(const struct fs_type *type, const struct msd_format_params *params,
		     const struct need *need, struct msd_error *err)
{
	struct msd_format_params enough = *params;
	struct msd_fs_layout layout;
	unsigned long long needed;
	int rc;

	enough.size_bytes = 0;
	rc = type->plan(&enough, need, &layout, err);
	if (rc < 0)
		return rc;
	/* for a size that is given other clusters may be preferred, which waste more */
	enough.size_bytes = layout.sectors * layout.sector_bytes;
	while (type->plan(&enough, need, &layout, NULL) == 0 && !has_room(&layout, need))
		enough.size_bytes += round_up(enough.size_bytes / 256, 4096);
	needed = enough.size_bytes + params->outside_bytes;
	msd_fail(err, MSD_E_TOOBIG, "--size=%llu: too small, what goes in needs %llu bytes",
		 (unsigned long long)(params->size_bytes + params->outside_bytes), needed);
	msd_hint(err, "--size=%llu, or no --size for as much as it needs", needed);
	return -MSD_E_TOOBIG;
}

static void place(struct msd_tree *tree, struct msd_fs_layout *layout, bool folders, uint32_t *next)
{
	for (uint32_t i = tree_next(tree, TREE_ROOT); i != TREE_NONE; i = tree_next(tree, i)) {
		struct node *node = &tree->nodes[i];
		uint32_t n = count_clusters(layout, node->size_bytes);

		if (node_is_folder(node) != folders)
			continue;
		if (folders && n == 0)
			n = 1;
		node->first_cluster = n ? *next : 0;
		*next += n;
		if (!folders)
			layout->content_bytes += node->size_bytes;
	}
}

int msd_format_plan(const struct msd_format_params *params, struct msd_tree *tree,
		    struct msd_fs_layout *ret_layout, struct msd_error *reterr)
{
	const struct fs_type *type = type_of(params->kind);
	struct need need = { .free_bytes = params->size_bytes ? 0 : params->free_bytes };
	unsigned label_records = 0;
	uint32_t next;
	int rc = check_params(params, reterr);

	if (rc == 0 && params->label && *params->label)
		rc = type->check_label(params->label, &label_records, reterr);
	if (rc < 0)
		return rc;
	need.root_records = type->root_records + label_records;
	if (tree) {
		rc = count_need(type, tree, &need, reterr);
		if (rc < 0)
			return rc;
	}
	rc = type->plan(params, &need, ret_layout, reterr);
	if (rc < 0)
		return rc;
	if (!has_room(ret_layout, &need))
		return fail_room(type, params, &need, reterr);
	next = ret_layout->tree_cluster;
	if (tree) {
		place(tree, ret_layout, true, &next);
		place(tree, ret_layout, false, &next);
	}
	ret_layout->used_clusters = next - 2;
	return 0;
}

/* Goes to the folder's place, writes its records, and zeros to the end of its last cluster. */
static int write_folder(const struct fs_type *type, struct writing *writing, uint32_t folder)
{
	const struct msd_fs_layout *layout = writing->layout;
	uint64_t start, room;
	int rc;

	if (folder == TREE_ROOT && layout->root_records) {
		room = (uint64_t)layout->root_sectors * layout->sector_bytes;
		start = layout->heap_sector * layout->sector_bytes - room;
	} else {
		uint32_t cluster = folder == TREE_ROOT ? layout->root_cluster :
				   writing->tree->nodes[folder].first_cluster;
		uint64_t bytes = writing->tree ? writing->tree->nodes[folder].size_bytes : 1;

		start = cluster_offset(layout, cluster);
		room = round_up(bytes ? bytes : 1, layout->cluster_bytes);
	}
	sink_zero_to(&writing->sink, start);
	rc = type->write_folder(writing, folder);
	if (rc < 0)
		return sink_fail(&writing->sink, rc);
	sink_zero_to(&writing->sink, start + room);
	return writing->sink.rc;
}

int msd_format_write(struct msd_io *io, const struct msd_format_params *params,
		     const struct msd_fs_layout *layout, struct msd_tree *tree, bool fresh,
		     const struct msd_progress *progress, struct msd_error *reterr)
{
	const struct fs_type *type = type_of(layout->kind);
	struct writing writing = { .params = params, .layout = layout, .tree = tree, .err = reterr };
	int rc = sink_open(&writing.sink, io, fresh, progress, layout->content_bytes, reterr);

	if (rc < 0)
		return rc;
	type->write_head(&writing);
	rc = write_folder(type, &writing, TREE_ROOT);
	for (uint32_t i = tree ? tree_next(tree, TREE_ROOT) : TREE_NONE; rc == 0 && i != TREE_NONE;
	     i = tree_next(tree, i))
		if (node_is_folder(&tree->nodes[i]))
			rc = write_folder(type, &writing, i);
	if (rc == 0 && tree)
		rc = copy_files(&writing);
	if (rc == 0)
		rc = sink_flush(&writing.sink);
	sink_close(&writing.sink);
	return rc;
}
