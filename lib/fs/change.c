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
	return msd_fail_errno(change->err, ENOMEM, "%s", msd_io_get_name(change->fs->io));
}

static const char *image(const struct msd_change *change)
{
	return msd_io_get_name(change->fs->io);
}

/* The command that takes path out of the way, as a shell reads it. */
static void hint_rm(const struct msd_change *change, const char *options, const char *path)
{
	char file[512], name[400];

	msd_hint(change->err, "msd-normalfiles rm %s%s %s", options,
		 msd_shell_quote(image(change), file, sizeof(file)),
		 msd_shell_quote(path, name, sizeof(name)));
}

int msd_change_new(struct msd_fs *fs, const struct msd_change_params *params,
		   struct msd_change **ret, struct msd_error *reterr)
{
	_cleanup_(msd_change_freep) struct msd_change *change = calloc(1, sizeof(*change));
	int rc;

	if (!change || !(change->buf = malloc(CHANGE_BUF_BYTES)))
		return msd_fail_errno(reterr, ENOMEM, "%s", msd_io_get_name(fs->io));
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

static int doom_node(struct msd_change *change, const struct msd_fs_node *node)
{
	/* a chain on FAT may be longer than its file; all of it is let go */
	return change_doom(change, node->first_cluster, node->contiguous,
			   is_exfat(change) ? node->size_bytes : UINT64_MAX);
}

/* ---- times ---- */

uint32_t change_make_stamp(int64_t time_s, uint32_t time_ns, bool utc, uint8_t *ret_cs)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	*ret_cs = 0;
	if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) || tm.tm_year < 80)
		return 1 << 21 | 1 << 16;
	if (tm.tm_year > 80 + 127)
		return 127u << 25 | 12 << 21 | 31 << 16 | 23 << 11 | 59 << 5 | 29;
	*ret_cs = (uint8_t)(tm.tm_sec % 2 * 100 + (int)(time_ns / 10000000));
	return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 |
	       (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 |
	       (uint32_t)tm.tm_min << 5 | (uint32_t)(tm.tm_sec > 59 ? 59 : tm.tm_sec) / 2;
}

/* ---- entries ---- */

/* What a new entry or a new content says. */
struct facts {
	uint32_t first_cluster;
	bool contiguous;
	uint64_t size_bytes;
	uint16_t attributes;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

static void fill_dirent(const struct facts *facts, struct fat_dirent *dirent, bool is_new)
{
	uint8_t cs;
	uint32_t stamp = change_make_stamp(facts->mtime_s, facts->mtime_ns, false, &cs);

	dirent->attr = (uint8_t)facts->attributes;
	dirent->write_time = le16_make((uint16_t)stamp);
	dirent->write_date = le16_make((uint16_t)(stamp >> 16));
	dirent->access_date = dirent->write_date;
	if (is_new) {
		dirent->create_time_cs = cs;
		dirent->create_time = dirent->write_time;
		dirent->create_date = dirent->write_date;
	}
	dirent->cluster_low = le16_make((uint16_t)facts->first_cluster);
	dirent->cluster_high = le16_make((uint16_t)(facts->first_cluster >> 16));
	dirent->size_bytes = le32_make(facts->attributes & FAT_ATTR_DIRECTORY ?
				       0 : (uint32_t)facts->size_bytes);
}

static void fill_set(const struct facts *facts, union exfat_entry *set, bool is_new)
{
	struct exfat_file_entry *file = &set[0].file;
	struct exfat_stream_entry *stream = &set[1].stream;
	uint8_t cs;
	le32 stamp = le32_make(change_make_stamp(facts->mtime_s, facts->mtime_ns, true, &cs));

	file->type = EXFAT_TYPE_FILE;
	file->attr = le16_make(facts->attributes);
	file->write_time = file->access_time = stamp;
	file->write_time_cs = cs;
	file->write_utc = file->access_utc = EXFAT_UTC_VALID;
	if (is_new) {
		file->create_time = stamp;
		file->create_time_cs = cs;
		file->create_utc = EXFAT_UTC_VALID;
	}
	stream->type = EXFAT_TYPE_STREAM;
	stream->flags = EXFAT_ALLOC_POSSIBLE | (facts->contiguous ? EXFAT_NO_FAT_CHAIN : 0);
	stream->first_cluster = le32_make(facts->first_cluster);
	stream->valid_bytes = stream->size_bytes = le64_make(facts->size_bytes);
}

/* A short name for the units; false in *ret_exact when long entries are needed as well. */
static int make_short(struct msd_change *change, struct folder *folder, const uint16_t *units,
		      size_t n, struct msd_short_name *ret, bool *ret_exact)
{
	int rc;

	*ret_exact = msd_short_name_is_exact(units, n, ret);
	rc = *ret_exact ? msd_short_set_add(folder->shorts, ret->name) :
			  msd_short_set_make(folder->shorts, units, n, ret);
	return rc == -ENOSPC ? msd_fail(change->err, MSD_E_TOOBIG, "%s: a folder has no short names "
					"left", image(change)) :
	       rc < 0 ? change_no_memory(change) : 0;
}

/*
 * Puts a name into a folder. With raw, entries that the file had elsewhere are what is copied,
 * n_raw of them; else facts make them. child is the folder that it is, or NULL.
 */
static int add_entry(struct msd_change *change, struct folder *folder, const uint16_t *units, size_t n,
		     const void *raw, unsigned n_raw, const struct facts *facts,
		     struct folder *child)
{
	union {
		struct fat_dirent fat[FAT_RECORDS_MAX];
		union exfat_entry exfat[256];
	} records;
	struct msd_short_name short_name;
	struct fat_dirent dirent = { .attr = 0 };
	unsigned n_records, n_names;
	struct name *name;
	uint32_t slot;
	bool exact;
	int rc;

