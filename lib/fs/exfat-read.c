/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading exFAT. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/exfat-disk.h"
#include "fs/name.h"
#include "read-priv.h"

static int exfat_read_next(struct msd_fs *fs, uint32_t cluster, uint32_t *ret,
			   struct msd_error *err)
{
	const uint8_t *p;
	size_t avail;
	int rc = msd_area_peek(fs->fat, (uint64_t)cluster * 4, &p, &avail, err);

	if (rc < 0)
		return rc;
	*ret = le32_get(*(const le32 *)p);
	if (*ret > EXFAT_BAD)
		*ret = 0;
	else if (!fs_is_cluster(fs, *ret))
		*ret = *ret == 0 ? FS_FREE : *ret == EXFAT_BAD ? FS_BAD : FS_NONE;
	return 0;
}

/* ---- folders ---- */

static void set_name(struct msd_fs *fs, struct msd_fs_node *node, const union exfat_entry *set,
		     unsigned n)
{
	uint16_t units[EXFAT_NAME_UNITS_MAX];
	unsigned wanted = set[1].stream.name_units, have = 0;

	for (unsigned i = 2; i < n && have < wanted && set[i].type == EXFAT_TYPE_NAME; i++)
		for (unsigned j = 0; j < EXFAT_NAME_UNITS && have < wanted; j++)
			units[have++] = le16_get(set[i].name.name[j]);
	if (have < wanted)
		msd_fs_damage(fs, node->entry_offset_bytes, "name has %u of %u characters",
			   have, wanted);
	if (fs->strict_hashes && have == wanted &&
	    msd_exfat_name_hash(units, have) != le16_get(set[1].stream.name_hash))
		msd_fs_damage(fs, node->entry_offset_bytes, "hash of a name is wrong");
	if (!msd_fs_name_set(node, units, have))
		msd_fs_damage(fs, node->entry_offset_bytes,
			   "name that no file can have, read as '%s'", node->name);
}

static struct timespec file_time(struct msd_fs *fs, const struct exfat_file_entry *file)
{
	uint32_t stamp = le32_get(file->write_time);
	uint16_t date = (uint16_t)(stamp >> 16), time = (uint16_t)stamp;
	unsigned hundredths = file->write_time_cs < 200 ? file->write_time_cs : 0;
	struct timespec ts;
	int64_t utc;
	int quarters;

	if (!(file->write_utc & EXFAT_UTC_VALID))
		return msd_fs_time(fs, date, time, hundredths);
	utc = msd_fs_time_utc(date, time);
	if (utc < 0)
		return (struct timespec){ 0, 0 };
	quarters = file->write_utc & 0x7f;
	if (quarters >= 64)
		quarters -= 128;
	ts.tv_sec = (time_t)(utc - quarters * 15 * 60 + hundredths / 100);
	ts.tv_nsec = (long)(hundredths % 100) * 10000000;
	return ts;
}

static void set_node(struct msd_fs *fs, struct msd_fs_node *node, const union exfat_entry *set)
{
	const struct exfat_stream_entry *stream = &set[1].stream;
	uint64_t heap = (uint64_t)fs->info.n_clusters * fs->info.cluster_bytes;

	node->attributes = le16_get(set[0].file.attr);
	node->is_dir = node->attributes & EXFAT_ATTR_DIRECTORY;
	node->contiguous = stream->flags & EXFAT_NO_FAT_CHAIN;
	node->first_cluster = le32_get(stream->first_cluster);
	node->size_bytes = le64_get(stream->size_bytes);
	node->valid_bytes = le64_get(stream->valid_bytes);
	if (fs->strict && node->contiguous && node->size_bytes == 0)
		msd_fs_damage(fs, node->entry_offset_bytes,
			      "'%s' is empty, but said to need no chain", node->name);
	if (fs->strict && node->is_dir && node->size_bytes % fs->info.cluster_bytes)
		msd_fs_damage(fs, node->entry_offset_bytes,
			      "size of the folder '%s' is not one of whole clusters", node->name);
	node->mtime = file_time(fs, &set[0].file);
	if (node->size_bytes > heap) {
		msd_fs_damage(fs, node->entry_offset_bytes,
			   "'%s' is said to be larger than the volume: %llu bytes", node->name,
			   (unsigned long long)node->size_bytes);
		node->size_bytes = heap;
	}
	if (node->is_dir && node->size_bytes > EXFAT_DIR_BYTES_MAX) {
		msd_fs_damage(fs, node->entry_offset_bytes,
			   "folder '%s' is larger than a folder can be", node->name);
		node->size_bytes = EXFAT_DIR_BYTES_MAX;
	}
	if (node->valid_bytes > node->size_bytes) {
		msd_fs_damage(fs, node->entry_offset_bytes,
			   "'%s' has more valid bytes than bytes", node->name);
		node->valid_bytes = node->size_bytes;
	}
}

