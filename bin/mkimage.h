/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-mkimage: what its files share. */
#ifndef MSD_BIN_MKIMAGE_H
#define MSD_BIN_MKIMAGE_H

#include "base/cleanup.h"
#include "disk/image.h"
#include "disk/target.h"
#include "disk/ventoy-image.h"
#include "out.h"
#include "progress.h"
#include "tool.h"

/* Options without a letter that mkimage-ventoy.c takes; those of msd-mkimage.c come before. */
enum {
	MKIMAGE_VENTOY = 1100, MKIMAGE_SECURE_BOOT, MKIMAGE_RESERVE, MKIMAGE_DATA_TYPE,
	MKIMAGE_UPDATE,
};

/* Columns of the plan. */
enum column {
	COL_IMAGE, COL_SIZE, COL_TYPE, COL_PARTITION, COL_ACTIVE, COL_START, COL_VOLUME, COL_SECTOR,
	COL_CLUSTER, COL_CLUSTERS, COL_USED, COL_FREE, COL_FILES, COL_FOLDERS, COL_CONTENT, COL_LABEL,
	COL_SERIAL, COL_VENTOY, COL_VENTOY_BEFORE, COL_SECURE_BOOT, COL_DATA_TYPE, COL_RESERVE, N_COLUMNS
};

struct mkimage_ventoy {
	bool type;			/* --type=ventoy */
	bool update, has_reserve;
	const char *path, *data_type;
	enum msd_ventoy_secure secure;
	struct msd_ventoy_image_params params;
	struct msd_ventoy_layout layout;
};

struct mkimage {
	struct tool tool;
	struct msd_image_params image;
	struct msd_tree_params tree;
	struct msd_target_params target;
	struct msd_error err;
	struct progress progress;
	enum progress_when progress_when;
	const char *path;
	const char **sources;
	unsigned n_sources;
	struct mkimage_ventoy ventoy;
	uint64_t min_bytes;		/* --min-size */
	bool has_type, has_size, has_free, has_min, has_partition, has_sector, has_serial, no_sync;
	bool dry_run, json, preallocate;
};

/* The list that --json prints. */
struct out *mkimage_out(struct mkimage *mk);

/* Takes an option of Ventoy's. Returns whether option was one of them. */
bool mkimage_ventoy_option(struct mkimage *mk, int option, const char *value);

/* Ends the program when options do not go together; sets what --type=ventoy stands for. */
void mkimage_ventoy_check(struct mkimage *mk);

/* Opens the release, if there is one. Returns as msd_ventoy_release_open. */
int mkimage_ventoy_open(struct mkimage *mk);

/* --update. Returns 0 or a code with its message in mk->err. */
int mkimage_ventoy_update(struct mkimage *mk);

/* What the plan has beside that of other images. */
void mkimage_ventoy_print(struct mkimage *mk);
void mkimage_ventoy_fill(struct mkimage *mk, struct out *out);

#endif
