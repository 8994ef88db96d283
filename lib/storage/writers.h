/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who keeps a mounted file system from becoming read-only. */
#ifndef MSD_STORAGE_WRITERS_H
#define MSD_STORAGE_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum msd_writer_kind {
	MSD_WRITER_DRIVE,	/* a drive that has an image of it with rw */
	MSD_WRITER_LOOP,	/* a writable loop device on a file of it */
	MSD_WRITER_PROCESS,	/* has a file open for writing, mapped writable, or open and deleted */
};

struct msd_writer {
	enum msd_writer_kind kind;
	pid_t pid;		/* 0 unless a process */
	char *name;		/* "drive 1 of gadget kvmd", "/dev/loop0", "rsync" */
	char *path;		/* of the file */
	char *options;		/* of a drive: "-i 1", what names it to otgmsd; else NULL */
};

/*
 * All of the mount point target, drives first, each process once with the first such file.
 * Without root only one's own processes are seen. Does not touch the file system, so that a
 * hung server does not hang it. Gives an array of *ret_n for msd_writers_free. Returns 0 or
 * -errno.
 */
int msd_writers_read(const char *target, struct msd_writer **ret, size_t *ret_n,
		     struct msd_error *reterr);

/* The same of what lies below a folder that is no mount point; its path is without links. */
int msd_writers_read_below(const char *folder, struct msd_writer **ret, size_t *ret_n,
			   struct msd_error *reterr);
void msd_writers_free(struct msd_writer *writers, size_t n);

/* Whether a drive has an image of the mount point target with rw. */
bool msd_writers_has_drive(const char *target);

/*
 * Fills reterr with -MSD_E_BUSY: who keeps target writable, each of them, and in the hint how
 * to get it free. Returns -MSD_E_BUSY.
 */
int msd_writers_fail(const char *target, struct msd_error *reterr);

#endif
