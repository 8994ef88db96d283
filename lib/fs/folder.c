/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders that are changed: their names in a table, their free slots, and where they lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "change-priv.h"

/* ---- names ---- */

static uint64_t hash_units(const struct msd_change *change, const uint16_t *units, size_t n)
{
	uint64_t hash = change->key;

	for (size_t i = 0; i < n; i++) {
		hash = (hash ^ msd_upcase(units[i])) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return hash ? hash : 1;
}

static int rehash(struct msd_change *change, struct folder *folder)
{
	size_t room = folder->room_names ? folder->room_names * 2 : 64;
	struct name *names = calloc(room, sizeof(*names));

	if (!names)
		return change_no_memory(change);
	for (size_t i = 0; i < folder->room_names; i++) {
		const struct name *name = &folder->names[i];
		size_t at = name->hash & (room - 1);

		if (!name->hash)
			continue;
		while (names[at].hash)
			at = (at + 1) & (room - 1);
		names[at] = *name;
	}
	free(folder->names);
	folder->names = names;
	folder->room_names = room;
	return 0;
}

struct name *folder_find(struct msd_change *change, struct folder *folder, const uint16_t *units,
			 size_t n)
{
	uint64_t hash = hash_units(change, units, n);
	size_t at = hash & (folder->room_names - 1);

	if (!folder->room_names)
		return NULL;
	for (; folder->names[at].hash; at = (at + 1) & (folder->room_names - 1))
		if (folder->names[at].hash == hash && folder->names[at].slot != NO_SLOT)
			return &folder->names[at];
	return NULL;
}

int folder_add_name(struct msd_change *change, struct folder *folder, const uint16_t *units, size_t n,
		    uint32_t slot, bool pending, struct name **ret)
{
	uint64_t hash = hash_units(change, units, n);
	struct name *name;
	size_t at;

	if (folder->n_used * 3 >= folder->room_names * 2) {
		int rc = rehash(change, folder);

		if (rc < 0)
			return rc;
	}
	for (at = hash & (folder->room_names - 1); folder->names[at].hash;)
		at = (at + 1) & (folder->room_names - 1);
	name = &folder->names[at];
	*name = (struct name){ .hash = hash, .slot = slot, .pending = pending };
	folder->n_used++;
	folder->n_names++;
	if (ret)
		*ret = name;
	return 0;
}

/* ---- places ---- */

/* Where a slot lies, and how many lie there in a row. */
static uint64_t locate(const struct folder *folder, uint32_t slot, uint32_t *ret_n)
{
	uint64_t offset = (uint64_t)slot * 32;

	for (size_t i = 0; i < folder->n_extents; i++) {
		const struct msd_extent *extent = &folder->extents[i];

		if (offset < extent->size_bytes) {
			*ret_n = (uint32_t)((extent->size_bytes - offset) / 32);
			return extent->offset_bytes + offset;
		}
		offset -= extent->size_bytes;
	}
	*ret_n = 0;
	return 0;
}

int folder_read_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		      void *buf)
{
	uint8_t *p = buf;

	while (n > 0) {
		uint32_t row;
		uint64_t offset = locate(folder, slot, &row);
		int rc;

		if (row == 0)
			return msd_fail(change->err, MSD_E_DAMAGED, "%s: a folder ends too early",
					change_image(change));
		if (row > n)
			row = n;
		rc = msd_io_pread(change->fs->io, p, (size_t)row * 32, offset, change->err);
		if (rc < 0)
			return rc;
		p += (size_t)row * 32;
		slot += row;
		n -= row;
	}
	return 0;
}

int change_add_write(struct msd_change *change, uint64_t offset, const void *data, uint32_t len,
		     enum step step)
{
	struct write *writes = change_grow(change->writes, change->n_writes, &change->room_writes,
					   sizeof(*writes));

	if (!writes)
		return change_no_memory(change);
	change->writes = writes;
	while (change->n_data + len > change->room_data) {
		size_t room = change->room_data ? change->room_data * 2 : 65536;
		uint8_t *more = realloc(change->data, room);

		if (!more)
			return change_no_memory(change);
		change->data = more;
		change->room_data = room;
	}
	memcpy(change->data + change->n_data, data, len);
	writes[change->n_writes] = (struct write){
		offset, (uint32_t)change->n_data, len, (uint32_t)change->n_writes, step
	};
	change->n_writes++;
	change->n_data += len;
	change->has_adds |= step <= STEP_ADD;
	return 0;
}

static enum step front_step(enum step step)
{
	return step == STEP_ADD ? STEP_ADD_FRONT : step == STEP_REMOVE ? STEP_REMOVE_FRONT : step;
}

int folder_write_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		       const void *buf, enum step step)
{
	const uint8_t *p = buf;

	while (n > 0) {
		uint32_t row;
		uint64_t offset = locate(folder, slot, &row);
		int rc;

		if (row > n)
			row = n;
		rc = change_add_write(change, offset, p, row * 32,
				      row < n && !is_exfat(change) ? front_step(step) : step);
		if (rc < 0)
			return rc;
		p += (size_t)row * 32;
		slot += row;
		n -= row;
	}
	return 0;
}

