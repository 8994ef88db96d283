/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exFAT's recommended up-case table, as the runs that make it up. */
#include "fs/name.h"

/* count units from first on, step apart, have their capitals at distance delta */
struct run {
	uint16_t first;
	uint8_t count, step;
	int16_t delta;
};

static const struct run runs[] = {
	{ 0x0061, 26, 1, -32 }, { 0x00e0, 23, 1, -32 }, { 0x00f8, 7, 1, -32 },
	{ 0x00ff, 1, 1, 121 }, { 0x0101, 24, 2, -1 }, { 0x0133, 3, 2, -1 }, { 0x013a, 8, 2, -1 },
	{ 0x014b, 23, 2, -1 }, { 0x017a, 3, 2, -1 }, { 0x0180, 1, 1, 195 }, { 0x0183, 2, 2, -1 },
	{ 0x0188, 1, 1, -1 }, { 0x018c, 1, 1, -1 }, { 0x0192, 1, 1, -1 }, { 0x0195, 1, 1, 97 },
	{ 0x0199, 1, 1, -1 }, { 0x019a, 1, 1, 163 }, { 0x019e, 1, 1, 130 }, { 0x01a1, 3, 2, -1 },
	{ 0x01a8, 1, 1, -1 }, { 0x01ad, 1, 1, -1 }, { 0x01b0, 1, 1, -1 }, { 0x01b4, 2, 2, -1 },
	{ 0x01b9, 1, 1, -1 }, { 0x01bd, 1, 1, -1 }, { 0x01bf, 1, 1, 56 }, { 0x01c6, 1, 1, -2 },
	{ 0x01c9, 1, 1, -2 }, { 0x01cc, 1, 1, -2 }, { 0x01ce, 8, 2, -1 }, { 0x01dd, 1, 1, -79 },
	{ 0x01df, 9, 2, -1 }, { 0x01f3, 1, 1, -2 }, { 0x01f5, 1, 1, -1 }, { 0x01f9, 20, 2, -1 },
	{ 0x0223, 9, 2, -1 }, { 0x023a, 1, 1, 10795 }, { 0x023c, 1, 1, -1 },
	{ 0x023e, 1, 1, 10792 }, { 0x0242, 1, 1, -1 }, { 0x0247, 5, 2, -1 },
	{ 0x0253, 1, 1, -210 }, { 0x0254, 1, 1, -206 }, { 0x0256, 2, 1, -205 },
	{ 0x0259, 1, 1, -202 }, { 0x025b, 1, 1, -203 }, { 0x0260, 1, 1, -205 },
	{ 0x0263, 1, 1, -207 }, { 0x0268, 1, 1, -209 }, { 0x0269, 1, 1, -211 },
	{ 0x026b, 1, 1, 10743 }, { 0x026f, 1, 1, -211 }, { 0x0272, 1, 1, -213 },
	{ 0x0275, 1, 1, -214 }, { 0x027d, 1, 1, 10727 }, { 0x0280, 1, 1, -218 },
	{ 0x0283, 1, 1, -218 }, { 0x0288, 1, 1, -218 }, { 0x0289, 1, 1, -69 },
	{ 0x028a, 2, 1, -217 }, { 0x028c, 1, 1, -71 }, { 0x0292, 1, 1, -219 },
	{ 0x037b, 3, 1, 130 }, { 0x03ac, 1, 1, -38 }, { 0x03ad, 3, 1, -37 },
	{ 0x03b1, 17, 1, -32 }, { 0x03c2, 1, 1, -31 }, { 0x03c3, 9, 1, -32 },
	{ 0x03cc, 1, 1, -64 }, { 0x03cd, 2, 1, -63 }, { 0x03d9, 12, 2, -1 }, { 0x03f2, 1, 1, 7 },
	{ 0x03f8, 1, 1, -1 }, { 0x03fb, 1, 1, -1 }, { 0x0430, 32, 1, -32 },
	{ 0x0450, 16, 1, -80 }, { 0x0461, 17, 2, -1 }, { 0x048b, 27, 2, -1 },
	{ 0x04c2, 7, 2, -1 }, { 0x04cf, 1, 1, -15 }, { 0x04d1, 34, 2, -1 },
	{ 0x0561, 38, 1, -48 }, { 0x1d7d, 1, 1, 3814 }, { 0x1e01, 75, 2, -1 },
	{ 0x1ea1, 45, 2, -1 }, { 0x1f00, 8, 1, 8 }, { 0x1f10, 6, 1, 8 }, { 0x1f20, 8, 1, 8 },
	{ 0x1f30, 8, 1, 8 }, { 0x1f40, 6, 1, 8 }, { 0x1f51, 4, 2, 8 }, { 0x1f60, 8, 1, 8 },
	{ 0x1f70, 2, 1, 74 }, { 0x1f72, 4, 1, 86 }, { 0x1f76, 2, 1, 100 }, { 0x1f78, 2, 1, 128 },
	{ 0x1f7a, 2, 1, 112 }, { 0x1f7c, 2, 1, 126 }, { 0x1f80, 8, 1, 8 }, { 0x1f90, 8, 1, 8 },
	{ 0x1fa0, 8, 1, 8 }, { 0x1fb0, 2, 1, 8 }, { 0x1fb3, 1, 1, 9 }, { 0x1fcc, 1, 1, -9 },
	{ 0x1fd0, 2, 1, 8 }, { 0x1fe0, 2, 1, 8 }, { 0x1fe5, 1, 1, 7 }, { 0x1ffc, 1, 1, -9 },
	{ 0x214e, 1, 1, -28 }, { 0x2170, 16, 1, -16 }, { 0x2184, 1, 1, -1 },
	{ 0x24d0, 26, 1, -26 }, { 0x2c30, 47, 1, -48 }, { 0x2c61, 1, 1, -1 },
	{ 0x2c68, 3, 2, -1 }, { 0x2c76, 1, 1, -1 }, { 0x2c81, 50, 2, -1 },
	{ 0x2d00, 38, 1, -7264 }, { 0xff41, 26, 1, -32 },
};

