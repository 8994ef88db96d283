/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The check of a volume: chains, and whether what is allocated is what they have. */
#include "fs/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "check-priv.h"
#include "fs/walk.h"

enum { OWNER_BYTES_MAX = 1024 };	/* of a path that is kept */

/* ---- what is found ---- */

static void tell(struct check *check, uint64_t offset, uint32_t cluster, bool note, const char *what)
{
	const struct msd_fs_info *info = &check->fs->info;
	struct msd_check_finding finding = {
		.offset_bytes = offset, .cluster = cluster, .note = note, .what = what,
		.path = check->owner ? "" : msd_fs_get_path(check->fs),
	};
	char text[1400];

	if (check->owner) {
		snprintf(text, sizeof(text), "%s: %s", check->owner, what);
		finding.what = text;
	}
	if (!cluster && offset >= info->heap_offset_bytes)
		finding.cluster = (uint32_t)((offset - info->heap_offset_bytes) /
					     info->cluster_bytes) + 2;
	if (note)
		check->result->n_notes++;
	else
		check->result->n_damages++;
	check->params->fn(check->params->data, &finding);
}

static void tell_reader(void *data, uint64_t offset_bytes, const char *what)
{
	struct check *check = data;

	if (!check->hushed)
		tell(check, offset_bytes, 0, false, what);
}

void check_damage(struct check *check, uint64_t offset, uint32_t cluster, const char *fmt, ...)
{
	char what[1280];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	tell(check, offset, cluster, false, what);
}

void check_note(struct check *check, uint64_t offset, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	tell(check, offset, 0, true, what);
}

/* ---- chains ---- */

/* A chain as far as it goes, whatever its file needs of it. */
static void begin_chain(struct check *check, const struct msd_fs_node *node, struct msd_fs_map *map)
{
	msd_fs_map_init(check->fs, node, map);
	if (!map->contiguous && (map->left_bytes || map->cluster))
		map->left_bytes = UINT64_MAX;
}

/* Returns as msd_fs_map_next; *ret_place is what led to the first cluster. */
static int next_run(struct check *check, struct msd_fs_map *map, uint32_t *ret_first, uint32_t *ret_n,
		    uint64_t *ret_place)
{
	const struct msd_fs_info *info = &check->fs->info;
	struct msd_extent extent;
	int rc;

	*ret_place = map->place;
	rc = msd_fs_map_next(map, &extent, check->err);
	if (rc <= 0)
		return rc;
	*ret_first = (uint32_t)((extent.offset_bytes - info->heap_offset_bytes) /
				info->cluster_bytes) + 2;
	*ret_n = (uint32_t)((extent.size_bytes + info->cluster_bytes - 1) / info->cluster_bytes);
	if (check->steps_left < *ret_n)
		return 0;
	check->steps_left -= *ret_n;
	return 1;
}

static bool is_marked(const struct check *check, uint32_t cluster)
{
	uint32_t bit = cluster - check->from;

	return check->marks[bit / 8] >> bit % 8 & 1;
}

/* Marks what this pass looks at. Returns the first cluster that was marked before, 0: none. */
static uint32_t mark(struct check *check, uint32_t first, uint32_t n)
{
	uint32_t end = first + n, found = 0;

	if (first < check->from)
		first = check->from;
	if (end > check->to)
		end = check->to;
	for (uint32_t c = first; c < end; c++) {
		uint32_t bit = c - check->from;

		if (is_marked(check, c) && !found)
			found = c;
		check->marks[bit / 8] |= (uint8_t)(1 << bit % 8);
	}
	return found;
}

/* Is a cluster among the first ones of a chain? */
static bool is_own(struct check *check, const struct msd_fs_node *node, uint32_t cluster,
		   uint64_t n_before)
{
	uint32_t first, n;
	struct msd_fs_map map;
	uint64_t place;

	for (begin_chain(check, node, &map); n_before && next_run(check, &map, &first, &n, &place) > 0;) {
		if (n > n_before)
			n = (uint32_t)n_before;
		if (cluster >= first && cluster - first < n)
			return true;
		n_before -= n;
	}
	return false;
}

