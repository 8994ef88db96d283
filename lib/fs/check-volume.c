/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The check of boot sectors, FATs, and of what a volume says of itself. */
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "check-priv.h"
#include "fs/exfat-disk.h"
#include "fs/fat-disk.h"

enum { PIECE_BYTES = 16384 };

/* ---- FAT ---- */

static int check_copies(struct check *check)
{
	struct msd_fs *fs = check->fs;
	uint64_t bytes = fs_entry_offset(fs, fs->info.n_clusters + 2) - fs->fat_offset;
	uint8_t one[PIECE_BYTES], other[PIECE_BYTES];

	for (unsigned i = 0; i < fs->n_copies; i++) {
		uint64_t n_different = 0, at = 0;

		for (uint64_t done = 0; done < bytes; done += PIECE_BYTES) {
			size_t n = bytes - done < PIECE_BYTES ? (size_t)(bytes - done) : PIECE_BYTES;
			uint64_t offset = fs->fat_offset + done;
			int rc = msd_io_pread(fs->io, one, n, offset, check->err);

			if (rc == 0)
				rc = msd_io_pread(fs->io, other, n, offset + (uint64_t)fs->copies[i],
						  check->err);
			if (rc < 0)
				return rc;
			for (size_t j = 0; memcmp(one, other, n) && j < n; j++)
				if (one[j] != other[j] && n_different++ == 0)
					at = offset + (uint64_t)fs->copies[i] + j;
		}
		if (n_different)
			check_damage(check, at, 0, "FAT %u is not the same as the one in use, in %llu bytes",
				     i + 2, (unsigned long long)n_different);
	}
	return 0;
}

static int check_fsinfo(struct check *check, struct fat_fsinfo *fsinfo)
{
	uint64_t offset = check->fs->fsinfo_offset;
	int rc = msd_io_pread(check->fs->io, fsinfo, sizeof(*fsinfo), offset, check->err);

	if (rc == 0 && (le32_get(fsinfo->lead_signature) != FAT_FSINFO_LEAD ||
			le32_get(fsinfo->struct_signature) != FAT_FSINFO_STRUCT ||
			le32_get(fsinfo->trail_signature) != FAT_FSINFO_TRAIL)) {
		check_damage(check, offset, 0, "FSINFO sector without its signatures");
		return 1;
	}
	return rc;
}

static int check_fat_boot(struct check *check)
{
	struct fat_boot_sector boot, backup;
	struct msd_fs *fs = check->fs;
	bool is32 = fs->info.type == MSD_FS_TYPE_FAT32;
	const uint8_t *p = (const uint8_t *)&boot, *q = (const uint8_t *)&backup;
	size_t at = 0;
	uint32_t ones = fs->info.type == MSD_FS_TYPE_FAT32 ? FAT32_MASK - 0xff :
			fs->info.type == MSD_FS_TYPE_FAT16 ? 0xff00 : 0xf00;
	le32 first;
	int rc = msd_io_pread(fs->io, &boot, sizeof(boot), fs->boot_offset, check->err);

	if (rc == 0)
		rc = msd_io_pread(fs->io, &first, sizeof(first), fs->fat_offset, check->err);
	if (rc == 0 && is32 && fs->backup_offset)
		rc = msd_io_pread(fs->io, &backup, sizeof(backup), fs->backup_offset, check->err);
	if (rc < 0)
		return rc;
	if (fs->info.dirty)
		check_damage(check, fs->boot_offset, 0, "marked as not unmounted, or as damaged");
	if ((le32_get(first) & ones) != ones)
		check_damage(check, fs->fat_offset, 0, "FAT does not begin as one");
	else if ((uint8_t)le32_get(first) != boot.media)
		check_note(check, fs->fat_offset, "media byte of the FAT is not that of the boot sector");
	if (is32 && le16_get(boot.root_entries))
		check_damage(check, fs->boot_offset + offsetof(struct fat_boot_sector, root_entries), 0,
			     "FAT32 with a second root folder");
	if (is32 && !fs->fsinfo_offset && le16_get(boot.u.fat32.fs_info_sector) != 0 &&
	    le16_get(boot.u.fat32.fs_info_sector) != 0xffff)
		check_damage(check, fs->boot_offset + offsetof(struct fat_boot_sector, u.fat32.fs_info_sector),
			     0, "FSINFO is said to be where there is none");
	if (!is32 || !fs->backup_offset)
		return check_copies(check);
	/* the mark is not in the copy */
	backup.u.fat32.reserved1 = boot.u.fat32.reserved1;
	while (at < sizeof(boot) && p[at] == q[at])
		at++;
	if (at < sizeof(boot))
		check_note(check, fs->backup_offset + at, "copy of the boot sector is not the same");
	return check_copies(check);
}

