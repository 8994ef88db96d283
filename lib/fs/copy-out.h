/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of a file on a volume, out to a descriptor. */
#ifndef MSD_FS_COPY_OUT_H
#define MSD_FS_COPY_OUT_H

#include "base/progress.h"
#include "fs/read.h"

struct msd_copy_out;

/* One for many files: what is read ahead for one serves the next. Returns 0 or -ENOMEM. */
int msd_copy_out_new(struct msd_fs *fs, const struct msd_progress *progress,
		     struct msd_copy_out **ret);
void msd_copy_out_free(struct msd_copy_out *copy);

/* Where to. */
struct msd_sink {
	const char *name;		/* for messages */
	int fd;
	bool is_regular;		/* fd is a new, empty file: holes, and blocks shared with the image */
	bool pad;			/* zeros for what damage took, so that size_bytes come out */
	int (*write)(void *data, const void *buf, size_t len, struct msd_error *err);	/* not fd */
	void *data;
};

/*
 * Writes a file out. Damage is told to the volume's. Returns 0, 1 when the file is damaged,
 * -MSD_E_CANCELLED, -errno of reading or writing.
 */
int msd_copy_out_file(struct msd_copy_out *copy, const struct msd_fs_node *node,
		      const struct msd_sink *sink, struct msd_error *reterr);

/* The bytes written out so far, holes included. */
uint64_t msd_copy_out_get_total(const struct msd_copy_out *copy);

#endif