static void add_crossing(struct check *check, uint32_t cluster, uint64_t place)
{
	for (size_t i = 0; i < check->n_crossings; i++)
		if (check->crossings[i].cluster == cluster)
			return;
	if (check->n_crossings == CROSSINGS_MAX)
		check_damage(check, place, cluster, "cluster %u belongs to another one, too", cluster);
	else
		check->crossings[check->n_crossings++] = (struct crossing){ .cluster = cluster };
}

static void check_size(struct check *check, const struct msd_fs_node *node, uint64_t n)
{
	uint64_t bytes = check->fs->info.cluster_bytes,
		 wanted = node->size_bytes / bytes + (node->size_bytes % bytes != 0);

	if (n != wanted)
		check_damage(check, node->entry_offset_bytes, 0,
			     "has %llu bytes, and clusters for %llu",
			     (unsigned long long)node->size_bytes, (unsigned long long)(n * bytes));
}

int check_chain(struct check *check, const struct msd_fs_node *node, uint64_t *ret_bytes)
{
	struct msd_fs *fs = check->fs;
	uint32_t first, n, found = 0;
	uint64_t total = 0, place;
	struct msd_fs_map map;
	int rc;

	begin_chain(check, node, &map);
	if (ret_bytes)
		*ret_bytes = map.fixed_root ? fs->root_bytes : 0;
	if (map.fixed_root)
		return 0;
	fs->hush_chains = !check->first_pass;
	while ((rc = next_run(check, &map, &first, &n, &place)) > 0) {
		found = mark(check, first, n);
		if (found) {
			if (found != first)
				place = fs_entry_offset(fs, found - 1);
			break;
		}
		total += n;
	}
	fs->hush_chains = true;
	if (rc < 0)
		return rc;
	if (found && map.contiguous) {
		add_crossing(check, found, node->entry_offset_bytes);
	} else if (found) {
		total += found - first;
		if (!is_own(check, node, found, total))
			add_crossing(check, found, place);
		else if (check->first_pass)
			check_damage(check, place, found, "chain of clusters is a loop");
	} else if (!map.damaged && !map.contiguous && check->first_pass && node &&
		   (!node->is_dir || fs->info.type == MSD_FS_TYPE_EXFAT)) {
		check_size(check, node, total);
	}
	if (ret_bytes && !found && !map.damaged)
		*ret_bytes = total * fs->info.cluster_bytes;
	return total == 0 && (found || map.damaged);
}

/* ---- whose clusters are shared ---- */

static int by_cluster(const void *a, const void *b)
{
	const struct crossing *one = a, *other = b;

	return one->cluster < other->cluster ? -1 : one->cluster > other->cluster;
}

/* Returns whether the clusters have been another's. */
static int name_crossings(struct check *check, uint32_t first, uint32_t n, uint64_t place)
{
	const char *owner = check->owner ? check->owner : msd_fs_get_path(check->fs);
	size_t low = 0, high = check->n_crossings;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (check->crossings[middle].cluster < first)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < check->n_crossings && check->crossings[low].cluster - first < n; low++) {
		struct crossing *crossing = &check->crossings[low];

		if (!crossing->owner) {
			crossing->owner = strndup(owner, OWNER_BYTES_MAX);
			if (!crossing->owner)
				return msd_fail_on(check->err, ENOMEM, msd_io_get_name(check->fs->io));
		} else if (strncmp(crossing->owner, owner, OWNER_BYTES_MAX)) {
			check_damage(check, place, crossing->cluster, "shares cluster %u with '%s'",
				     crossing->cluster, crossing->owner);
			crossing->told = true;
			return 1;
		}
	}
	return 0;
}

