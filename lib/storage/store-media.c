/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which drives have which images of a storage, by what the kernel says alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gadget/find.h"
#include "gadget/lun.h"
#include "store-walk-priv.h"

static int compare_name(const void *key, const void *image)
{
	return strcmp(key, ((const struct msd_store_image *)image)->name);
}

static int read_drive(int dirfd, const struct msd_drive_id *id, struct msd_lun_state *ret,
		      struct msd_error *err)
{
	_cleanup_close_ int gadget = openat(dirfd, id->gadget, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	int rc;

	if (gadget < 0)
		return msd_fail_errno(err, errno, "%s/%s", MSD_GADGETS_DIR, id->gadget);
	rc = msd_lun_open(gadget, id->function, id->lun, &lun, err);
	return rc < 0 ? rc : msd_lun_read_state(lun, ret, err);
}

/* The medium's path as the kernel has it is compared: asking for the file could hang. */
static int mark(const struct msd_store *store, const struct msd_drive_id *id,
		const struct msd_lun_state *state, struct msd_store_list *list)
{
	const char *name = store_below(store, state->file);
	struct msd_store_image *image;
	char text[2 * NAME_MAX + 64];

	if (state->deleted || !name || !list->n_images)
		return 0;
	image = bsearch(name, list->images, list->n_images, sizeof(*image), compare_name);
	if (!image)
		return 0;
	image->drive_writable |= !state->ro;
	if (image->drive)	/* two drives can have it when both are ro: the first is told */
		return 0;
	image->drive = strdup(msd_drive_id_format(id, text, sizeof(text)));
	return image->drive ? 0 : -ENOMEM;
}

int store_mark_drives(const struct msd_store *store, struct msd_store_list *list,
		      struct msd_error *err)
{
	_cleanup_free_ struct msd_drive_id *drives = NULL;
	_cleanup_close_ int dirfd = -1;
	struct msd_lun_state state;
	size_t n = 0;
	int rc = msd_find_all(MSD_GADGETS_DIR, NULL, &drives, &n, err);

	if (rc < 0 || !n)
		return rc;
	dirfd = open(MSD_GADGETS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < n; i++) {
		rc = read_drive(dirfd, &drives[i], &state, err);
		if (rc == -MSD_E_NOTFOUND || rc == -ENOENT)
			continue;	/* just torn down */
		if (rc == 0)
			rc = mark(store, &drives[i], &state, list);
		if (rc < 0)
			return rc;
	}
	return 0;
}
