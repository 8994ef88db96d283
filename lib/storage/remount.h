/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a mounted file system writable or read-only; every other flag stays. */
#ifndef MSD_STORAGE_REMOUNT_H
#define MSD_STORAGE_REMOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* A mount point, as /proc/self/mountinfo has it. */
struct msd_mount {
	int id;			/* until it is unmounted; fdinfo of open files has it too */
	dev_t dev;		/* of the file system; all its mount points have it in common */
	char *target;
	char *source;
	char *fstype;
	char *options;		/* "ro,nosuid,…": of this mount point */
	char *fs_options;	/* of the file system */
	bool readonly;		/* cannot be written here: mount point or file system is ro */
	bool fs_readonly;
	char *other;		/* another mount point through which the file system may be
				   written, so that it is not ours alone to remount; or NULL */
};

struct libmnt_fs;
struct libmnt_table;

/* All mount points, for mnt_unref_table, and the one on which path lies, as in msd_mount_find, or NULL. */
int msd_mounts_read(struct libmnt_table **ret, struct msd_error *reterr);
struct libmnt_fs *msd_mounts_find(struct libmnt_table *mounts, const char *path);

/*
 * The mount point target, which must be written as in mountinfo (absolute, no links); the top
 * one when several lie on each other. Does not touch the file system. Returns 0 with *ret for
 * msd_mount_done; -MSD_E_NOTFOUND: nothing is mounted there; -errno.
 */
int msd_mount_read(const char *target, struct msd_mount *ret, struct msd_error *reterr);

/*
 * The mount point on which path lies, by its name alone: path must be absolute and without
 * links, and need not exist. Else as msd_mount_read.
 */
int msd_mount_find(const char *path, struct msd_mount *ret, struct msd_error *reterr);
void msd_mount_done(struct msd_mount *mount);

/*
 * Makes target writable or read-only, nothing when it is so already; syncs before it becomes
 * read-only. The file system itself is remounted when no other mount point of it could write,
 * else only the flag of this mount point (bind mounts). Reads back what became of it.
 *
 * Returns 0; -MSD_E_BUSY: a file is open for writing (see storage/writers.h for who);
 * -MSD_E_NOTFOUND: not mounted; -MSD_E_REFUSED: it could be made writable only together with
 * another mount point; -EROFS, -EACCES: the device or the file system cannot be written;
 * -EPERM: not root; -errno.
 */
int msd_mount_set_readonly(const char *target, bool readonly, struct msd_error *reterr);

#endif
