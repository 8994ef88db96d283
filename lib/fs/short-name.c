/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FAT's 8.3 names. */
#include "fs/short-name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fat-disk.h"

#define BASE 8u
#define EXT 3u
#define PLAIN_TAILS 4u		/* NAME~1 … NAME~4, as Windows NT does */
#define HASH_TAILS 9u		/* NA1234~1 … NA1234~9 */
#define NUMBERS_END 1000000u	/* N~999999 */

struct msd_short_set {
	uint8_t (*slots)[11];	/* open addressing; a slot whose first byte is 0 is free */
	size_t n_slots;		/* a power of two */
	size_t used;
	uint32_t next_number;	/* where the search for a number goes on */
};

/* ASCII only: what code page a byte above 0x7F belongs to, nobody can know. */
static bool is_short(uint16_t unit)
{
	switch (unit) {
	case '"': case '*': case '+': case ',': case '.': case '/': case ':': case ';': case '<':
	case '=': case '>': case '?': case '[': case '\\': case ']': case '|':
		return false;
	default:
		return unit > 0x20 && unit < 0x7F;
	}
}

uint8_t msd_fat_lfn_checksum(const uint8_t name[11])
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum << 7 | sum >> 1) + name[i]);
	return sum;
}

/* One half of an exact name. Returns false for a unit that does not fit or for mixed case. */
static bool put_exact(const uint16_t *units, size_t n, uint8_t *out, bool *ret_lower)
{
	bool lower = false, upper = false;

	for (size_t i = 0; i < n; i++) {
		if (!is_short(units[i]))
			return false;
		lower |= units[i] >= 'a' && units[i] <= 'z';
		upper |= units[i] >= 'A' && units[i] <= 'Z';
		out[i] = (uint8_t)(units[i] >= 'a' && units[i] <= 'z' ? units[i] - 32 : units[i]);
	}
	*ret_lower = lower;
	return !(lower && upper);
}

bool msd_short_name_is_exact(const uint16_t *units, size_t n, struct msd_short_name *ret)
{
	size_t base = 0, ext;
	bool lower_base, lower_ext;

	while (base < n && units[base] != '.')
		base++;
	ext = base < n ? n - base - 1 : 0;
	if (base == 0 || base > BASE || ext > EXT || (base < n && ext == 0))
		return false;
	memset(ret->name, ' ', sizeof(ret->name));
	if (!put_exact(units, base, ret->name, &lower_base) ||
	    !put_exact(units + n - ext, ext, ret->name + BASE, &lower_ext))
		return false;
	ret->nt_case = (uint8_t)((lower_base ? FAT_CASE_LOWER_BASE : 0) |
				 (lower_ext ? FAT_CASE_LOWER_EXT : 0));
	return true;
}

int msd_short_set_new(size_t n, struct msd_short_set **ret)
{
	struct msd_short_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	for (set->n_slots = 16; set->n_slots < n * 2;)
		set->n_slots *= 2;
	set->slots = calloc(set->n_slots, sizeof(*set->slots));
	if (!set->slots) {
		free(set);
		return -ENOMEM;
	}
	set->next_number = HASH_TAILS + 1;
	*ret = set;
	return 0;
}

void msd_short_set_free(struct msd_short_set *set)
{
	if (!set)
		return;
	free(set->slots);
	free(set);
}

void msd_short_set_freep(struct msd_short_set **set)
{
	msd_short_set_free(*set);
}

/* Where the name is, or where it would go. */
static uint8_t *find_slot(const struct msd_short_set *set, const uint8_t *name)
{
	uint32_t hash = 2166136261u;
	size_t at;

	for (unsigned i = 0; i < 11; i++)
		hash = (hash ^ name[i]) * 16777619u;
	at = (hash ^ hash >> 15) & (set->n_slots - 1);
	while (set->slots[at][0] && memcmp(set->slots[at], name, 11))
		at = (at + 1) & (set->n_slots - 1);
	return set->slots[at];
}

static int grow(struct msd_short_set *set)
{
	struct msd_short_set bigger = *set;

	bigger.n_slots *= 2;
	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->n_slots; i++)
		if (set->slots[i][0])
			memcpy(find_slot(&bigger, set->slots[i]), set->slots[i], 11);
	free(set->slots);
	*set = bigger;
	return 0;
}

/* Returns 1 when it was added, 0 when it was there, or -ENOMEM. */
static int try_add(struct msd_short_set *set, const uint8_t *name)
{
	uint8_t *slot = find_slot(set, name);

	if (slot[0])
		return 0;
	if (set->used * 3 >= set->n_slots * 2) {
		int rc = grow(set);

		if (rc < 0)
			return rc;
		slot = find_slot(set, name);
	}
	memcpy(slot, name, 11);
	set->used++;
	return 1;
}

