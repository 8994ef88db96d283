/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The copy engine: the content of all files of a tree to their places. */
#ifndef MSD_FS_COPY_PRIV_H
#define MSD_FS_COPY_PRIV_H

#include "format-priv.h"

/*
 * Small files go through the sink, many to a write; large ones are shared (reflink) where the
 * file system can, else copied but for their holes. Returns 0; -MSD_E_CANCELLED; -MSD_E_FAILED
 * for a file that changed; -errno.
 */
int copy_files(struct writing *writing);

#endif
