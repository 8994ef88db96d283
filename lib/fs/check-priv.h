/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of the check. */
#ifndef MSD_FS_CHECK_PRIV_H
#define MSD_FS_CHECK_PRIV_H

#include "fs/check.h"
#include "fs/name.h"
#include "read-priv.h"

/* Where a chain goes on in a cluster that it shares. */
struct crossing {
	uint32_t cluster;
	char *owner;			/* the first one that was met when they are named, or NULL */
	bool told;
};

enum { CROSSINGS_MAX = 512, CLUSTERS_AT_A_TIME = 96 << 20 };

struct check {
	struct msd_fs *fs;
	const struct msd_check_params *params;
	struct msd_check_result *result;
	struct msd_error *err;

	uint8_t *marks;			/* a bit for each cluster of a file or folder … */
	uint32_t from, to;		/* … of these, that this pass looks at */
	bool first_pass, naming, no_bitmap;
	bool hushed;			/* what the reader tells was told before */
	const char *owner;		/* of a chain that is neither a file's nor a folder's */
	struct crossing *crossings;
	size_t n_crossings;
	uint64_t steps_left;		/* clusters to follow before this is a saboteur's work */
};

void check_damage(struct check *check, uint64_t offset, uint32_t cluster, const char *fmt, ...)
	MSD_PRINTF(4, 5);
void check_note(struct check *check, uint64_t offset, const char *fmt, ...) MSD_PRINTF(3, 4);

/*
 * Follows the chain of a node (NULL: the root) and marks its clusters. Returns 1 when not even its
 * first cluster is its own. *ret_bytes, which may be NULL, is the size of a whole chain, else 0.
 */
int check_chain(struct check *check, const struct msd_fs_node *node, uint64_t *ret_bytes);

/* The same for what is neither file nor folder. */
int check_table(struct check *check, const struct msd_fs_node *node, const char *owner);

/* ---- check-volume.c ---- */

int check_boot(struct check *check);
/* What else the root has: bitmap and upcase table, labels. In each pass. */
int check_tables(struct check *check);
/* Behind the last pass: the numbers that the volume keeps of itself. */
int check_counts(struct check *check);

/* ---- check-folder.c ---- */

void check_name(struct check *check, const struct msd_fs_node *node);
/* Names that are there twice, in a folder that has so many bytes. */
int check_names(struct check *check, const struct msd_fs_node *folder, uint64_t bytes);
/* FAT: "." and "..", the cluster of the folder above, 0 for the root. */
int check_dots(struct check *check, const struct msd_fs_node *folder, uint32_t up);

#endif