/*
 * The secondary entries that belong to a file. Returns their number, fewer than wanted when
 * another entry comes first, which stays to be read; <0 on errors.
 */
static int read_secondaries(struct msd_fs_dir *dir, union exfat_entry *set, unsigned wanted,
			    struct msd_error *err)
{
	for (unsigned i = 0; i < wanted; i++) {
		const uint8_t *raw;
		uint64_t offset;
		int rc = msd_fs_dir_slot(dir, &raw, &offset, err);

		if (rc < 0)
			return rc;
		if (rc == 0)
			return (int)i;
		if ((raw[0] & (EXFAT_TYPE_IN_USE | EXFAT_TYPE_SECONDARY)) !=
		    (EXFAT_TYPE_IN_USE | EXFAT_TYPE_SECONDARY)) {
			msd_fs_dir_unread(dir);
			return (int)i;
		}
		memcpy(set[i].raw, raw, 32);
	}
	return (int)wanted;
}

/* Entries in use that nobody knows, or whose first one is missing. Vendors' own are benign. */
static void tell_stray(struct msd_fs *fs, uint8_t type, uint64_t offset)
{
	if (!fs->strict || !(type & EXFAT_TYPE_IN_USE) ||
	    (type & EXFAT_TYPE_BENIGN && !(type & EXFAT_TYPE_SECONDARY)) ||
	    type == EXFAT_TYPE_BITMAP || type == EXFAT_TYPE_UPCASE || type == EXFAT_TYPE_LABEL)
		return;
	msd_fs_damage(fs, offset, "entry of type %#x that belongs to nothing", type);
}

static int exfat_dir_next(struct msd_fs_dir *dir, struct msd_fs_node *ret, struct msd_error *err)
{
	struct msd_fs *fs = dir->fs;
	union exfat_entry set[256];
	const uint8_t *raw;
	int rc;

	while ((rc = msd_fs_dir_slot(dir, &raw, &ret->entry_offset_bytes, err)) > 0) {
		unsigned n;

		if (raw[0] == EXFAT_TYPE_END) {
			dir->ended = true;
			return 0;
		}
		if (raw[0] != EXFAT_TYPE_FILE) {
			tell_stray(fs, raw[0], ret->entry_offset_bytes);
			continue;
		}
		memcpy(set[0].raw, raw, 32);
		ret->slot = dir->slot - 1;
		n = set[0].file.secondary_count;
		rc = read_secondaries(dir, set + 1, n, err);
		if (rc < 0)
			return rc;
		if (rc < 2 || set[1].type != EXFAT_TYPE_STREAM) {
			msd_fs_damage(fs, ret->entry_offset_bytes,
				   "file entry without the entries that belong to it");
			continue;
		}
		ret->n_slots = (uint32_t)rc + 1;
		set_name(fs, ret, set, (unsigned)rc + 1);
		if ((unsigned)rc < n || exfat_entries_checksum(set, n + 1) !=
					le16_get(set[0].file.checksum))
			msd_fs_damage(fs, ret->entry_offset_bytes,
				   "checksum of the entries of '%s' is wrong", ret->name);
		set_node(fs, ret, set);
		if (ret->is_dir && ret->first_cluster == 0) {
			msd_fs_damage(fs, ret->entry_offset_bytes,
				   "folder '%s' has no clusters", ret->name);
			continue;
		}
		return 1;
	}
	return rc;
}

static int exfat_find_root_entry(struct msd_fs *fs, uint8_t type, uint8_t flags_mask, uint8_t flags,
				 union exfat_entry *ret, uint64_t *ret_offset, struct msd_error *err)
{
	struct msd_fs_dir *dir;
	const uint8_t *raw;
	int rc = msd_fs_dir_open(fs, NULL, &dir, err);

