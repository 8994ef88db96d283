/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-store: what its files share. */
#ifndef MSD_BIN_STORE_H
#define MSD_BIN_STORE_H

#include "config/config.h"
#include "out.h"
#include "progress.h"
#include "storage/root.h"
#include "storage/store-put.h"
#include "tool.h"

struct store_args {
	struct tool tool;
	struct out_options out;
	struct msd_config *config;
	struct msd_root root;
	struct msd_store *store;
	const char *operands[2];	/* the first of them */
	bool partitions;
	uint64_t timeout_ms;
	enum progress_when progress;
	const char *name, *sha256sums, *compress;
	bool snapshot;
	struct msd_put_params put;	/* what its options say */
};

/* Reports rc < 0. Returns the exit status. */
int store_report(struct store_args *args, int rc, const struct msd_error *err);

/* The commands that print tables. Return the exit status. */
int store_list(struct store_args *args);
int store_verify(struct store_args *args);

#endif