	if (is_exfat(change)) {
		memset(records.exfat, 0, 2 * 32);
		if (raw)
			memcpy(records.exfat, raw, 2 * 32);
		else
			fill_set(facts, records.exfat, true);
		n_records = n_names = msd_exfat_make_records(units, n, records.exfat);
		/* vendors' entries come along */
		for (unsigned i = 2; raw && i < n_raw && n_records < EXFAT_ENTRIES_MAX; i++)
			if (((const union exfat_entry *)raw)[i].type != EXFAT_TYPE_NAME)
				records.exfat[n_records++] = ((const union exfat_entry *)raw)[i];
		msd_exfat_seal_records(records.exfat, n_records);
	} else {
		rc = make_short(change, folder, units, n, &short_name, &exact);
		if (rc < 0)
			return rc;
		if (raw)
			dirent = ((const struct fat_dirent *)raw)[n_raw - 1];
		else
			fill_dirent(facts, &dirent, true);
		n_records = msd_fat_make_records(units, n, exact, &short_name, &dirent, records.fat);
	}
	rc = folder_take_slots(change, folder, n_records, &slot);
	if (rc == 0)
		rc = folder_add_name(change, folder, units, n, slot, true, &name);
	if (rc < 0)
		return rc;
	if (child) {
		name->child = child->number + 1;
		child->set_slot = slot;
		if (is_exfat(change)) {
			/* written with the size that it has in the end */
			memcpy(child->set, records.exfat, n_records * 32);
			child->n_set = n_records;
			change->has_adds = true;
			return 0;
		}
	}
	return folder_write_slots(change, folder, slot, n_records, &records, STEP_ADD);
}

/* ---- finding ---- */

/* Where a path leads to: its folder, its name there, and both when it is there. */
struct place {
	struct folder *folder;
	uint16_t units[MSD_NAME_UNITS_MAX];
	size_t n;
	struct name *name;		/* NULL: not there */
	struct msd_fs_node node;
};

static int find(struct msd_change *change, const char *path, bool make_parents, struct place *ret)
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
		return rc < 0 ? rc : find(change, path, make_parents, ret);
	}
	return folder_read_node(change, ret->folder, ret->name->slot, &ret->node);
}

static int must_exist(struct msd_change *change, const char *path, const struct place *place)
{
	if (place->name)
		return 0;
	return msd_fail(change->err, ENOENT, "%s: there is no '%s' in it", image(change), path);
}