int folder_read_node(struct msd_change *change, struct folder *folder, uint32_t slot,
		     struct msd_fs_node *ret)
{
	uint32_t row;
	struct msd_fs_dir *dir;
	uint64_t offset = locate(folder, slot, &row);
	size_t i = 0;
	int rc = msd_fs_dir_open(change->fs, NULL, &dir, change->err);

	if (rc < 0)
		return rc;
	while (i < folder->n_extents &&
	       (offset < folder->extents[i].offset_bytes ||
		offset >= folder->extents[i].offset_bytes + folder->extents[i].size_bytes))
		i++;
	dir->extent = (struct msd_extent){ offset, (uint64_t)row * 32 };
	dir->list = folder->extents + i + 1;
	dir->n_list = i < folder->n_extents ? folder->n_extents - i - 1 : 0;
	dir->slot = slot;
	rc = msd_fs_dir_next(dir, ret, change->err);
	msd_fs_dir_close(dir);
	if (rc == 0)
		return msd_fail(change->err, MSD_E_DAMAGED, "%s: an entry has gone", change_image(change));
	return rc < 0 ? rc : 0;
}

/* ---- slots ---- */

static int load_set(struct msd_change *change, struct folder *folder)
{
	uint32_t n;
	int rc;

	if (folder->n_set || !folder->parent)
		return 0;
	rc = folder_read_slots(change, folder->parent, folder->set_slot, 1, folder->set);
	if (rc < 0)
		return rc;
	n = folder->set[0].file.secondary_count + 1u;
	if (n < 3 || n > EXFAT_ENTRIES_MAX)
		return msd_fail(change->err, MSD_E_DAMAGED, "%s: the entries of a folder are damaged",
				change_image(change));
	rc = folder_read_slots(change, folder->parent, folder->set_slot, n, folder->set);
	folder->n_set = rc < 0 ? 0 : n;
	return rc;
}

/* One cluster more at the end, all zeros. */
static int grow(struct msd_change *change, struct folder *folder)
{
	uint32_t cluster_bytes = change->fs->info.cluster_bytes, cluster, last = folder->last_cluster;
	uint64_t limit = is_exfat(change) ? EXFAT_DIR_BYTES_MAX : (uint64_t)FAT_DIRENTS_MAX * 32;
	struct msd_extent *extents;
	struct run *links;
	void *zeros;
	int rc;

	if (!folder->parent && change->fs->root_bytes)
		return msd_fail(change->err, ENOSPC, "%s: its root folder has no room for more "
				"than %u entries", change_image(change), folder->room);
	if ((uint64_t)folder->room * 32 + cluster_bytes > limit)
		return msd_fail(change->err, MSD_E_TOOBIG, "%s: a folder is full", change_image(change));
	rc = alloc_folder_cluster(change, &cluster);
	if (rc == 0 && is_exfat(change))
		rc = load_set(change, folder);
	if (rc < 0)
		return rc;
	zeros = calloc(1, cluster_bytes);
	if (!zeros)
		return change_no_memory(change);
	rc = commit_write_new(change, zeros, cluster_bytes, fs_cluster_offset(change->fs, cluster));
	free(zeros);
	if (rc == 0 && folder->contiguous && cluster != last + 1) {
		rc = alloc_write_chain(change, folder->first_cluster, last - folder->first_cluster + 1);
		folder->contiguous = false;
	}
	if (rc < 0)
		return rc;
	if (!folder->contiguous && folder->last_is_new) {
		/* nothing leads there */
		rc = alloc_set_next(change, last, cluster);
	} else if (!folder->contiguous) {
		links = change_grow(change->links, change->n_links, &change->room_links,
				    sizeof(*links));
		if (!links)
			return change_no_memory(change);
		change->links = links;
		links[change->n_links++] = (struct run){ last, cluster };
	}
	if (rc < 0)
		return rc;
	extents = realloc(folder->extents, (folder->n_extents + 1) * sizeof(*extents));
	if (!extents)
		return change_no_memory(change);
	folder->extents = extents;
	extents[folder->n_extents++] = (struct msd_extent){ fs_cluster_offset(change->fs, cluster),
							    cluster_bytes };
	folder->room += cluster_slots(change);
	folder->last_cluster = cluster;
	folder->last_is_new = true;
	return 0;
}

int folder_take_slots(struct msd_change *change, struct folder *folder, uint32_t n, uint32_t *ret)
{
	for (size_t i = 0; i < folder->n_holes; i++) {
		struct run *hole = &folder->holes[i];

		if (hole->n < n)
			continue;
		*ret = hole->start;
		hole->start += n;
		hole->n -= n;
		if (hole->n == 0)
			*hole = folder->holes[--folder->n_holes];
		return 0;
	}
	while (folder->end + n > folder->room) {
		int rc = grow(change, folder);

		if (rc < 0)
			return rc;
	}
	*ret = folder->end;
	folder->end += n;
	return 0;
}

