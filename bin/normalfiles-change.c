/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles: the commands that change an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fs/change.h"
#include "normalfiles.h"

static int begin(struct normalfiles *nf, struct msd_change **ret)
{
	struct msd_change_params params = {
		.no_sync = nf->no_sync, .now_s = time(NULL), .progress = &nf->progress.callback,
	};
	struct msd_fs_info info;
	int rc = normalfiles_open_for_change(nf);

	if (rc < 0)
		return rc;
	msd_fs_get_info(nf->volume->fs, &info);
	if (info.dirty) {
		tool_warn(&nf->tool, "%s: was not unmounted by its last user", nf->operands[0]);
		tool_hint(&nf->tool, "fsck.%s finds out whether it is in order",
			  info.type == MSD_FS_TYPE_EXFAT ? "exfat" : "fat");
	}
	return msd_change_new(nf->volume->fs, &params, ret, &nf->err);
}

/* Lets it happen, unless something went wrong. Returns the exit status. */
static int end(struct normalfiles *nf, struct msd_change *change, int rc)
{
	if (rc == 0)
		rc = msd_change_commit(change, &nf->err);
	msd_change_free(change);
	return normalfiles_finish(nf, rc);
}

int normalfiles_mkdir(struct normalfiles *nf)
{
	struct msd_change *change = NULL;
	int rc = begin(nf, &change);

	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++)
		rc = msd_change_mkdir(change, nf->operands[i], nf->parents, &nf->err);
	return end(nf, change, rc);
}

int normalfiles_rm(struct normalfiles *nf)
{
	struct msd_change *change = NULL;
	int rc = begin(nf, &change);

	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++)
		rc = msd_change_remove(change, nf->operands[i], nf->recursive, &nf->err);
	return end(nf, change, rc);
}

int normalfiles_mv(struct normalfiles *nf)
{
	struct msd_change *change = NULL;
	int rc = begin(nf, &change);

	if (rc == 0)
		rc = msd_change_rename(change, nf->operands[1], nf->operands[2], &nf->err);
	return end(nf, change, rc);
}

int normalfiles_label(struct normalfiles *nf)
{
	char label[MSD_FS_NAME_BYTES];
	struct msd_change *change = NULL;
	int rc;

	if (nf->n_operands == 2) {
		rc = begin(nf, &change);
		if (rc == 0)
			rc = msd_change_set_label(change, nf->operands[1], &nf->err);
		return end(nf, change, rc);
	}
	rc = normalfiles_open(nf, false, -1);
	if (rc == 0)
		rc = msd_fs_read_label(nf->volume->fs, label, sizeof(label), &nf->err);
	if (rc == 0)
		puts(label);
	return normalfiles_finish(nf, rc);
}
