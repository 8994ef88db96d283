/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clusters: which are free, taking them so that files stay in one piece, giving them back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change-priv.h"

enum {
	EXTENTS_MAX = 65536,		/* 512 KiB of memory; beyond that the small ones are left out */
	SPARE_CLUSTERS = 32,		/* folders grow by these, so that they too are in few pieces */
};

/* Makes room among extents by dropping those below a size, as few as there can be. */
static uint32_t drop_small(struct msd_change *change, uint32_t smallest)
{
	size_t n;

	do {
		smallest *= 2;
		n = 0;
		for (size_t i = 0; i < change->n_extents; i++)
			if (change->extents[i].n >= smallest)
				change->extents[n++] = change->extents[i];
		change->n_extents = n;
	} while (n == EXTENTS_MAX);
	return smallest;
}

int alloc_load(struct msd_change *change)
{
	struct msd_fs *fs = change->fs;
	uint32_t start = 2, n = 0, smallest = 1;
	size_t room = 0;
	int rc;

	free(change->extents);
	change->extents = NULL;
	change->n_extents = 0;
	change->current = 0;
	change->n_free = 0;
	change->spare.n = 0;
	while ((rc = fs_next_free(fs, start + n, &start, &n, change->err)) > 0) {
		struct run *extents;

		change->n_free += n;
		if (change->n_extents == EXTENTS_MAX)
			smallest = drop_small(change, smallest);
		if (n < smallest)
			continue;
		extents = change_grow(change->extents, change->n_extents, &room, sizeof(*extents));
		if (!extents)
			return change_no_memory(change);
		change->extents = extents;
		extents[change->n_extents++] = (struct run){ start, n };
	}
	return rc;
}

/* A run of up to n: from where the last one came, or from the largest there is. */
static int take(struct msd_change *change, uint64_t n, struct run *ret)
{
	struct run *from;

	if (change->current >= change->n_extents || change->extents[change->current].n < n) {
		size_t best = 0;

		for (size_t i = 1; i < change->n_extents; i++)
			if (change->extents[i].n > change->extents[best].n)
				best = i;
		change->current = best;
	}
	if (change->n_extents == 0 || change->extents[change->current].n == 0) {
		/* the small ones that were left out, if any; what was taken is marked by now */
		int rc = change->n_free ? alloc_load(change) : 0;

		if (rc < 0)
			return rc;
		if (change->n_free == 0)
			return msd_fail(change->err, ENOSPC, "%s: no room left",
					change_image(change));
		return take(change, n, ret);
	}
	from = &change->extents[change->current];
	*ret = (struct run){ from->start, n < from->n ? (uint32_t)n : from->n };
	from->start += ret->n;
	from->n -= ret->n;
	change->n_free -= ret->n;
	return 0;
}

/* For undoing it; runs that follow each other are one. */
static int remember(struct msd_change *change, struct run run)
{
	struct run *last = change->n_taken ? &change->taken[change->n_taken - 1] : NULL, *more;

	if (last && last->start + last->n == run.start) {
		last->n += run.n;
		return 0;
	}
	more = change_grow(change->taken, change->n_taken, &change->room_taken, sizeof(run));
	if (!more)
		return change_no_memory(change);
	change->taken = more;
	change->taken[change->n_taken++] = run;
	return 0;
}

int alloc_set_next(struct msd_change *change, uint32_t cluster, uint32_t next)
{
	le32 raw = le32_make(next);

	if (is_exfat(change))
		return msd_area_write(change->fs->fat, &raw, 4, (uint64_t)cluster * 4, change->err);
	return msd_fat_write_entry(change->fs, cluster, next, change->err);
}

int alloc_write_chain(struct msd_change *change, uint32_t first, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = alloc_set_next(change, first + i, i + 1 < n ? first + i + 1 : EXFAT_EOC);
	return rc;
}

