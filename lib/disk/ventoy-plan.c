/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the parts of a Ventoy disk of a given size lie. */
#include "disk/ventoy.h"

#include "base/parse.h"
#include "disk/ventoy-disk.h"

/* An MBR counts sectors in 32 bits. */
#define MBR_MAX_SECTORS (1ull << 32)
#define BIG_DISK_BYTES (32ull << 30)

/* Sectors that lie behind the partitions of any size of disk. */
static uint64_t tail_sectors(const struct msd_ventoy_params *params)
{
	return params->reserve_bytes / VENTOY_SECTOR +
	       (params->gpt ? VENTOY_GPT_BACKUP_SECTORS : 0);
}

int msd_ventoy_plan(const struct msd_ventoy_params *params, struct msd_ventoy_layout *ret,
		    struct msd_error *reterr)
{
	uint64_t sectors = params->size_bytes / VENTOY_SECTOR, least;
	char size[2][MSD_SIZE_TEXT];

	if (params->size_bytes % VENTOY_SECTOR || params->reserve_bytes % VENTOY_SECTOR)
		return msd_fail(reterr, MSD_E_USAGE,
				"%llu bytes: a Ventoy disk and its reserve are multiples of 512 bytes",
				(unsigned long long)(params->size_bytes % VENTOY_SECTOR ?
						     params->size_bytes : params->reserve_bytes));
	if (__builtin_add_overflow(params->reserve_bytes, MSD_VENTOY_MIN_BYTES, &least) ||
	    params->size_bytes < least) {
		msd_format_sizes((const uint64_t[]){ params->size_bytes, MSD_VENTOY_MIN_BYTES }, 2, size);
		return msd_fail(reterr, MSD_E_USAGE,
				"%s is too small for a Ventoy disk, which needs %s%s", size[0], size[1],
				params->reserve_bytes ? " beside what is reserved" : "");
	}
	if (!params->gpt && sectors > MBR_MAX_SECTORS) {
		msd_fail(reterr, MSD_E_USAGE, "%s is too big for an MBR, which ends at 2 TiB",
			 msd_format_size(params->size_bytes, size[0], sizeof(size[0])));
		msd_hint(reterr, "use --partition=gpt");
		return -MSD_E_USAGE;
	}

	ret->gpt = params->gpt;
	ret->size_bytes = params->size_bytes;
	ret->boot_sectors = VENTOY_BOOT_SECTORS;
	ret->boot_lba = (sectors - tail_sectors(params) - VENTOY_BOOT_SECTORS) & ~7ull;
	ret->data_lba = VENTOY_DATA_LBA;
	ret->data_sectors = ret->boot_lba - VENTOY_DATA_LBA;
	ret->data_cluster_bytes = (params->size_bytes > BIG_DISK_BYTES ? 128u : 32u) << 10;
	return 0;
}

int msd_ventoy_plan_size(const struct msd_ventoy_params *params, uint64_t data_bytes,
			 uint64_t *ret_bytes, struct msd_error *reterr)
{
	/* the boot partition begins at a multiple of 8, and so the data end at one */
	uint64_t data = data_bytes / VENTOY_SECTOR + (data_bytes % VENTOY_SECTOR != 0);
	uint64_t sectors = ((VENTOY_DATA_LBA + data + 7) & ~7ull) + VENTOY_BOOT_SECTORS +
			   tail_sectors(params);
	uint64_t least = MSD_VENTOY_MIN_BYTES;

	if (__builtin_mul_overflow(sectors, VENTOY_SECTOR, ret_bytes) ||
	    __builtin_add_overflow(least, params->reserve_bytes, &least) || *ret_bytes > INT64_MAX)
		return msd_fail(reterr, MSD_E_TOOBIG, "%llu bytes of data make too big a disk",
				(unsigned long long)data_bytes);
	if (*ret_bytes < least)
		*ret_bytes = least;
	return 0;
}