static int check_name(struct msd_change *change, const char *path)
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
	return msd_fail(change->err, MSD_E_NAME, "%s: '%s': %s", image(change), path,
			msd_name_fault_text(fault));
}

/* Gathered enough: what there is takes effect, and memory is free again. */
static int keep_small(struct msd_change *change)
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

/* Its entries are to be written: until then the disk does not say what it is. */
static void set_pending(struct msd_change *change, struct folder *folder,
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
		fill_dirent(facts, &cluster[0], true);
		fill_dirent(&up, &cluster[1], true);
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
	rc = find(change, path, parents, place);
	if (rc < 0)
		return rc;
	if (place->n == 0 || place->name)
		return parents && (place->n == 0 || place->node.is_dir) ? 0 :
		       msd_fail_errno(reterr, EEXIST, "%s: '%s'", image(change), path);
	rc = check_name(change, path);
	if (rc == 0)
		rc = alloc_folder_cluster(change, &facts.first_cluster);
	facts.mtime_s = change->params.now_s;
	facts.size_bytes = change->fs->info.cluster_bytes;
	if (rc == 0)
		rc = write_dots(change, place->folder, &facts);
	if (rc == 0)
		rc = folder_make(change, place->folder, facts.first_cluster, &folder);
	return rc < 0 ? rc : add_entry(change, place->folder, place->units, place->n, NULL, 0, &facts,
				       folder);
}

/* ---- rm ---- */

static int doom_visited(void *data, enum msd_walk_event event, const char *path,
			const struct msd_fs_node *node, struct msd_error *err)
{
	return event == MSD_WALK_LEAVE ? 0 : doom_node(data, node);
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
			rc = find(change, path, false, place);
		if (rc == 0)
			rc = folder_open_child(change, place->folder, place->name, path, &folder);
	}
	if (rc < 0)
		return rc;
	if (folder->n_names && !recursive) {
		msd_fail_errno(change->err, ENOTEMPTY, "%s: '%s'", image(change), path);
		hint_rm(change, "-r ", path);
		return -ENOTEMPTY;
	}
	if (folder->n_names) {
		msd_fs_begin_walk(change->fs);
		rc = msd_walk_run(&walk, &place->node, path, change->err);
	}
	if (rc == 0 && damages != msd_fs_get_damages(change->fs))
		rc = msd_fail(change->err, MSD_E_DAMAGED, "%s: '%s' is damaged and not removed",
			      image(change), path);
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
		rc = find(change, path, false, place);
	if (rc == 0 && place->n == 0)
		return msd_fail(reterr, MSD_E_USAGE, "%s: the root cannot be removed", image(change));
	if (rc == 0)
		rc = must_exist(change, path, place);
	if (rc == 0 && place->node.is_dir)
		rc = remove_folder(change, path, place, recursive);
	if (rc == 0)
		rc = doom_node(change, &place->node);
	if (rc == 0)
		rc = folder_remove_slots(change, place->folder, place->node.slot,
					 place->node.n_slots);
	if (rc < 0)
		return rc;
	forget_name(change, place->folder, &place->node);
	return keep_small(change);
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
	rc = add_entry(change, to->folder, to->units, to->n, raw, from->node.n_slots, NULL, NULL);
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
		rc = find(change, from_path, false, from);
	if (rc == 0 && from->n == 0)
		return msd_fail(reterr, MSD_E_USAGE, "%s: the root cannot be moved", image(change));
	if (rc == 0)
		rc = must_exist(change, from_path, from);
	if (rc == 0)
		rc = find(change, to_path, false, to);
	if (rc < 0)
		return rc;
	if (to->n == 0 || (to->name && to->node.is_dir && to->name != from->name)) {
		if (asprintf(&within, "%s/%s", to_path, from->node.name) < 0)
			return change_no_memory(change);
		to_path = within;
		rc = find(change, to_path, false, to);
	}
	if (rc == 0 && to->name && (to->folder != from->folder || to->node.slot != from->node.slot)) {
		msd_fail_errno(reterr, EEXIST, "%s: '%s'", image(change), to_path);
		hint_rm(change, "", to_path);
		return -EEXIST;
	}
	for (const struct folder *f = to->folder; rc == 0 && f && from->node.is_dir; f = f->parent)
		if (f->parent && f->first_cluster == from->node.first_cluster)
			return msd_fail(reterr, EINVAL, "%s: '%s' cannot be moved into itself",
					image(change), from_path);
	if (rc == 0)
		rc = check_name(change, to_path);
	return rc < 0 ? rc : move(change, from, to);
}