static int append(struct msd_change *change, struct chain *chain, struct run run)
{
	bool follows = chain->n == 0 || run.start == chain->last + 1;
	int rc = 0;

	if (chain->n == 0) {
		chain->first = run.start;
		chain->contiguous = is_exfat(change);
	}
	if (is_exfat(change))
		rc = msd_exfat_write_bits(change->fs, run.start, run.n, true, change->err);
	if (rc == 0 && chain->contiguous && !follows) {
		rc = alloc_write_chain(change, chain->first, chain->n);
		chain->contiguous = false;
	}
	if (rc == 0 && !chain->contiguous) {
		rc = alloc_write_chain(change, run.start, run.n);
		if (rc == 0 && chain->n > 0)
			rc = alloc_set_next(change, chain->last, run.start);
	}
	chain->n += run.n;
	chain->last = run.start + run.n - 1;
	return rc < 0 ? rc : remember(change, run);
}

int64_t alloc_extend(struct msd_change *change, struct chain *chain, uint64_t n, struct run *ret)
{
	int rc = take(change, n, ret);

	if (rc == 0)
		rc = append(change, chain, *ret);
	return rc < 0 ? rc : (int64_t)ret->n;
}

int alloc_folder_cluster(struct msd_change *change, uint32_t *ret)
{
	struct chain chain = { 0 };
	int rc = 0;

	if (change->spare.n == 0) {
		rc = take(change, change->n_free / 8 > SPARE_CLUSTERS ? SPARE_CLUSTERS : 1,
			  &change->spare);
		if (rc < 0)
			return rc;
		change->n_free += change->spare.n;
	}
	*ret = change->spare.start++;
	change->spare.n--;
	change->n_free--;
	rc = append(change, &chain, (struct run){ *ret, 1 });
	return rc < 0 ? rc : alloc_set_next(change, *ret, EXFAT_EOC);
}

static int free_run(struct msd_change *change, uint32_t first, uint32_t n)
{
	int rc = 0;

	if (is_exfat(change))
		return msd_exfat_write_bits(change->fs, first, n, false, change->err);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = msd_fat_write_entry(change->fs, first + i, 0, change->err);
	return rc;
}

int alloc_give_back(struct msd_change *change, struct chain *chain, uint32_t n, uint32_t new_last)
{
	struct run *last = &change->taken[change->n_taken - 1];
	struct run *from = &change->extents[change->current];
	uint32_t first = chain->last - n + 1;
	int rc = free_run(change, first, n);

	last->n -= n;
	if (from->start == first + n) {
		from->start -= n;
		from->n += n;
	}
	change->n_free += n;
	chain->last = new_last;
	chain->n -= n;
	if (chain->n == 0)
		*chain = (struct chain){ 0 };
	if (rc == 0 && chain->n && !chain->contiguous)
		rc = alloc_set_next(change, chain->last, EXFAT_EOC);
	return rc;
}

int alloc_free_chain(struct msd_change *change, const struct doomed *doomed)
{
	struct msd_fs *fs = change->fs;
	struct msd_fs_map map = {
		.fs = fs, .cluster = doomed->first_cluster, .contiguous = doomed->contiguous,
		.left_bytes = doomed->size_bytes, .limit = 1,
	};
	struct msd_extent extent;
	int rc;

	while ((rc = msd_fs_map_next(&map, &extent, change->err)) > 0) {
		uint32_t first = (uint32_t)((extent.offset_bytes - fs->info.heap_offset_bytes) /
					    fs->info.cluster_bytes) + 2;
		uint32_t n = (uint32_t)((extent.size_bytes + fs->info.cluster_bytes - 1) /
					fs->info.cluster_bytes);

		rc = free_run(change, first, n);
		if (rc < 0)
			return rc;
		change->n_free += n;
	}
	return rc;
}

int alloc_undo(struct msd_change *change)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < change->n_taken; i++)
		rc = free_run(change, change->taken[i].start, change->taken[i].n);
	change->n_taken = 0;
	return rc < 0 ? rc : alloc_flush(change);
}

int alloc_flush(struct msd_change *change)
{
	int rc = msd_area_flush(change->fs->fat, change->err);

	return rc < 0 || !change->fs->bitmap ? rc : msd_area_flush(change->fs->bitmap, change->err);
}
