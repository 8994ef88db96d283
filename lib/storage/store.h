/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The image storage: its folder and everything that is mounted below it. */
#ifndef MSD_STORAGE_STORE_H
#define MSD_STORAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "storage/root.h"

struct msd_store;

/*
 * An image goes by its path below the storage, "debian.iso" or "nfs/debian.iso", as in kvmd.
 * No name leaves the storage: none is absolute, has "..", begins a component with a dot
 * (hidden), is lost+found or crosses a symlink. Beside the image DIR/NAME may lie
 *
 *   .__NAME.incomplete	it is not whole: made before its first byte arrives, kvmd's marker
 *   .__NAME.part	what has arrived of it; locked (flock) by who writes it
 *   .__NAME.sha256	its checksum as `sha256sum` prints it, with the time of the image it
 *			belongs to: another time means that the image has changed since
 */

/*
 * Opens the folder that root names; root and log (NULL is fine) must outlive the store.
 * Returns 0, -MSD_E_NOTFOUND when it is no folder, -ENOMEM, -errno.
 */
int msd_store_open(const struct msd_root *root, const struct msd_log *log, struct msd_store **ret,
		   struct msd_error *reterr);

/* NULL is fine. Returns NULL. */
struct msd_store *msd_store_close(struct msd_store *store);
void msd_store_closep(struct msd_store **store);

/*
 * What changes the storage holds it rw, from then on until this or the end of the process: ro
 * again, unless others need it. Returns what msd_hold_release returns.
 */
int msd_store_release(struct msd_store *store, struct msd_error *reterr);

/*
 * Removes an image, its marker, part and checksum. Returns 0; -MSD_E_NOTFOUND; -MSD_E_BUSY while a drive or a put has it; -errno.
 */
int msd_store_remove(struct msd_store *store, const char *name, struct msd_error *reterr);

/*
 * Renames an image and what belongs to it; to_name may be a folder, which keeps the name.
 * Returns 0; -MSD_E_NOTFOUND; -MSD_E_BUSY while a drive or a put has it; -MSD_E_UNSAFE when
 * to_name exists and not force; -MSD_E_NAME; -EXDEV with what to do instead; -errno.
 */
int msd_store_rename(struct msd_store *store, const char *name, const char *to_name, bool force,
		     struct msd_error *reterr);

#endif
