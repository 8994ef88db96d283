/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the process that reads one file system of the storage gets and tells. */
#ifndef MSD_STORAGE_STORE_WALK_PRIV_H
#define MSD_STORAGE_STORE_WALK_PRIV_H

#include "storage/store-list.h"
#include "store-priv.h"

struct store_walk {
	const struct msd_store *store;
	const char *name;	/* of the mount, below the storage; "" is the storage */
	const char **mounts;	/* all such names, ended by NULL */
	int mount_id;		/* what must be found there; -1: anything */
	bool autofs;		/* opening it mounts something else */
};

enum store_record_kind { STORE_RECORD_IMAGE, STORE_RECORD_PART, STORE_RECORD_END };

/* Through the pipe; behind it name_len bytes of name and a NUL. */
struct store_record {
	enum store_record_kind kind;
	int error;			/* END: errno of what ended it early */
	uint32_t name_len;
	struct msd_store_image image;	/* without name; PART: size, used as free, writable */
};

/*
 * Reads the file system and tells it to fd. For a child of fork: all other descriptors are
 * closed, with those of input and output on /dev/null.
 */
void store_walk_child(const struct store_walk *walk, int fd);

/* What of an absolute path lies below the storage, NULL when it does not. */
const char *store_below(const struct msd_store *store, const char *path);

/* Fills in drive and drive_writable of the sorted list. Returns 0, -ENOMEM, -errno. */
int store_mark_drives(const struct msd_store *store, struct msd_store_list *list,
		      struct msd_error *err);

/* Is the first component of path lost+found? */
bool store_is_lost_found(const char *path);

#endif
