/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which gadgets and drives there are, and which of them a number or a name means. */
#ifndef MSD_GADGET_FIND_H
#define MSD_GADGET_FIND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MSD_GADGETS_DIR "/sys/kernel/config/usb_gadget"

/* No lun asked for: the drive number alone says which one. */
#define MSD_FIND_ANY UINT_MAX

/*
 * A drive. In a gadget with one mass_storage function, drive N is its lun.N (One-KVM,
 * NanoKVM). In one with several, drive N is the function whose name ends in N (PiKVM:
 * mass_storage.usbN), or the Nth by name when the names do not end in different numbers; a
 * further LUN of such a function has its number and a lun above 0.
 */
struct msd_drive_id {
	char gadget[NAME_MAX + 1];	/* "kvmd" */
	char function[NAME_MAX + 1];	/* "mass_storage.usb0" */
	unsigned number;		/* as in -i */
	unsigned lun;
	bool plain;			/* -i NUMBER names it, -l is not needed */
	bool by_default;		/* and -g is not needed either */
};

/*
 * Every drive of the gadget, or of all gadgets when gadget is NULL, sorted by gadget, number
 * and lun. dir is MSD_GADGETS_DIR, but for tests. gadget may be "GADGET/FUNCTION". Gives an
 * array of *ret_n to be freed; none is no error when gadget is NULL.
 *
 * Returns 0; -MSD_E_NOTFOUND: no such gadget or function, or no mass storage in it; -errno.
 */
int msd_find_all(const char *dir, const char *gadget, struct msd_drive_id **ret, size_t *ret_n,
		 struct msd_error *reterr);

/*
 * The gadget that a command means that names none: preferred (the configured name; may be
 * NULL) when it has mass storage, else kvmd, one-kvm, g0, else the only one that has. Returns
 * 0; -MSD_E_NOTFOUND when there is none or several, with which ones in the message.
 */
int msd_find_gadget(const char *dir, const char *preferred, char ret[NAME_MAX + 1],
		    struct msd_error *reterr);

/*
 * Drive number of the gadget (as in msd_find_all; NULL: the one that msd_find_gadget gives
 * for preferred). A lun other than MSD_FIND_ANY is that LUN of the drive's function. Where
 * there is one function, or gadget names one, drive 0 stands for it then, and without a lun
 * number is the LUN. ret_fd, unless NULL, gets its configfs directory, for msd_lun_new. Returns
 * 0; -MSD_E_NOTFOUND with the drives that there are; -errno.
 */
int msd_find_drive(const char *dir, const char *gadget, const char *preferred, unsigned number,
		   unsigned lun, struct msd_drive_id *ret, int *ret_fd, struct msd_error *reterr);

/* "drive 1 of gadget kvmd", or with the LUN when the number alone does not name it. Returns buf. */
char *msd_drive_id_format(const struct msd_drive_id *id, char *buf, size_t len);

/* "-i 1", "-g g0 -i 0 -l 2": the options of otgmsd that name this drive. Returns buf. */
char *msd_drive_id_options(const struct msd_drive_id *id, char *buf, size_t len);

/*
 * The lock that a command holds while it changes drives or gadgets: one for all of them,
 * since an image is checked against every drive. Waits up to timeout_ms. Closing *ret_fd
 * unlocks. Returns 0; -MSD_E_BUSY; -errno.
 */
int msd_gadget_lock(uint64_t timeout_ms, int *ret_fd, struct msd_error *reterr);

/* How long a command waits for that lock before it gives up. */
#define MSD_GADGET_LOCK_MS 10000

#endif