/*
 * Where the specification's table is compressed: so many units, all their own capitals, are
 * written as 0xFFFF and the count (7.2.5). Everything between is written out, though it
 * could be shorter: the checksum must come out.
 */
static const struct { uint16_t first, count; } compressed[] = {
	{ 1415, 6134 }, { 8581, 843 }, { 9450, 1862 }, { 11558, 53787 },
};

uint16_t msd_upcase(uint16_t unit)
{
	unsigned low = 0, high = sizeof(runs) / sizeof(runs[0]);
	const struct run *run;
	unsigned distance;

	if (unit < 0x80)
		return unit >= 'a' && unit <= 'z' ? unit - 32 : unit;
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (runs[middle].first <= unit)
			low = middle + 1;
		else
			high = middle;
	}
	/* the first run starts below 0x80 */
	run = &runs[low - 1];
	distance = unit - run->first;
	if (distance % run->step || distance / run->step >= run->count)
		return unit;
	return (uint16_t)(unit + run->delta);
}

void msd_upcase_make_table(uint8_t table[MSD_UPCASE_BYTES])
{
	uint8_t *out = table;
	unsigned segment = 0;

	for (unsigned unit = 0; unit < 0x10000;) {
		uint16_t value = msd_upcase((uint16_t)unit);

		if (segment < sizeof(compressed) / sizeof(compressed[0]) &&
		    unit == compressed[segment].first) {
			*out++ = 0xFF;
			*out++ = 0xFF;
			value = compressed[segment++].count;
			unit += value;
		} else {
			unit++;
		}
		*out++ = (uint8_t)value;
		*out++ = (uint8_t)(value >> 8);
	}
}
