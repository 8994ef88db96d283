/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who uses an image or a block device on this machine: drives, loop devices, mounts, the system. */
#ifndef MSD_STORAGE_USAGE_H
#define MSD_STORAGE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"
#include "gadget/find.h"

struct libmnt_table;

enum msd_usage_kind {
	MSD_USAGE_DRIVE,	/* it is the medium of a drive of a gadget */
	MSD_USAGE_LOOP,		/* attached to a loop device */
	MSD_USAGE_MOUNT,	/* it, a partition of it or its loop device is mounted */
	MSD_USAGE_SWAP,		/* swap space */
	MSD_USAGE_HOLDER,	/* device mapper, md or another part of the kernel is on it */
};

struct msd_usage {
	enum msd_usage_kind kind;
	bool writable;		/* the user of it can write it */
	char *who;		/* "drive 1 of gadget kvmd", "/dev/loop0", "/mnt" */
	char *hint;		/* the command that ends it: "umount /mnt"; NULL if unknown */
};

/*
 * Everything that uses the file or block device at path, compared by device and inode, so
 * other names of the same file count. Gives an array of *ret_n (0: not used; *ret is then
 * NULL), freed by msd_usage_free; drives come first. A file server is asked only about files of
 * its own. Returns 0 or -errno.
 */
int msd_usage_read(const char *path, struct msd_usage **ret, size_t *ret_n,
		   struct msd_error *reterr);

/*
 * The same for what shall be the medium of drive, which does not count, and of which stat(2) is
 * known; the table of mounts, too, unless it is NULL; without local, the other drives alone.
 */
int msd_usage_read_for(const struct msd_drive_id *drive, const char *path, const struct stat *st,
		       struct libmnt_table *mounts, bool local, struct msd_usage **ret,
		       size_t *ret_n, struct msd_error *reterr);

void msd_usage_free(struct msd_usage *usage, size_t n);

/* "mounted on /mnt", "in drive 1 of gadget kvmd": usage in words. Returns buf. */
char *msd_usage_format(const struct msd_usage *usage, char *buf, size_t len);

/* The one to name of several, a mount before the loop device under it. NULL when n is 0. */
const struct msd_usage *msd_usage_choose(const struct msd_usage *usage, size_t n,
					 bool writable_only);

/*
 * The one question of every program that reads or writes an image file: may it? For writing,
 * no drive, loop device or mount may use it; for reading, none may write it. Returns 0 or
 * -MSD_E_BUSY with who it is in the message and how to get it free in the hint; -errno.
 */
int msd_usage_check(const char *path, bool for_writing, struct msd_error *reterr);

#endif