	if (rc < 0)
		return rc;
	while ((rc = msd_fs_dir_slot(dir, &raw, ret_offset, err)) > 0) {
		if (raw[0] == EXFAT_TYPE_END) {
			rc = 0;
			break;
		}
		if (raw[0] == type && (raw[1] & flags_mask) == flags) {
			memcpy(ret->raw, raw, 32);
			break;
		}
	}
	msd_fs_dir_close(dir);
	return rc;
}

static int exfat_read_label(struct msd_fs *fs, char *buf, size_t len, struct msd_error *err)
{
	uint16_t units[EXFAT_LABEL_UNITS_MAX];
	struct msd_fs_node node;
	union exfat_entry entry;
	uint64_t offset;
	unsigned n;
	int rc = exfat_find_root_entry(fs, EXFAT_TYPE_LABEL, 0, 0, &entry, &offset, err);

	buf[0] = '\0';
	if (rc <= 0)
		return rc;
	n = entry.label.units < EXFAT_LABEL_UNITS_MAX ? entry.label.units : EXFAT_LABEL_UNITS_MAX;
	for (unsigned i = 0; i < n; i++)
		units[i] = le16_get(entry.label.label[i]);
	if (n == 0)
		return 0;
	msd_fs_name_set(&node, units, n);
	snprintf(buf, len, "%s", node.name);
	return 0;
}

/* ---- allocation bitmap ---- */

int msd_exfat_open_bitmap(struct msd_fs *fs, struct msd_error *err)
{
	struct msd_extent *extents = NULL, extent;
	struct msd_fs_node node = { .is_dir = false };
	uint64_t offset, needed = ((uint64_t)fs->info.n_clusters + 7) / 8;
	union exfat_entry entry;
	struct msd_fs_map map;
	size_t n = 0;
	int rc;

	if (fs->bitmap)
		return 0;
	rc = exfat_find_root_entry(fs, EXFAT_TYPE_BITMAP, 1, fs->second_fat, &entry, &offset, err);
	if (rc < 0)
		return rc;
	if (rc == 0 || le64_get(entry.bitmap.size_bytes) < needed)
		return msd_fail(err, MSD_E_DAMAGED, "%s: its allocation bitmap is missing or too short",
				msd_io_get_name(fs->io));
	node.first_cluster = le32_get(entry.bitmap.first_cluster);
	node.size_bytes = needed;
	msd_fs_map_init(fs, &node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, err)) > 0) {
		struct msd_extent *more = realloc(extents, (n + 1) * sizeof(*extents));

		/* a bitmap in thousands of pieces is nobody's but a saboteur's */
		if (!more || n == 4096) {
			rc = more ? -MSD_E_DAMAGED : -ENOMEM;
			extents = more ? more : extents;
			break;
		}
		extents = more;
		extents[n++] = extent;
	}
	if (rc == 0 && map.damaged)
		rc = -MSD_E_DAMAGED;
	if (rc == 0)
		rc = msd_area_new(fs->io, extents, n, 0, NULL, &fs->bitmap);
	free(extents);
	if (rc == -MSD_E_DAMAGED)
		return msd_fail(err, MSD_E_DAMAGED, "%s: its allocation bitmap is damaged",
				msd_io_get_name(fs->io));
	return rc == -ENOMEM ? msd_fail_on(err, ENOMEM, msd_io_get_name(fs->io)) : rc;
}

int exfat_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		    struct msd_error *err)
{
	uint32_t bit = from - 2, end = fs->info.n_clusters, n = 0;
	int rc = msd_exfat_open_bitmap(fs, err);

	while (rc == 0 && bit < end) {
		const uint8_t *p;
		size_t avail;

		rc = msd_area_peek(fs->bitmap, bit / 8, &p, &avail, err);
		for (; rc == 0 && avail > 0 && bit < end; p++, avail--) {
			unsigned in_byte = bit % 8;

			if (*p == 0xff && n == 0) {
				bit += 8 - in_byte;
				continue;
			}
			for (; in_byte < 8 && bit < end; in_byte++, bit++) {
				bool used = *p >> in_byte & 1;

				if (used && n > 0)
					goto out;
				if (!used && n++ == 0)
					*ret_start = bit + 2;
			}
		}
	}
out:
	*ret_n = n;
	return rc < 0 ? rc : n > 0;
}