/* Labels of the root and of the boot sector: Windows changes the first one alone. */
static int check_label(struct check *check)
{
	_cleanup_(msd_fs_dir_closep) struct msd_fs_dir *dir = NULL;
	const uint8_t *raw;
	uint64_t offset;
	unsigned n = 0;
	int rc = msd_fs_dir_open(check->fs, NULL, &dir, check->err);

	while (rc == 0 && (rc = msd_fs_dir_slot(dir, &raw, &offset, check->err)) > 0) {
		const struct fat_dirent *entry = (const struct fat_dirent *)raw;

		rc = 0;
		if (entry->name[0] == FAT_DIRENT_END)
			break;
		if (entry->name[0] == FAT_DIRENT_FREE || !(entry->attr & FAT_ATTR_VOLUME_ID) ||
		    (entry->attr & FAT_ATTR_LONG_NAME_MASK) == FAT_ATTR_LONG_NAME)
			continue;
		if (n++)
			check_damage(check, offset, 0, "label is there twice");
		else if (memcmp(entry->name, check->fs->boot_label, 11))
			check_note(check, offset, "label is not that of the boot sector");
		if (le16_get(entry->cluster_low) || le32_get(entry->size_bytes))
			check_damage(check, offset, 0, "label has a size or a cluster");
	}
	return rc;
}

/* ---- exFAT ---- */

/* The sum of a boot region, and whether the region has it. */
static int sum_region(struct check *check, uint64_t offset, uint32_t *ret_sum, bool *ret_good)
{
	uint32_t sector_bytes = check->fs->info.sector_bytes;
	uint8_t sector[4096];

	*ret_sum = 0;
	*ret_good = true;
	for (unsigned i = 0; i < EXFAT_BOOT_SECTORS; i++) {
		int rc = msd_io_pread(check->fs->io, sector, sector_bytes, offset + i * sector_bytes,
				      check->err);

		if (rc < 0)
			return rc;
		if (i < EXFAT_CHECKSUM_SECTOR)
			*ret_sum = exfat_boot_checksum(*ret_sum, sector, sector_bytes, i == 0);
	}
	for (unsigned i = 0; i < sector_bytes; i += 4)
		*ret_good &= le32_get(*(const le32 *)(sector + i)) == *ret_sum;
	return 0;
}

static int check_exfat_boot(struct check *check)
{
	struct msd_fs *fs = check->fs;
	uint64_t second = (uint64_t)EXFAT_BOOT_SECTORS * fs->info.sector_bytes;
	uint32_t sums[2];
	bool good[2];
	int rc = sum_region(check, 0, &sums[0], &good[0]);

	if (rc == 0)
		rc = sum_region(check, second, &sums[1], &good[1]);
	if (rc < 0)
		return rc;
	if (!good[0])
		check_damage(check, second - fs->info.sector_bytes, 0, "checksum of the boot sectors is wrong");
	if (!good[1])
		check_note(check, 2 * second - fs->info.sector_bytes,
			   "checksum of the copy of the boot sectors is wrong");
	else if (good[0] && sums[0] != sums[1])
		check_note(check, second, "copy of the boot sectors is not the same");
	if (fs->info.dirty)
		check_note(check, offsetof(struct exfat_boot_sector, flags),
			   "marked as not unmounted, or as damaged");
	return 0;
}

static int sum_upcase(struct check *check, const struct msd_fs_node *node, uint32_t *ret)
{
	struct msd_extent extent;
	struct msd_fs_map map;
	uint8_t buf[512];
	int rc;

	*ret = 0;
	msd_fs_map_init(check->fs, node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, check->err)) > 0)
		while (extent.size_bytes) {
			size_t n = extent.size_bytes < sizeof(buf) ? (size_t)extent.size_bytes : sizeof(buf);

			rc = msd_io_pread(check->fs->io, buf, n, extent.offset_bytes, check->err);
			if (rc < 0)
				return rc;
			*ret = exfat_boot_checksum(*ret, buf, n, 0);
			extent.offset_bytes += n;
			extent.size_bytes -= n;
		}
	return rc;
}

