/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes of a FAT or exFAT volume in place. They are gathered and take effect in commit, in an
 * order that loses nothing but the new files if power fails at any write:
 *
 *   1. the mark that says that the volume is being changed
 *   2. content of new files and folders, and their clusters in FAT or bitmap, which nothing
 *      leads to yet
 *   3. the entries of folders that lead to them
 *   4. the removal of old entries
 *   5. the clusters that became free; numbers of free clusters; the mark is taken back
 *
 * with the disk's caches emptied between the steps.
 */
#ifndef MSD_FS_CHANGE_H
#define MSD_FS_CHANGE_H

#include "base/log.h"
#include "base/progress.h"
#include "fs/read.h"
#include "fs/tree.h"

struct msd_change;

struct msd_change_params {
	bool no_sync;			/* leave the disk's caches alone: for images nobody waits for */
	int64_t now_s;			/* the time of folders made, and of labels */
	const struct msd_progress *progress;
	const struct msd_log *log;	/* each file and folder that is put in, removed or renamed; or NULL */
};

/*
 * Begins. The window of fs must be open for writing. Counts free clusters, which takes one pass over
 * the FAT or the bitmap. Returns 0; -MSD_E_DAMAGED when free clusters cannot be told; -EROFS for
 * a volume opened by the copy of its boot sector; -ENOMEM; -errno of reading.
 */
int msd_change_new(struct msd_fs *fs, const struct msd_change_params *params,
		   struct msd_change **ret, struct msd_error *reterr);

/* What was not committed did not happen. NULL is fine. Returns NULL. */
struct msd_change *msd_change_free(struct msd_change *change);
void msd_change_freep(struct msd_change **change);

/*
 * All of these take paths in the volume as msd_fs_lookup does. After any failure the change can
 * only be freed. They return 0; -ENOENT for a folder or file that is not there; -ENOTDIR; -EISDIR;
 * -EEXIST; -ENOSPC with the room that is missing; -MSD_E_NAME; -MSD_E_TOOBIG when file or folder
 * exceed what the file system can hold; -ENOMEM; -errno.
 */

/* Makes a folder; with parents those above it too, and one that is there is fine. */
int msd_change_mkdir(struct msd_change *change, const char *path, bool parents,
		     struct msd_error *reterr);

/* Removes a file or an empty folder, with recursive any folder. Not the root. */
int msd_change_remove(struct msd_change *change, const char *path, bool recursive,
		      struct msd_error *reterr);

/* Renames or moves. A folder in place of `to` is moved into; anything else there is -EEXIST. */
int msd_change_rename(struct msd_change *change, const char *from, const char *to,
		      struct msd_error *reterr);

/* UTF-8; "" removes it. -MSD_E_USAGE for one that the file system cannot hold. */
int msd_change_set_label(struct msd_change *change, const char *label, struct msd_error *reterr);

/* Where the content of a file comes from: len bytes, less only at its end. 0 or -errno. */
struct msd_source {
	int (*read)(void *data, void *buf, size_t len, size_t *ret_len, struct msd_error *err);
	void *data;
	bool has_fd;			/* the kernel may copy from the position of fd, too */
	int fd;
	uint64_t size_bytes;		/* UINT64_MAX: until its end */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint16_t attributes;		/* FAT_ATTR_*, of a file */
};

/*
 * Puts a file in, or a new content into one that is there. Content is written at once, to free
 * clusters. Fails with -MSD_E_FAILED when there is less than size_bytes.
 */
int msd_change_put(struct msd_change *change, const char *path, const struct msd_source *source,
		   struct msd_error *reterr);

/*
 * Puts a sealed tree into the volume; files that are there get the new content. That it has room is
 * checked before anything is written.
 */
int msd_change_add_tree(struct msd_change *change, const struct msd_tree *tree,
			struct msd_error *reterr);

/*
 * Makes the volume hold what a sealed tree has: puts in what is missing or differs in size or time,
 * as far as FAT and exFAT keep times. With mirror what the tree has not is removed, else it
 * stays, and a file in place of a folder or the other way round is -EEXIST. All of that,
 * and whether there is room, is found before anything is written.
 */
int msd_change_update_tree(struct msd_change *change, const struct msd_tree *tree, bool mirror,
			   struct msd_error *reterr);

/* Lets it all happen. Returns 0, -errno; after a failure fsck has something to do. */
int msd_change_commit(struct msd_change *change, struct msd_error *reterr);

/* The bytes that are free for content, as things are with all changes so far. */
uint64_t msd_change_get_free(const struct msd_change *change);

#endif
