/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is a volume in order? What fsck would say, without changing anything. */
#ifndef MSD_FS_CHECK_H
#define MSD_FS_CHECK_H

#include "fs/read.h"

struct msd_check_finding {
	uint64_t offset_bytes;		/* in the window */
	uint32_t cluster;		/* that it is about, 0: none */
	const char *path;		/* of the file or folder that it is in, "" for the volume */
	const char *what;		/* one line, safe to print */
	bool note;			/* nothing is lost by it, and no file touched */
};

struct msd_check_params {
	void (*fn)(void *data, const struct msd_check_finding *finding);
	void *data;
};

struct msd_check_result {
	uint64_t n_files, n_folders, n_damages, n_notes;
	uint32_t n_free;
};

/*
 * Looks at everything: boot sectors and their copies, FATs, all folders and chains, and whether
 * what is allocated is what files and folders have. It takes 18 MiB of memory at most: a volume
 * of more than 100 million clusters is gone through several times. The damage of fs is told
 * to params from here on.
 *
 * Returns 0, also with damage; -ENOMEM; -errno of reading.
 */
int msd_fs_check(struct msd_fs *fs, const struct msd_check_params *params,
		 struct msd_check_result *ret, struct msd_error *reterr);

#endif
