/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles: what its commands share. */
#ifndef MSD_BIN_NORMALFILES_H
#define MSD_BIN_NORMALFILES_H

#include "base/io.h"
#include "disk/volume.h"
#include "out.h"
#include "progress.h"
#include "tool.h"

struct normalfiles {
	struct tool tool;
	struct out_options out;
	enum progress_when when;
	struct progress progress;
	bool recursive, parents, mirror, update, snapshot, no_sync;
	unsigned partition;
	const char *codepage;
	const char **include, **exclude;	/* NULL at the end, or NULL */
	uint64_t max_size, max_files;
	const char *size, *type, *label;	/* pack; NULL: not given */
	const char *progress_when;		/* as given, or NULL */
	bool dereference, mangle;

	const char **operands;			/* IMAGE is the first one */
	unsigned n_operands;

	struct msd_io *io;
	struct msd_volume *volume;
	uint64_t n_damages;			/* told so far */
	/* where damage goes; NULL: to standard error */
	void (*tell)(struct normalfiles *nf, uint64_t offset_bytes, const char *what);
	void *tell_data;
	struct msd_error err;
};

/*
 * Opens IMAGE. With busy_is_error it is refused while anything can write it, else that
 * is a warning. Then the program is confined to the folder of dirfd (-1: to nothing), and the
 * volume is looked for. Returns 0 or as msd_volume_open, told by nobody yet.
 */
int normalfiles_open(struct normalfiles *nf, bool busy_is_error, int dirfd);

/* The same for writing: nothing else may use the image at all, and files can be read anywhere. */
int normalfiles_open_for_change(struct normalfiles *nf);

struct msd_change;

/* Opens IMAGE for a change; lets it happen, unless rc is below 0. The latter returns the exit status. */
int normalfiles_begin_change(struct normalfiles *nf, struct msd_change **ret);
int normalfiles_end_change(struct normalfiles *nf, struct msd_change *change, int rc);

/* Tells nf->err when rc is below 0, or how much damage there was. Returns the exit status. */
int normalfiles_finish(struct normalfiles *nf, int rc);

/* Tells each thing that cannot go into an image; data is the program's. Of msd_tree_params. */
void normalfiles_tell_problem(void *data, const char *path, const char *why);
void normalfiles_tell_mangled(void *data, const char *path, const char *name);

/* The commands. Each returns the exit status. */
int normalfiles_add(struct normalfiles *nf);
int normalfiles_cat(struct normalfiles *nf);
int normalfiles_check(struct normalfiles *nf);
int normalfiles_get(struct normalfiles *nf);
int normalfiles_info(struct normalfiles *nf);
int normalfiles_label(struct normalfiles *nf);
int normalfiles_list(struct normalfiles *nf);
int normalfiles_mkdir(struct normalfiles *nf);
int normalfiles_mv(struct normalfiles *nf);
int normalfiles_pack(struct normalfiles *nf);
int normalfiles_rm(struct normalfiles *nf);
int normalfiles_unpack(struct normalfiles *nf);

#endif
