/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A logical unit of a mass-storage function: one drive as the kernel sees it. */
#ifndef MSD_GADGET_LUN_H
#define MSD_GADGET_LUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "gadget/attr.h"
#include "gadget/find.h"

struct msd_lun;

/* What is in a drive, or shall be. */
struct msd_lun_state {
	char file[MSD_ATTR_BUFSIZE];	/* absolute, without links; "" for no medium */
	bool deleted;			/* read only: file has no name any more, file is the old one */
	bool cdrom;
	bool ro;			/* effective with a medium in, configured without */
};

/* What does not depend on the medium. */
struct msd_lun_options {
	bool removable;
	bool nofua;
	char inquiry[64];		/* what the host reads as vendor, product, revision */
};

/* One write to an attribute. */
struct msd_lun_step {
	const char *attr;
	const char *value;
};

#define MSD_LUN_STEPS_MAX 4

enum msd_eject {
	MSD_EJECT_PLAIN,	/* not when the target host has locked the medium */
	MSD_EJECT_FORCE,	/* in any case: takes the host's lock away */
};

/*
 * Opens lun.LUN of function ("mass_storage.usb0") of the gadget whose configfs directory is
 * gadget_dirfd. Returns 0; -MSD_E_NOTFOUND; -errno.
 */
int msd_lun_open(int gadget_dirfd, const char *function, unsigned lun, struct msd_lun **ret,
		 struct msd_error *reterr);

/* The same for a drive that msd_find_drive or msd_find_all has found in dir. */
int msd_lun_open_drive(const char *dir, const struct msd_drive_id *id, struct msd_lun **ret,
		       struct msd_error *reterr);

/* The same on its configfs directory, which becomes the lun's. Returns 0 or -ENOMEM. */
int msd_lun_new(int dirfd, const struct msd_drive_id *id, struct msd_lun **ret,
		struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_lun *msd_lun_close(struct msd_lun *lun);
void msd_lun_closep(struct msd_lun **lun);

/* The configfs directory, the lun's for as long as it is open; and "FUNCTION/lun.N". */
int msd_lun_get_dirfd(const struct msd_lun *lun);
const char *msd_lun_get_name(const struct msd_lun *lun);

/* What is in now. Returns 0 or -errno. */
int msd_lun_read_state(struct msd_lun *lun, struct msd_lun_state *ret, struct msd_error *reterr);

/* An attribute that this kernel does not have gives the kernel's default. Returns 0, -errno. */
int msd_lun_read_options(struct msd_lun *lun, struct msd_lun_options *ret,
			 struct msd_error *reterr);

/*
 * The writes that lead from one state to the other, in the only order that the kernel takes:
 * old medium out, cdrom, ro, new medium in. MSD_EJECT_FORCE takes the medium out and in again
 * even when nothing else changes. Pure; values point into to. Returns how many, 0 when from is
 * to already.
 */
unsigned msd_lun_plan(const struct msd_lun_state *from, const struct msd_lun_state *to,
		      enum msd_eject eject, struct msd_lun_step steps[MSD_LUN_STEPS_MAX]);

/*
 * Brings the drive into the state to and reads it back; each write is a step in log. When
 * anything fails, the state from, which msd_lun_read_state gave, is put back.
 *
 * eject says how an old medium is taken out. to->ro = false on a medium that cannot be
 * written fails, and never becomes a read-only medium in silence. What the kernel cuts off a
 * CD is not seen here: see gadget/kmsg.h.
 *
 * Returns 0; -MSD_E_LOCKED when the host holds the old medium; -MSD_E_TOOSMALL;
 * -MSD_E_NOTFOUND when there is no such file; -EROFS when it is not writable; -EBUSY when
 * another program changed the drive meanwhile; -errno. The message says so when the old state
 * could not be put back.
 */
int msd_lun_change(struct msd_lun *lun, const struct msd_lun_state *from,
		   const struct msd_lun_state *to, enum msd_eject eject, const struct msd_log *log,
		   struct msd_error *reterr);

/*
 * Takes the medium out; fine when there is none. MSD_EJECT_FORCE uses forced_eject, and on a
 * kernel before 6.0 SIGUSR1 to the kernel's file-storage threads. Returns 0; -MSD_E_LOCKED;
 * -errno.
 */
int msd_lun_eject(struct msd_lun *lun, enum msd_eject how, const struct msd_log *log,
		  struct msd_error *reterr);

/* Whether the kernel has forced_eject (6.0 and later). */
bool msd_lun_has_forced_eject(const struct msd_lun *lun);

#endif
