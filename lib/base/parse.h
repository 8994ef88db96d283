/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sizes, numbers, booleans and durations as people write them. */
#ifndef MSD_BASE_PARSE_H
#define MSD_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * "512", "64M", "1.5G", "4MiB" (powers of 1024), "4MB" (powers of 1000), upper or lower
 * case; T, P, E too. Decimal only: "010" is ten. Returns 0, -EINVAL or -ERANGE.
 */
int msd_parse_size(const char *text, uint64_t *ret_bytes);

/* A plain decimal number of at most max. Returns 0, -EINVAL or -ERANGE. */
int msd_parse_number(const char *text, uint64_t max, uint64_t *ret);

/* 1 0 yes no true false on off, in any case. Returns 0 or -EINVAL. */
int msd_parse_bool(const char *text, bool *ret);

/* "10" and "10s" seconds, "500ms", "10m", "2h". Returns 0, -EINVAL or -ERANGE. */
int msd_parse_duration(const char *text, uint64_t *ret_ms);

#define MSD_SIZE_TEXT 32

/* "4 GiB", "1.5 MiB", "17 B": at most 16 bytes with the end. Returns buf. */
char *msd_format_size(uint64_t bytes, char *buf, size_t len);

/* Several of one message, 8 at most: what would read like another and is not, in bytes. */
void msd_format_sizes(const uint64_t *bytes, size_t n, char (*ret)[MSD_SIZE_TEXT]);

#endif