static int name_chain(struct check *check, const struct msd_fs_node *node)
{
	uint32_t first, n;
	struct msd_fs_map map;
	uint64_t place;
	int rc, shared = 0;

	begin_chain(check, node, &map);
	if (map.fixed_root)
		return 0;
	while (shared == 0 && (rc = next_run(check, &map, &first, &n, &place)) > 0)
		shared = name_crossings(check, first, n, place);
	return shared ? shared : rc;
}

/* ---- files and folders ---- */

struct visit {
	struct check *check;
	uint32_t up[MSD_WALK_DEPTH_MAX + 2];	/* the folders that the next entry is in, 0: root */
	unsigned depth;
};

static int check_node(struct visit *visit, const struct msd_fs_node *node)
{
	struct check *check = visit->check;
	uint64_t bytes;
	int rc;

	if (check->first_pass) {
		check_name(check, node);
		if (node->is_dir)
			check->result->n_folders++;
		else
			check->result->n_files++;
	}
	if (node->first_cluster == 0 && node->size_bytes == 0)
		return 0;
	rc = check_chain(check, node, &bytes);
	if (rc || !node->is_dir || !check->first_pass)
		return rc;
	if (check->fs->info.type != MSD_FS_TYPE_EXFAT)
		rc = check_dots(check, node, visit->up[visit->depth]);
	return rc < 0 ? rc : check_names(check, node, bytes);
}

static int visit_node(void *data, enum msd_walk_event event, const char *path,
		      const struct msd_fs_node *node, struct msd_error *err)
{
	struct visit *visit = data;
	int rc;

	if (event == MSD_WALK_LEAVE) {
		visit->depth--;
		return 0;
	}
	rc = visit->check->naming ? name_chain(visit->check, node) : check_node(visit, node);
	if (rc == 0 && node->is_dir)
		visit->up[++visit->depth] = node->first_cluster;
	return rc;
}

static int visit_root(struct check *check)
{
	uint64_t bytes;
	int rc;

	check->owner = "root folder";
	rc = check->naming ? name_chain(check, NULL) : check_chain(check, NULL, &bytes);
	check->owner = NULL;
	if (rc == 0 && check->first_pass)
		rc = check_names(check, NULL, bytes);
	return rc < 0 ? rc : 0;
}

static int visit_all(struct check *check)
{
	struct visit visit = { .check = check };
	struct msd_walk walk = {
		.fs = check->fs, .recurse = true, .fn = visit_node, .data = &visit,
	};
	int rc;

	/* none but a saboteur has chains that lead through each other again and again */
	check->steps_left = 4 * (uint64_t)check->fs->info.n_clusters + 16;
	msd_fs_begin_walk(check->fs);
	rc = check_tables(check);
	if (rc == 0)
		rc = visit_root(check);
	return rc < 0 ? rc : msd_walk_run(&walk, NULL, "", check->err);
}

int check_table(struct check *check, const struct msd_fs_node *node, const char *owner)
{
	int rc;

	check->owner = owner;
	rc = check->naming ? name_chain(check, node) : check_chain(check, node, NULL);
	check->owner = NULL;
	return rc;
}

/* ---- allocation ---- */

/* Runs of clusters that are in use by nobody, or by somebody though they are free. */
static void tell_run(struct check *check, uint32_t end, uint32_t n, const char *what)
{
	if (n)
		check_damage(check, fs_cluster_offset(check->fs, end - n), end - n, "%u cluster%s: %s", n,
			     n == 1 ? "" : "s", what);
}

static int check_used(struct check *check, uint32_t from, uint32_t to)
{
	uint32_t lost = 0, c, next;

	for (c = from; c < to; c++) {
		bool is_lost = !is_marked(check, c);

		if (is_lost) {
			int rc = check->fs->ops->read_next(check->fs, c, &next, check->err);

			if (rc < 0)
				return rc;
			is_lost = next != FS_BAD;
		}
		if (!is_lost)
			tell_run(check, c, lost, "lost: in use, but no file leads there");
		lost = is_lost ? lost + 1 : 0;
	}
	tell_run(check, c, lost, "lost: in use, but no file leads there");
	return 0;
}

