/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where an image is written: ever forward, in large pieces. */
#include "sink-priv.h"

#include <errno.h>
#include <stdlib.h>

/* Up to this a gap is cheaper to fill than a second system call. */
#define GAP_MAX 8192u
/* An aligned buffer is what the kernel copies into fastest, by half. */
#define PAGE_BYTES 4096u

int sink_open(struct sink *sink, struct msd_io *io, bool fresh, const struct msd_progress *progress,
	      uint64_t total_bytes, struct msd_error *err)
{
	*sink = (struct sink){
		.io = io, .fresh = fresh, .progress = progress, .total_bytes = total_bytes, .err = err,
	};
	sink->buf = aligned_alloc(PAGE_BYTES, SINK_BYTES + PAGE_BYTES);
	return sink->buf ? 0 : msd_fail_on(err, ENOMEM, msd_io_get_name(io));
}

void sink_close(struct sink *sink)
{
	free(sink->buf);
	sink->buf = NULL;
}

int sink_fail(struct sink *sink, int rc)
{
	if (sink->rc == 0)
		sink->rc = rc;
	return sink->rc;
}

int sink_flush(struct sink *sink)
{
	if (sink->rc == 0 && sink->used > 0)
		sink->rc = msd_io_pwrite(sink->io, sink->buf, sink->used, sink->offset, sink->err);
	sink->offset += sink->used;
	sink->used = 0;
	if (sink->rc == 0 && msd_progress(sink->progress, sink->done_bytes, sink->total_bytes))
		sink->rc = msd_fail(sink->err, MSD_E_CANCELLED, "%s: stopped",
				    msd_io_get_name(sink->io));
	return sink->rc;
}

uint8_t *sink_reserve(struct sink *sink, size_t len)
{
	uint8_t *p;

	if (len > SINK_BYTES - sink->used)
		sink_flush(sink);
	p = sink->buf + sink->used;
	sink->used += len;
	return p;
}

void sink_seek(struct sink *sink, uint64_t offset)
{
	uint64_t gap = offset - sink_tell(sink);

	if (gap == 0)
		return;
	if (gap <= GAP_MAX && sink->used > 0) {
		memset(sink_reserve(sink, (size_t)gap), 0, (size_t)gap);
		return;
	}
	if (sink->used > 0)
		sink_flush(sink);
	sink->offset = offset;
}

void sink_zero_to(struct sink *sink, uint64_t offset)
{
	if (sink->fresh) {
		sink_seek(sink, offset);
		return;
	}
	while (sink->rc == 0 && sink_tell(sink) < offset) {
		uint64_t left = offset - sink_tell(sink);
		size_t len = left < SINK_BYTES ? (size_t)left : SINK_BYTES;

		memset(sink_reserve(sink, len), 0, len);
	}
	/* after a failure the place still has to be right */
	if (sink->rc < 0)
		sink_seek(sink, offset);
}
