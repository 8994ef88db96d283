/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of rows that the parts of the check add to. */
#ifndef MSD_STORAGE_CHECK_PRIV_H
#define MSD_STORAGE_CHECK_PRIV_H

#include <stdbool.h>

#include "storage/check.h"
#include "storage/remount.h"

struct check {
	const struct msd_check_options *options;
	struct msd_check *rows;
	size_t n;
	bool no_memory;
};

/* A new row; the hint goes to the one added last. */
void check_add(struct check *check, enum msd_check_level level, const char *subject,
	       const char *fmt, ...) MSD_PRINTF(4, 5);
void check_hint(struct check *check, const char *fmt, ...) MSD_PRINTF(2, 3);

/* The row of an error that the library found. */
void check_add_error(struct check *check, enum msd_check_level level, const char *subject,
		     const struct msd_error *err);

/* modules, configfs, controller, gadget, drives, cdrom, forced_eject */
void check_kernel(struct check *check);
void check_gadget(struct check *check);

/* storage, owner, mounts, incomplete, room */
void check_storage(struct check *check);

#endif
