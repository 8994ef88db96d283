/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FAT's 8.3 names beside the long ones: how Windows makes them, each once in a folder. */
#ifndef MSD_FS_SHORT_NAME_H
#define MSD_FS_SHORT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msd_short_name {
	uint8_t name[11];	/* as in a directory entry, without the 0xE5 rule */
	uint8_t nt_case;	/* FAT_CASE_LOWER_* */
};

/*
 * Is the name an 8.3 one, all of base and all of extension in one case? Then it needs no long
 * entries, and *ret is what it is written as. n units as from msd_name_check().
 */
bool msd_short_name_is_exact(const uint16_t *units, size_t n, struct msd_short_name *ret);

/* The sum that ties long entries to a short name ("FAT Long Directory Entries"). */
uint8_t msd_fat_lfn_checksum(const uint8_t name[11]);

/* The short names of one folder. */
struct msd_short_set;

/* For about n names; it grows when there are more. Returns 0 or -ENOMEM. */
int msd_short_set_new(size_t n, struct msd_short_set **ret);
void msd_short_set_free(struct msd_short_set *set);
void msd_short_set_freep(struct msd_short_set **set);

/* A name that is taken: put all of these in first. Returns 0, also when it is in; -ENOMEM. */
int msd_short_set_add(struct msd_short_set *set, const uint8_t name[11]);

/*
 * Makes the short name for a name that is not exact, one that the set has not, and adds it:
 * the name itself when only its case is in the way, else NAME~1 to NAME~4, then two letters and a
 * hash as NT does, in constant time whatever the folder holds. Returns 0, -ENOMEM, or -ENOSPC
 * when the folder has taken every number.
 */
int msd_short_set_make(struct msd_short_set *set, const uint16_t *units, size_t n,
		       struct msd_short_name *ret);

#endif
