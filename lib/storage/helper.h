/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a helper of mount(8) has to find out by itself. */
#ifndef MSD_STORAGE_HELPER_H
#define MSD_STORAGE_HELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A line of fstab. */
struct msd_fstab_line {
	char *source;
	char *target;
	char *options;
};

/*
 * The line of fstab for source and target, as they stand there or with links resolved (which is
 * what mount(8) hands to a helper); those of the line are resolved, never the caller's. Returns
 * 0 with *ret for msd_fstab_line_done; -MSD_E_NOTFOUND: there is none; -errno.
 */
int msd_fstab_find(const char *fstab, const char *source, const char *target,
		   struct msd_fstab_line *ret, struct msd_error *reterr);
void msd_fstab_line_done(struct msd_fstab_line *line);

/* Whether the last of ro and rw in the options, which may be NULL, is rw. */
bool msd_options_ask_rw(const char *options);

/*
 * Whether a command line of mount(8) (arguments, each with a 0 byte behind it) asks for rw: -w,
 * --rw, --read-write, or rw in -o. mount(8) hands rw to its helpers also when nobody asked.
 */
bool msd_command_asks_rw(const char *cmdline, size_t len);

/*
 * What is left of options for the file system: without ro, rw, those named msd.… and those that
 * are for mount(8) alone. options may be NULL. Returns 0 with a string to be freed; -ENOMEM.
 */
int msd_options_for_fs(const char *options, char **ret);

#endif
