/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the bytes of FAT's short names above 0x7f mean. */
#ifndef MSD_FS_CODEPAGE_H
#define MSD_FS_CODEPAGE_H

#include <stdint.h>

#include "base/error.h"

/*
 * The UTF-16 of the bytes 0x80 to 0xff of a code page of single bytes ("437", "850", "1252"), as
 * in the machine's own order; U+FFFD where there is none, and for the lead bytes of those that
 * have two. Needs iconv's files but for 437. Returns 0 or -MSD_E_USAGE.
 */
int msd_codepage_read(const char *codepage, uint16_t units[128], struct msd_error *reterr);

#endif
