/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new file takes the place of an old one in one step, or not at all. */
#ifndef MSD_BASE_REPLACE_H
#define MSD_BASE_REPLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct msd_replace;

struct msd_replace_params {
	bool has_mode;		/* else as the old file's, else 0666 less the umask */
	mode_t mode;
	bool has_owner;		/* else as the old file's where that is allowed */
	uid_t uid;		/* (uid_t)-1 and (gid_t)-1: leave it */
	gid_t gid;
};

/*
 * Opens a new, empty file for reading and writing in the folder of path, whose last symlinks are
 * followed. It has no name where the file system can do that (O_TMPFILE), so that not even
 * SIGKILL leaves anything; else a hidden one beside path. params may be NULL.
 *
 * Returns 0 with the object in *ret, to be given to msd_replace_commit() or msd_replace_close();
 * -MSD_E_REFUSED when path is neither a regular file nor missing; -errno.
 */
int msd_replace_open(const char *path, const struct msd_replace_params *params,
		     struct msd_replace **ret, struct msd_error *reterr);

/* The descriptor of the new file; it stays the object's. */
int msd_replace_get_fd(const struct msd_replace *replace);

/* The resolved path of what is replaced. */
const char *msd_replace_get_path(const struct msd_replace *replace);

/*
 * Gives the new file its mode, owner and name. With sync it is on the disk first and its name
 * when this returns. A failure leaves the old file as it was, but for one: when only the sync of
 * the folder fails, the new one is there already, and the message says so.
 * Returns 0 or -errno. The object is still to be closed.
 */
int msd_replace_commit(struct msd_replace *replace, bool sync, struct msd_error *reterr);

/* Without a commit nothing is left of the new file. NULL is fine. Returns NULL. */
struct msd_replace *msd_replace_close(struct msd_replace *replace);
void msd_replace_closep(struct msd_replace **replace);

#endif
