/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole disk image. */
#include "disk/image.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/parse.h"

#define START_BYTES (1u << 20)		/* of the partition, as every partitioner has it today */
#define GPT_ENTRIES_BYTES 16384u	/* at the end too, with a header of one sector */
#define ALIGN_BYTES 4096u
#define MBR_SECTORS_MAX 0xFFFFFFFFull

/* FNV-1a over what decides the bytes of the image. */
static uint64_t hash(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001B3u;
	return sum;
}

/* The same on every machine, whatever the order of its bytes. */
static uint64_t hash_number(uint64_t sum, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t byte = (uint8_t)(number >> (8 * i));

		sum = hash(sum, &byte, 1);
	}
	return sum;
}

int msd_image_make_ids(struct msd_image_params *params, bool has_epoch, int64_t epoch_s,
		       bool has_serial)
{
	const char *label = params->format.label ? params->format.label : "";

	if (has_epoch || has_serial) {
		uint64_t sum = 0xCBF29CE484222325u;

		sum = hash_number(sum, has_epoch ? (uint64_t)epoch_s : 0);
		sum = hash_number(sum, has_serial ? params->format.serial : 0);
		sum = hash_number(sum, params->size_bytes);
		sum = hash_number(sum, params->raw ? 99 : params->format.kind);
		sum = hash(sum, label, strlen(label));
		for (unsigned i = 0; i < 16; i++) {
			params->seed[i] = (uint8_t)(sum >> 32);
			sum = hash_number(sum, i);
		}
	} else if (getrandom(params->seed, sizeof(params->seed), 0) != sizeof(params->seed)) {
		return -errno;
	}
	if (!has_serial)
		params->format.serial = params->seed[0] | (uint32_t)params->seed[1] << 8 |
					(uint32_t)params->seed[2] << 16 |
					(uint32_t)params->seed[3] << 24;
	return 0;
}

/* What follows the volume: the second GPT. */
static uint64_t tail_bytes(const struct msd_image_params *params)
{
	return params->partition == MSD_PTABLE_MAKE_GPT ?
	       GPT_ENTRIES_BYTES + params->format.sector_bytes : 0;
}

static uint64_t start_bytes(const struct msd_image_params *params)
{
	return params->partition == MSD_PTABLE_MAKE_NONE ? 0 : START_BYTES;
}

static uint8_t mbr_type(const struct msd_fs_layout *layout)
{
	switch (layout->kind) {
	case MSD_FS_FAT12:
		return 0x01;
	case MSD_FS_FAT16:
		return layout->sectors < 0x10000 ? 0x04 : 0x06;
	case MSD_FS_FAT32:
		return 0x0C;
	default:
		return 0x07;
	}
}

static int check_mbr(const struct msd_image_params *params, uint64_t start, uint64_t volume,
		     struct msd_error *err)
{
	char limit[24];

	if (params->partition != MSD_PTABLE_MAKE_MBR ||
	    (start + volume) / params->format.sector_bytes <= MBR_SECTORS_MAX + 1)
		return 0;
	msd_fail(err, MSD_E_USAGE, "--partition=mbr works up to %s",
		 msd_format_size((MBR_SECTORS_MAX + 1) * params->format.sector_bytes, limit,
				 sizeof(limit)));
	msd_hint(err, "--partition=gpt");
	return -MSD_E_USAGE;
}

static int fail_small(const struct msd_image_params *params, struct msd_tree *tree,
		      uint64_t outside, struct msd_error *err)
{
	struct msd_image_params without = *params;
	struct msd_image_plan plan;

	msd_fail(err, MSD_E_USAGE, "--size=%llu: the partition table alone takes %llu bytes",
		 (unsigned long long)params->size_bytes, (unsigned long long)outside);
	without.partition = MSD_PTABLE_MAKE_NONE;
	if (msd_image_plan(&without, tree, &plan, NULL) == 0)
		msd_hint(err, "--partition=none");
	return -MSD_E_USAGE;
}

static int plan_raw(const struct msd_image_params *params, struct msd_image_plan *plan,
		    struct msd_error *err)
{
	if (!params->size_bytes)
		return msd_fail(err, MSD_E_USAGE, "--type=raw needs a --size");
	plan->size_bytes = params->size_bytes - params->size_bytes % params->format.sector_bytes;
	plan->volume_bytes = plan->size_bytes;
	return 0;
}

int msd_image_plan(const struct msd_image_params *params, struct msd_tree *tree,
		   struct msd_image_plan *ret_plan, struct msd_error *reterr)
{
	uint64_t start = start_bytes(params), tail = tail_bytes(params);
	struct msd_image_plan plan = { .format = params->format, .volume_start_bytes = start };
	uint32_t sector = params->format.sector_bytes;
	int rc;

	if (params->raw) {
		rc = plan_raw(params, &plan, reterr);
		*ret_plan = plan;
		return rc;
	}
	if (params->size_bytes && params->size_bytes <= start + tail)
		return fail_small(params, tree, start + tail, reterr);
	plan.format.size_bytes = params->size_bytes ? params->size_bytes - start - tail : 0;
	/* the clusters end where blocks of the image's file system end, and so does the partition */
	if (tail)
		plan.format.size_bytes -= plan.format.size_bytes % ALIGN_BYTES;
	plan.format.start_lba = sector ? start / sector : 0;
	plan.format.outside_bytes = start + tail;
	rc = msd_format_plan(&plan.format, tree, &plan.layout, reterr);
	if (rc < 0)
		return rc;
	plan.volume_bytes = plan.layout.sectors * sector;
	rc = check_mbr(params, start, plan.volume_bytes, reterr);
	if (rc < 0)
		return rc;
	plan.size_bytes = params->size_bytes;
	if (!plan.size_bytes)
		plan.size_bytes = start + plan.volume_bytes + tail;
	/* a drive is whole sectors, and so is its image */
	plan.size_bytes -= plan.size_bytes % sector;
	plan.mbr_type = mbr_type(&plan.layout);
	*ret_plan = plan;
	return 0;
}

int msd_image_write(struct msd_io *io, const struct msd_image_params *params,
		    const struct msd_image_plan *plan, struct msd_tree *tree, bool fresh,
		    const struct msd_progress *progress, struct msd_error *reterr)
{
	struct msd_ptable_make_params table = {
		.kind = params->partition, .sector_bytes = params->format.sector_bytes,
		.n_partitions = 1, .partitions = { {
			.start_bytes = plan->volume_start_bytes, .size_bytes = plan->volume_bytes,
			.mbr_type = plan->mbr_type, .active = params->active,
		} },
	};
	struct msd_io *volume;
	int rc;

	if (params->raw)
		return 0;
	memcpy(table.seed, params->seed, sizeof(table.seed));
	if (params->partition != MSD_PTABLE_MAKE_NONE) {
		rc = msd_ptable_write(io, &table, reterr);
		if (rc < 0)
			return rc;
	}
	rc = msd_io_new_window(io, plan->volume_start_bytes, plan->volume_bytes, &volume);
	if (rc < 0)
		return msd_fail_on(reterr, -rc, msd_io_get_name(io));
	rc = msd_format_write(volume, &plan->format, &plan->layout, tree, fresh, progress, reterr);
	msd_io_close(volume);
	return rc;
}