/* exFAT; on FAT the chains themselves tell. */
static void check_unused(struct check *check, uint32_t from, uint32_t to)
{
	uint32_t used = 0, c;

	for (c = from; c < to; c++) {
		if (!is_marked(check, c))
			tell_run(check, c, used, "in use, but free in the bitmap");
		used = is_marked(check, c) ? used + 1 : 0;
	}
	tell_run(check, c, used, "in use, but free in the bitmap");
}

static int check_allocation(struct check *check)
{
	struct msd_fs *fs = check->fs;
	uint32_t at = check->from;

	while (at < check->to) {
		uint32_t start, n = 0, end;
		int rc = fs_next_free(fs, at, &start, &n, check->err);

		if (rc < 0)
			return rc;
		if (rc == 0 || start > check->to)
			start = check->to;
		end = n < check->to - start ? start + n : check->to;
		rc = check_used(check, at, start);
		if (rc < 0)
			return rc;
		if (fs->info.type == MSD_FS_TYPE_EXFAT)
			check_unused(check, start, end);
		check->result->n_free += end - start;
		at = end;
	}
	return 0;
}

static int run_pass(struct check *check)
{
	int rc;

	memset(check->marks, 0, (check->to - check->from + 7) / 8);
	rc = visit_all(check);
	if (rc == 0 && check->steps_left == 0)
		check_damage(check, 0, 0, "files share too many clusters: not all of it was looked at");
	return rc < 0 || check->no_bitmap ? rc : check_allocation(check);
}

static int name_all(struct check *check)
{
	int rc;

	qsort(check->crossings, check->n_crossings, sizeof(*check->crossings), by_cluster);
	check->naming = true;
	rc = visit_all(check);
	for (size_t i = 0; i < check->n_crossings; i++) {
		const struct crossing *crossing = &check->crossings[i];

		if (rc == 0 && !crossing->told)
			check_damage(check, fs_cluster_offset(check->fs, crossing->cluster), 0,
				     "cluster %u belongs to more than one file", crossing->cluster);
		free(crossing->owner);
	}
	return rc;
}

static int run(struct check *check)
{
	uint32_t end = check->fs->info.n_clusters + 2;
	int rc = check_boot(check);

	check->first_pass = true;
	check->to = 2;
	do {
		check->from = check->to;
		check->to = end - check->from > CLUSTERS_AT_A_TIME ? check->from + CLUSTERS_AT_A_TIME :
								     end;
		if (rc == 0)
			rc = run_pass(check);
		check->first_pass = false;
		check->hushed = true;
	} while (rc == 0 && check->to < end);
	if (rc == 0 && check->n_crossings)
		rc = name_all(check);
	return rc < 0 || check->no_bitmap ? rc : check_counts(check);
}

int msd_fs_check(struct msd_fs *fs, const struct msd_check_params *params,
		 struct msd_check_result *ret, struct msd_error *reterr)
{
	struct check check = { .fs = fs, .params = params, .result = ret, .err = reterr };
	struct msd_damage damage = { tell_reader, &check }, before = fs->damage;
	uint32_t n = fs->info.n_clusters < CLUSTERS_AT_A_TIME ? fs->info.n_clusters :
								CLUSTERS_AT_A_TIME;
	int rc;

	memset(ret, 0, sizeof(*ret));
	check.marks = malloc(n / 8 + 1);
	check.crossings = calloc(CROSSINGS_MAX, sizeof(*check.crossings));
	fs->strict = fs->hush_chains = true;
	msd_fs_set_damage(fs, &damage);
	rc = check.marks && check.crossings ? run(&check) :
	     msd_fail_on(reterr, ENOMEM, msd_io_get_name(fs->io));
	msd_fs_set_damage(fs, &before);
	fs->strict = fs->strict_hashes = fs->hush_chains = false;
	free(check.crossings);
	free(check.marks);
	return rc;
}
