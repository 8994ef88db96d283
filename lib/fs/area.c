/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables of a file system through a few pages of memory. */
#include "fs/area.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N_PAGES = 16, COPIES_MAX = 4 };

struct page {
	uint64_t number;
	bool valid;
	uint32_t dirty_from, dirty_to;	/* to is 0 when it is clean */
	uint8_t *data;
};

struct msd_area {
	struct msd_io *io;
	uint64_t size;
	unsigned copies;
	int64_t copy_offsets[COPIES_MAX];
	struct page pages[N_PAGES];
	size_t n_extents;
	struct msd_extent extents[];
};

int msd_area_new(struct msd_io *io, const struct msd_extent *extents, size_t n, unsigned copies,
		 const int64_t *copy_offsets_bytes, struct msd_area **ret)
{
	struct msd_area *area = calloc(1, sizeof(*area) + n * sizeof(*extents));

	if (!area)
		return -ENOMEM;
	area->io = io;
	area->copies = copies < COPIES_MAX ? copies : COPIES_MAX;
	if (area->copies)
		memcpy(area->copy_offsets, copy_offsets_bytes, area->copies * sizeof(int64_t));
	memcpy(area->extents, extents, n * sizeof(*extents));
	area->n_extents = n;
	for (size_t i = 0; i < n; i++)
		area->size += extents[i].size_bytes;
	*ret = area;
	return 0;
}

void msd_area_free(struct msd_area *area)
{
	if (!area)
		return;
	for (int i = 0; i < N_PAGES; i++)
		free(area->pages[i].data);
	free(area);
}

uint64_t msd_area_get_size(const struct msd_area *area)
{
	return area->size;
}

/* The place of offset and how many bytes lie there in a row. */
static uint64_t locate(const struct msd_area *area, uint64_t offset, uint64_t *ret_avail)
{
	for (size_t i = 0; i < area->n_extents; i++) {
		const struct msd_extent *extent = &area->extents[i];

		if (offset < extent->size_bytes) {
			*ret_avail = extent->size_bytes - offset;
			return extent->offset_bytes + offset;
		}
		offset -= extent->size_bytes;
	}
	*ret_avail = 0;
	return 0;
}

uint64_t msd_area_locate(const struct msd_area *area, uint64_t offset_bytes)
{
	uint64_t avail;

	return locate(area, offset_bytes, &avail);
}

static int transfer(struct msd_area *area, uint8_t *buf, size_t len, uint64_t offset, bool write,
		    struct msd_error *err)
{
	while (len > 0) {
		uint64_t avail, at = locate(area, offset, &avail);
		size_t n = avail < len ? (size_t)avail : len;
		int rc = write ? msd_io_pwrite(area->io, buf, n, at, err) :
				 msd_io_pread(area->io, buf, n, at, err);

		for (unsigned i = 0; write && rc == 0 && i < area->copies; i++)
			rc = msd_io_pwrite(area->io, buf, n,
					   at + (uint64_t)area->copy_offsets[i], err);
		if (rc < 0)
			return rc;
		buf += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int flush_page(struct msd_area *area, struct page *page, struct msd_error *err)
{
	int rc;

	if (!page->valid || !page->dirty_to)
		return 0;
	rc = transfer(area, page->data + page->dirty_from, page->dirty_to - page->dirty_from,
		      page->number * MSD_AREA_PAGE_BYTES + page->dirty_from, true, err);
	if (rc == 0)
		page->dirty_to = 0;
	return rc;
}

static int load(struct msd_area *area, uint64_t offset, struct page **ret, struct msd_error *err)
{
	uint64_t number = offset / MSD_AREA_PAGE_BYTES, start = number * MSD_AREA_PAGE_BYTES;
	struct page *page = &area->pages[number % N_PAGES];
	size_t len = MSD_AREA_PAGE_BYTES;
	int rc;

	*ret = page;
	if (page->valid && page->number == number)
		return 0;
	rc = flush_page(area, page, err);
	if (rc < 0)
		return rc;
	page->valid = false;
	if (!page->data && !(page->data = malloc(MSD_AREA_PAGE_BYTES)))
		return msd_fail_on(err, ENOMEM, msd_io_get_name(area->io));
	if (len > area->size - start)
		len = (size_t)(area->size - start);
	rc = transfer(area, page->data, len, start, false, err);
	if (rc < 0)
		return rc;
	page->number = number;
	page->valid = true;
	page->dirty_to = 0;
	return 0;
}

static int check_range(const struct msd_area *area, size_t len, uint64_t offset,
		       struct msd_error *err)
{
	if (offset <= area->size && len <= area->size - offset)
		return 0;
	return msd_fail(err, ERANGE, "%s: beyond the end of an allocation table",
			msd_io_get_name(area->io));
}

int msd_area_peek(struct msd_area *area, uint64_t offset_bytes, const uint8_t **ret,
		  size_t *ret_avail, struct msd_error *reterr)
{
	size_t in_page = offset_bytes % MSD_AREA_PAGE_BYTES;
	struct page *page;
	int rc = check_range(area, 1, offset_bytes, reterr);

	if (rc == 0)
		rc = load(area, offset_bytes, &page, reterr);
	if (rc < 0)
		return rc;
	*ret = page->data + in_page;
	*ret_avail = MSD_AREA_PAGE_BYTES - in_page;
	if (*ret_avail > area->size - offset_bytes)
		*ret_avail = (size_t)(area->size - offset_bytes);
	return 0;
}

int msd_area_read(struct msd_area *area, void *buf, size_t len, uint64_t offset_bytes,
		  struct msd_error *reterr)
{
	uint8_t *p = buf;
	int rc = check_range(area, len, offset_bytes, reterr);

	while (rc == 0 && len > 0) {
		const uint8_t *data;
		size_t avail;

		rc = msd_area_peek(area, offset_bytes, &data, &avail, reterr);
		if (rc < 0)
			break;
		if (avail > len)
			avail = len;
		memcpy(p, data, avail);
		p += avail;
		offset_bytes += avail;
		len -= avail;
	}
	return rc;
}

int msd_area_write(struct msd_area *area, const void *buf, size_t len, uint64_t offset_bytes,
		   struct msd_error *reterr)
{
	const uint8_t *p = buf;
	int rc = check_range(area, len, offset_bytes, reterr);

	while (rc == 0 && len > 0) {
		uint32_t in_page = (uint32_t)(offset_bytes % MSD_AREA_PAGE_BYTES);
		uint32_t n = MSD_AREA_PAGE_BYTES - in_page;
		struct page *page;

		if (n > len)
			n = (uint32_t)len;
		rc = load(area, offset_bytes, &page, reterr);
		if (rc < 0)
			break;
		memcpy(page->data + in_page, p, n);
		if (!page->dirty_to) {
			page->dirty_from = in_page;
			page->dirty_to = in_page + n;
		}
		if (in_page < page->dirty_from)
			page->dirty_from = in_page;
		if (in_page + n > page->dirty_to)
			page->dirty_to = in_page + n;
		p += n;
		offset_bytes += n;
		len -= n;
	}
	return rc;
}

int msd_area_flush(struct msd_area *area, struct msd_error *reterr)
{
	for (int i = 0; i < N_PAGES; i++) {
		int rc = flush_page(area, &area->pages[i], reterr);

		if (rc < 0)
			return rc;
	}
	return 0;
}