int msd_short_set_add(struct msd_short_set *set, const uint8_t name[11])
{
	int rc = try_add(set, name);

	return rc < 0 ? rc : 0;
}

/*
 * The stem that numbers go behind: blanks and all dots but the last are left out, what 8.3 cannot
 * hold becomes '_'. Returns the length of the base; *ret_lossy when more than case was lost.
 */
static unsigned make_stem(const uint16_t *units, size_t n, uint8_t name[11], bool *ret_lossy)
{
	unsigned len[2] = { 0, 0 };
	size_t dot = n, start = 0;

	memset(name, ' ', 11);
	*ret_lossy = false;
	while (start < n && (units[start] == '.' || units[start] == ' '))
		start++;
	*ret_lossy = start > 0;
	for (size_t i = start; i < n; i++)
		if (units[i] == '.')
			dot = i;
	for (size_t i = start; i < n; i++) {
		bool ext = i > dot;
		uint8_t c;

		if (i == dot)
			continue;
		if (units[i] == ' ' || units[i] == '.' || len[ext] == (ext ? EXT : BASE)) {
			*ret_lossy = true;
			/* nothing more goes into a full base */
			if (i < dot && len[0] == BASE)
				i = dot;
			continue;
		}
		c = is_short(units[i]) ? (uint8_t)units[i] : '_';
		if (c == '_' && units[i] != '_')
			*ret_lossy = true;
		name[ext * BASE + len[ext]++] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
	}
	return len[0];
}

/*
 * The sum that Windows 7 and later put into a short name, as their users found it out: a
 * multiplicative hash of the long name, its hexadecimal digits in reverse.
 */
static unsigned hash_tail(const uint16_t *units, size_t n)
{
	uint16_t sum = 0;
	uint32_t mixed;

	for (size_t i = 0; i < n; i++)
		sum = (uint16_t)(sum * 0x25 + units[i]);
	mixed = sum * 314159269u;
	if (mixed >> 31)
		mixed = -mixed;
	mixed -= (uint32_t)((uint64_t)mixed * 1152921497u >> 60) * 1000000007u;
	sum = (uint16_t)mixed;
	return (unsigned)(sum >> 12 | (sum >> 4 & 0xF0) | (sum << 4 & 0xF00) | (sum << 12 & 0xF000));
}

/* Puts "~NUMBER" behind the base, which gives way. */
static void put_number(uint8_t name[11], const uint8_t *base, unsigned base_len, unsigned number)
{
	uint8_t tail[BASE];
	unsigned at = BASE, tail_len;

	/* not by printf, which took most of the time that names of a folder take */
	do {
		tail[--at] = (uint8_t)('0' + number % 10);
	} while ((number /= 10));
	tail[--at] = '~';
	tail_len = BASE - at;
	if (base_len > BASE - tail_len)
		base_len = BASE - tail_len;
	memset(name, ' ', BASE);
	memcpy(name, base, base_len);
	memcpy(name + base_len, tail + at, tail_len);
}

int msd_short_set_make(struct msd_short_set *set, const uint16_t *units, size_t n,
		       struct msd_short_name *ret)
{
	uint8_t base[BASE];
	bool lossy;
	unsigned base_len = make_stem(units, n, ret->name, &lossy), hash;
	int rc = lossy ? 0 : try_add(set, ret->name);
	ret->nt_case = 0;
	memcpy(base, ret->name, BASE);
	/* a base of one or two letters goes to the hash at once, as NT has it */
	for (unsigned i = 1; rc == 0 && base_len > 2 && i <= PLAIN_TAILS; i++) {
		put_number(ret->name, base, base_len, i);
		rc = try_add(set, ret->name);
	}
	if (base_len > 2)
		base_len = 2;
	hash = hash_tail(units, n);
	for (int shift = 12; shift >= 0; shift -= 4)
		base[base_len++] = (uint8_t)"0123456789ABCDEF"[hash >> shift & 15];
	for (unsigned i = 1; rc == 0 && i <= HASH_TAILS; i++) {
		put_number(ret->name, base, base_len, i);
		rc = try_add(set, ret->name);
	}
	/* numbers below next_number have been tried for some name: no use to try them again */
	for (; rc == 0 && set->next_number < NUMBERS_END; set->next_number++) {
		put_number(ret->name, base, base_len, set->next_number);
		rc = try_add(set, ret->name);
	}
	if (rc < 0)
		return rc;
	return rc > 0 ? 0 : -ENOSPC;
}
