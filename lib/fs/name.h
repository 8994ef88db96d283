/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names on FAT and exFAT: UTF-16 inside, UTF-8 outside, the same whatever the case. */
#ifndef MSD_FS_NAME_H
#define MSD_FS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSD_NAME_UNITS_MAX 255u			/* UTF-16 code units */
#define MSD_NAME_BYTES_MAX (255u * 3 + 1)	/* of the longest name in UTF-8, with its end */

/* Why FAT and exFAT, or those who read them, cannot hold a name. */
enum msd_name_fault {
	MSD_NAME_OK,
	MSD_NAME_EMPTY,
	MSD_NAME_ENCODING,	/* not UTF-8 */
	MSD_NAME_CHARACTER,	/* a control character or one of " * / : < > ? \ | */
	MSD_NAME_TAIL,		/* ends with a dot or a blank, which Windows and Linux cut off */
	MSD_NAME_DEVICE,	/* CON, NUL.txt, com1: a device to Windows */
	MSD_NAME_LENGTH,	/* over 255 UTF-16 units */
};

/*
 * Between UTF-8 and UTF-16 in the machine's own order. Return the number of units, or of
 * bytes without the end that is put behind them; -EILSEQ (overlong forms, surrogates in
 * UTF-8, unpaired ones in UTF-16) or -ENAMETOOLONG when max (or len with the end) is too small.
 */
int msd_utf8_to_utf16(const char *text, uint16_t *units, size_t max);
int msd_utf16_to_utf8(const uint16_t *units, size_t n, char *text, size_t len);

/* By exFAT's recommended up-case table (exFAT 7.2.5.1), which is what Windows uses for FAT too. */
uint16_t msd_upcase(uint16_t unit);

/* That table in its compressed form, and its checksum (exFAT 7.2.2). */
#define MSD_UPCASE_BYTES 5836u
#define MSD_UPCASE_CHECKSUM 0xE619D30Du
void msd_upcase_make_table(uint8_t table[MSD_UPCASE_BYTES]);

/* Are they one name to FAT and exFAT? */
bool msd_name_is_same(const uint16_t *a, size_t n_a, const uint16_t *b, size_t n_b);

/* exFAT 7.6.4: the same for names that are the same. */
uint16_t msd_exfat_name_hash(const uint16_t *units, size_t n);

/* The same property with 32 bits, for tables in memory. */
uint32_t msd_name_hash(const uint16_t *units, size_t n);

/*
 * Checks one name, not a path, and gives its units when they are fit. Returns MSD_NAME_OK
 * with the count in *ret_n, or what is wrong; units has room for MSD_NAME_UNITS_MAX.
 */
enum msd_name_fault msd_name_check(const char *name, uint16_t *units, size_t *ret_n);

/* "ends with a dot or a blank": goes behind the name and a colon. */
const char *msd_name_fault_text(enum msd_name_fault fault);

/*
 * A fit name that is near the one given: what is wrong becomes '_', and a number above 1 is
 * put before the extension to keep it apart from others. Returns the count of units.
 */
size_t msd_name_mangle(const char *name, unsigned number, uint16_t units[MSD_NAME_UNITS_MAX]);

#endif
