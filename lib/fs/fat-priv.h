/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FAT's plan, for its writing and for tests. */
#ifndef MSD_FS_FAT_PRIV_H
#define MSD_FS_FAT_PRIV_H

#include "format-priv.h"

/* Pure; as fs_type.plan. */
int fat_plan(const struct msd_format_params *params, const struct need *need,
	     struct msd_fs_layout *layout, struct msd_error *err);

#endif
