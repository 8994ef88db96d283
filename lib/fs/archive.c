/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Archives as sources of a tree. */
#include "fs/tree.h"

int msd_tree_add_archive(struct msd_tree *tree, int fd, const char *name, const char *spool_dir,
			 const struct msd_progress *progress, struct msd_error *reterr)
{
	return msd_fail(reterr, MSD_E_UNSUPPORTED, "%s: not yet", name);
}
