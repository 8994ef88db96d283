/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: what is asked for becomes new content, and writes for the commit. */
#include "fs/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "change-priv.h"
#include "fs/walk.h"

/* More names or bytes of entries than this are committed before there are more. */
enum { PENDING_BYTES_MAX = 4 << 20, PENDING_FOLDERS_MAX = 4096 };

void *change_grow(void *array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;

	if (n < *room)
		return array;
	array = realloc(array, more * size);
	if (array)
		*room = more;
	return array;
}

int change_no_memory(struct msd_change *change)
{
	return msd_fail_on(change->err, ENOMEM, change_image(change));
}

void change_tell(const struct msd_change *change, const char *path, const char *what)
{
	msd_log(change->params.log, MSD_LOG_STEP, "%s%s", path + strspn(path, "/"), what);
}

/* The command that takes path out of the way, as a shell reads it. */
static void hint_rm(const struct msd_change *change, const char *options, const char *path)
{
	char file[512], name[400];

	msd_hint(change->err, "msd-normalfiles rm %s%s %s", options,
		 msd_shell_quote(change_image(change), file, sizeof(file)),
		 msd_shell_quote(path, name, sizeof(name)));
}

int msd_change_new(struct msd_fs *fs, const struct msd_change_params *params,
		   struct msd_change **ret, struct msd_error *reterr)
{
	_cleanup_(msd_change_freep) struct msd_change *change = calloc(1, sizeof(*change));
	int rc;

	/* the kernel copies to and from whole pages faster */
	if (!change || !(change->buf = aligned_alloc(4096, CHANGE_BUF_BYTES)))
		return msd_fail_on(reterr, ENOMEM, msd_io_get_name(fs->io));
	change->fs = fs;
	change->params = *params;
	change->err = reterr;
	if (getrandom(&change->key, sizeof(change->key), 0) < 0)
		change->key = (uint64_t)params->now_s;
	if (fs->boot_offset)
		return msd_fail(reterr, EROFS, "%s: its boot sector is damaged",
				msd_io_get_name(fs->io));
	rc = alloc_load(change);
	if (rc == 0)
		*ret = msd_steal(change);
	return rc;
}

/* Everything gathered is forgotten; folders are read anew when they are asked for. */
static void reset(struct msd_change *change)
{
	for (size_t i = 0; i < change->n_folders; i++)
		folder_free(change->folders[i]);
	change->n_folders = 0;
	change->n_writes = 0;
	change->n_data = 0;
	change->n_links = 0;
	change->n_cuts = 0;
	change->n_doomed = 0;
	change->n_taken = 0;
	change->has_adds = false;
}

struct msd_change *msd_change_free(struct msd_change *change)
{
	if (!change)
		return NULL;
	if (change->n_taken) {
		/* pages of the FAT may have been written, and the mark */
		change->err = NULL;
		if (alloc_undo(change) == 0)
			commit_unmark(change);
	}
	reset(change);
	free(change->extents);
	free(change->taken);
	free(change->writes);
	free(change->data);
	free(change->links);
	free(change->cuts);
	free(change->doomed);
	free(change->folders);
	free(change->buf);
	free(change);
	return NULL;
}

void msd_change_freep(struct msd_change **change)
{
	msd_change_free(*change);
}

uint64_t msd_change_get_free(const struct msd_change *change)
{
	return (uint64_t)change->n_free * change->fs->info.cluster_bytes;
}

int change_batch(struct msd_change *change)
{
	int rc = commit_steps(change);

	reset(change);
	return rc;
}

int msd_change_commit(struct msd_change *change, struct msd_error *reterr)
{
	int rc;

	change->err = reterr;
	rc = change_batch(change);
	return rc < 0 ? rc : commit_unmark(change);
}

int change_doom(struct msd_change *change, uint32_t first, bool contiguous, uint64_t size_bytes)
{
	struct doomed *doomed;

	if (first == 0)
		return 0;
	doomed = change_grow(change->doomed, change->n_doomed, &change->room_doomed,
			     sizeof(*doomed));
	if (!doomed)
		return change_no_memory(change);
	change->doomed = doomed;
	doomed[change->n_doomed++] = (struct doomed){ first, contiguous, size_bytes };
	return 0;
}