/* One of the root's entries that are no files; n counts those of bitmap and upcase table. */
static int check_root_entry(struct check *check, const union exfat_entry *entry, uint64_t offset,
			    unsigned n[2])
{
	struct msd_fs_node node = {
		.entry_offset_bytes = offset, .first_cluster = le32_get(entry->bitmap.first_cluster),
		.size_bytes = le64_get(entry->bitmap.size_bytes),
	};
	uint64_t clusters = check->fs->info.n_clusters;
	uint32_t sum;
	int rc;

	if (entry->type == EXFAT_TYPE_BITMAP) {
		n[0]++;
		if (check->first_pass && node.size_bytes != (clusters + 7) / 8)
			check_damage(check, offset, 0, "allocation bitmap has a wrong size");
		rc = check_table(check, &node, "allocation bitmap");
		return rc < 0 ? rc : 0;
	}
	if (entry->type != EXFAT_TYPE_UPCASE)
		return 0;
	n[1]++;
	rc = check_table(check, &node, "upcase table");
	if (rc || !check->first_pass)
		return rc < 0 ? rc : 0;
	if (node.size_bytes > 0x20000 || node.size_bytes % 2)
		check_damage(check, offset, 0, "upcase table has a wrong size");
	else if ((rc = sum_upcase(check, &node, &sum)) < 0)
		return rc;
	else if (sum != le32_get(entry->upcase.checksum))
		check_damage(check, offset, 0, "checksum of the upcase table is wrong");
	/* what hashes of names are computed with */
	check->fs->strict_hashes = le32_get(entry->upcase.checksum) == MSD_UPCASE_CHECKSUM;
	return 0;
}

static int check_exfat_tables(struct check *check)
{
	_cleanup_(msd_fs_dir_closep) struct msd_fs_dir *dir = NULL;
	unsigned n[2] = { 0, 0 };
	struct msd_error err;
	const uint8_t *raw;
	uint64_t offset;
	int rc;

	rc = msd_fs_dir_open(check->fs, NULL, &dir, check->err);
	while (rc == 0 && (rc = msd_fs_dir_slot(dir, &raw, &offset, check->err)) > 0) {
		if (raw[0] == EXFAT_TYPE_END) {
			rc = 0;
			break;
		}
		rc = check_root_entry(check, (const union exfat_entry *)raw, offset, n);
	}
	if (rc < 0 || !check->first_pass)
		return rc;
	check->no_bitmap = msd_exfat_open_bitmap(check->fs, &err) < 0;
	if (n[0] != check->fs->info.n_fats || check->no_bitmap)
		check_damage(check, 0, 0, "allocation bitmap is missing, damaged or there twice");
	if (n[1] != 1)
		check_damage(check, 0, 0, "upcase table is missing or there twice");
	return 0;
}

/* ---- both ---- */

int check_tables(struct check *check)
{
	if (check->fs->info.type == MSD_FS_TYPE_EXFAT)
		return check_exfat_tables(check);
	return check->first_pass ? check_label(check) : 0;
}

int check_boot(struct check *check)
{
	return check->fs->info.type == MSD_FS_TYPE_EXFAT ? check_exfat_boot(check) : check_fat_boot(check);
}

static int check_percent(struct check *check)
{
	uint64_t offset = offsetof(struct exfat_boot_sector, percent_in_use),
		 n = check->fs->info.n_clusters;
	uint8_t percent;
	int rc = msd_io_pread(check->fs->io, &percent, 1, offset, check->err);

	if (rc == 0 && percent != EXFAT_PERCENT_UNKNOWN && n &&
	    percent != (n - check->result->n_free) * 100 / n)
		check_note(check, offset, "%u percent are said to be in use, which is wrong", percent);
	return rc;
}

int check_counts(struct check *check)
{
	uint64_t offset = check->fs->fsinfo_offset;
	struct fat_fsinfo fsinfo;
	uint32_t n_free;
	int rc;

	if (check->fs->info.type == MSD_FS_TYPE_EXFAT)
		return check_percent(check);
	rc = check->fs->info.type == MSD_FS_TYPE_FAT32 && offset ? check_fsinfo(check, &fsinfo) : 1;
	if (rc)
		return rc < 0 ? rc : 0;
	n_free = le32_get(fsinfo.free_clusters);
	offset += offsetof(struct fat_fsinfo, free_clusters);
	if (n_free == FAT_FSINFO_UNKNOWN)
		check_note(check, offset, "FSINFO does not know how many clusters are free");
	else if (n_free != check->result->n_free)
		check_damage(check, offset, 0, "FSINFO counts %u free clusters, there are %u", n_free,
			     check->result->n_free);
	return 0;
}
