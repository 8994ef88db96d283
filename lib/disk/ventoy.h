/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ventoy disks: plan one, write its boot parts, recognise one, renew one. */
#ifndef MSD_DISK_VENTOY_H
#define MSD_DISK_VENTOY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/io.h"
#include "base/progress.h"
#include "disk/ventoy-release.h"

/* A smaller image (plus what is reserved) has no room worth having beside the boot parts. */
#define MSD_VENTOY_MIN_BYTES (64ull << 20)

struct msd_ventoy_params {
	uint64_t size_bytes;		/* of the image */
	uint64_t reserve_bytes;		/* left free behind the partitions */
	bool gpt;
};

/* Sectors are of 512 bytes: Ventoy knows no others. */
struct msd_ventoy_layout {
	bool gpt;
	uint64_t size_bytes;
	uint64_t data_lba, data_sectors;	/* partition 1, the user's */
	uint64_t boot_lba, boot_sectors;	/* partition 2, Ventoy's */
	uint32_t data_cluster_bytes;		/* what its installer formats exFAT with */
};

/*
 * Where everything lies on a disk of that size. Pure. Returns 0, or -MSD_E_USAGE naming the
 * sizes that work: no multiple of 512, too small, too big for MBR, all of it reserved.
 */
int msd_ventoy_plan(const struct msd_ventoy_params *params, struct msd_ventoy_layout *ret,
		    struct msd_error *reterr);

/*
 * The size of the smallest image whose data partition has data_bytes; params->size_bytes is
 * not looked at. Pure. Returns 0 or -MSD_E_TOOBIG.
 */
int msd_ventoy_plan_size(const struct msd_ventoy_params *params, uint64_t data_bytes,
			 uint64_t *ret_bytes, struct msd_error *reterr);

/* What tells one disk from another: random, or fixed by the user. */
struct msd_ventoy_ids {
	uint8_t uuid[16];
	uint8_t signature[4];
};

/*
 * Writes the boot parts of release onto an image that has its partition table. fresh: the boot
 * partition reads as zeros so far. progress counts its bytes. Does not sync.
 * Returns 0, -MSD_E_FAILED for a damaged release (naming the file), -MSD_E_CANCELLED, -errno.
 */
int msd_ventoy_format(struct msd_io *io, const struct msd_ventoy_layout *layout,
		      struct msd_ventoy_release *release, const struct msd_ventoy_ids *ids,
		      bool secure_boot, bool fresh, const struct msd_progress *progress,
		      struct msd_error *reterr);

struct msd_ventoy_info {
	struct msd_ventoy_layout layout;	/* data_cluster_bytes is 0 */
	struct msd_ventoy_ids ids;
	bool secure_boot;
	bool interrupted;	/* an update was cut: no version, run it again */
	char version[MSD_VENTOY_VERSION_MAX];
};

/*
 * Recognises a Ventoy disk. Returns 0; -MSD_E_FORMAT with what is missing, for anything else;
 * -errno.
 */
int msd_ventoy_probe(struct msd_io *io, struct msd_ventoy_info *ret, struct msd_error *reterr);

enum msd_ventoy_secure { MSD_VENTOY_SECURE_KEEP, MSD_VENTOY_SECURE_OFF, MSD_VENTOY_SECURE_ON };

/*
 * Renews the boot parts in place and keeps the disk's ids, its settings and the data partition.
 * The whole release is checked before the first write, and progress can stop it only until then. A power cut at any moment leaves the
 * old disk, the new one, or one that msd_ventoy_probe calls interrupted and that this function
 * completes. The caller has seen to it that nobody else uses the image. ret may be NULL; it
 * gets what the disk was before.
 * Returns 0, -MSD_E_FORMAT (no Ventoy disk), -MSD_E_FAILED (damaged release),
 * -MSD_E_CANCELLED, -errno.
 */
int msd_ventoy_update(struct msd_io *io, struct msd_ventoy_release *release,
		      enum msd_ventoy_secure secure, const struct msd_progress *progress,
		      struct msd_ventoy_info *ret, struct msd_error *reterr);

#endif
