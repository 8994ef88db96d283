/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names on FAT and exFAT. */
#include "fs/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Takes one character of UTF-8 as RFC 3629 has it. Returns its length, 0 for a sequence
 * that is none (the end included, whose byte is no continuation).
 */
static unsigned take_utf8(const uint8_t *p, uint32_t *ret_char)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (len < 2) {
		*ret_char = *p;
		return len;
	}
	c = *p & (0x7Fu >> len);
	for (unsigned i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return 0;
	*ret_char = c;
	return len;
}

int msd_utf8_to_utf16(const char *text, uint16_t *units, size_t max)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n = 0;

	while (*p) {
		uint32_t c;
		unsigned len;

		/* nearly all there is */
		while (*p && *p < 0x80 && n < max)
			units[n++] = *p++;
		if (!*p)
			break;
		len = take_utf8(p, &c);
		if (!len)
			return -EILSEQ;
		if (max - n < 1 + (c >= 0x10000))
			return -ENAMETOOLONG;
		if (c >= 0x10000) {
			units[n++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
			c = 0xDC00 + ((c - 0x10000) & 0x3FF);
		}
		units[n++] = (uint16_t)c;
		p += len;
	}
	return (int)n;
}

int msd_utf16_to_utf8(const uint16_t *units, size_t n, char *text, size_t len)
{
	static const uint8_t lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t c = units[i];
		unsigned bytes;

		if (c < 0x80 && len - used > 1) {
			text[used++] = (char)c;
			continue;
		}
		if (c >= 0xD800 && c < 0xE000) {
			if (c >= 0xDC00 || i + 1 == n || units[i + 1] >> 10 != 0xDC00 >> 10)
				return -EILSEQ;
			c = 0x10000 + ((c & 0x3FF) << 10) + (units[++i] & 0x3FF);
		}
		bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		if (len - used < bytes + 1)
			return -ENAMETOOLONG;
		for (unsigned b = bytes - 1; b > 0; b--, c >>= 6)
			text[used + b] = (char)(0x80 | (c & 0x3F));
		text[used] = (char)(lead[bytes == 1 ? 0 : bytes] | c);
		used += bytes;
	}
	if (used == len)
		return -ENAMETOOLONG;
	text[used] = '\0';
	return (int)used;
}

bool msd_name_is_same(const uint16_t *a, size_t n_a, const uint16_t *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (a[i] != b[i] && msd_upcase(a[i]) != msd_upcase(b[i]))
			return false;
	return true;
}

uint16_t msd_exfat_name_hash(const uint16_t *units, size_t n)
{
	uint16_t hash = 0;

	for (size_t i = 0; i < n; i++) {
		uint16_t unit = msd_upcase(units[i]);

		hash = (uint16_t)(((uint32_t)hash << 15 | hash >> 1) + (unit & 0xFF));
		hash = (uint16_t)(((uint32_t)hash << 15 | hash >> 1) + (unit >> 8));
	}
	return hash;
}

/* FNV-1a, by units */
uint32_t msd_name_hash(const uint16_t *units, size_t n)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ msd_upcase(units[i])) * 16777619u;
	return hash;
}

/* U+FFFF is what FAT fills the last entry of a long name with. */
static bool is_forbidden(uint16_t unit)
{
	switch (unit) {
	case '"': case '*': case '/': case ':': case '<': case '>': case '?': case '\\': case '|':
	case 0xFFFF:
		return true;
	default:
		return unit < 0x20;
	}
}

static bool is_tail(uint16_t unit)
{
	return unit == '.' || unit == ' ';
}

/* Does the name up to its first dot, without blanks behind it, spell word? */
static bool is_stem(const uint16_t *units, size_t n, const char *word)
{
	size_t i = 0;

	for (; i < n && word[i]; i++)
		if (msd_upcase(units[i]) != (uint16_t)word[i])
			return false;
	if (word[i])
		return false;
	while (i < n && units[i] == ' ')
		i++;
	return i == n || units[i] == '.';
}

/* "Naming Files" in Microsoft's documentation: with any extension, and superscript digits too. */
static bool is_device(const uint16_t *units, size_t n)
{
	static const char *const words[] = { "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$" };
	uint16_t digit = n > 3 ? units[3] : 0;
	uint16_t plain[MSD_NAME_UNITS_MAX];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_stem(units, n, words[i]))
			return true;
	if (!((digit >= '1' && digit <= '9') || digit == 0xB9 || digit == 0xB2 || digit == 0xB3))
		return false;
	memcpy(plain, units, n * sizeof(*units));
	plain[3] = '1';
	return is_stem(plain, n, "COM1") || is_stem(plain, n, "LPT1");
}