int folder_remove_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n)
{
	struct run *removed;
	uint8_t raw[256][32];
	int rc = n > 256 ? -MSD_E_DAMAGED : folder_read_slots(change, folder, slot, n, raw);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < n; i++)
		raw[i][0] = is_exfat(change) ? raw[i][0] & (uint8_t)~EXFAT_TYPE_IN_USE :
					       FAT_DIRENT_FREE;
	removed = change_grow(folder->removed, folder->n_removed, &folder->room_removed,
			      sizeof(*removed));
	if (!removed)
		return change_no_memory(change);
	folder->removed = removed;
	removed[folder->n_removed++] = (struct run){ slot, n };
	return folder_write_slots(change, folder, slot, n, raw, STEP_REMOVE);
}

int folder_write_set(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		     union exfat_entry *set, bool is_new)
{
	uint32_t row, new_slot;
	int rc;

	msd_exfat_seal_records(set, n);
	if (is_new)
		return folder_write_slots(change, folder, slot, n, set, STEP_ADD);
	if (locate(folder, slot, &row) % SECTOR_BYTES_MIN + 2 * 32 <= SECTOR_BYTES_MIN)
		return folder_write_slots(change, folder, slot, 2, set, STEP_ADD);
	rc = folder_take_slots(change, folder, n, &new_slot);
	if (rc == 0)
		rc = folder_write_slots(change, folder, new_slot, n, set, STEP_ADD);
	return rc < 0 ? rc : folder_remove_slots(change, folder, slot, n);
}

/* ---- before a commit ---- */

static int compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The slot behind the last one that is used, when all is done. */
static int find_end(struct msd_change *change, struct folder *folder, uint32_t *ret)
{
	size_t n = folder->n_holes + folder->n_removed;
	struct run *runs = malloc(n * sizeof(*runs));

	if (!runs)
		return change_no_memory(change);
	if (folder->n_holes)
		memcpy(runs, folder->holes, folder->n_holes * sizeof(*runs));
	memcpy(runs + folder->n_holes, folder->removed, folder->n_removed * sizeof(*runs));
	qsort(runs, n, sizeof(*runs), compare_runs);
	*ret = folder->end;
	while (n > 0 && runs[n - 1].start + runs[n - 1].n == *ret)
		*ret = runs[--n].start;
	free(runs);
	return 0;
}

static uint32_t cluster_at(const struct msd_change *change, const struct folder *folder, uint32_t slot)
{
	uint32_t row;
	uint64_t offset = locate(folder, slot, &row) - change->fs->info.heap_offset_bytes;

	return (uint32_t)(offset / change->fs->info.cluster_bytes) + 2;
}

/* Clusters at the end that hold nothing any more are let go. */
static int shrink(struct msd_change *change, struct folder *folder)
{
	uint32_t slots = cluster_slots(change), end = 0, kept, *cuts;
	_cleanup_free_ void *zeros = NULL;
	int rc;

	if (!folder->n_removed || folder->last_is_new ||
	    (!folder->parent && change->fs->root_bytes))
		return 0;
	rc = find_end(change, folder, &end);
	if (rc < 0)
		return rc;
	kept = end ? (end + slots - 1) / slots * slots : slots;
	if (kept >= folder->room)
		return 0;
	/* behind the last entry there must be nothing but zeros */
	zeros = calloc(slots, 32);
	if (!zeros)
		return change_no_memory(change);
	rc = folder_write_slots(change, folder, end, kept - end, zeros, STEP_CLEAR);
	if (rc == 0 && is_exfat(change))
		rc = load_set(change, folder);
	if (rc < 0)
		return rc;
	if (!folder->contiguous) {
		cuts = change_grow(change->cuts, change->n_cuts, &change->room_cuts, sizeof(*cuts));
		if (!cuts)
			return change_no_memory(change);
		change->cuts = cuts;
		cuts[change->n_cuts++] = cluster_at(change, folder, kept - 1);
	}
	rc = change_doom(change, cluster_at(change, folder, kept), folder->contiguous,
			 is_exfat(change) && folder->parent ? (uint64_t)(folder->room - kept) * 32 :
							      UINT64_MAX);
	folder->room = kept;
	return rc;
}

int folder_settle(struct msd_change *change, struct folder *folder)
{
	uint64_t size;
	int rc = folder->gone ? 0 : shrink(change, folder);

	size = (uint64_t)folder->room * 32;
	if (rc < 0 || folder->gone || !folder->n_set)
		return rc;
	folder->set[1].stream.size_bytes = le64_make(size);
	folder->set[1].stream.valid_bytes = le64_make(size);
	folder->set[1].stream.flags = EXFAT_ALLOC_POSSIBLE |
				      (folder->contiguous ? EXFAT_NO_FAT_CHAIN : 0);
	return folder_write_set(change, folder->parent, folder->set_slot, folder->n_set, folder->set,
				folder->is_new);
}

void folder_free(struct folder *folder)
{
	free(folder->extents);
	free(folder->holes);
	free(folder->removed);
	free(folder->names);
	msd_short_set_free(folder->shorts);
	free(folder);
}
