/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders that are changed: found by their path, and read from the disk or new. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "change-priv.h"

struct load {
	struct msd_change *change;
	struct folder *folder;
	int rc;
};

static int add_hole(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n)
{
	struct run *last = folder->n_holes ? &folder->holes[folder->n_holes - 1] : NULL, *holes;

	if (last && last->start + last->n == slot) {
		last->n += n;
		return 0;
	}
	holes = change_grow(folder->holes, folder->n_holes, &folder->room_holes, sizeof(*holes));
	if (!holes)
		return change_no_memory(change);
	folder->holes = holes;
	holes[folder->n_holes++] = (struct run){ slot, n };
	return 0;
}

static void see_slot(void *data, uint32_t slot, const uint8_t *raw)
{
	struct load *load = data;
	struct folder *folder = load->folder;
	bool exfat = is_exfat(load->change);
	int rc = 0;

	if (raw[0] == 0)
		return;
	folder->end = slot + 1;
	if (exfat ? !(raw[0] & EXFAT_TYPE_IN_USE) : raw[0] == FAT_DIRENT_FREE)
		rc = add_hole(load->change, folder, slot, 1);
	else if (exfat ? raw[0] == EXFAT_TYPE_LABEL :
		 (raw[11] & FAT_ATTR_VOLUME_ID) &&
			 (raw[11] & FAT_ATTR_LONG_NAME_MASK) != FAT_ATTR_LONG_NAME)
		folder->label_slot = folder->label_slot == NO_SLOT ? slot : folder->label_slot;
	if (rc < 0)
		load->rc = rc;
}

/* A name of the disk into the table, and on FAT its short name, which is one of it too. */
static int take_node(struct msd_change *change, struct folder *folder, const struct msd_fs_node *node)
{
	uint16_t units[MSD_NAME_UNITS_MAX], alias[12];
	int n = msd_utf8_to_utf16(node->name, units, MSD_NAME_UNITS_MAX), n_alias, rc;

	if (n < 0)
		return 0;
	rc = folder_add_name(change, folder, units, (size_t)n, node->slot, false, NULL);
	if (rc < 0 || is_exfat(change))
		return rc;
	rc = msd_short_set_add(folder->shorts, node->short_name);
	if (rc < 0)
		return change_no_memory(change);
	n_alias = (int)msd_fat_short_units(change->fs, node->short_name, alias);
	if (n_alias > 0 && !msd_name_is_same(units, (size_t)n, alias, (size_t)n_alias) &&
	    !folder_find(change, folder, alias, (size_t)n_alias))
		rc = folder_add_name(change, folder, alias, (size_t)n_alias, node->slot, false, NULL);
	return rc;
}

static int load_extents(struct msd_change *change, struct folder *folder,
			const struct msd_fs_node *node)
{
	struct msd_extent extent;
	struct msd_fs_map map;
	size_t room = 0;
	int rc;

	msd_fs_map_init(change->fs, node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, change->err)) > 0) {
		struct msd_extent *more = change_grow(folder->extents, folder->n_extents, &room,
						      sizeof(extent));

		if (!more)
			return change_no_memory(change);
		folder->extents = more;
		more[folder->n_extents++] = extent;
		folder->room += (uint32_t)(extent.size_bytes / 32);
		folder->last_cluster = (uint32_t)((extent.offset_bytes + extent.size_bytes - 1 -
				change->fs->info.heap_offset_bytes) /
				change->fs->info.cluster_bytes) + 2;
	}
	if (rc == 0 && map.damaged)
		return msd_fail(change->err, MSD_E_DAMAGED, "%s: a folder is damaged", change_image(change));
	return rc;
}

static int load_names(struct msd_change *change, struct folder *folder)
{
	struct msd_fs_node *node = malloc(sizeof(*node));
	struct load load = { change, folder, 0 };
	struct msd_fs_dir *dir;
	int rc = node ? msd_fs_dir_open(change->fs, NULL, &dir, change->err) :
			change_no_memory(change);

	if (rc < 0) {
		free(node);
		return rc;
	}
	dir->list = folder->extents;
	dir->n_list = folder->n_extents;
	dir->on_slot = see_slot;
	dir->on_slot_data = &load;
	while ((rc = msd_fs_dir_next(dir, node, change->err)) > 0 && load.rc == 0) {
		rc = take_node(change, folder, node);
		if (rc < 0)
			break;
	}
	msd_fs_dir_close(dir);
	free(node);
	return rc < 0 ? rc : load.rc;
}

static int new_folder(struct msd_change *change, struct folder *parent, uint32_t first_cluster,
		      struct folder **ret)
{
	struct folder *folder = calloc(1, sizeof(*folder)), **folders;

	if (!folder)
		return change_no_memory(change);
	folders = change_grow(change->folders, change->n_folders, &change->room_folders,
			      sizeof(*folders));
	if (!folders) {
		free(folder);
		return change_no_memory(change);
	}
	change->folders = folders;
	folder->number = (uint32_t)change->n_folders;
	folders[change->n_folders++] = folder;
	folder->parent = parent;
	folder->first_cluster = first_cluster;
	folder->label_slot = NO_SLOT;
	*ret = folder;
	return is_exfat(change) || msd_short_set_new(16, &folder->shorts) == 0 ?
		       0 : change_no_memory(change);
}

