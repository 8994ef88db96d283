/* SPDX-License-Identifier: GPL-3.0-or-later */
/* otgmsd.conf as a plain structure, with working defaults for what it leaves out. */
#ifndef MSD_CONFIG_CONFIG_H
#define MSD_CONFIG_CONFIG_H

#include "base/error.h"
#include "gadget/spec.h"

#define MSD_CONFIG_PATH MSD_SYSCONFDIR "/otgmsd.conf"

struct msd_config {
	struct msd_gadget_spec gadget;	/* its name is NULL when it is not configured */
	char *storage_path;		/* absolute; NULL: not configured */
};

/*
 * Reads the file at path; NULL stands for MSD_CONFIG_PATH, which may be missing. As root it
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
