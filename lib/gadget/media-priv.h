/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The media of a gadget's drives, kept over what would drop them. */
#ifndef MSD_GADGET_MEDIA_PRIV_H
#define MSD_GADGET_MEDIA_PRIV_H

#include "gadget/lun.h"
#include "tree-priv.h"

struct medium {
	char function[NAME_MAX + 1];
	unsigned lun;
	struct msd_lun_state state;
};

struct media {
	struct medium *v;
	size_t n;
};

/* All media that are in now. Returns 0 or -errno. */
int media_read(struct tree *tree, struct media *ret, struct msd_error *err);
void media_done(struct media *media);

/*
 * Puts in again what is out; goes on to the next when one cannot be, and returns the first
 * error then. A drive that is not there any more is a warning.
 */
int media_put_back(struct tree *tree, const struct media *media, struct msd_error *err);

/* What hosts wrote to media is on the disk when it returns; a warning where it cannot be. */
void media_sync(struct tree *tree, const struct media *media);

#endif
