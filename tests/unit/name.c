/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/fs: names, their capitals and the short ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/fat-disk.h"
#include "fs/name.h"
#include "fs/short-name.h"

static size_t units_of(const char *text, uint16_t *units)
{
	int n = msd_utf8_to_utf16(text, units, MSD_NAME_UNITS_MAX);

	assert_true(n >= 0);
	return (size_t)n;
}

static void encodings(void **state)
{
	static const char *const bad[] = {
		"\x80", "a\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xe2\x82",
	};
	static const char text[] = "a\u00e9\u20ac\U0001F600z";
	static const uint16_t expected[] = { 'a', 0xE9, 0x20AC, 0xD83D, 0xDE00, 'z' };
	static const uint16_t lone[] = { 0xD83D, 'a' }, low[] = { 0xDE00 }, cut[] = { 0xD83D };
	uint16_t units[8];
	char back[32];

	assert_int_equal(msd_utf8_to_utf16(text, units, 8), 6);
	assert_memory_equal(units, expected, sizeof(expected));
	assert_int_equal(msd_utf8_to_utf16(text, units, 6), 6);
	assert_int_equal(msd_utf8_to_utf16(text, units, 5), -ENAMETOOLONG);
	assert_int_equal(msd_utf8_to_utf16(text, units, 4), -ENAMETOOLONG);
	assert_int_equal(msd_utf16_to_utf8(units, 6, back, sizeof(back)), (int)strlen(text));
	assert_string_equal(back, text);
	assert_int_equal(msd_utf16_to_utf8(units, 6, back, sizeof(text)), (int)strlen(text));
	assert_int_equal(msd_utf16_to_utf8(units, 6, back, sizeof(text) - 1), -ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(msd_utf8_to_utf16(bad[i], units, 8), -EILSEQ);
	assert_int_equal(msd_utf16_to_utf8(lone, 2, back, sizeof(back)), -EILSEQ);
	assert_int_equal(msd_utf16_to_utf8(low, 1, back, sizeof(back)), -EILSEQ);
	assert_int_equal(msd_utf16_to_utf8(cut, 1, back, sizeof(back)), -EILSEQ);
}

static void capitals(void **state)
{
	uint8_t table[MSD_UPCASE_BYTES];
	uint32_t sum = 0;
	uint16_t a[8], b[8];

	msd_upcase_make_table(table);
	for (size_t i = 0; i < sizeof(table); i++)
		sum = (sum << 31 | sum >> 1) + table[i];
	assert_int_equal(sum, MSD_UPCASE_CHECKSUM);
	assert_int_equal(msd_upcase('z'), 'Z');
	assert_int_equal(msd_upcase(0xFF), 0x178);
	assert_int_equal(msd_upcase(0x101), 0x100);
	assert_int_equal(msd_upcase(0x100), 0x100);
	assert_int_equal(msd_upcase(0xFF5A), 0xFF3A);
	assert_int_equal(msd_upcase(0xDF), 0xDF);
	assert_int_equal(msd_upcase(0xFFFF), 0xFFFF);
	assert_true(msd_name_is_same(a, units_of("\u00e9t\u00e9", a), b, units_of("\u00c9T\u00c9", b)));
	assert_int_equal(msd_exfat_name_hash(a, 3), msd_exfat_name_hash(b, 3));
	assert_int_equal(msd_name_hash(a, 3), msd_name_hash(b, 3));
	assert_false(msd_name_is_same(a, 3, b, 2));
	assert_false(msd_name_is_same(a, units_of("ab", a), b, units_of("ac", b)));
}

static void faults(void **state)
{
	static const struct { const char *name; enum msd_name_fault fault; } cases[] = {
		{ "a", MSD_NAME_OK }, { ".x", MSD_NAME_OK }, { " x", MSD_NAME_OK }, { "a+b,c;d=[e]", MSD_NAME_OK },
		{ "", MSD_NAME_EMPTY }, { "\xff", MSD_NAME_ENCODING }, { "a:b", MSD_NAME_CHARACTER },
		{ "a\tb", MSD_NAME_CHARACTER }, { "a\\b", MSD_NAME_CHARACTER }, { "\xef\xbf\xbf", MSD_NAME_CHARACTER },
		{ "a.", MSD_NAME_TAIL }, { "a ", MSD_NAME_TAIL }, { "...", MSD_NAME_TAIL },
		{ "CON", MSD_NAME_DEVICE }, { "con.txt", MSD_NAME_DEVICE }, { "Nul .a.b", MSD_NAME_DEVICE },
		{ "com1", MSD_NAME_DEVICE }, { "LPT9.x", MSD_NAME_DEVICE }, { "COM\u00b2", MSD_NAME_DEVICE },
		{ "conin$", MSD_NAME_DEVICE }, { "COM0", MSD_NAME_OK }, { "COM10", MSD_NAME_OK },
		{ "CONS", MSD_NAME_OK }, { "xCON", MSD_NAME_OK }, { "LPT", MSD_NAME_OK },
	};
	uint16_t units[MSD_NAME_UNITS_MAX];
	char longest[1024] = "";
	size_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (msd_name_check(cases[i].name, units, &n) != cases[i].fault)
			fail_msg("'%s': %s", cases[i].name,
				 msd_name_fault_text(msd_name_check(cases[i].name, units, &n)));
	for (unsigned i = 0; i < 255; i++)
		strcat(longest, "\u20ac");
	assert_int_equal(msd_name_check(longest, units, &n), MSD_NAME_OK);
	assert_int_equal(n, 255);
	strcat(longest, "a");
	assert_int_equal(msd_name_check(longest, units, &n), MSD_NAME_LENGTH);
}

/* What is mangled is fit, and says what is expected. */
static void check_mangled(const char *name, unsigned number, const char *expected)
{
	uint16_t units[MSD_NAME_UNITS_MAX], checked[MSD_NAME_UNITS_MAX];
	char text[MSD_NAME_BYTES_MAX];
	size_t n = msd_name_mangle(name, number, units), n_checked;

	assert_true(msd_utf16_to_utf8(units, n, text, sizeof(text)) > 0);
	assert_int_equal(msd_name_check(text, checked, &n_checked), MSD_NAME_OK);
	if (expected)
		assert_string_equal(text, expected);
}

static void mangling(void **state)
{
	char name[300] = "";

	check_mangled("a:b", 1, "a_b");
	check_mangled("a\x01?*|.txt", 1, "a____.txt");
	check_mangled("dots...", 1, "dots___");
	check_mangled("blank ", 1, "blank_");
	check_mangled("CON", 1, "CON_");
	check_mangled("con.txt", 1, "con_.txt");
	check_mangled("aux.tar.gz", 1, NULL);
	check_mangled("Readme.txt", 2, "Readme_2.txt");
	check_mangled(".bashrc", 3, ".bashrc_3");
	check_mangled("\xff\xfe", 1, "__");
	check_mangled("", 1, "_");
	check_mangled("com", 1, "com");
	check_mangled("com.x", 123456, NULL);
	memset(name, 'x', sizeof(name) - 1);
	check_mangled(name, 1, NULL);
	check_mangled(name, 4000000000u, NULL);
	memcpy(name + 290, ".jpeg\0", 6);
	check_mangled(name, 12, NULL);
	for (unsigned i = 0; i < 70; i++)
		memcpy(name + 4 * i, "\U0001F600", 5);
	check_mangled(name, 1, NULL);
	check_mangled(name, 12, NULL);
	name[1] = 'x';
	check_mangled(name, 1, NULL);
}

static void exact_short_names(void **state)
{
	static const struct { const char *name; const char *shorted; int nt_case; } cases[] = {
		{ "README.TXT", "README  TXT", 0 }, { "readme.txt", "README  TXT", 0x18 },
		{ "readme.TXT", "README  TXT", 0x08 }, { "README.txt", "README  TXT", 0x10 },
		{ "a", "A          ", 0x08 }, { "1.2", "1       2  ", 0 }, { "12345678.abc", "12345678ABC", 0x10 },
		{ "A-B_C~1$", "A-B_C~1$   ", 0 },
		{ "Readme.txt", NULL, 0 }, { "readme.Txt", NULL, 0 }, { "123456789", NULL, 0 },
		{ "a.b.c", NULL, 0 }, { ".a", NULL, 0 }, { "a b", NULL, 0 }, { "a+b", NULL, 0 },
		{ "a.html", NULL, 0 }, { "\u00e9", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t units[MSD_NAME_UNITS_MAX];
		struct msd_short_name made;
		size_t n = units_of(cases[i].name, units);

		assert_int_equal(msd_short_name_is_exact(units, n, &made), cases[i].shorted != NULL);
		if (!cases[i].shorted)
			continue;
		assert_memory_equal(made.name, cases[i].shorted, 11);
		assert_int_equal(made.nt_case, cases[i].nt_case);
	}
}

static void make_short(struct msd_short_set *set, const char *name, char text[12])
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	struct msd_short_name made;

	assert_int_equal(msd_short_set_make(set, units, units_of(name, units), &made), 0);
	memcpy(text, made.name, 11);
	text[11] = '\0';
}

static void short_names(void **state)
{
	static const struct { const char *name, *expected; } cases[] = {
		{ "Readme.txt", "README  TXT" }, { "readme.text", "README~1TEX" },
		{ "Long file name.txt", "LONGFI~1TXT" }, { "long file name 2.txt", "LONGFI~2TXT" },
		{ "longfi name 3.txt", "LONGFI~3TXT" }, { "longfi name 4.txt", "LONGFI~4TXT" },
		{ ".bashrc", "BASHRC~1   " }, { "a+b=c.d", "A_B_C~1 D  " }, { "one.two.three", "ONETWO~1THR" },
		{ "with blank", "WITHBL~1   " }, { "\u00e9t\u00e9 2026.jpg", "_T_202~1JPG" },
	};
	struct msd_short_set *set;
	char text[12];

	assert_int_equal(msd_short_set_new(0, &set), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_short(set, cases[i].name, text);
		assert_string_equal(text, cases[i].expected);
	}
	/* the fifth of its kind, and bases of one or two letters: two letters and a hash */
	make_short(set, "longfi name 5.txt", text);
	assert_memory_equal(text, "LO", 2);
	assert_memory_equal(text + 6, "~1TXT", 5);
	make_short(set, "\u00e9", text);
	assert_int_equal(text[0], '_');
	assert_memory_equal(text + 5, "~1    ", 6);
	msd_short_set_free(set);
}

/* Thousands that differ late, and thousands whose hashes are the same too. */
static void short_name_collisions(void **state)
{
	enum { N = 20000 };
	struct msd_short_set *set, *again;
	static uint8_t all[N][11];

	assert_int_equal(msd_short_set_new(N, &set), 0);
	for (unsigned i = 0; i < N; i++) {
		char name[64], text[12];

		snprintf(name, sizeof(name), "a name of which all have the beginning %05u", i);
		make_short(set, i % 2 ? name : "the very same name", text);
		memcpy(all[i], text, 11);
	}
	msd_short_set_free(set);
	/* each only once */
	assert_int_equal(msd_short_set_new(0, &again), 0);
	for (unsigned i = 0; i < N; i++) {
		struct msd_short_name made;
		uint16_t units[16];
		char text[13];
		size_t n;

		memcpy(text, all[i], 8);
		for (n = 8; text[n - 1] == ' ';)
			n--;
		text[n] = '\0';
		n = units_of(text, units);
		assert_true(msd_short_name_is_exact(units, n, &made));
		assert_memory_equal(made.name, all[i], 11);
		assert_int_equal(msd_short_set_make(again, units, n, &made), 0);
		if (memcmp(made.name, all[i], 11))
			fail_msg("'%.11s' was made twice", all[i]);
	}
	msd_short_set_free(again);
}

static void taken_short_names(void **state)
{
	struct msd_short_set *set;
	char text[12];

	assert_int_equal(msd_short_set_new(4, &set), 0);
	assert_int_equal(msd_short_set_add(set, (const uint8_t *)"LONGFI~1TXT"), 0);
	assert_int_equal(msd_short_set_add(set, (const uint8_t *)"LONGFI~1TXT"), 0);
	assert_int_equal(msd_short_set_add(set, (const uint8_t *)"README  TXT"), 0);
	make_short(set, "long file.txt", text);
	assert_string_equal(text, "LONGFI~2TXT");
	make_short(set, "ReadMe.txt", text);
	assert_string_equal(text, "README~1TXT");
	msd_short_set_free(set);
}

/* The worked example of the specification's "FAT Long Directory Entries". */
static void lfn_checksum(void **state)
{
	uint8_t sum = 0;
	const uint8_t name[11] = "THEQUI~1FOX";

	for (int i = 0; i < 11; i++)
		sum = (uint8_t)(((sum & 1) ? 0x80 : 0) + (sum >> 1) + name[i]);
	assert_int_equal(msd_fat_lfn_checksum(name), sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings),
		cmocka_unit_test(capitals),
		cmocka_unit_test(faults),
		cmocka_unit_test(mangling),
		cmocka_unit_test(exact_short_names),
		cmocka_unit_test(short_names),
		cmocka_unit_test(short_name_collisions),
		cmocka_unit_test(taken_short_names),
		cmocka_unit_test(lfn_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