int change_doom_node(struct msd_change *change, const struct msd_fs_node *node)
{
	/* a chain on FAT may be longer than its file; all of it is let go */
	return change_doom(change, node->first_cluster, node->contiguous,
			   is_exfat(change) ? node->size_bytes : UINT64_MAX);
}

/* ---- finding ---- */

int place_find(struct msd_change *change, const char *path, bool make_parents, struct place *ret)
{
	int rc = folder_resolve(change, path, make_parents, &ret->folder, ret->units, &ret->n, NULL);

	if (rc < 0)
		return rc;
	ret->name = ret->n ? folder_find(change, ret->folder, ret->units, ret->n) : NULL;
	if (!ret->name)
		return 0;
	if (ret->name->pending) {
		/* asked for again in one go: what is there must be on the disk to be changed */
		if (ret->name->child) {
			memset(&ret->node, 0, sizeof(ret->node));
			ret->node.is_dir = true;
			return 0;
		}
		rc = change_batch(change);
		return rc < 0 ? rc : place_find(change, path, make_parents, ret);
	}
	return folder_read_node(change, ret->folder, ret->name->slot, &ret->node);
}

static int must_exist(struct msd_change *change, const char *path, const struct place *place)
{
	if (place->name)
		return 0;
	return msd_fail(change->err, ENOENT, "%s: there is no '%s' in it", change_image(change), path);
}

int place_check_name(struct msd_change *change, const char *path)
{
	const char *end = path + strlen(path), *name;
	_cleanup_free_ char *copy = NULL;
	uint16_t units[MSD_NAME_UNITS_MAX];
	enum msd_name_fault fault;
	size_t n;

	while (end > path && end[-1] == '/')
		end--;
	for (name = end; name > path && name[-1] != '/';)
		name--;
	copy = strndup(name, (size_t)(end - name));
	if (!copy)
		return change_no_memory(change);
	fault = msd_name_check(copy, units, &n);
	if (fault == MSD_NAME_OK)
		return 0;
	return msd_fail(change->err, MSD_E_NAME, "%s: '%s': %s", change_image(change), path,
			msd_name_fault_text(fault));
}

int change_keep_small(struct msd_change *change)
{
	if (change->n_data < PENDING_BYTES_MAX && change->n_folders < PENDING_FOLDERS_MAX)
		return 0;
	return change_batch(change);
}

static struct name *find_slot(struct msd_change *change, struct folder *folder, const uint16_t *units,
			      int n, uint32_t slot)
{
	struct name *name = n < 0 ? NULL : folder_find(change, folder, units, (size_t)n);

	return name && name->slot == slot ? name : NULL;
}

/* The names that lead to an entry: the long one and, on FAT, the short one. NULL for none. */
static void find_names(struct msd_change *change, struct folder *folder,
		       const struct msd_fs_node *node, struct name *ret[2])
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(node->name, units, MSD_NAME_UNITS_MAX);

	ret[0] = find_slot(change, folder, units, n, node->slot);
	n = is_exfat(change) ? -1 : (int)msd_fat_short_units(change->fs, node->short_name, units);
	ret[1] = find_slot(change, folder, units, n, node->slot);
}

void place_set_pending(struct msd_change *change, struct folder *folder,
			const struct msd_fs_node *node)
{
	struct name *names[2];

	find_names(change, folder, node, names);
	for (int i = 0; i < 2; i++)
		if (names[i])
			names[i]->pending = true;
}

static void forget_name(struct msd_change *change, struct folder *folder,
			const struct msd_fs_node *node)
{
	struct name *names[2];

	find_names(change, folder, node, names);
	for (int i = 0; i < 2; i++)
		if (names[i] && names[i]->slot != NO_SLOT) {
			names[i]->slot = NO_SLOT;
			folder->n_names--;
		}
}

/* ---- mkdir ---- */

static int write_dots(struct msd_change *change, const struct folder *parent, struct facts *facts)
{
	uint32_t bytes = change->fs->info.cluster_bytes;
	_cleanup_free_ struct fat_dirent *cluster = calloc(1, bytes);
	struct facts up = *facts;

	if (!cluster)
		return change_no_memory(change);
	if (!is_exfat(change)) {
		/* a parent that is the root is 0, on FAT32 too */
		up.first_cluster = parent->parent ? parent->first_cluster : 0;
		entry_fill_dirent(facts, &cluster[0], true);
		entry_fill_dirent(&up, &cluster[1], true);
		memcpy(cluster[0].name, ".          ", 11);
		memcpy(cluster[1].name, "..         ", 11);
	}
	return commit_write_new(change, cluster, bytes,
				fs_cluster_offset(change->fs, facts->first_cluster));
}