enum msd_name_fault msd_name_check(const char *name, uint16_t *units, size_t *ret_n)
{
	int n = msd_utf8_to_utf16(name, units, MSD_NAME_UNITS_MAX);

	if (n == -EILSEQ)
		return MSD_NAME_ENCODING;
	if (n < 0)
		return MSD_NAME_LENGTH;
	if (n == 0)
		return MSD_NAME_EMPTY;
	for (int i = 0; i < n; i++)
		if (is_forbidden(units[i]))
			return MSD_NAME_CHARACTER;
	if (is_tail(units[n - 1]))
		return MSD_NAME_TAIL;
	if (is_device(units, (size_t)n))
		return MSD_NAME_DEVICE;
	*ret_n = (size_t)n;
	return MSD_NAME_OK;
}

const char *msd_name_fault_text(enum msd_name_fault fault)
{
	static const char *const texts[] = {
		[MSD_NAME_OK] = "nothing is wrong with it",
		[MSD_NAME_EMPTY] = "the name is empty",
		[MSD_NAME_ENCODING] = "the name is not UTF-8",
		[MSD_NAME_CHARACTER] = "the name has a control character or one of \"*/:<>?\\|",
		[MSD_NAME_TAIL] = "the name ends with a dot or a blank",
		[MSD_NAME_DEVICE] = "the name is a device to Windows",
		[MSD_NAME_LENGTH] = "the name is longer than 255 UTF-16 units",
	};

	return texts[fault];
}

/* UTF-8 to fit units, whatever it takes; at most max, surrogates kept in pairs. */
static size_t force_units(const char *name, uint16_t *units, size_t max)
{
	const uint8_t *p = (const uint8_t *)name;
	size_t n = 0;

	while (*p) {
		uint32_t c;
		unsigned len = take_utf8(p, &c);

		if (!len || (c < 0x10000 && is_forbidden((uint16_t)c)))
			c = '_';
		if (max - n < 1 + (c >= 0x10000))
			break;
		if (c >= 0x10000) {
			units[n++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
			c = 0xDC00 + ((c - 0x10000) & 0x3FF);
		}
		units[n++] = (uint16_t)c;
		p += len ? len : 1;
	}
	return n;
}

/* Where the extension with its dot begins, n without one. Long ones are none. */
static size_t find_extension(const uint16_t *units, size_t n)
{
	for (size_t i = n; i > 1 && n - i < 16; i--)
		if (units[i - 1] == '.')
			return i - 1;
	return n;
}

size_t msd_name_mangle(const char *name, unsigned number, uint16_t units[MSD_NAME_UNITS_MAX])
{
	/* bytes bound the units, so all of any file name is seen */
	uint16_t whole[1024], extension[MSD_NAME_UNITS_MAX];
	size_t n = force_units(name, whole, sizeof(whole) / sizeof(whole[0]));
	size_t stem, n_extension, n_tag;
	char tag[16] = "";

	if (n == 0)
		whole[n++] = '_';
	for (size_t i = n; i > 0 && is_tail(whole[i - 1]); i--)
		whole[i - 1] = '_';
	stem = find_extension(whole, n);
	n_extension = n - stem;
	memcpy(extension, whole + stem, n_extension * sizeof(*extension));
	if (number > 1)
		snprintf(tag, sizeof(tag), "_%u", number);
	else if (n <= MSD_NAME_UNITS_MAX && is_device(whole, n))
		/* a blank before the dot would still be the device */
		snprintf(tag, sizeof(tag), "_");
	n_tag = strlen(tag);
	if (stem > MSD_NAME_UNITS_MAX - n_extension - n_tag)
		stem = MSD_NAME_UNITS_MAX - n_extension - n_tag;
	if (stem > 0 && whole[stem - 1] >> 10 == 0xD800 >> 10)
		stem--;
	memcpy(units, whole, stem * sizeof(*units));
	for (size_t i = 0; i < n_tag; i++)
		units[stem + i] = (uint16_t)tag[i];
	memcpy(units + stem + n_tag, extension, n_extension * sizeof(*extension));
	n = stem + n_tag + n_extension;
	/* the device may be before the first of several dots */
	if (is_device(units, n))
		units[0] = '_';
	return n;
}
