/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes into a file system: a tree of names gathered from folders, files and archives. */
#ifndef MSD_FS_TREE_H
#define MSD_FS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/progress.h"

struct msd_tree;

struct msd_tree_params {
	bool dereference;	/* follow symlinks; else each is a problem */
	bool mangle;		/* give a fit name to what has none; else it is a problem */
	bool has_epoch;		/* times after epoch_s become epoch_s */
	int64_t epoch_s;

	/* The image that is made or changed, as a path, or NULL: told as a problem is, and left out. */
	const char *image;
	/*
	 * Called for everything that cannot go into an image: path as the user knows it, with
	 * bytes escaped that a terminal should not see, and why.
	 */
	void (*problem)(void *data, const char *path, const char *why);
	/* Called for a name that was mangled. */
	void (*mangled)(void *data, const char *path, const char *name);
	void *data;
};

/* An empty tree: the root alone. params is copied. Returns 0 or -ENOMEM. */
int msd_tree_new(const struct msd_tree_params *params, struct msd_tree **ret);
/* NULL is fine. */
void msd_tree_free(struct msd_tree *tree);
void msd_tree_freep(struct msd_tree **tree);

/*
 * Puts what is in the folder at path, or the file at path, into a folder of the tree, which is made:
 * "" is the root. Folders of the same name from several sources are one. Read-only is what nobody may write, hidden what begins with
 * a dot; on FAT and exFAT the attributes are taken as they are. What cannot be in an image is
 * a problem, not an error. Returns 0; -ENOMEM; -MSD_E_CANCELLED; -errno when the source
 * itself cannot be read.
 */
int msd_tree_add_path(struct msd_tree *tree, const char *path, const char *folder,
		      const struct msd_progress *progress, struct msd_error *reterr);

/*
 * Puts a tar, cpio, zip or ISO 9660, compressed or not, read from fd, into the root. Its files
 * wait in an unnamed temporary file in the folder spool_dir until they are written. name is for
 * messages. Returns 0; -ENOMEM; -MSD_E_CANCELLED; -MSD_E_FORMAT for what is no archive;
 * -MSD_E_DAMAGED; -MSD_E_UNSUPPORTED without libarchive; -errno.
 */
int msd_tree_add_archive(struct msd_tree *tree, int fd, const char *name, const char *spool_dir,
			 const struct msd_progress *progress, struct msd_error *reterr);

/*
 * Ends the gathering: sorts every folder (folders first, by bytes of the name, so that
 * the same names give the same image) and looks for names that differ in case only.
 * Returns 0; -ENOMEM; -MSD_E_NAME with the number of problems there were.
 */
int msd_tree_seal(struct msd_tree *tree, struct msd_error *reterr);

/* Without the root. Bytes are those of files. */
void msd_tree_get_counts(const struct msd_tree *tree, uint64_t *ret_files, uint64_t *ret_folders,
			 uint64_t *ret_bytes);

#endif