int msd_change_mkdir(struct msd_change *change, const char *path, bool parents,
		     struct msd_error *reterr)
{
	_cleanup_free_ struct place *place = malloc(sizeof(*place));
	struct facts facts = { .attributes = FAT_ATTR_DIRECTORY, .contiguous = is_exfat(change) };
	struct folder *folder;
	int rc;

	change->err = reterr;
	if (!place)
		return change_no_memory(change);
	rc = place_find(change, path, parents, place);
	if (rc < 0)
		return rc;
	if (place->n == 0 || place->name)
		return parents && (place->n == 0 || place->node.is_dir) ? 0 :
		       msd_fail_errno(reterr, EEXIST, "%s: '%s'", change_image(change), path);
	rc = place_check_name(change, path);
	if (rc == 0)
		rc = alloc_folder_cluster(change, &facts.first_cluster);
	facts.mtime_s = change->params.now_s;
	facts.size_bytes = change->fs->info.cluster_bytes;
	if (rc == 0)
		rc = write_dots(change, place->folder, &facts);
	if (rc == 0)
		rc = folder_make(change, place->folder, facts.first_cluster, &folder);
	if (rc < 0)
		return rc;
	change_tell(change, path, "");
	return entry_add(change, place->folder, place->units, place->n, NULL, 0, &facts, folder);
}

/* ---- rm ---- */

static int doom_visited(void *data, enum msd_walk_event event, const char *path,
			const struct msd_fs_node *node, struct msd_error *err)
{
	return event == MSD_WALK_LEAVE ? 0 : change_doom_node(data, node);
}

/* A folder that is removed, and those in it, if they were loaded. */
static void forget_folder(struct msd_change *change, struct folder *gone)
{
	gone->gone = true;
	for (size_t i = 0; i < change->n_folders; i++)
		if (change->folders[i]->parent && change->folders[i]->parent->gone)
			change->folders[i]->gone = true;
}

/* Whether the disk still has entries in a folder, or below it, that are removed already. */
static bool has_removed(const struct msd_change *change, const struct folder *folder)
{
	for (size_t i = 0; i < change->n_folders; i++)
		for (const struct folder *f = change->folders[i]; change->folders[i]->n_removed && f;
		     f = f->parent)
			if (f == folder)
				return true;
	return false;
}

static int remove_folder(struct msd_change *change, const char *path, struct place *place,
			 bool recursive)
{
	struct msd_walk walk = {
		.fs = change->fs, .recurse = true, .fn = doom_visited, .data = change,
	};
	uint64_t damages = msd_fs_get_damages(change->fs);
	struct folder *folder;
	int rc = folder_open_child(change, place->folder, place->name, path, &folder);

	if (rc == 0 && has_removed(change, folder)) {
		/* the walk would find them, and their clusters would be freed twice */
		rc = change_batch(change);
		if (rc == 0)
			rc = place_find(change, path, false, place);
		if (rc == 0)
			rc = folder_open_child(change, place->folder, place->name, path, &folder);
	}
	if (rc < 0)
		return rc;
	if (folder->n_names && !recursive) {
		msd_fail_errno(change->err, ENOTEMPTY, "%s: '%s'", change_image(change), path);
		hint_rm(change, "-r ", path);
		return -ENOTEMPTY;
	}
	if (folder->n_names) {
		msd_fs_begin_walk(change->fs);
		rc = msd_walk_run(&walk, &place->node, path, change->err);
	}
	if (rc == 0 && damages != msd_fs_get_damages(change->fs))
		rc = msd_fail(change->err, MSD_E_DAMAGED, "%s: '%s' is damaged and not removed",
			      change_image(change), path);
	forget_folder(change, folder);
	return rc;
}

int msd_change_remove(struct msd_change *change, const char *path, bool recursive,
		      struct msd_error *reterr)
{
	_cleanup_free_ struct place *place = malloc(sizeof(*place));
	int rc;

