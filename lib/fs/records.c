/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folder entries. */
#include "fs/records.h"

#include <string.h>

#include "fs/name.h"

unsigned msd_fat_count_records(size_t n_units, int exact)
{
	return exact ? 1 : 1 + (unsigned)(n_units + FAT_LFN_UNITS - 1) / FAT_LFN_UNITS;
}

unsigned msd_exfat_count_records(size_t n_units)
{
	return 2 + (unsigned)(n_units + EXFAT_NAME_UNITS - 1) / EXFAT_NAME_UNITS;
}

static void make_long(const uint16_t *units, size_t n, unsigned order, uint8_t checksum,
		      struct fat_lfn *lfn)
{
	le16 part[FAT_LFN_UNITS];

	units += (order - 1) * FAT_LFN_UNITS;
	n -= (order - 1) * FAT_LFN_UNITS;
	memset(part, 0xff, sizeof(part));
	for (unsigned i = 0; i < n && i < FAT_LFN_UNITS; i++)
		part[i] = le16_make(units[i]);
	if (n < FAT_LFN_UNITS)
		part[n] = le16_make(0);
	memset(lfn, 0, sizeof(*lfn));
	lfn->order = (uint8_t)order;
	lfn->attr = FAT_ATTR_LONG_NAME;
	lfn->checksum = checksum;
	memcpy(lfn->name1, part, sizeof(lfn->name1));
	memcpy(lfn->name2, part + 5, sizeof(lfn->name2));
	memcpy(lfn->name3, part + 11, sizeof(lfn->name3));
}

unsigned msd_fat_make_records(const uint16_t *units, size_t n, int exact,
			      const struct msd_short_name *short_name,
			      const struct fat_dirent *dirent, struct fat_dirent *records)
{
	unsigned n_long = msd_fat_count_records(n, exact) - 1;
	uint8_t checksum = msd_fat_lfn_checksum(short_name->name);

	for (unsigned i = 0; i < n_long; i++) {
		struct fat_lfn *lfn = (struct fat_lfn *)&records[i];

		make_long(units, n, n_long - i, checksum, lfn);
		if (i == 0)
			lfn->order |= FAT_LFN_LAST;
	}
	records[n_long] = *dirent;
	memcpy(records[n_long].name, short_name->name, 11);
	if (records[n_long].name[0] == 0xe5)
		records[n_long].name[0] = FAT_DIRENT_E5;
	records[n_long].nt_case = short_name->nt_case;
	return n_long + 1;
}

unsigned msd_exfat_make_records(const uint16_t *units, size_t n, union exfat_entry *set)
{
	unsigned n_set = msd_exfat_count_records(n);

	set[1].stream.name_units = (uint8_t)n;
	set[1].stream.name_hash = le16_make(msd_exfat_name_hash(units, n));
	memset(set + 2, 0, (n_set - 2) * sizeof(*set));
	for (size_t i = 0; i < n; i++) {
		struct exfat_name_entry *name = &set[2 + i / EXFAT_NAME_UNITS].name;

		name->type = EXFAT_TYPE_NAME;
		name->name[i % EXFAT_NAME_UNITS] = le16_make(units[i]);
	}
	return n_set;
}

void msd_exfat_seal_records(union exfat_entry *set, unsigned n)
{
	set[0].file.secondary_count = (uint8_t)(n - 1);
	set[0].file.checksum = le16_make(exfat_entries_checksum(set, n));
}
