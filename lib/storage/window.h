/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of an image that holds a file system, and a loop device on it. */
#ifndef MSD_STORAGE_WINDOW_H
#define MSD_STORAGE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* msd_window_find: the only part with a file system that can be mounted. */
#define MSD_WINDOW_ANY (-1)

struct msd_window {
	int partition;			/* its number, 0: the whole image */
	uint64_t offset_bytes;
	uint64_t size_bytes;
	char fstype[32];		/* as libblkid names it: "vfat", "iso9660" */
};

/*
 * The given partition of the image that fd has open (name is for messages), 0 for all of it,
 * or MSD_WINDOW_ANY: all of it when that is a file system (a hybrid ISO image is, whatever
 * table it has too), else the only partition with one.
 *
 * Returns 0; -MSD_E_FORMAT: there is no file system; -MSD_E_NOTFOUND: no such partition, or
 * several, with which ones in the message; -errno.
 */
int msd_window_find(int fd, const char *name, int partition, struct msd_window *ret,
		    struct msd_error *reterr);

/*
 * A free loop device on the window that goes by itself when it is no longer open or mounted.
 * fd stays the caller's and must be open for writing unless readonly. path is what losetup
 * shows. Returns 0 with its name in device and a descriptor that keeps it; -MSD_E_UNSUPPORTED:
 * no loop devices; -errno.
 */
int msd_loop_attach(int fd, const char *path, const struct msd_window *window, bool readonly,
		    char device[32], int *ret_fd, struct msd_error *reterr);

#endif
