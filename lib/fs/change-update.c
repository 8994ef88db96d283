/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a volume hold what a tree has, with as few changes as can be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "change-priv.h"
#include "fs/walk.h"
#include "tree-priv.h"

enum { REMOVE_AT_A_TIME = 4096 };

struct update {
	struct msd_change *change;
	const struct msd_tree *tree;
	bool mirror, removing;		/* removing: this is the walk that removes */
	uint8_t *same;			/* by node: nothing needs to be put */
	uint8_t *renamed;		/* by node: the name there differs in case */
	uint64_t freed;			/* clusters */
	bool any_removed;
};

/* A name of the tree in the folder that is compared. */
struct child {
	uint32_t hash, node;
};

/* A folder that both have. */
struct pair {
	uint32_t node;
	struct msd_fs_node *folder;
};

/* What one folder of the volume is compared with, and what came out. */
struct level {
	struct child *children;
	size_t n_children;
	struct pair *pairs;
	size_t n_pairs, room_pairs;
	char **removed;			/* names */
	size_t n_removed, room_removed;
};

static int by_hash(const void *a, const void *b)
{
	const struct child *one = a, *other = b;

	return one->hash < other->hash ? -1 : one->hash > other->hash;
}

static int list_children(struct update *update, uint32_t folder, struct level *level)
{
	const struct msd_tree *tree = update->tree;
	uint16_t units[MSD_NAME_UNITS_MAX];
	size_t n = 0;

	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next)
		n++;
	level->children = calloc(n + 1, sizeof(*level->children));
	if (!level->children)
		return change_no_memory(update->change);
	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next) {
		int len = msd_utf8_to_utf16(node_name(tree, c), units, MSD_NAME_UNITS_MAX);

		if (len >= 0)
			level->children[level->n_children++] =
				(struct child){ msd_name_hash(units, (size_t)len), c };
	}
	qsort(level->children, level->n_children, sizeof(*level->children), by_hash);
	return 0;
}

