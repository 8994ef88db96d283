/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reading and writing partition tables share. */
#ifndef MSD_DISK_PTABLE_PRIV_H
#define MSD_DISK_PTABLE_PRIV_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of GPT headers and entries. */
uint32_t ptable_crc32(const uint8_t *p, size_t len);

#endif