int msd_exfat_write_bits(struct msd_fs *fs, uint32_t first, uint32_t n, bool used,
			 struct msd_error *err)
{
	for (uint32_t bit = first - 2, end = bit + n; bit < end;) {
		uint8_t byte, mask = 0;
		uint32_t at = bit / 8;
		int rc = msd_area_read(fs->bitmap, &byte, 1, at, err);

		for (; bit < end && bit / 8 == at; bit++)
			mask |= (uint8_t)(1 << bit % 8);
		byte = used ? byte | mask : byte & (uint8_t)~mask;
		if (rc == 0)
			rc = msd_area_write(fs->bitmap, &byte, 1, at, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct msd_fs_ops exfat_ops = {
	.read_next = exfat_read_next,
	.dir_next = exfat_dir_next,
	.read_label = exfat_read_label,
};

int msd_exfat_probe(struct msd_fs *fs, uint64_t offset, struct msd_error *err)
{
	uint64_t window = msd_io_get_size(fs->io), fat_bytes, clusters, available;
	struct exfat_boot_sector boot;
	uint32_t sector;
	int rc;

	if (window < sizeof(boot) || offset > window - sizeof(boot))
		return 0;
	rc = msd_io_pread(fs->io, &boot, sizeof(boot), offset, err);
	if (rc < 0)
		return rc;
	if (memcmp(boot.fs_name, "EXFAT   ", 8) || boot.sector_shift < 9 || boot.sector_shift > 12 ||
	    boot.cluster_shift > 25 - boot.sector_shift || boot.fats < 1 || boot.fats > 2)
		return 0;
	sector = 1u << boot.sector_shift;
	fat_bytes = (uint64_t)le32_get(boot.fat_length) << boot.sector_shift;

	memset(&fs->info, 0, sizeof(fs->info));
	fs->n_copies = 0;
	fs->ops = &exfat_ops;
	fs->boot_offset = offset;
	fs->info.type = MSD_FS_TYPE_EXFAT;
	fs->info.sector_bytes = sector;
	fs->info.cluster_bytes = sector << boot.cluster_shift;
	fs->info.n_fats = boot.fats;
	fs->info.serial = le32_get(boot.serial);
	fs->info.dirty = le16_get(boot.flags) & (EXFAT_FLAG_DIRTY | EXFAT_FLAG_MEDIA_FAILURE);
	fs->info.heap_offset_bytes = (uint64_t)le32_get(boot.heap_offset) << boot.sector_shift;
	if (__builtin_mul_overflow(le64_get(boot.volume_length), (uint64_t)sector,
				   &fs->info.size_bytes))
		fs->info.size_bytes = UINT64_MAX;
	fs->second_fat = boot.fats == 2 && (le16_get(boot.flags) & EXFAT_FLAG_SECOND_FAT);
	fs->fat_offset = ((uint64_t)le32_get(boot.fat_offset) << boot.sector_shift) +
			 (fs->second_fat ? fat_bytes : 0);
	fs->fat_bytes = fat_bytes;
	fs->root_cluster = le32_get(boot.root_cluster);
	if (fs->fat_offset > window || fat_bytes > window - fs->fat_offset ||
	    fs->info.heap_offset_bytes > window)
		return 0;
	clusters = le32_get(boot.cluster_count);
	available = (window - fs->info.heap_offset_bytes) / fs->info.cluster_bytes;
	if (clusters > available) {
		msd_fs_damage(fs, offset, "volume of %llu clusters is cut off after %llu",
			   (unsigned long long)clusters, (unsigned long long)available);
		clusters = available;
	}
	if (clusters + 2 > fat_bytes / 4) {
		msd_fs_damage(fs, offset, "FAT is too small for its volume");
		clusters = fat_bytes / 4 > 2 ? fat_bytes / 4 - 2 : 0;
	}
	if (clusters > EXFAT_CLUSTERS_MAX)
		clusters = EXFAT_CLUSTERS_MAX;
	fs->info.n_clusters = (uint32_t)clusters;
	return 1;
}
