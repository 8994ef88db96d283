/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where code that reads an image tells what is wrong with it, and then goes on. */
#ifndef MSD_BASE_DAMAGE_H
#define MSD_BASE_DAMAGE_H

#include <stdint.h>

#include "base/error.h"

struct msd_damage {
	/* what is one line, safe to print; offset_bytes counts in the window that is read */
	void (*fn)(void *data, uint64_t offset_bytes, const char *what);
	void *data;
};

/* damage may be NULL. */
void msd_damage(const struct msd_damage *damage, uint64_t offset_bytes, const char *fmt, ...)
	MSD_PRINTF(3, 4);

#endif
