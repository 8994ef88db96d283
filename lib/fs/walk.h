/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All files and folders of a volume, however its folders lie in each other. */
#ifndef MSD_FS_WALK_H
#define MSD_FS_WALK_H

#include "fs/read.h"

/* Deeper folders, and folders within themselves, are told as damage and not entered. */
#define MSD_WALK_DEPTH_MAX 128

enum msd_walk_event {
	MSD_WALK_FILE,
	MSD_WALK_FOLDER,	/* before what is in it */
	MSD_WALK_LEAVE,		/* after that; not when MSD_WALK_FOLDER returned 1 */
};

struct msd_walk {
	struct msd_fs *fs;
	bool recurse;

	/*
	 * path is the node's, without a slash in front. Returns 0 to go on, 1 not to enter this
	 * folder, <0 to end the walk.
	 */
	int (*fn)(void *data, enum msd_walk_event event, const char *path,
		  const struct msd_fs_node *node, struct msd_error *err);
	void *data;

	char *path;		/* walk's own; msd_fs_get_path shows it while the walk lasts */
	size_t path_size;
};

/*
 * Walks what is in the folder (NULL: the root) whose path is the one given ("" for the root).
 * Returns 0, what fn returned below 0, -ENOMEM, -errno of reading.
 */
int msd_walk_run(struct msd_walk *walk, const struct msd_fs_node *folder, const char *path,
		 struct msd_error *reterr);

#endif