/* The node of the tree that has a name, or TREE_NONE. */
static uint32_t find_child(const struct update *update, const struct level *level, const char *name)
{
	uint16_t units[MSD_NAME_UNITS_MAX], other[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(name, units, MSD_NAME_UNITS_MAX);
	size_t low = 0, high = level->n_children;
	uint32_t hash;

	if (n < 0)
		return TREE_NONE;
	hash = msd_name_hash(units, (size_t)n);
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (level->children[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < level->n_children && level->children[low].hash == hash; low++) {
		uint32_t node = level->children[low].node;
		int m = msd_utf8_to_utf16(node_name(update->tree, node), other, MSD_NAME_UNITS_MAX);

		if (m >= 0 && msd_name_is_same(units, (size_t)n, other, (size_t)m))
			return node;
	}
	return TREE_NONE;
}

/* As both would be written: so time zones and what FAT rounds do not count. */
static bool is_same_file(const struct update *update, const struct node *node,
			 const struct msd_fs_node *there)
{
	bool exfat = is_exfat(update->change);
	uint8_t cs, cs_there;

	return node->size_bytes == there->size_bytes &&
	       entry_stamp(node->mtime_s, node->mtime_cs * 10000000u, exfat, &cs) ==
		       entry_stamp(there->mtime.tv_sec, (uint32_t)there->mtime.tv_nsec, exfat,
					 &cs_there) &&
	       (!exfat || cs == cs_there);
}

static int count_freed(void *data, enum msd_walk_event event, const char *path,
		       const struct msd_fs_node *node, struct msd_error *err)
{
	struct update *update = data;

	if (event == MSD_WALK_FILE)
		update->freed += change_count_clusters(update->change, node->size_bytes);
	return 0;
}

static int see_removed(struct update *update, struct level *level, const struct msd_fs_node *node)
{
	struct msd_walk walk = {
		.fs = update->change->fs, .recurse = true, .fn = count_freed, .data = update,
	};
	char **removed;

	update->any_removed = true;
	if (!update->removing) {
		if (node->is_dir)
			return msd_walk_run(&walk, node, "", update->change->err);
		return count_freed(update, MSD_WALK_FILE, "", node, NULL);
	}
	removed = change_grow(level->removed, level->n_removed, &level->room_removed, sizeof(*removed));
	if (!removed)
		return change_no_memory(update->change);
	level->removed = removed;
	removed[level->n_removed] = strdup(node->name);
	return removed[level->n_removed++] ? 0 : change_no_memory(update->change);
}

static int add_pair(struct update *update, struct level *level, uint32_t node,
		    const struct msd_fs_node *there)
{
	struct pair *pairs = change_grow(level->pairs, level->n_pairs, &level->room_pairs,
					 sizeof(*pairs));
	struct msd_fs_node *folder = pairs ? malloc(sizeof(*folder)) : NULL;

	level->pairs = pairs ? pairs : level->pairs;
	if (!folder)
		return change_no_memory(update->change);
	*folder = *there;
	pairs[level->n_pairs++] = (struct pair){ node, folder };
	return 0;
}

static int fail_in_the_way(struct update *update, uint32_t node, bool is_folder)
{
	struct msd_change *change = update->change;
	_cleanup_free_ char *path = tree_image_path(update->tree, node);
	const char *image = change_image(change);
	char file[512], name[400];

	if (!path)
		return change_no_memory(change);
	msd_fail(change->err, EEXIST, is_folder ? "%s: '%s' is a folder in it, and a file to pack" :
						  "%s: '%s' is a file in it, and a folder to pack",
		 image, path);
	msd_hint(change->err, "msd-normalfiles rm %s%s %s", is_folder ? "-r " : "",
		 msd_shell_quote(image, file, sizeof(file)), msd_shell_quote(path, name, sizeof(name)));
	return -EEXIST;
}

/* One entry of the volume beside what the tree has. */
static int compare(struct update *update, struct level *level, const struct msd_fs_node *there)
{
	uint32_t i = find_child(update, level, there->name);
	const struct node *node = &update->tree->nodes[i == TREE_NONE ? TREE_ROOT : i];

	if (i == TREE_NONE)
		return update->mirror ? see_removed(update, level, there) : 0;
	if (node_is_folder(node) != there->is_dir)
		return update->mirror ? see_removed(update, level, there) :
					fail_in_the_way(update, i, there->is_dir);
	update->same[i] = there->is_dir || is_same_file(update, node, there);
	update->renamed[i] = strcmp(node_name(update->tree, i), there->name) != 0;
	return there->is_dir ? add_pair(update, level, i, there) : 0;
}

static int remove_names(struct update *update, uint32_t folder, struct level *level)
{
	_cleanup_free_ char *above = tree_image_path(update->tree, folder);
	int rc = above ? 0 : change_no_memory(update->change);

	for (size_t i = 0; i < level->n_removed; i++) {
		_cleanup_free_ char *path = NULL;

		if (rc == 0 && asprintf(&path, "%s/%s", above, level->removed[i]) < 0)
			rc = change_no_memory(update->change);
		if (rc == 0)
			rc = msd_change_remove(update->change, path, true, update->change->err);
		free(level->removed[i]);
	}
	return rc;
}

static int update_folder(struct update *update, uint32_t i, const struct msd_fs_node *folder);

/* Reads a folder of the volume until its end, or until there is enough to remove. */
static int read_folder(struct update *update, const struct msd_fs_node *folder, struct level *level)
{
	_cleanup_(msd_fs_dir_closep) struct msd_fs_dir *dir = NULL;
	_cleanup_free_ struct msd_fs_node *there = malloc(sizeof(*there));
	int rc = there ? msd_fs_dir_open(update->change->fs, folder, &dir, update->change->err) :
			 change_no_memory(update->change);

	if (rc == 0)
		dir->is_counted = true;
	while (rc == 0 && level->n_removed < REMOVE_AT_A_TIME &&
	       (rc = msd_fs_dir_next(dir, there, update->change->err)) > 0)
		rc = compare(update, level, there);
	return rc;
}

static int update_level(struct update *update, uint32_t i, const struct msd_fs_node *folder,
			bool *ret_again)
{
	struct level level = { .n_children = 0 };
	int rc = list_children(update, i, &level);

	if (rc == 0)
		rc = read_folder(update, folder, &level);
	*ret_again = level.n_removed == REMOVE_AT_A_TIME;
	if (rc == 0)
		rc = remove_names(update, i, &level);
	for (size_t j = 0; j < level.n_pairs; j++) {
		if (rc == 0 && !*ret_again)
			rc = update_folder(update, level.pairs[j].node, level.pairs[j].folder);
		free(level.pairs[j].folder);
	}
	free(level.pairs);
	free(level.removed);
	free(level.children);
	return rc;
}

static int update_folder(struct update *update, uint32_t i, const struct msd_fs_node *folder)
{
	bool again = true;
	int rc = 0;

	while (rc == 0 && again) {
		rc = update_level(update, i, folder, &again);
		if (rc == 0 && again)
			rc = change_batch(update->change);
	}
	return rc;
}

/* Gives a name the case that the tree has: it is found whatever its case. */
static int rename_node(struct update *update, uint32_t i)
{
	_cleanup_free_ char *path = tree_image_path(update->tree, i);

	return path ? msd_change_rename(update->change, path, path, update->change->err) :
		      change_no_memory(update->change);
}

static int run(struct update *update)
{
	const struct msd_tree *tree = update->tree;
	uint64_t damages = msd_fs_get_damages(update->change->fs);
	int rc = update_folder(update, TREE_ROOT, NULL);

	if (rc == 0)
		rc = change_check_room(update->change, tree, update->same, update->freed);
	if (rc == 0 && damages != msd_fs_get_damages(update->change->fs))
		return msd_fail(update->change->err, MSD_E_DAMAGED, "%s: damaged, and not updated",
				change_image(update->change));
	if (rc == 0 && update->any_removed) {
		/* what is freed must be free before the new content comes */
		update->removing = true;
		msd_fs_begin_walk(update->change->fs);
		rc = update_folder(update, TREE_ROOT, NULL);
		if (rc == 0)
			rc = change_batch(update->change);
	}
	for (uint32_t i = tree_next(tree, TREE_ROOT); rc == 0 && i != TREE_NONE; i = tree_next(tree, i)) {
		if (update->renamed[i])
			rc = rename_node(update, i);
		if (rc == 0 && !update->same[i])
			rc = change_put_node(update->change, tree, i);
	}
	return rc;
}

int msd_change_update_tree(struct msd_change *change, const struct msd_tree *tree, bool mirror,
			   struct msd_error *reterr)
{
	struct update update = { .change = change, .tree = tree, .mirror = mirror };
	int rc;

	change->err = reterr;
	update.same = calloc(tree->n_nodes, 2);
	if (!update.same)
		return change_no_memory(change);
	update.renamed = update.same + tree->n_nodes;
	msd_fs_begin_walk(change->fs);
	rc = run(&update);
	free(update.same);
	return rc;
}
