/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Integers as they lie on a disk: no alignment, no padding, never a number by mistake. */
#ifndef MSD_BASE_BYTES_H
#define MSD_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint8_t b[2]; } le16;
typedef struct { uint8_t b[4]; } le32;
typedef struct { uint8_t b[8]; } le64;

static inline uint16_t le16_get(le16 v)
{
	uint16_t n;

	memcpy(&n, v.b, sizeof(n));
	return le16toh(n);
}

static inline uint32_t le32_get(le32 v)
{
	uint32_t n;

	memcpy(&n, v.b, sizeof(n));
	return le32toh(n);
}

static inline uint64_t le64_get(le64 v)
{
	uint64_t n;

	memcpy(&n, v.b, sizeof(n));
	return le64toh(n);
}

static inline le16 le16_make(uint16_t n)
{
	le16 v;

	n = htole16(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static inline le32 le32_make(uint32_t n)
{
	le32 v;

	n = htole32(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

static inline le64 le64_make(uint64_t n)
{
	le64 v;

	n = htole64(n);
	memcpy(v.b, &n, sizeof(n));
	return v;
}

#endif
