/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/fs: the geometry of FAT and exFAT over the whole range of sizes, without a disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fs/exfat-disk.h"
#include "fs/fat-disk.h"
#include "fs/format.h"

#define TIB (1024ull * 1024 * 1024 * 1024)

static struct msd_format_params make(enum msd_fs_kind kind, uint64_t bytes, uint32_t sector)
{
	return (struct msd_format_params){ .kind = kind, .size_bytes = bytes, .sector_bytes = sector };
}

/* Everything that the specifications demand of a layout. */
static void check_fat(const struct msd_fs_layout *l)
{
	uint64_t table = (uint64_t)l->fat_sectors * l->sector_bytes;
	uint64_t entries = (uint64_t)l->clusters + 2;
	uint64_t entry_bits = l->kind == MSD_FS_FAT12 ? 12 : l->kind == MSD_FS_FAT16 ? 16 : 32;

	/* "FAT Type Determination" */
	assert_int_equal(l->kind, l->clusters < FAT12_CLUSTERS_END ? MSD_FS_FAT12 :
				  l->clusters < FAT16_CLUSTERS_END ? MSD_FS_FAT16 : MSD_FS_FAT32);
	assert_true(table * 8 >= entries * entry_bits);
	assert_true(l->reserved_sectors >= (l->kind == MSD_FS_FAT32 ? 32 : 1));
	assert_true(l->reserved_sectors <= 0xFFFF);
	assert_true(l->cluster_bytes / l->sector_bytes <= 128);
	assert_true(l->root_records <= 0xFFFF);
	assert_int_equal(l->root_records * 32 % l->sector_bytes, 0);
	assert_int_equal(l->root_records == 0, l->kind == MSD_FS_FAT32);
	assert_true(l->sectors <= 0xFFFFFFFF);
	assert_true(l->kind == MSD_FS_FAT32 || l->fat_sectors <= 0xFFFF);
	assert_int_equal(l->reserved_sectors + 2ull * l->fat_sectors + l->root_sectors,
			 l->heap_sector);
}

static void check_exfat(const struct msd_fs_layout *l)
{
	assert_true(l->reserved_sectors >= EXFAT_FAT_OFFSET_MIN);
	assert_true((uint64_t)l->fat_sectors * l->sector_bytes >= ((uint64_t)l->clusters + 2) * 4);
	assert_true(l->heap_sector >= (uint64_t)l->reserved_sectors + l->fat_sectors);
	assert_true(l->heap_sector <= 0xFFFFFFFF);
	assert_true(l->clusters <= EXFAT_CLUSTERS_MAX);
	assert_true(l->cluster_bytes <= EXFAT_CLUSTER_BYTES_MAX);
	assert_true(l->sectors * l->sector_bytes >= EXFAT_VOLUME_BYTES_MIN);
	assert_true(l->bitmap_cluster < l->upcase_cluster && l->upcase_cluster < l->root_cluster &&
		    l->root_cluster < l->tree_cluster);
	/* the bitmap's clusters hold it */
	assert_true((uint64_t)(l->upcase_cluster - 2) * l->cluster_bytes * 8 >= l->clusters);
}

static void check(const struct msd_format_params *params, const struct msd_fs_layout *l)
{
	uint64_t cluster_sectors = l->cluster_bytes / l->sector_bytes;

	assert_true(l->cluster_bytes >= l->sector_bytes);
	assert_int_equal(l->cluster_bytes & (l->cluster_bytes - 1), 0);
	if (params->size_bytes)
		assert_true(l->sectors * l->sector_bytes <= params->size_bytes);
	/* all clusters lie within, and no whole one is wasted, but for where counts must not go */
	assert_true(l->heap_sector + l->clusters * cluster_sectors <= l->sectors);
	/* reflinks need clusters that begin where blocks do */
	assert_int_equal(l->heap_sector * l->sector_bytes % 4096, 0);
	assert_true(l->used_clusters <= l->clusters);
	if (l->kind == MSD_FS_EXFAT)
		check_exfat(l);
	else
		check_fat(l);
}

