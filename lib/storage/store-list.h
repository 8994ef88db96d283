/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All images of a storage and the file systems that they lie on. */
#ifndef MSD_STORAGE_STORE_LIST_H
#define MSD_STORAGE_STORE_LIST_H

#include <stddef.h>

#include "storage/content.h"
#include "storage/store.h"

struct msd_store_image {
	char *name;			/* below the storage */
	uint64_t size_bytes, used_bytes;
	uint64_t partial_bytes;		/* of an interrupted put that can be resumed */
	int64_t mtime;			/* seconds since 1970 */
	bool complete;
	bool writable;			/* its file can be written, once the storage is rw */
	bool readable;			/* false: content is unknown */
	char *drive;			/* "drive 1 of gadget kvmd" that has it, or NULL */
	bool drive_writable;		/* and the target host can write it */
	struct msd_content content;
};

enum msd_store_part_state {
	MSD_PART_OK,
	MSD_PART_TIMEOUT,		/* its server did not answer in time */
	MSD_PART_FAILED,		/* it could not be read; the log says why */
};

/* A file system: the storage itself, name "", or what is mounted below it. */
struct msd_store_part {
	char *name;
	char *fstype, *source;		/* as /proc/self/mountinfo has them */
	enum msd_store_part_state state;
	int error;			/* errno of MSD_PART_FAILED */
	uint64_t size_bytes, free_bytes;
	bool writable;			/* for "": it is, or otgmsd-remount can make it so */
};

struct msd_store_list {
	struct msd_store_image *images;	/* by name */
	size_t n_images;
	struct msd_store_part *parts;	/* "" first, then by name */
	size_t n_parts;
};

/*
 * Each file system is read by a process of its own, for a server that hangs would hang the
 * thread that asks it where no signal reaches. One that says nothing for timeout_ms is
 * abandoned; all run at once, so any number of dead servers costs one time-out. Regular files
 * only, no symlinks, nothing hidden, no lost+found, as kvmd does. Returns 0 or -errno.
 */
int msd_store_list_read(struct msd_store *store, uint64_t timeout_ms, struct msd_store_list *ret,
			struct msd_error *reterr);
void msd_store_list_done(struct msd_store_list *list);

#endif
