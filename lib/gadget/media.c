/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The media of a gadget's drives. */
#include "media-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int open_gadget(struct tree *tree, struct msd_error *err)
{
	int fd = openat(tree->dirfd, tree->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? msd_fail_errno(err, errno, "gadget %s", tree->name) : fd;
}

static int read_one(int gadget_fd, const char *function, unsigned n, struct media *media,
		    struct msd_error *err)
{
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	struct medium *v;
	int rc = msd_lun_open(gadget_fd, function, n, &lun, err);

	if (rc < 0)
		return rc;
	v = realloc(media->v, (media->n + 1) * sizeof(*v));
	if (!v)
		return msd_fail_on(err, ENOMEM, function);
	media->v = v;
	v += media->n;
	rc = msd_lun_read_state(lun, &v->state, err);
	if (rc < 0 || !v->state.file[0])
		return rc;
	strcpy(v->function, function);
	v->lun = n;
	media->n++;
	return 0;
}

int media_read(struct tree *tree, struct media *ret, struct msd_error *err)
{
	_cleanup_close_ int fd = -1;
	int rc = 0;

	*ret = (struct media){ 0 };
	if (tree_count_drives(tree) == 0)
		return 0;
	fd = open_gadget(tree, err);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < tree->n_functions; i++)
		for (unsigned n = 0; rc == 0 && n < tree->functions[i].n_luns; n++)
			rc = read_one(fd, tree->functions[i].name, n, ret, err);
	if (rc < 0)
		media_done(ret);
	return rc;
}

void media_done(struct media *media)
{
	free(media->v);
	*media = (struct media){ 0 };
}

static int put_back_one(struct tree *tree, int gadget_fd, const struct medium *medium,
			struct msd_error *err)
{
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	struct msd_lun_state now;
	char what[2 * NAME_MAX];
	int rc = msd_lun_open(gadget_fd, medium->function, medium->lun, &lun, err);

	if (rc == -MSD_E_NOTFOUND) {
		msd_log(tree->options->log, MSD_LOG_WARNING, "%s: its drive %s/lun.%u is no more, so it is out",
			medium->state.file, medium->function, medium->lun);
		return 0;
	}
	if (rc == 0)
		rc = msd_lun_read_state(lun, &now, err);
	if (rc < 0 || !strcmp(now.file, medium->state.file))
		return rc;
	if (medium->state.deleted) {
		msd_log(tree->options->log, MSD_LOG_WARNING, "%s: it was deleted while it was in %s, so it is out",
			medium->state.file, msd_lun_get_name(lun));
		return 0;
	}
	rc = msd_lun_change(lun, &now, &medium->state, MSD_EJECT_FORCE, tree->options->log, err);
	if (rc < 0) {
		snprintf(what, sizeof(what), "cannot be put back into %s", msd_lun_get_name(lun));
		msd_prefix(err, what);
		msd_prefix(err, medium->state.file);
	}
	return rc;
}

int media_put_back(struct tree *tree, const struct media *media, struct msd_error *err)
{
	_cleanup_close_ int fd = -1;
	int first = 0, rc;

	if (media->n == 0 || tree->options->dry_run)
		return 0;
	fd = open_gadget(tree, err);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < media->n; i++) {
		rc = put_back_one(tree, fd, &media->v[i], first ? NULL : err);
		if (first == 0)
			first = rc;
	}
	return first;
}

void media_sync(struct tree *tree, const struct media *media)
{
	for (size_t i = 0; i < media->n && !tree->options->dry_run; i++) {
		const struct msd_lun_state *state = &media->v[i].state;
		_cleanup_close_ int fd = -1;

		if (state->ro || state->deleted)
			continue;
		fd = open(state->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fsync(fd) < 0)
			msd_log(tree->options->log, MSD_LOG_WARNING, "%s: may not be on the disk yet: %s",
				state->file, strerror(errno));
	}
}
