/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of a drive's transaction share. */
#ifndef MSD_STORAGE_DRIVE_PRIV_H
#define MSD_STORAGE_DRIVE_PRIV_H

#include <sys/stat.h>

#include "storage/drive.h"
#include "storage/root.h"

struct msd_drive {
	struct msd_drive_id id;
	struct msd_lun *lun;
	const struct msd_log *log;
	char dir[PATH_MAX];		/* of the gadgets */
	char name[2 * NAME_MAX];	/* "drive 1 of gadget kvmd" */
	char options[2 * NAME_MAX];	/* "-i 1" */
	struct msd_root root;		/* of the storage, once it was asked for; or empty */
	struct libmnt_table *mounts;	/* when something was in; or NULL */
	bool dead;			/* the file server of the medium that is in says nothing */
};

/* The controller that the gadget is bound to, "" for none. Returns 0 or -errno. */
int msd_drive_read_udc(const struct msd_drive *drive, char *buf, size_t len,
		       struct msd_error *reterr);

/* The storage, NULL for none. */
const struct msd_root *msd_drive_read_root(struct msd_drive *drive, const char *storage_path);

/* An image that shall become a medium. */
struct msd_image {
	char path[MSD_ATTR_MAX + 1];	/* absolute, without links */
	struct stat st;
	uint64_t size_bytes;
	bool device_readonly;		/* the block device */
	bool boots;			/* has the signature of a boot sector */
};

/*
 * Finds the image that the user named, in the storage too when it is a bare name, and looks at
 * it. Returns 0; -MSD_E_NOTFOUND; -MSD_E_REFUSED for what cannot be a medium by its kind or its
 * name; -errno.
 */
int msd_image_read(struct msd_drive *drive, const char *name, const char *storage_path,
		   struct msd_image *ret, struct msd_error *reterr);

/*
 * All checks of an image that shall be the medium of a drive with the flags of to. Returns 0;
 * -MSD_E_UNSAFE, -MSD_E_REFUSED.
 */
int msd_image_check(const struct msd_drive *drive, const struct msd_image *image,
		    const struct msd_lun_state *to, const struct msd_drive_change *change,
		    struct msd_error *reterr);

/*
 * The command that does the change, with extra behind it and image as it was given. Fits a
 * hint. Returns buf.
 */
char *msd_drive_command(const struct msd_drive *drive, const struct msd_drive_change *change,
			const char *extra, char *buf, size_t len);

/*
 * The state before a change, kept in MSD_RUN_DIR while it lasts: what is found there under the
 * lock was left by a command that was killed.
 */
int msd_undo_write(const struct msd_drive *drive, const struct msd_lun_state *state,
		   struct msd_error *reterr);
void msd_undo_remove(const struct msd_drive *drive);
bool msd_undo_is_there(const struct msd_drive *drive);

/* Puts it back if there is one and the drive is empty; what cannot be is a warning. */
void msd_undo_run(const struct msd_drive *drive);

/*
 * After a medium that the host could write is out: its bytes to the disk, and the storage ro if
 * nothing needs it rw. What fails here is a warning, except that a sync that fails is the
 * image's loss: -errno.
 */
int msd_drive_settle(struct msd_drive *drive, const struct msd_lun_state *old,
		     const char *storage_path, struct msd_error *reterr);

#endif
