/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A drive, and changes of it that are done as a whole or not at all. */
#ifndef MSD_STORAGE_DRIVE_H
#define MSD_STORAGE_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "gadget/find.h"
#include "gadget/lun.h"

struct msd_drive;

/* Which drive, see msd_find_drive. */
struct msd_drive_where {
	const char *dir;	/* MSD_GADGETS_DIR, but for tests */
	const char *gadget;	/* asked for, or NULL */
	const char *preferred;	/* configured, or NULL */
	unsigned number;
	unsigned lun;		/* or MSD_FIND_ANY */
};

enum msd_tristate { MSD_KEEP = -1, MSD_NO, MSD_YES };

struct msd_drive_change {
	enum msd_tristate cdrom;
	enum msd_tristate rw;
	const char *image;		/* path, or a name in the storage; NULL: as it is */
	bool eject;			/* the old medium goes out although the host has locked it */
	bool unlock;			/* takes the host's lock away where eject does not do it */
	bool force;			/* does what MSD_E_UNSAFE refuses */
	const char *storage_path;	/* configured, or NULL; fstab comes first */
	bool quiet_type;		/* no warning of a new type: the caller replugs */

	/*
	 * Dry run when not NULL: everything is checked, nothing is done, and this is told what
	 * would be written to which file; value NULL: path is a mount point to be made rw.
	 */
	void (*dry_run)(void *data, const char *path, const char *value);
	void *dry_run_data;
};

/* Returns 0; what msd_find_drive returns. log gets warnings and steps, must outlive the drive. */
int msd_drive_open(const struct msd_drive_where *where, const struct msd_log *log,
		   struct msd_drive **ret, struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_drive *msd_drive_close(struct msd_drive *drive);
void msd_drive_closep(struct msd_drive **drive);

const struct msd_drive_id *msd_drive_get_id(const struct msd_drive *drive);

/*
 * What is in now. A change that was killed half way is undone first, when this process may.
 * Returns 0 or -errno.
 */
int msd_drive_read(struct msd_drive *drive, struct msd_lun_state *ret, struct msd_error *reterr);

/*
 * One transaction under the lock of the gadgets: what a killed command left is put back; all is
 * checked; the storage is made rw if the image is there and rw is asked; old medium out, cdrom,
 * ro, new medium in; all read back. A failure leaves the drive and the storage as they were. A
 * drive that is already as asked is left alone. Afterwards what the host wrote to the old
 * medium is synced, and the storage becomes ro if no drive needs it rw.
 *
 * Returns 0 with what is in now, read back from the kernel. Before anything is touched: -MSD_E_UNSAFE (force overrides) and -MSD_E_REFUSED for
 * each check of the medium, -MSD_E_NOTFOUND for no such image, -EROFS when rw cannot be had,
 * -MSD_E_BUSY when another command is at it. -MSD_E_LOCKED when the host holds the old medium.
 * -MSD_E_REFUSED when the kernel cuts the CD off. Else what msd_lun_change, msd_hold_new return.
 */
int msd_drive_change(struct msd_drive *drive, const struct msd_drive_change *change,
		     struct msd_lun_state *ret, struct msd_error *reterr);

enum msd_wait {
	MSD_WAIT_CONFIGURED,	/* a host has configured the gadget */
	MSD_WAIT_EJECTED,	/* no medium is in */
	MSD_WAIT_INSERTED,	/* one is in */
};

#define MSD_WAIT_FOREVER UINT64_MAX

/*
 * Waits. After MSD_WAIT_EJECTED of a medium that was in before, what the host wrote is synced
 * and the storage settled as after an eject of our own. Returns 0; -MSD_E_TIMEOUT;
 * -MSD_E_NOTFOUND when the drive is torn down meanwhile; -errno.
 */
int msd_drive_wait(struct msd_drive *drive, enum msd_wait what, uint64_t timeout_ms,
		   const char *storage_path, struct msd_error *reterr);

#endif
