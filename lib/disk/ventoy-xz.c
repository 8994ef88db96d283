/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unpacks an .xz file of a Ventoy release as it is read. */
#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "disk/ventoy-source-priv.h"

/* What the greatest preset of xz needs, 64 MiB of dictionary, and a little more. */
#define MEMORY_MAX (80ull << 20)

struct ventoy_xz {
	struct ventoy_source *source;
	lzma_stream stream;
	bool source_ended, ended;
	uint8_t in[64 << 10];
};

int ventoy_xz_open(struct ventoy_source *source, struct ventoy_xz **ret, struct msd_error *reterr)
{
	_cleanup_(ventoy_xz_closep) struct ventoy_xz *xz = calloc(1, sizeof(*xz));

	if (!xz)
		return msd_fail_errno(reterr, ENOMEM, "xz");
	xz->source = source;
	if (lzma_stream_decoder(&xz->stream, MEMORY_MAX, LZMA_CONCATENATED) != LZMA_OK)
		return msd_fail_errno(reterr, ENOMEM, "xz");
	*ret = msd_steal(xz);
	return 0;
}

struct ventoy_xz *ventoy_xz_close(struct ventoy_xz *xz)
{
	if (!xz)
		return NULL;
	lzma_end(&xz->stream);
	free(xz);
	return NULL;
}

void ventoy_xz_closep(struct ventoy_xz **xz)
{
	ventoy_xz_close(*xz);
}

static int fail_xz(const struct ventoy_xz *xz, lzma_ret code, struct msd_error *err)
{
	char text[64];

	switch (code) {
	case LZMA_MEM_ERROR:
		return msd_fail_errno(err, ENOMEM, "xz");
	case LZMA_MEMLIMIT_ERROR:
		snprintf(text, sizeof(text), "needs more than %llu MiB of memory to unpack",
			 MEMORY_MAX >> 20);
		return ventoy_source_fail(xz->source, err, text);
	case LZMA_FORMAT_ERROR:
		return ventoy_source_fail(xz->source, err, "not an .xz file");
	case LZMA_OPTIONS_ERROR:
		return ventoy_source_fail(xz->source, err, "packed in a way that liblzma lacks");
	case LZMA_BUF_ERROR:
		return ventoy_source_fail(xz->source, err, "damaged: it ends too early");
	default:
		return ventoy_source_fail(xz->source, err, "damaged: it does not unpack");
	}
}

int ventoy_xz_read(struct ventoy_xz *xz, void *buf, size_t len, size_t *ret_len,
		   struct msd_error *reterr)
{
	lzma_stream *stream = &xz->stream;

	stream->next_out = buf;
	stream->avail_out = len;
	while (stream->avail_out > 0 && !xz->ended) {
		lzma_ret code;

		if (stream->avail_in == 0 && !xz->source_ended) {
			size_t got;
			int rc = ventoy_source_read(xz->source, xz->in, sizeof(xz->in), &got,
						    reterr);

			if (rc < 0)
				return rc;
			stream->next_in = xz->in;
			stream->avail_in = got;
			xz->source_ended = got < sizeof(xz->in);
		}
		code = lzma_code(stream, xz->source_ended ? LZMA_FINISH : LZMA_RUN);
		if (code == LZMA_STREAM_END)
			xz->ended = true;
		else if (code != LZMA_OK)
			return fail_xz(xz, code, reterr);
	}
	*ret_len = len - stream->avail_out;
	return 0;
}
