/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long work reports how far it is, and how it is asked to stop. */
#ifndef MSD_BASE_PROGRESS_H
#define MSD_BASE_PROGRESS_H

#include <stdint.h>

struct msd_progress {
	/*
	 * Called between two steps of at most some MiB. total_bytes is 0 when unknown.
	 * Anything but 0 stops the work, which undoes what is half done and returns
	 * -MSD_E_CANCELLED.
	 */
	int (*fn)(void *data, uint64_t done_bytes, uint64_t total_bytes);
	void *data;
};

/* progress may be NULL. Returns what fn returned, 0 without one. */
static inline int msd_progress(const struct msd_progress *progress, uint64_t done_bytes,
			       uint64_t total_bytes)
{
	if (!progress || !progress->fn)
		return 0;
	return progress->fn(progress->data, done_bytes, total_bytes);
}

/* One of several pieces of work that have a bar together: the data of msd_progress_in_part. */
struct msd_progress_part {
	const struct msd_progress *whole;	/* may be NULL */
	uint64_t before_bytes;			/* of the pieces before this one */
	uint64_t total_bytes;			/* of all */
};

static inline int msd_progress_in_part(void *data, uint64_t done_bytes, uint64_t total_bytes)
{
	const struct msd_progress_part *part = (const struct msd_progress_part *)data;

	(void)total_bytes;
	return msd_progress(part->whole, part->before_bytes + done_bytes, part->total_bytes);
}

#endif
