/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table of a file system (a FAT, an allocation bitmap) seen through a few pages of memory. */
#ifndef MSD_FS_AREA_H
#define MSD_FS_AREA_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"

/* Where bytes of a file or table lie: an offset in the window of the file system. */
struct msd_extent {
	uint64_t offset_bytes;
	uint64_t size_bytes;
};

#define MSD_AREA_PAGE_BYTES 32768u

struct msd_area;

/*
 * The table that the n extents make up, in that order. copies (4 at most) more of it lie that
 * many bytes (which may be negative) further on and are written with it. Returns 0 or -ENOMEM.
 */
int msd_area_new(struct msd_io *io, const struct msd_extent *extents, size_t n, unsigned copies,
		 const int64_t *copy_offsets_bytes, struct msd_area **ret);

/* NULL is fine; what is not flushed is lost. */
void msd_area_free(struct msd_area *area);

uint64_t msd_area_get_size(const struct msd_area *area);

/* Where in the window the byte at offset_bytes lies, for messages. */
uint64_t msd_area_locate(const struct msd_area *area, uint64_t offset_bytes);

/* Returns 0, -ERANGE beyond the table, -errno. */
int msd_area_read(struct msd_area *area, void *buf, size_t len, uint64_t offset_bytes,
		  struct msd_error *reterr);

/*
 * The same without a copy: *ret_avail bytes at offset_bytes, at least one, valid until the next
 * call with this area.
 */
int msd_area_peek(struct msd_area *area, uint64_t offset_bytes, const uint8_t **ret,
		  size_t *ret_avail, struct msd_error *reterr);

/* Changed in memory; on the disk after msd_area_flush, or when the page is needed for another. */
int msd_area_write(struct msd_area *area, const void *buf, size_t len, uint64_t offset_bytes,
		   struct msd_error *reterr);
int msd_area_flush(struct msd_area *area, struct msd_error *reterr);

#endif
