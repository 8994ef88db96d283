/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an image is written: ever forward, in large pieces, small ones gathered. */
#ifndef MSD_FS_SINK_PRIV_H
#define MSD_FS_SINK_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"

/* fits in the cache of a core, where what is read is written from */
#define SINK_BYTES (256u << 10)

/*
 * The first failure stays in rc and err; after it all calls do nothing, so a writer need look
 * only now and then.
 */
struct sink {
	struct msd_io *io;
	const struct msd_progress *progress;
	struct msd_error *err;
	uint8_t *buf;			/* SINK_BYTES and one to spare */
	uint64_t offset;		/* of buf in the window */
	size_t used;
	uint64_t done_bytes, total_bytes;	/* of content, for the progress */
	int rc;
	bool fresh;			/* the window reads as zeros: they need not be written */
};

/* Returns 0 or -ENOMEM. */
int sink_open(struct sink *sink, struct msd_io *io, bool fresh, const struct msd_progress *progress,
	      uint64_t total_bytes, struct msd_error *err);
void sink_close(struct sink *sink);

/* Writes what was gathered and reports progress. Returns rc. */
int sink_flush(struct sink *sink);

static inline uint64_t sink_tell(const struct sink *sink)
{
	return sink->offset + sink->used;
}

/* Goes forward to offset; what is between stays as it is, or becomes zero when that is less work. */
void sink_seek(struct sink *sink, uint64_t offset);

/* Zeros up to offset, written only when the window is not fresh. */
void sink_zero_to(struct sink *sink, uint64_t offset);

/* Room for len bytes, SINK_BYTES at most, with one byte to spare behind it. */
uint8_t *sink_reserve(struct sink *sink, size_t len);

static inline void sink_put(struct sink *sink, const void *data, size_t len)
{
	memcpy(sink_reserve(sink, len), data, len);
}

/* Puts a failure into the sink, unless one is there. Returns rc. */
int sink_fail(struct sink *sink, int rc);

#endif
