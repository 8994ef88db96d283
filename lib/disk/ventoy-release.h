/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Ventoy release as it is downloaded: an unpacked folder or its .tar.gz. */
#ifndef MSD_DISK_VENTOY_RELEASE_H
#define MSD_DISK_VENTOY_RELEASE_H

#include "base/error.h"

#define MSD_VENTOY_VERSION_MAX 32

struct msd_ventoy_release;

/*
 * Opens the folder or archive at path, reads the small files and sees that the big one is
 * there. Returns 0; -MSD_E_FAILED naming the file that is missing or damaged, -errno.
 */
int msd_ventoy_release_open(const char *path, struct msd_ventoy_release **ret,
			    struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_ventoy_release *msd_ventoy_release_close(struct msd_ventoy_release *release);
void msd_ventoy_release_closep(struct msd_ventoy_release **release);

/* "1.1.07" */
const char *msd_ventoy_release_get_version(const struct msd_ventoy_release *release);

#endif
