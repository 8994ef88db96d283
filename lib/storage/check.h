/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wrong with this board: everything that drives and their storage need, looked at once. */
#ifndef MSD_STORAGE_CHECK_H
#define MSD_STORAGE_CHECK_H

#include <stddef.h>

#include "base/error.h"

enum msd_check_level {
	MSD_CHECK_OK,
	MSD_CHECK_WARN,		/* works, and will not always */
	MSD_CHECK_FAIL,		/* does not work */
};

struct msd_check {
	enum msd_check_level level;
	const char *subject;	/* "configfs", "storage", …: part of the interface */
	char *message;		/* what is so */
	char *hint;		/* what to type or to change, NULL if there is nothing to do */
};

/* What is configured; each may be NULL. */
struct msd_check_options {
	const char *gadget;
	const char *controller;
	const char *storage_path;
};

/*
 * All rows, in the order in which one depends on another. Changes nothing; a server that does
 * not answer costs MSD_CHECK_TIMEOUT_MS and is a row of its own. Gives an array of *ret_n for
 * msd_checks_free. Returns 0 or -ENOMEM.
 */
int msd_checks_read(const struct msd_check_options *options, struct msd_check **ret, size_t *ret_n,
		    struct msd_error *reterr);
void msd_checks_free(struct msd_check *checks, size_t n);

#define MSD_CHECK_TIMEOUT_MS 3000

#endif
