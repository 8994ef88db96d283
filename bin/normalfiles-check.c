/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles check: is an image in order? */
#include <stdio.h>

#include "fs/check.h"
#include "normalfiles.h"
#include "rows.h"

enum { COL_OFFSET, COL_CLUSTER, COL_NOTE, COL_WHAT, COL_PATH };

static const struct rows_column columns[] = {
	[COL_OFFSET] = { "OFFSET", OUT_NUMBER, 14 },
	[COL_CLUSTER] = { "CLUSTER", OUT_NUMBER, 10 },
	[COL_NOTE] = { "NOTE", OUT_BOOL, 5 },
	[COL_WHAT] = { "WHAT", OUT_TEXT, 50 },
	[COL_PATH] = { "PATH", OUT_TEXT, 0 },
};

struct listing {
	struct normalfiles *nf;
	bool as_rows, begun;
	struct rows rows;
};

/* The heading waits for an image that can be read. */
static void begin(struct listing *listing)
{
	struct normalfiles *nf = listing->nf;

	if (listing->as_rows && !listing->begun)
		rows_begin(&listing->rows, &nf->tool, "damages", columns,
			   sizeof(columns) / sizeof(columns[0]), &nf->out);
	listing->begun = true;
}

static void print_row(struct rows *rows, const struct msd_check_finding *finding)
{
	rows_number(rows, COL_OFFSET, finding->offset_bytes);
	if (finding->cluster)
		rows_number(rows, COL_CLUSTER, finding->cluster);
	rows_text(rows, COL_NOTE, finding->note ? "true" : "false");
	rows_text(rows, COL_WHAT, finding->what);
	if (finding->path[0])
		rows_text(rows, COL_PATH, finding->path);
	rows_print(rows);
}

/* Offsets count in the image from here on. */
static void print(struct listing *listing, const struct msd_check_finding *finding)
{
	begin(listing);
	if (listing->as_rows) {
		print_row(&listing->rows, finding);
		return;
	}
	printf("%s%s%s%s (byte %llu", finding->note ? "note: " : "", finding->path,
	       finding->path[0] ? ": " : "", finding->what, (unsigned long long)finding->offset_bytes);
	if (finding->cluster)
		printf(", cluster %u", finding->cluster);
	puts(")");
}

/* What opening the volume tells, partition tables included. */
static void tell_opening(struct normalfiles *nf, uint64_t offset_bytes, const char *what)
{
	const struct msd_check_finding finding = {
		.offset_bytes = offset_bytes, .path = "", .what = what,
	};

	print(nf->tell_data, &finding);
}

static void tell(void *data, const struct msd_check_finding *finding)
{
	struct listing *listing = data;
	struct msd_check_finding in_image = *finding;

	in_image.offset_bytes += listing->nf->volume->offset_bytes;
	print(listing, &in_image);
}

static void print_sum(const struct normalfiles *nf, const struct msd_check_result *result)
{
	printf("%s: %llu file%s, %llu folder%s, ", nf->operands[0],
	       (unsigned long long)result->n_files, result->n_files == 1 ? "" : "s",
	       (unsigned long long)result->n_folders, result->n_folders == 1 ? "" : "s");
	if (nf->n_damages)
		printf("damaged in %llu place%s\n", (unsigned long long)nf->n_damages,
		       nf->n_damages == 1 ? "" : "s");
	else
		puts("in order");
}

int normalfiles_check(struct normalfiles *nf)
{
	struct listing listing = {
		.nf = nf, .as_rows = nf->out.json || nf->out.pairs || nf->out.columns,
	};
	const struct msd_check_params params = { tell, &listing };
	struct msd_check_result result;
	int rc;

	nf->tell = tell_opening;
	nf->tell_data = &listing;
	setvbuf(stdout, NULL, _IOFBF, 65536);
	rc = normalfiles_open(nf, false, -1);
	if (rc == 0) {
		begin(&listing);
		rc = msd_fs_check(nf->volume->fs, &params, &result, &nf->err);
	}
	if (rc == 0) {
		nf->n_damages += result.n_damages;
		if (!listing.as_rows)
			print_sum(nf, &result);
	}
	if (listing.begun && listing.as_rows)
		rows_end(&listing.rows);
	if (rc < 0)
		return normalfiles_finish(nf, rc);
	return nf->n_damages ? TOOL_FORMAT : TOOL_OK;
}
