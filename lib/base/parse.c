/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes, numbers, booleans and durations as people write them. */
#include "base/parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads digits; *text is left behind them. Returns 0, -EINVAL (no digit) or -ERANGE. */
static int take_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -ERANGE;
	*text = p;
	*ret = n;
	return 0;
}

int msd_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	int rc = take_digits(&text, &n);

	if (rc < 0)
		return rc;
	if (*text)
		return -EINVAL;
	if (n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

/* The unit behind a number. Returns 0 or -EINVAL. */
static int parse_unit(const char *text, uint64_t *ret_unit)
{
	static const char letters[] = "KMGTPE";
	uint64_t base = 1024, unit = 1;
	const char *letter;

	if (!*text || !strcasecmp(text, "B")) {
		*ret_unit = 1;
		return 0;
	}
	letter = strchr(letters, *text & ~0x20);
	if (!letter)
		return -EINVAL;
	text++;
	if (!strcasecmp(text, "B"))
		base = 1000;
	else if (*text && strcasecmp(text, "iB"))
		return -EINVAL;
	for (const char *l = letters; l <= letter; l++)
		unit *= base;
	*ret_unit = unit;
	return 0;
}

int msd_parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole, unit, part = 0, scale = 1;
	int rc = take_digits(&text, &whole);

	if (rc < 0)
		return rc;
	if (*text == '.') {
		const char *start = ++text;

		rc = take_digits(&text, &part);
		if (rc < 0)
			return rc;
		if (text - start > 9)
			return -ERANGE;
		for (; start < text; start++)
			scale *= 10;
	}
	rc = parse_unit(text, &unit);
	if (rc < 0)
		return rc;
	if (scale > 1 && unit == 1)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, unit, &whole))
		return -ERANGE;
	/* part < scale <= 10^9, so neither product can overflow */
	part = unit / scale * part + unit % scale * part / scale;
	if (__builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*ret_bytes = whole;
	return 0;
}

int msd_parse_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "0", "1", "no", "yes", "false", "true", "off", "on" };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(text, words[i])) {
			*ret = i % 2;
			return 0;
		}
	return -EINVAL;
}

int msd_parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct { const char *suffix; uint64_t ms; } units[] = {
		{ "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 },
	};
	uint64_t n;
	int rc = take_digits(&text, &n);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text, units[i].suffix))
			return __builtin_mul_overflow(n, units[i].ms, ret_ms) ? -ERANGE : 0;
	return -EINVAL;
}

/* The exponent of 1024 of the largest unit that is not larger. */
static unsigned get_unit(uint64_t bytes)
{
	unsigned u = 0;

	while (u < 6 && bytes >> (10 * (u + 1)))
		u++;
	return u;
}

char *msd_format_size(uint64_t bytes, char *buf, size_t len)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned u = get_unit(bytes);
	uint64_t tenths;

	tenths = u ? ((bytes >> (10 * (u - 1))) * 10 + 512) >> 10 : bytes * 10;
	if (tenths % 10)
		snprintf(buf, len, "%llu.%llu %s", (unsigned long long)tenths / 10,
			 (unsigned long long)tenths % 10, units[u]);
	else
		snprintf(buf, len, "%llu %s", (unsigned long long)tenths / 10, units[u]);
	return buf;
}

void msd_format_sizes(const uint64_t *bytes, size_t n, char (*ret)[MSD_SIZE_TEXT])
{
	unsigned exact = 0;

	for (size_t i = 0; i < n; i++) {
		msd_format_size(bytes[i], ret[i], sizeof(ret[i]));
		for (size_t k = 0; k < i; k++)
			if (bytes[k] != bytes[i] && !strcmp(ret[k], ret[i]))
				exact |= 1u << i | 1u << k;
	}
	for (size_t i = 0; i < n; i++)
		if (exact & 1u << i && bytes[i] & ((1ull << (10 * get_unit(bytes[i]))) - 1))
			snprintf(ret[i], sizeof(ret[i]), "%llu bytes", (unsigned long long)bytes[i]);
}
