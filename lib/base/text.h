/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text that grows in a buffer of fixed size. */
#ifndef MSD_BASE_TEXT_H
#define MSD_BASE_TEXT_H

#include <stddef.h>

#include "base/error.h"

/* Adds to text, in size bytes, what fits; before it, unless text is empty, what stands between. */
void msd_append(char *text, size_t size, const char *between, const char *fmt, ...) MSD_PRINTF(4, 5);

#endif
