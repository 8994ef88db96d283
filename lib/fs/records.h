/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entries of 32 bytes that a file has in its folder. */
#ifndef MSD_FS_RECORDS_H
#define MSD_FS_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "fs/exfat-disk.h"
#include "fs/fat-disk.h"
#include "fs/short-name.h"

#define FAT_RECORDS_MAX (FAT_LFN_ENTRIES_MAX + 1)

/* How many a name takes. exact: it is its own short name. */
unsigned msd_fat_count_records(size_t n_units, int exact);
unsigned msd_exfat_count_records(size_t n_units);

/*
 * The long entries, if the short name is not exact, and the short one, a copy of dirent with its
 * name. Returns their number.
 */
unsigned msd_fat_make_records(const uint16_t *units, size_t n, int exact,
			      const struct msd_short_name *short_name,
			      const struct fat_dirent *dirent, struct fat_dirent *records);

/*
 * Puts a name into a set whose first two entries, file and stream, are filled, behind them.
 * Returns the number of entries with the name. msd_exfat_seal_records is still to come.
 */
unsigned msd_exfat_make_records(const uint16_t *units, size_t n, union exfat_entry *set);

/* Count and checksum: the last thing to do with a set. */
void msd_exfat_seal_records(union exfat_entry *set, unsigned n);

#endif