	change->err = reterr;
	/* folders that were made in this go are not on the disk for the walk to see */
	rc = !place ? change_no_memory(change) : change->has_adds ? change_batch(change) : 0;
	if (rc == 0)
		rc = place_find(change, path, false, place);
	if (rc == 0 && place->n == 0)
		return msd_fail(reterr, MSD_E_USAGE, "%s: the root cannot be removed", change_image(change));
	if (rc == 0)
		rc = must_exist(change, path, place);
	if (rc == 0 && place->node.is_dir)
		rc = remove_folder(change, path, place, recursive);
	if (rc == 0)
		rc = change_doom_node(change, &place->node);
	if (rc == 0)
		rc = folder_remove_slots(change, place->folder, place->node.slot,
					 place->node.n_slots);
	if (rc < 0)
		return rc;
	change_tell(change, path, ": removed");
	forget_name(change, place->folder, &place->node);
	return change_keep_small(change);
}

/* ---- mv ---- */

/* FAT: the folder says where its parent is. */
static int write_parent(struct msd_change *change, const struct msd_fs_node *node,
			const struct folder *parent)
{
	uint64_t offset = fs_cluster_offset(change->fs, node->first_cluster) + 32;
	uint32_t cluster = parent->parent ? parent->first_cluster : 0;
	struct fat_dirent dotdot;
	int rc;

	if (is_exfat(change) || !fs_is_cluster(change->fs, node->first_cluster))
		return 0;
	rc = msd_io_pread(change->fs->io, &dotdot, sizeof(dotdot), offset, change->err);
	if (rc < 0 || memcmp(dotdot.name, "..         ", 11))
		return rc;
	dotdot.cluster_low = le16_make((uint16_t)cluster);
	dotdot.cluster_high = le16_make((uint16_t)(cluster >> 16));
	return change_add_write(change, offset, &dotdot, sizeof(dotdot), STEP_ADD);
}

static int move(struct msd_change *change, struct place *from, struct place *to)
{
	uint8_t raw[256][32];
	int rc = from->node.n_slots > 256 ? -MSD_E_DAMAGED :
		 folder_read_slots(change, from->folder, from->node.slot, from->node.n_slots, raw);

	if (rc < 0)
		return rc;
	forget_name(change, from->folder, &from->node);
	rc = entry_add(change, to->folder, to->units, to->n, raw, from->node.n_slots, NULL, NULL);
	if (rc == 0 && from->node.is_dir && from->folder != to->folder)
		rc = write_parent(change, &from->node, to->folder);
	if (rc == 0)
		rc = folder_remove_slots(change, from->folder, from->node.slot, from->node.n_slots);
	return rc < 0 ? rc : change_batch(change);
}

int msd_change_rename(struct msd_change *change, const char *from_path, const char *to_path,
		      struct msd_error *reterr)
{
	_cleanup_free_ struct place *from = malloc(sizeof(*from)), *to = malloc(sizeof(*to));
	_cleanup_free_ char *within = NULL;
	int rc;

	change->err = reterr;
	/* entries are copied as the disk has them, and a folder that becomes shorter writes its own */
	rc = !from || !to ? change_no_memory(change) : change_batch(change);
	if (rc == 0)
		rc = place_find(change, from_path, false, from);
	if (rc == 0 && from->n == 0)
		return msd_fail(reterr, MSD_E_USAGE, "%s: the root cannot be moved", change_image(change));
	if (rc == 0)
		rc = must_exist(change, from_path, from);
	if (rc == 0)
		rc = place_find(change, to_path, false, to);
	if (rc < 0)
		return rc;
	if (to->n == 0 || (to->name && to->node.is_dir && to->name != from->name)) {
		if (asprintf(&within, "%s/%s", to_path, from->node.name) < 0)
			return change_no_memory(change);
		to_path = within;
		rc = place_find(change, to_path, false, to);
	}
	if (rc == 0 && to->name && (to->folder != from->folder || to->node.slot != from->node.slot)) {
		msd_fail_errno(reterr, EEXIST, "%s: '%s'", change_image(change), to_path);
		hint_rm(change, "", to_path);
		return -EEXIST;
	}
	for (const struct folder *f = to->folder; rc == 0 && f && from->node.is_dir; f = f->parent)
		if (f->parent && f->first_cluster == from->node.first_cluster)
			return msd_fail(reterr, EINVAL, "%s: '%s' cannot be moved into itself",
					change_image(change), from_path);
	if (rc == 0)
		rc = place_check_name(change, to_path);
	if (rc < 0)
		return rc;
	change_tell(change, from_path, ": moved");
	return move(change, from, to);
}
