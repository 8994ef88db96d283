/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a gadget and its drives are to be like, as the configuration says it. */
#ifndef MSD_GADGET_SPEC_H
#define MSD_GADGET_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Kernels before 5.3 have no more LUNs in a function. */
#define MSD_DRIVES_MAX 8

enum msd_shape {
	MSD_SHAPE_FUNCTIONS,	/* a function for each drive: two endpoints each, swapped alone */
	MSD_SHAPE_LUNS,		/* every drive a LUN of one function: two endpoints for all */
};

/* What a drive is like when it is built; no string is longer than the kernel takes. */
struct msd_drive_spec {
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

struct msd_gadget_spec {
	char *name;
	char *controller;		/* NULL: the only one that there is */
	enum msd_shape shape;
	uint16_t vendor_id, product_id, bcd_device, bcd_usb;
	char *manufacturer, *product, *configuration;
	char *serial;			/* NULL: made from what tells this machine from others */
	unsigned max_power_ma;
	unsigned n_drives;
	struct msd_drive_spec drives[MSD_DRIVES_MAX];	/* all set, beyond n_drives too */
};

#endif
