/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recognises a Ventoy disk: its partitions, its sector 0, its boot partition. */
#include <errno.h>
#include <string.h>

#include "disk/ptable.h"
#include "disk/ventoy-priv.h"

static const struct msd_partition *find_partition(const struct msd_ptable *table, unsigned number)
{
	for (unsigned i = 0; i < table->n_partitions; i++)
		if (table->partitions[i].number == number)
			return &table->partitions[i];
	return NULL;
}

static int probe_geometry(struct msd_io *io, struct msd_ventoy_layout *ret, struct msd_error *err)
{
	const struct msd_partition *data, *boot;
	_cleanup_free_ struct msd_ptable *table = malloc(sizeof(*table));
	int rc;

	if (!table)
		return msd_fail_on(err, ENOMEM, msd_io_get_name(io));
	rc = msd_ptable_read(io, NULL, table, err);
	if (rc < 0)
		return rc;
	data = find_partition(table, 1);
	boot = find_partition(table, 2);
	if (table->sector_bytes != VENTOY_SECTOR || !data || !boot ||
	    data->offset_bytes != VENTOY_DATA_LBA * VENTOY_SECTOR ||
	    boot->offset_bytes != data->offset_bytes + data->size_bytes ||
	    boot->size_bytes != VENTOY_BOOT_BYTES)
		return msd_fail(err, MSD_E_FORMAT, "%s: no Ventoy disk: its partitions lie otherwise",
				msd_io_get_name(io));
	ret->gpt = table->kind == MSD_PTABLE_GPT;
	ret->size_bytes = msd_io_get_size(io);
	ret->data_lba = VENTOY_DATA_LBA;
	ret->data_sectors = data->size_bytes / VENTOY_SECTOR;
	ret->boot_lba = boot->offset_bytes / VENTOY_SECTOR;
	ret->boot_sectors = VENTOY_BOOT_SECTORS;
	return 0;
}

int msd_ventoy_probe(struct msd_io *io, struct msd_ventoy_info *ret, struct msd_error *reterr)
{
	_cleanup_(msd_io_closep) struct msd_io *boot = NULL;
	struct msd_ventoy_info info = { 0 };
	struct ventoy_sector0 sector0;
	int rc = probe_geometry(io, &info.layout, reterr);

	if (rc == 0)
		rc = msd_io_pread(io, &sector0, sizeof(sector0), 0, reterr);
	if (rc < 0)
		return rc;
	if (!ventoy_sector0_is_ventoy(&sector0))
		return msd_fail(reterr, MSD_E_FORMAT, "%s: no Ventoy disk: it has other boot code",
				msd_io_get_name(io));
	memcpy(info.ids.uuid, sector0.uuid, sizeof(info.ids.uuid));
	memcpy(info.ids.signature, sector0.signature, sizeof(info.ids.signature));
	info.interrupted = ventoy_sector0_is_cut(&sector0, &info.secure_boot);
	if (!info.interrupted) {
		rc = msd_io_new_window(io, info.layout.boot_lba * VENTOY_SECTOR,
				       VENTOY_BOOT_BYTES, &boot);
		if (rc < 0)
			return msd_fail_on(reterr, -rc, msd_io_get_name(io));
		rc = ventoy_bootfs_read(boot, info.version, &info.secure_boot, reterr);
		if (rc < 0)
			return rc;
	}
	*ret = info;
	return 0;
}
