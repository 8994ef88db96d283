/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of the store share. */
#ifndef MSD_STORAGE_STORE_PRIV_H
#define MSD_STORAGE_STORE_PRIV_H

#include <limits.h>
#include <sys/stat.h>

#include "storage/digest.h"
#include "storage/hold.h"
#include "storage/store.h"

struct msd_store {
	const struct msd_root *root;	/* the caller's */
	int fd;				/* of its folder */
	char *path;			/* as the kernel writes it: no symlinks */
	const struct msd_log *log;
	struct msd_hold *hold;		/* the storage is rw for us until msd_store_release */
};

/* Opens a path below the storage, "" or "." the storage itself. Returns the descriptor or -errno. */
int msd_store_openat(const struct msd_store *store, const char *path, int flags);

/* Where an image is: its folder and the names of what lies beside it there. */
struct store_place {
	int dirfd;
	const char *name;		/* below the storage; the caller's */
	const char *base;		/* its last component */
	char marker[NAME_MAX + 1], part[NAME_MAX + 1], sum[NAME_MAX + 1];
	char path[PATH_MAX];		/* absolute, for messages and for those that ask the kernel */
};
#define STORE_PLACE_NONE { .dirfd = -1 }

/*
 * Checks name and opens its folder. Returns 0, -MSD_E_NAME for a name that no image can have,
 * -MSD_E_NOTFOUND without such a folder, -errno.
 */
int store_place_open(const struct msd_store *store, const char *name, struct store_place *ret,
		     struct msd_error *reterr);
void store_place_close(struct store_place *place);

/*
 * Makes the file system of place writable for us: the storage itself is held rw until
 * msd_store_release, what is mounted below it must be so already. Returns 0, -EROFS, or what
 * msd_hold_new returns.
 */
int store_place_hold(struct msd_store *store, const struct store_place *place,
		     struct msd_error *reterr);

/* Is there a file called base? Returns 1, 0 or -errno; st may be NULL. */
int store_place_stat(const struct store_place *place, const char *base, struct stat *ret);

/*
 * Locks the part of an image, for as long as *ret_fd is open; makes it when create. Returns 0;
 * -ENOENT without a message when there is none; -MSD_E_BUSY when another put has it; -errno.
 */
int store_part_lock(const struct store_place *place, bool create, int *ret_fd,
		    struct msd_error *reterr);

/*
 * The recorded checksum of the image at place and the time of the image that it belongs to.
 * Reading: returns 0, or negative when there is none. Writing: what could not be written is
 * not there, and verify says so.
 */
int store_sum_read(const struct store_place *place, uint8_t ret[MSD_SHA256_SIZE],
		   struct timespec *ret_time);
void store_sum_write(const struct store_place *place, const uint8_t sha256[MSD_SHA256_SIZE],
		     const struct timespec *time);

#endif