/* ---- put ---- */

/* Reads a file's content straight into the buffer for what is written next. */
static int copy_content(struct msd_change *change, const char *path, const struct msd_source *source,
			struct chain *chain, uint64_t *ret_size)
{
	uint64_t cluster = change->fs->info.cluster_bytes, pos = 0, room = 0, offset = 0;
	bool known = source->size_bytes != UINT64_MAX;
	struct run run = { 0, 0 };
	uint32_t unused, last = 0;

	while (!known || pos < source->size_bytes) {
		uint64_t wanted = known ? source->size_bytes - pos : CHANGE_BUF_BYTES;
		size_t len, got;
		uint8_t *to;
		int rc;

		if (room == 0) {
			int64_t n;

			last = chain->last;
			n = alloc_extend(change, chain, (wanted + cluster - 1) / cluster, &run);
			if (n < 0)
				return (int)n;
			room = (uint64_t)n * cluster;
			offset = fs_cluster_offset(change->fs, run.start);
		}
		rc = commit_reserve(change, offset, &to, &len);
		if (rc < 0)
			return rc;
		if (len > wanted)
			len = (size_t)wanted;
		if (len > room)
			len = (size_t)room;
		rc = source->read(source->data, to, len, &got, change->err);
		if (rc < 0)
			return rc;
		change->buf_used += got;
		change->done_bytes += got;
		pos += got;
		offset += got;
		room -= got;
		if (got < len && known)
			return msd_fail(change->err, MSD_E_FAILED, "%s: became shorter while it was "
					"read", path);
		if (got < len)
			break;
		if (!is_exfat(change) && pos > UINT32_MAX)
			return msd_fail(change->err, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot "
					"hold", path);
		if (msd_progress(change->params.progress, change->done_bytes, 0))
			return msd_fail(change->err, MSD_E_CANCELLED, "%s: stopped", path);
	}
	*ret_size = pos;
	unused = (uint32_t)(room / cluster);
	return !unused ? 0 : alloc_give_back(change, chain, unused,
					     unused == run.n ? last : chain->last - unused);
}

/* New content for a file that is there: its entries are written over in one piece. */
static int replace_content(struct msd_change *change, struct place *place, struct facts *facts)
{
	union {
		struct fat_dirent fat[FAT_RECORDS_MAX];
		union exfat_entry exfat[256];
	} records;
	uint32_t slot = place->node.slot, n = place->node.n_slots;
	int rc;

	if (!is_exfat(change)) {
		slot += n - 1;
		n = 1;
	}
	rc = folder_read_slots(change, place->folder, slot, n, &records);
	if (rc < 0)
		return rc;
	facts->attributes |= place->node.attributes & (FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM);
	if (is_exfat(change)) {
		fill_set(facts, records.exfat, false);
		rc = folder_write_set(change, place->folder, slot, n, records.exfat, false);
	} else {
		fill_dirent(facts, records.fat, false);
		rc = folder_write_slots(change, place->folder, slot, 1, &records, STEP_ADD);
	}
	if (rc < 0)
		return rc;
	set_pending(change, place->folder, &place->node);
	return doom_node(change, &place->node);
}

int msd_change_put(struct msd_change *change, const char *path, const struct msd_source *source,
		   struct msd_error *reterr)
{
	_cleanup_free_ struct place *place = malloc(sizeof(*place));
	struct facts facts = {
		.attributes = source->attributes | FAT_ATTR_ARCHIVE,
		.mtime_s = source->mtime_s, .mtime_ns = source->mtime_ns,
	};
	struct chain chain = { 0 };
	int rc;