/* node: NULL for the root */
static int load(struct msd_change *change, struct folder *parent, const struct msd_fs_node *node,
		struct folder **ret)
{
	char file[512];
	uint64_t damages = msd_fs_get_damages(change->fs);
	int rc = new_folder(change, parent, node ? node->first_cluster : change->fs->root_cluster, ret);

	if (rc < 0)
		return rc;
	if (node) {
		(*ret)->contiguous = node->contiguous;
		(*ret)->set_slot = node->slot;
	}
	rc = load_extents(change, *ret, node);
	if (rc == 0)
		rc = load_names(change, *ret);
	if (rc == 0 && damages != msd_fs_get_damages(change->fs)) {
		msd_fail(change->err, MSD_E_DAMAGED, "%s: folder '%s' is damaged and not changed",
			 change_image(change), node ? node->name : "/");
		msd_hint(change->err, "msd-normalfiles check %s",
			 msd_shell_quote(change_image(change), file, sizeof(file)));
		return -MSD_E_DAMAGED;
	}
	return rc;
}

int folder_get_root(struct msd_change *change, struct folder **ret)
{
	if (change->n_folders == 0)
		return load(change, NULL, NULL, ret);
	*ret = change->folders[0];
	return 0;
}

int folder_open_child(struct msd_change *change, struct folder *folder, struct name *name,
		      const char *path, struct folder **ret)
{
	struct msd_fs_node *node;
	int rc;

	if (name->child) {
		*ret = change->folders[name->child - 1];
		return 0;
	}
	if (name->pending)
		return msd_fail_errno(change->err, ENOTDIR, "%s: '%s'", change_image(change), path);
	node = malloc(sizeof(*node));
	if (!node)
		return change_no_memory(change);
	rc = folder_read_node(change, folder, name->slot, node);
	if (rc == 0 && !node->is_dir)
		rc = msd_fail_errno(change->err, ENOTDIR, "%s: '%s'", change_image(change), path);
	if (rc == 0)
		rc = load(change, folder, node, ret);
	if (rc == 0)
		name->child = (*ret)->number + 1;
	free(node);
	return rc;
}

int folder_make(struct msd_change *change, struct folder *parent, uint32_t first_cluster,
		struct folder **ret)
{
	int rc = new_folder(change, parent, first_cluster, ret);
	struct folder *folder = *ret;

	if (rc < 0)
		return rc;
	folder->extents = malloc(sizeof(*folder->extents));
	if (!folder->extents)
		return change_no_memory(change);
	folder->extents[0] = (struct msd_extent){ fs_cluster_offset(change->fs, first_cluster),
						  change->fs->info.cluster_bytes };
	folder->n_extents = 1;
	folder->last_cluster = first_cluster;
	folder->last_is_new = folder->is_new = true;
	folder->contiguous = is_exfat(change);
	folder->room = cluster_slots(change);
	folder->end = is_exfat(change) ? 0 : 2;
	return 0;
}

/* ---- paths ---- */

/* To the next name of a path: "." is where one is. */
static const char *skip_to_name(const char *path)
{
	for (;; path++) {
		path += strspn(path, "/");
		if (path[0] != '.' || (path[1] && path[1] != '/'))
			return path;
	}
}

int folder_resolve(struct msd_change *change, const char *path, bool make_parents,
		   struct folder **ret, uint16_t *units, size_t *ret_n, const char **ret_name)
{
	const char *p = skip_to_name(path);
	int rc = folder_get_root(change, ret);

	while (rc == 0) {
		size_t len = strcspn(p, "/");
		const char *next = skip_to_name(p + len);
		char text[MSD_FS_NAME_BYTES];
		struct name *name;
		int n;

		if (len >= sizeof(text))
			return msd_fail(change->err, MSD_E_NAME, "%s: '%s': %s", change_image(change), path,
					msd_name_fault_text(MSD_NAME_LENGTH));
		memcpy(text, p, len);
		text[len] = '\0';
		n = msd_utf8_to_utf16(text, units, MSD_NAME_UNITS_MAX);
		if (n < 0)
			return msd_fail(change->err, MSD_E_NAME, "%s: '%s': %s", change_image(change), path,
					msd_name_fault_text(n == -EILSEQ ? MSD_NAME_ENCODING :
							    MSD_NAME_LENGTH));
		*ret_n = (size_t)n;
		if (ret_name)
			*ret_name = p;
		if (!*next)
			return 0;
		name = folder_find(change, *ret, units, (size_t)n);
		if (!name && make_parents) {
			char *above = strndup(path, (size_t)(p - path) + len);

			rc = above ? msd_change_mkdir(change, above, true, change->err) :
				     change_no_memory(change);
			free(above);
			if (rc < 0)
				return rc;
			name = folder_find(change, *ret, units, (size_t)n);
		}
		if (!name)
			return msd_fail(change->err, ENOENT, "%s: there is no folder '%.*s' in it",
					change_image(change), (int)(p - path + (int)len), path);
		rc = folder_open_child(change, *ret, name, path, ret);
		p = next;
	}
	return rc;
}
