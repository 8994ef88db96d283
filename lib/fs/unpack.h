/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A volume's files and folders, out into a folder of this machine. */
#ifndef MSD_FS_UNPACK_H
#define MSD_FS_UNPACK_H

#include "base/log.h"
#include "base/progress.h"
#include "fs/read.h"

struct msd_unpack_params {
	bool mirror;			/* what the volume has not is removed from the folder */
	const char *const *include;	/* globs, NULL at the end: only files that one fits; or NULL */
	const char *const *exclude;	/* nor files or folders that one of these fits; or NULL */
	uint64_t max_bytes;		/* 0: what the volume has room for */
	uint64_t max_files;		/* files and folders */
	const struct msd_progress *progress;
	const struct msd_log *log;	/* files and folders; what this machine refused is a warning */
};

struct msd_unpack_result {
	uint64_t n_files, n_folders, n_removed;
	uint64_t n_failed;		/* that this machine refused: names too long, things in the way */
	uint64_t bytes;
};

/*
 * Unpacks the folder (NULL: the root) into dirfd, below which everything stays: no symlink
 * there is followed. Files are new ones and replace what is there by rename; times and the
 * read-only bit come along. Damage is told to the volume's and passed over; nothing
 * is removed from a folder in which there was some.
 *
 * Returns 0, also with failures in *ret; -MSD_E_UNSAFE when a limit is reached; -MSD_E_CANCELLED;
 * -ENOSPC, -EROFS and others that end everything; -errno of reading.
 */
int msd_unpack(struct msd_fs *fs, const struct msd_fs_node *folder, int dirfd,
	       const struct msd_unpack_params *params, struct msd_unpack_result *ret,
	       struct msd_error *reterr);

/*
 * The same as a tar stream (pax) to fd. mirror means nothing. First, before a confinement,
 * msd_unpack_tar_load(): it returns 0, or -MSD_E_UNSUPPORTED without libarchive.
 */
int msd_unpack_tar_load(struct msd_error *reterr);
int msd_unpack_tar(struct msd_fs *fs, const struct msd_fs_node *folder, int fd,
		   const struct msd_unpack_params *params, struct msd_unpack_result *ret,
		   struct msd_error *reterr);

#endif
