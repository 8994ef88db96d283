/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What unpacking into a folder and into a tar stream share: what is chosen, and how much. */
#ifndef MSD_FS_UNPACK_PRIV_H
#define MSD_FS_UNPACK_PRIV_H

#include "fs/copy-out.h"
#include "fs/unpack.h"

struct unpack {
	struct msd_fs *fs;
	const struct msd_unpack_params *params;
	struct msd_unpack_result *result;
	struct msd_copy_out *copy;
	uint64_t max_bytes;
	uint64_t planned;		/* bytes of the files so far */
};

int unpack_init(struct unpack *unpack, struct msd_fs *fs, const struct msd_unpack_params *params,
		struct msd_unpack_result *result, struct msd_error *err);

/* Do the globs want it? name is the end of path. */
bool unpack_wants(const struct msd_unpack_params *params, const char *path, const char *name,
		  bool is_dir);

/*
 * Counts a file or folder. Returns 0; -MSD_E_UNSAFE at one of the user's limits; 1 to leave it
 * out, when clusters must be shared since there is more in the files than in the volume.
 */
int unpack_count(struct unpack *unpack, const struct msd_fs_node *node, struct msd_error *err);

#endif