	change->err = reterr;
	if (!place)
		return change_no_memory(change);
	rc = keep_small(change);
	if (rc == 0)
		rc = find(change, path, false, place);
	if (rc == 0 && (place->n == 0 || (place->name && place->node.is_dir)))
		return msd_fail_errno(reterr, EISDIR, "%s: '%s'", image(change), path);
	if (rc == 0)
		rc = check_name(change, path);
	if (rc == 0 && !is_exfat(change) && source->size_bytes != UINT64_MAX &&
	    source->size_bytes > UINT32_MAX) {
		msd_fail(reterr, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot hold", path);
		msd_hint(reterr, "use an exFAT image: msd-mkimage -t exfat");
		return -MSD_E_TOOBIG;
	}
	if (rc == 0)
		rc = copy_content(change, path, source, &chain, &facts.size_bytes);
	if (rc < 0)
		return rc;
	facts.first_cluster = chain.first;
	facts.contiguous = chain.contiguous;
	if (place->name)
		return replace_content(change, place, &facts);
	return add_entry(change, place->folder, place->units, place->n, NULL, 0, &facts, NULL);
}

/* ---- label ---- */

static int make_fat_label(const char *label, uint8_t raw[11])
{
	size_t n = strlen(label);

	if (n > 11)
		return -EINVAL;
	memset(raw, ' ', 11);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)label[i];

		if (c < 0x20 || c > 0x7e || strchr("\"*+,./:;<=>?[\\]|", c) || (i == 0 && c == ' '))
			return -EINVAL;
		raw[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
	}
	return 0;
}

static int make_label_entry(struct msd_change *change, const char *label, void *ret)
{
	uint16_t units[EXFAT_LABEL_UNITS_MAX];
	struct exfat_label_entry exfat = { .type = EXFAT_TYPE_LABEL };
	struct fat_dirent fat = { .attr = FAT_ATTR_VOLUME_ID };
	uint8_t cs;
	uint32_t stamp = change_make_stamp(change->params.now_s, 0, false, &cs);
	int n;

	if (!is_exfat(change)) {
		if (make_fat_label(label, fat.name) < 0)
			return msd_fail(change->err, MSD_E_USAGE, "'%s': a label of FAT has at most 11 "
					"of A-Z, 0-9, blank and !#$%%&'()-@^_`{}~", label);
		fat.write_time = le16_make((uint16_t)stamp);
		fat.write_date = le16_make((uint16_t)(stamp >> 16));
		memcpy(ret, &fat, 32);
		return 0;
	}
	n = msd_utf8_to_utf16(label, units, EXFAT_LABEL_UNITS_MAX);
	if (n < 0)
		return msd_fail(change->err, MSD_E_USAGE, "'%s': a label of exFAT has at most 11 "
				"characters", label);
	exfat.units = (uint8_t)n;
	for (int i = 0; i < n; i++)
		exfat.label[i] = le16_make(units[i]);
	memcpy(ret, &exfat, 32);
	return 0;
}

int msd_change_set_label(struct msd_change *change, const char *label, struct msd_error *reterr)
{
	struct folder *root;
	uint8_t raw[32], boot[11];
	uint64_t at = change->fs->info.type == MSD_FS_TYPE_FAT32 ?
			      offsetof(struct fat_boot_sector, u.fat32.volume_label) :
			      offsetof(struct fat_boot_sector, u.fat16.volume_label);
	int rc;

	change->err = reterr;
	rc = make_label_entry(change, label, raw);
	if (rc == 0)
		rc = folder_get_root(change, &root);
	if (rc < 0)
		return rc;
	if (!label[0] && root->label_slot != NO_SLOT)
		rc = folder_remove_slots(change, root, root->label_slot, 1);
	else if (label[0] && root->label_slot == NO_SLOT)
		rc = folder_take_slots(change, root, 1, &root->label_slot);
	if (rc == 0 && label[0])
		rc = folder_write_slots(change, root, root->label_slot, 1, raw, STEP_ADD);
	if (rc < 0 || is_exfat(change))
		return rc;
	/* the boot sector has one too, and its copy on FAT32 */
	memcpy(boot, label[0] ? (const char *)raw : "NO NAME    ", 11);
	rc = change_add_write(change, at, boot, 11, STEP_ADD);
	if (rc == 0 && change->fs->backup_offset)
		rc = change_add_write(change, change->fs->backup_offset + at, boot, 11, STEP_ADD);
	return rc;
}
