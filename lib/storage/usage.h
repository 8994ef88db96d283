/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who uses an image or a block device on this machine: drives, loop devices, mounts, the system. */
#ifndef MSD_STORAGE_USAGE_H
#define MSD_STORAGE_USAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum msd_usage_kind {
	MSD_USAGE_DRIVE,	/* it is the medium of a drive of a gadget */
	MSD_USAGE_LOOP,		/* attached to a loop device */
	MSD_USAGE_MOUNT,	/* it, a partition of it or its loop device is mounted */
	MSD_USAGE_SWAP,		/* swap space */
	MSD_USAGE_HOLDER,	/* device mapper or md is on it */
};

struct msd_usage {
	enum msd_usage_kind kind;
	bool writable;		/* the user of it can write it */
	char *who;		/* "drive 1 of gadget kvmd", "/dev/loop0", "/mnt" */
};

/*
 * Everything that uses the file or block device at path, compared by device and inode, so
 * other names of the same file count. Gives an array of *ret_n (0: not used; *ret is then
 * NULL), freed by msd_usage_free. Returns 0 or -errno.
 */
int msd_usage_read(const char *path, struct msd_usage **ret, size_t *ret_n,
		   struct msd_error *reterr);
void msd_usage_free(struct msd_usage *usage, size_t n);

/*
 * The one question of every program that reads or writes an image file: may it? For writing,
 * no drive, loop device or mount may use it; for reading, none may write it. Returns 0 or
 * -MSD_E_BUSY with who it is in the message and how to get it free in the hint; -errno.
 */
int msd_usage_check(const char *path, bool for_writing, struct msd_error *reterr);

#endif
