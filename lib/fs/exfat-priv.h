/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exFAT's plan, for its writing and for tests. */
#ifndef MSD_FS_EXFAT_PRIV_H
#define MSD_FS_EXFAT_PRIV_H

#include "format-priv.h"

/* Pure; as fs_type.plan. */
int exfat_plan(const struct msd_format_params *params, const struct need *need,
	       struct msd_fs_layout *layout, struct msd_error *err);

/* The allocation bitmap of so many clusters. */
static inline uint64_t exfat_bitmap_bytes(const struct msd_fs_layout *layout)
{
	return div_up(layout->clusters, 8);
}

#endif
