/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names: from UTF-8 and from UTF-16, made fit, and back the same. */
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"
#include "fs/short-name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void from_text(const char *text)
{
	uint16_t units[MSD_NAME_UNITS_MAX], mangled[MSD_NAME_UNITS_MAX];
	char back[MSD_NAME_BYTES_MAX];
	struct msd_short_name short_name;
	struct msd_short_set *set;
	size_t n;

	if (msd_name_check(text, units, &n) == MSD_NAME_OK) {
		if (msd_utf16_to_utf8(units, n, back, sizeof(back)) < 0 || strcmp(back, text))
			abort();
		if (!msd_name_is_same(units, n, units, n))
			abort();
		if (!msd_short_name_is_exact(units, n, &short_name) &&
		    msd_short_set_new(1, &set) == 0) {
			for (int i = 0; i < 8; i++)
				msd_short_set_make(set, units, n, &short_name);
			msd_short_set_free(set);
		}
	}
	n = msd_name_mangle(text, 7, mangled);
	if (n == 0 || n > MSD_NAME_UNITS_MAX ||
	    msd_utf16_to_utf8(mangled, n, back, sizeof(back)) < 0 ||
	    msd_name_check(back, units, &n) != MSD_NAME_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	char *text = malloc(size + 1), back[MSD_NAME_BYTES_MAX];
	size_t n = size / 2 < MSD_NAME_UNITS_MAX ? size / 2 : MSD_NAME_UNITS_MAX;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	from_text(text);
	free(text);
	memcpy(units, data, n * 2);
	msd_utf16_to_utf8(units, n, back, sizeof(back));
	msd_exfat_name_hash(units, n);
	return 0;
}
