/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walking a volume. */
#include "fs/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "read-priv.h"

/* The folders that the one being read is in. */
struct level {
	const struct level *up;
	uint32_t first_cluster;
	unsigned depth;
};

static int append(struct msd_walk *walk, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name), needed = len + n + 2;

	if (needed > walk->path_size) {
		char *path = realloc(walk->path, needed + 1024);

		if (!path)
			return -ENOMEM;
		walk->path = path;
		walk->fs->path = path;
		walk->path_size = needed + 1024;
	}
	if (len > 0)
		walk->path[len++] = '/';
	memcpy(walk->path + len, name, n + 1);
	*ret_len = len + n;
	return 0;
}

static bool may_enter(struct msd_walk *walk, const struct msd_fs_node *node,
		      const struct level *level)
{
	if (level->depth == MSD_WALK_DEPTH_MAX) {
		msd_fs_damage(walk->fs, node->entry_offset_bytes,
			   "folders are nested more than %d deep", MSD_WALK_DEPTH_MAX);
		return false;
	}
	for (; level; level = level->up)
		if (level->first_cluster == node->first_cluster) {
			msd_fs_damage(walk->fs, node->entry_offset_bytes,
				   "folder is within itself");
			return false;
		}
	return true;
}

static int walk_folder(struct msd_walk *walk, const struct msd_fs_node *folder, size_t len,
		       const struct level *up, struct msd_error *err);

static int walk_subfolder(struct msd_walk *walk, const struct msd_fs_node *node, size_t len,
			  const struct level *level, struct msd_error *err)
{
	int rc = walk->fn(walk->data, MSD_WALK_FOLDER, walk->path, node, err);

	if (rc || !walk->recurse)
		return rc < 0 ? rc : 0;
	if (may_enter(walk, node, level))
		rc = walk_folder(walk, node, len, level, err);
	if (rc < 0)
		return rc;
	walk->path[len] = '\0';
	return walk->fn(walk->data, MSD_WALK_LEAVE, walk->path, node, err);
}

static int walk_folder(struct msd_walk *walk, const struct msd_fs_node *folder, size_t len,
		       const struct level *up, struct msd_error *err)
{
	const struct level level = {
		up, folder ? folder->first_cluster : walk->fs->root_cluster, up ? up->depth + 1 : 0,
	};
	struct msd_fs_node *node = malloc(sizeof(*node));
	struct msd_fs_dir *dir = NULL;
	size_t node_len;
	int rc = node ? msd_fs_dir_open(walk->fs, folder, &dir, err) :
			msd_fail_on(err, ENOMEM, walk->path);

	if (rc == 0)
		dir->is_counted = true;
	while (rc == 0 && (rc = msd_fs_dir_next(dir, node, err)) > 0) {
		rc = append(walk, len, node->name, &node_len);
		if (rc < 0)
			msd_fail_on(err, -rc, walk->path);
		else if (node->is_dir)
			rc = walk_subfolder(walk, node, node_len, &level, err);
		else
			rc = walk->fn(walk->data, MSD_WALK_FILE, walk->path, node, err);
		if (rc > 0)
			rc = 0;
		walk->path[len] = '\0';
	}
	msd_fs_dir_close(dir);
	free(node);
	return rc;
}

int msd_walk_run(struct msd_walk *walk, const struct msd_fs_node *folder, const char *path,
		 struct msd_error *reterr)
{
	size_t len;
	int rc;

	walk->path = NULL;
	walk->path_size = 0;
	rc = append(walk, 0, path, &len);
	if (rc < 0)
		return msd_fail_on(reterr, -rc, path);
	rc = walk_folder(walk, folder && folder->first_cluster ? folder : NULL, len, NULL, reterr);
	free(walk->path);
	walk->path = NULL;
	walk->fs->path = NULL;
	return rc;
}
