/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole new Ventoy disk. */
#include "disk/ventoy-image.h"

#include <string.h>

#include "disk/ventoy-disk.h"

/* Of the data partition, where its size is given. */
static void set_format(const struct msd_ventoy_layout *layout, struct msd_format_params *format)
{
	format->size_bytes = layout->data_sectors * VENTOY_SECTOR;
	format->start_lba = layout->data_lba;
	format->outside_bytes = layout->size_bytes - format->size_bytes;
	if (!format->label)
		format->label = "Ventoy";
	if (!format->cluster_bytes && format->kind == MSD_FS_EXFAT)
		format->cluster_bytes = layout->data_cluster_bytes;
}

/* The size of the image that the tree and the room beside it need. */
static int plan_size(const struct msd_image_params *params, struct msd_ventoy_params *disk,
		     struct msd_tree *tree, struct msd_error *err)
{
	struct msd_format_params format = params->format;
	struct msd_ventoy_layout layout;
	struct msd_fs_layout fs;
	int rc = msd_ventoy_plan_size(disk, 0, &disk->size_bytes, err);

	/* the clusters may be larger on the disk that comes out, and then it is a bit larger again */
	for (unsigned i = 0; rc == 0 && i < 2; i++) {
		rc = msd_ventoy_plan(disk, &layout, err);
		if (rc < 0)
			break;
		format = params->format;
		set_format(&layout, &format);
		format.size_bytes = 0;
		rc = msd_format_plan(&format, tree, &fs, err);
		if (rc == 0)
			rc = msd_ventoy_plan_size(disk, fs.sectors * VENTOY_SECTOR,
						  &disk->size_bytes, err);
	}
	return rc;
}

int msd_ventoy_image_plan(const struct msd_image_params *params,
			  const struct msd_ventoy_image_params *ventoy, struct msd_tree *tree,
			  struct msd_image_plan *ret_plan, struct msd_ventoy_layout *ret_layout,
			  struct msd_error *reterr)
{
	struct msd_ventoy_params disk = {
		.size_bytes = params->size_bytes, .reserve_bytes = ventoy->reserve_bytes,
		.gpt = params->partition == MSD_PTABLE_MAKE_GPT,
	};
	struct msd_image_plan plan = { .format = params->format, .mbr_type = VENTOY_TYPE_DATA };
	int rc = 0;

	if (params->format.sector_bytes != VENTOY_SECTOR)
		return msd_fail(reterr, MSD_E_USAGE, "Ventoy disks have sectors of 512 bytes, not %u",
				params->format.sector_bytes);
	if (!disk.size_bytes)
		rc = plan_size(params, &disk, tree, reterr);
	if (rc == 0)
		rc = msd_ventoy_plan(&disk, ret_layout, reterr);
	if (rc < 0)
		return rc;
	set_format(ret_layout, &plan.format);
	plan.size_bytes = disk.size_bytes;
	plan.volume_start_bytes = ret_layout->data_lba * VENTOY_SECTOR;
	plan.volume_bytes = ret_layout->data_sectors * VENTOY_SECTOR;
	rc = msd_format_plan(&plan.format, tree, &plan.layout, reterr);
	*ret_plan = plan;
	return rc;
}

static int write_table(struct msd_io *io, const struct msd_image_params *params,
		       const struct msd_ventoy_layout *layout, struct msd_error *err)
{
	struct msd_ptable_make_params table = {
		.kind = params->partition, .sector_bytes = VENTOY_SECTOR, .first_lba = "34",
		.n_partitions = 2,
		.partitions = {
			{
				.start_bytes = layout->data_lba * VENTOY_SECTOR,
				.size_bytes = layout->data_sectors * VENTOY_SECTOR,
				.mbr_type = VENTOY_TYPE_DATA, .active = !layout->gpt,
				.name = "Ventoy",
			}, {
				.start_bytes = layout->boot_lba * VENTOY_SECTOR,
				.size_bytes = VENTOY_BOOT_BYTES,
				.mbr_type = VENTOY_TYPE_BOOT,
				.name = "VTOYEFI", .no_letter = true,
			},
		},
	};

	memcpy(table.seed, params->seed, sizeof(table.seed));
	return msd_ptable_write(io, &table, err);
}

static int write_volume(struct msd_io *io, uint64_t start_bytes,
			const struct msd_format_params *format, const struct msd_fs_layout *layout,
			struct msd_tree *tree, bool fresh, const struct msd_progress *progress,
			struct msd_error *err)
{
	struct msd_io *volume;
	int rc = msd_io_new_window(io, start_bytes, layout->sectors * VENTOY_SECTOR, &volume);

	if (rc < 0)
		return msd_fail_on(err, -rc, msd_io_get_name(io));
	rc = msd_format_write(volume, format, layout, tree, fresh, progress, err);
	msd_io_close(volume);
	return rc;
}

/* What an installer on the target writes over: its own file system, empty. */
static int write_empty_boot(struct msd_io *io, const struct msd_image_params *params,
			    const struct msd_ventoy_layout *layout, bool fresh,
			    struct msd_error *err)
{
	struct msd_format_params format = {
		.kind = MSD_FS_FAT16, .size_bytes = VENTOY_BOOT_BYTES,
		.sector_bytes = VENTOY_SECTOR, .cluster_bytes = VENTOY_SECTOR,
		.start_lba = layout->boot_lba, .label = "VTOYEFI",
		.serial = ~params->format.serial, .now_s = params->format.now_s,
		.utc = params->format.utc,
	};
	struct msd_fs_layout fs;
	int rc = msd_format_plan(&format, NULL, &fs, err);

	if (rc < 0)
		return rc;
	return write_volume(io, layout->boot_lba * VENTOY_SECTOR, &format, &fs, NULL, fresh, NULL,
			    err);
}

int msd_ventoy_image_write(struct msd_io *io, const struct msd_image_params *params,
			   const struct msd_ventoy_image_params *ventoy,
			   const struct msd_image_plan *plan, const struct msd_ventoy_layout *layout,
			   struct msd_tree *tree, bool fresh, const struct msd_progress *progress,
			   struct msd_error *reterr)
{
	struct msd_progress_part part = {
		progress, 0, plan->layout.content_bytes + VENTOY_BOOT_BYTES,
	};
	struct msd_progress report = { msd_progress_in_part, &part };
	struct msd_ventoy_ids ids;
	int rc = write_table(io, params, layout, reterr);

	if (rc == 0)
		rc = write_volume(io, plan->volume_start_bytes, &plan->format, &plan->layout, tree,
				  fresh, &report, reterr);
	if (rc < 0)
		return rc;
	if (!ventoy->release)
		return write_empty_boot(io, params, layout, fresh, reterr);
	part.before_bytes = plan->layout.content_bytes;
	/* as its installer does, the signature is the end of the UUID */
	memcpy(ids.uuid, params->seed, sizeof(ids.uuid));
	memcpy(ids.signature, ids.uuid + 12, sizeof(ids.signature));
	return msd_ventoy_format(io, layout, ventoy->release, &ids, !ventoy->insecure, fresh, &report,
				 reterr);
}
