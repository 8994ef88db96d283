/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration: otgmsd.conf as a plain structure, with working defaults for what it leaves out. */
#ifndef MSD_CONFIG_CONFIG_H
#define MSD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define MSD_CONFIG_PATH MSD_SYSCONFDIR "/otgmsd.conf"

/* Kernels before 5.3 have no more LUNs in a function. */
#define MSD_CONFIG_DRIVES_MAX 8

enum msd_shape {
	MSD_SHAPE_FUNCTIONS,	/* a function for each drive: two endpoints each, swapped alone */
	MSD_SHAPE_LUNS,		/* every drive a LUN of one function: two endpoints for all */
};

/* What a drive is like when it is built; no string is longer than the kernel takes. */
struct msd_config_drive {
	bool cdrom;
	bool rw;			/* never together with cdrom */
	bool removable;
	bool fua;
	char vendor[8 + 1];		/* SCSI INQUIRY, printable ASCII, not padded */
	char product[16 + 1];
	char product_cdrom[16 + 1];
	char revision[4 + 1];
	uid_t uid;			/* of the attributes that change a medium; -1: stays root's */
	gid_t gid;
};

struct msd_config {
	char *gadget;			/* NULL: not configured */
	char *controller;		/* NULL: the only one that there is */
	enum msd_shape shape;
	uint16_t vendor_id, product_id, bcd_device, bcd_usb;
	char *manufacturer, *product, *configuration;
	char *serial;			/* NULL: made from what tells this machine from others */
	unsigned max_power_ma;
	unsigned n_drives;
	struct msd_config_drive drives[MSD_CONFIG_DRIVES_MAX];	/* all set, beyond n_drives too */
	char *storage_path;		/* absolute; NULL: not configured */
};

/*
 * Reads the file at path; NULL stands for MSD_CONFIG_PATH, which may be missing. A process of root's
 * takes no file that others can write: the file and the directories that it is found through belong
 * to root and are not writable for group and others (a sticky directory such as /tmp may be).
 * Nothing is taken from the environment.
 *
 * Returns 0; -MSD_E_CONFIG with "FILE:LINE: what was expected" for a wrong key, value or syntax,
 * for an unsafe or unreadable file; -ENOMEM.
 */
int msd_config_read(const char *path, struct msd_config **ret, struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_config *msd_config_free(struct msd_config *config);
void msd_config_freep(struct msd_config **config);

#endif