static void check_size(enum msd_fs_kind kind, uint64_t bytes, uint32_t sector, uint32_t cluster)
{
	struct msd_format_params params = make(kind, bytes, sector);
	struct msd_error err;
	struct msd_fs_layout layout;
	int rc;

	params.cluster_bytes = cluster;
	rc = msd_format_plan(&params, NULL, &layout, &err);
	if (rc == -MSD_E_USAGE || rc == -MSD_E_TOOBIG) {
		/* every size from 64 KiB has a FAT, up to where 32 bits of sectors end */
		if (!cluster && sector == 512 && bytes >= 65536 && bytes <= 2 * TIB)
			assert_true(kind != MSD_FS_FAT);
		if (!cluster && bytes >= EXFAT_VOLUME_BYTES_MIN)
			if (kind == MSD_FS_EXFAT)
				fail_msg("exFAT of %llu: %s", (unsigned long long)bytes, err.msg);
		return;
	}
	assert_int_equal(rc, 0);
	if (kind != MSD_FS_FAT)
		assert_int_equal(layout.kind, kind);
	check(&params, &layout);
}

static void all_sizes(void **state)
{
	static const uint32_t sectors[] = { 512, 1024, 2048, 4096 };

	for (enum msd_fs_kind kind = MSD_FS_FAT; kind <= MSD_FS_EXFAT; kind++)
		for (unsigned s = 0; s < 4; s++)
			for (uint64_t bytes = 16384; bytes <= 4 * TIB; bytes += bytes / 97 / 512 * 512 + 512) {
				check_size(kind, bytes, sectors[s], 0);
				for (uint32_t cluster = 512; bytes % 3 == 0 && cluster <= 32u << 20; cluster *= 4)
					check_size(kind, bytes, sectors[s], cluster);
			}
}

/* Sector by sector where one kind ends and the next begins, and where tables grow. */
static void borders(void **state)
{
	static const uint64_t around[] = {
		65536, 1 << 20, 2000 << 10, 2048 << 10, 4000 << 10, 4200 << 10, 8000 << 10, 8 << 20, 16 << 20,
		32 << 20, 33 << 20, 34 << 20, 126 << 20, 128 << 20, 252 << 20, 256 << 20, 264 << 20,
		8ull << 30, 16ull << 30, 32ull << 30, TIB, 2 * TIB,
	};

	for (enum msd_fs_kind kind = MSD_FS_FAT; kind <= MSD_FS_EXFAT; kind++)
		for (unsigned i = 0; i < sizeof(around) / sizeof(around[0]); i++)
			for (int64_t delta = -100; delta <= 300; delta++)
				check_size(kind, around[i] + (uint64_t)(delta * 512), 512, 0);
}

static void computed(void **state)
{
	for (enum msd_fs_kind kind = MSD_FS_FAT; kind <= MSD_FS_EXFAT; kind++)
		for (uint64_t room = 1; room < 2 * TIB; room += room / 13 + 511) {
			struct msd_format_params params = make(kind, 0, 512), same;
			struct msd_fs_layout layout, again;
			struct msd_error err;
			int rc;

			params.free_bytes = room;
			rc = msd_format_plan(&params, NULL, &layout, &err);
			if (rc < 0) {
				assert_int_equal(rc, -MSD_E_USAGE);
				assert_true(kind == MSD_FS_FAT12 || kind == MSD_FS_FAT16 || room > TIB);
				continue;
			}
			check(&params, &layout);
			assert_true((uint64_t)(layout.clusters - layout.used_clusters) *
				    layout.cluster_bytes >= room);
			/* the same size given leads to the same volume */
			same = make(layout.kind, layout.sectors * 512, 512);
			same.cluster_bytes = layout.cluster_bytes;
			assert_int_equal(msd_format_plan(&same, NULL, &again, &err), 0);
			assert_int_equal(again.clusters, layout.clusters);
			assert_int_equal(again.heap_sector, layout.heap_sector);
		}
}

static void never_small_fat32(void **state)
{
	struct msd_error err;
	struct msd_fs_layout layout;

	for (uint64_t bytes = 32u << 20; bytes < 34u << 20; bytes += 512) {
		struct msd_format_params params = make(MSD_FS_FAT32, bytes, 512);

		if (msd_format_plan(&params, NULL, &layout, &err) == 0)
			assert_true(layout.clusters >= FAT16_CLUSTERS_END);
		else
			assert_non_null(strstr(err.msg, "fat32 works from "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(borders),
		cmocka_unit_test(computed),
		cmocka_unit_test(never_small_fat32),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
