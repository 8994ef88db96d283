/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading FAT12, FAT16 and FAT32. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fs/fat-disk.h"
#include "fs/name.h"
#include "read-priv.h"
#include "fs/short-name.h"

static uint32_t entry_bits(const struct msd_fs *fs)
{
	return fs->info.type == MSD_FS_TYPE_FAT32 ? 32 : fs->info.type == MSD_FS_TYPE_FAT16 ? 16 : 12;
}

/* The raw entry of a cluster, without the four bits of FAT32 that do not count. */
static int read_entry(struct msd_fs *fs, uint32_t cluster, uint32_t *ret, struct msd_error *err)
{
	uint64_t offset = (uint64_t)cluster * entry_bits(fs) / 8;
	const uint8_t *p;
	size_t avail;
	int rc = msd_area_peek(fs->fat, offset, &p, &avail, err);
	uint8_t both[2];

	if (rc < 0)
		return rc;
	switch (fs->info.type) {
	case MSD_FS_TYPE_FAT32:
		*ret = le32_get(*(const le32 *)p) & FAT32_MASK;
		return 0;
	case MSD_FS_TYPE_FAT16:
		*ret = le16_get(*(const le16 *)p);
		return 0;
	default:
		if (avail < 2) {
			rc = msd_area_read(fs->fat, both, 2, offset, err);
			p = both;
		}
		if (rc == 0)
			*ret = (uint32_t)(p[0] | p[1] << 8) >> (cluster & 1 ? 4 : 0) & 0xfff;
		return rc;
	}
}

static int fat_read_next(struct msd_fs *fs, uint32_t cluster, uint32_t *ret, struct msd_error *err)
{
	uint32_t bad = fs->info.type == MSD_FS_TYPE_FAT32 ? FAT32_BAD :
		       fs->info.type == MSD_FS_TYPE_FAT16 ? FAT16_BAD : FAT12_BAD;
	int rc = read_entry(fs, cluster, ret, err);

	if (rc < 0)
		return rc;
	if (*ret > bad)
		*ret = 0;
	else if (!fs_is_cluster(fs, *ret))
		*ret = *ret == 0 ? FS_FREE : *ret == bad ? FS_BAD : FS_NONE;
	return 0;
}

int fat_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		  struct msd_error *err)
{
	uint32_t width = entry_bits(fs) / 8, end = fs->info.n_clusters + 2, n = 0, value;

	while (from < end) {
		const uint8_t *p = NULL;
		size_t avail = 1;
		int rc = fs->info.type == MSD_FS_TYPE_FAT12 ?
				 read_entry(fs, from, &value, err) :
				 msd_area_peek(fs->fat, (uint64_t)from * width, &p, &avail, err);

		if (rc < 0)
			return rc;
		for (; avail >= width && from < end; from++, avail -= width) {
			if (p) {
				value = width == 4 ? le32_get(*(const le32 *)p) & FAT32_MASK :
						     le16_get(*(const le16 *)p);
				p += width;
			}
			if (value == 0 && n++ == 0)
				*ret_start = from;
			if (value != 0 && n > 0)
				break;
		}
		if (avail >= width && from < end)
			break;
	}
	*ret_n = n;
	return n > 0;
}

int msd_fat_write_entry(struct msd_fs *fs, uint32_t cluster, uint32_t value, struct msd_error *err)
{
	uint64_t offset = (uint64_t)cluster * entry_bits(fs) / 8;
	uint32_t width = fs->info.type == MSD_FS_TYPE_FAT32 ? 4 : 2, old;
	uint8_t raw[4] = { 0 };
	int rc = msd_area_read(fs->fat, raw, width, offset, err);

	if (rc < 0)
		return rc;
	old = le32_get((le32){ { raw[0], raw[1], raw[2], raw[3] } });
	if (fs->info.type == MSD_FS_TYPE_FAT32)
		value = (old & ~FAT32_MASK) | (value & FAT32_MASK);
	else if (fs->info.type == MSD_FS_TYPE_FAT12)
		value = cluster & 1 ? (old & 0x000f) | (value & 0xfff) << 4 :
				      (old & 0xf000) | (value & 0xfff);
	for (uint32_t i = 0; i < width; i++)
		raw[i] = (uint8_t)(value >> (8 * i));
	return msd_area_write(fs->fat, raw, width, offset, err);
}

/* ---- folders ---- */

/* A long name as its parts come in. */
struct long_name {
	unsigned n_slots;		/* 0: none */
	unsigned left;			/* parts still to come */
	uint8_t checksum;
	uint32_t slot;
	uint16_t units[FAT_LFN_ENTRIES_MAX * FAT_LFN_UNITS];
};

/* Parts that no short entry follows: old systems leave them behind, and only check cares. */
static void drop_parts(struct msd_fs_dir *dir, struct long_name *name)
{
	if (name->n_slots && dir->fs->strict)
		msd_fs_damage(dir->fs, dir->buf_offset + dir->pos - 32,
			      "long name before this entry belongs to nothing");
	name->n_slots = 0;
}

static void take_part(struct msd_fs_dir *dir, struct long_name *name, const struct fat_lfn *part)
{
	unsigned order = part->order & 0x3f;
	uint16_t *units;

	if (part->order & FAT_LFN_LAST)
		drop_parts(dir, name);
	if (part->order & FAT_LFN_LAST) {
		name->n_slots = order >= 1 && order <= FAT_LFN_ENTRIES_MAX ? order : 0;
		name->left = name->n_slots;
		name->checksum = part->checksum;
		name->slot = dir->slot - 1;
	}
	if (le16_get(part->cluster) && dir->fs->strict)
		msd_fs_damage(dir->fs, dir->buf_offset + dir->pos - 32,
			      "part of a long name that leads to a cluster");
	if (!name->n_slots || order != name->left || part->checksum != name->checksum ||
	    part->type != 0) {
		name->n_slots = 1;
		name->left = UINT_MAX;
		return;
	}
	units = name->units + (order - 1) * FAT_LFN_UNITS;
	for (int i = 0; i < 5; i++)
		*units++ = le16_get(part->name1[i]);
	for (int i = 0; i < 6; i++)
		*units++ = le16_get(part->name2[i]);
	for (int i = 0; i < 2; i++)
		*units++ = le16_get(part->name3[i]);
	name->left--;
}

static unsigned take_8_3(const struct msd_fs *fs, const uint8_t *from, unsigned n, bool lower,
			 uint16_t *units)
{
	while (n > 0 && from[n - 1] == ' ')
		n--;
	for (unsigned i = 0; i < n; i++)
		units[i] = from[i] >= 0x80 ? fs->oem[from[i] - 0x80] :
			   lower && from[i] >= 'A' && from[i] <= 'Z' ? from[i] | 0x20u : from[i];
	return n;
}

static unsigned short_units(const struct msd_fs *fs, const struct fat_dirent *entry,
			    uint16_t units[12])
{
	uint8_t name[11];
	unsigned n, ext;

	memcpy(name, entry->name, 11);
	if (name[0] == FAT_DIRENT_E5)
		name[0] = 0xe5;
	n = take_8_3(fs, name, 8, entry->nt_case & FAT_CASE_LOWER_BASE, units);
	ext = take_8_3(fs, name + 8, 3, entry->nt_case & FAT_CASE_LOWER_EXT, units + n + 1);
	if (ext == 0)
		return n;
	units[n] = '.';
	return n + 1 + ext;
}

unsigned msd_fat_short_units(const struct msd_fs *fs, const uint8_t name[11], uint16_t units[12])
{
	struct fat_dirent entry = { .attr = 0 };

	memcpy(entry.name, name, 11);
	return short_units(fs, &entry, units);
}

static void set_name(struct msd_fs *fs, struct msd_fs_node *node, const struct fat_dirent *entry,
		     const struct long_name *name)
{
	uint16_t units[12];
	unsigned n = 0;
	bool good;

	if (name->n_slots && name->left == 0 &&
	    msd_fat_lfn_checksum(entry->name) == name->checksum) {
		while (n < name->n_slots * FAT_LFN_UNITS && name->units[n])
			n++;
		good = msd_fs_name_set(node, name->units, n);
		node->slot = name->slot;
	} else {
		if (name->n_slots && fs->strict)
			msd_fs_damage(fs, node->entry_offset_bytes,
				      "long name before it is not of this entry");
		good = msd_fs_name_set(node, units, short_units(fs, entry, units));
	}
	if (!good)
		msd_fs_damage(fs, node->entry_offset_bytes,
			   "name that no file can have, read as '%s'", node->name);
}

static bool is_dot(const struct fat_dirent *entry)
{
	return !memcmp(entry->name, ".          ", 11) || !memcmp(entry->name, "..         ", 11);
}

static void set_node(struct msd_fs *fs, struct msd_fs_node *node, const struct fat_dirent *entry)
{
	memcpy(node->short_name, entry->name, 11);
	if (entry->name[0] == FAT_DIRENT_E5)
		node->short_name[0] = 0xe5;
	node->is_dir = entry->attr & FAT_ATTR_DIRECTORY;
	node->attributes = entry->attr;
	node->contiguous = false;
	node->first_cluster = le16_get(entry->cluster_low);
	if (fs->info.type == MSD_FS_TYPE_FAT32)
		node->first_cluster |= (uint32_t)(le16_get(entry->cluster_high) & 0xfff) << 16;
	if (node->is_dir && le32_get(entry->size_bytes) && fs->strict)
		msd_fs_damage(fs, node->entry_offset_bytes, "folder '%s' has a size", node->name);
	node->size_bytes = node->is_dir ? 0 : le32_get(entry->size_bytes);
	node->valid_bytes = node->size_bytes;
	node->mtime = msd_fs_time(fs, le16_get(entry->write_date), le16_get(entry->write_time), 0);
}

static int fat_dir_next(struct msd_fs_dir *dir, struct msd_fs_node *ret, struct msd_error *err)
{
	struct msd_fs *fs = dir->fs;
	struct long_name name;
	const struct fat_dirent *entry;
	const uint8_t *raw;
	int rc;

	name.n_slots = 0;
	while ((rc = msd_fs_dir_slot(dir, &raw, &ret->entry_offset_bytes, err)) > 0) {
		entry = (const struct fat_dirent *)raw;
		if (entry->name[0] == FAT_DIRENT_END) {
			drop_parts(dir, &name);
			dir->ended = true;
			return 0;
		}
		if ((entry->attr & FAT_ATTR_LONG_NAME_MASK) == FAT_ATTR_LONG_NAME &&
		    entry->name[0] != FAT_DIRENT_FREE) {
			take_part(dir, &name, (const struct fat_lfn *)raw);
			continue;
		}
		if (entry->name[0] == FAT_DIRENT_FREE || (entry->attr & FAT_ATTR_VOLUME_ID) ||
		    is_dot(entry)) {
			drop_parts(dir, &name);
			continue;
		}
		ret->slot = dir->slot - 1;
		set_name(fs, ret, entry, &name);
		ret->n_slots = dir->slot - ret->slot;
		set_node(fs, ret, entry);
		if (ret->is_dir && ret->first_cluster == 0) {
			/* the root's number: nothing but ".." may lead back there */
			msd_fs_damage(fs, ret->entry_offset_bytes,
				   "folder '%s' has no clusters", ret->name);
			name.n_slots = 0;
			continue;
		}
		return 1;
	}
	if (rc == 0)
		drop_parts(dir, &name);
	return rc;
}

/* ---- labels ---- */

static int set_label(struct msd_fs *fs, const uint8_t raw[11], char *buf, size_t len)
{
	struct msd_fs_node node;
	uint16_t units[11];
	uint8_t name[11];
	unsigned n;

	memcpy(name, raw, 11);
	if (name[0] == FAT_DIRENT_E5)
		name[0] = 0xe5;
	n = take_8_3(fs, name, 11, false, units);
	if (n == 0) {
		buf[0] = '\0';
		return 0;
	}
	msd_fs_name_set(&node, units, n);
	snprintf(buf, len, "%s", node.name);
	return 0;
}

static int fat_read_label(struct msd_fs *fs, char *buf, size_t len, struct msd_error *err)
{
	struct msd_fs_dir *dir;
	const uint8_t *raw;
	uint64_t offset;
	int rc = msd_fs_dir_open(fs, NULL, &dir, err);

	if (rc < 0)
		return rc;
	while ((rc = msd_fs_dir_slot(dir, &raw, &offset, err)) > 0) {
		const struct fat_dirent *entry = (const struct fat_dirent *)raw;

		if (entry->name[0] == FAT_DIRENT_END)
			break;
		if (entry->name[0] == FAT_DIRENT_FREE || !(entry->attr & FAT_ATTR_VOLUME_ID) ||
		    (entry->attr & FAT_ATTR_LONG_NAME_MASK) == FAT_ATTR_LONG_NAME)
			continue;
		rc = set_label(fs, entry->name, buf, len);
		msd_fs_dir_close(dir);
		return rc;
	}
	msd_fs_dir_close(dir);
	if (rc < 0)
		return rc;
	if (!memcmp(fs->boot_label, "NO NAME    ", 11) || fs->boot_label[0] == 0)
		return set_label(fs, (const uint8_t *)"           ", buf, len);
	return set_label(fs, fs->boot_label, buf, len);
}

static const struct msd_fs_ops fat_ops = {
	.read_next = fat_read_next,
	.dir_next = fat_dir_next,
	.read_label = fat_read_label,
};

/* ---- boot sector ---- */

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

/* What every driver checks before it believes a boot sector; the signature is missing on some. */
static bool is_boot_sector(const struct fat_boot_sector *boot)
{
	uint32_t sector = le16_get(boot->bytes_per_sector);

	return (boot->jump[0] == 0xeb || boot->jump[0] == 0xe9 || boot->jump[0] == 0x49 ||
		boot->jump[0] == 0x60) &&
	       is_power_of_two(sector) && sector >= 512 && sector <= 4096 &&
	       is_power_of_two(boot->sectors_per_cluster) && boot->fats >= 1 &&
	       le16_get(boot->reserved_sectors) >= 1 &&
	       (boot->media >= 0xf8 || boot->media == 0xf0);
}

static void set_boot_fields(struct msd_fs *fs, const struct fat_boot_sector *boot, uint32_t fat_sectors)
{
	bool is32 = fs->info.type == MSD_FS_TYPE_FAT32;
	uint16_t ext_flags = is32 ? le16_get(boot->u.fat32.ext_flags) : 0;
	uint64_t stride = (uint64_t)fat_sectors * fs->info.sector_bytes;
	unsigned active = ext_flags & 0x80 ? ext_flags & 15 : 0;
	uint8_t signature = is32 ? boot->u.fat32.boot_signature : boot->u.fat16.boot_signature;

	if (active >= boot->fats)
		active = 0;
	fs->fat_offset += active * stride;
	for (unsigned i = 0; i < boot->fats && !(ext_flags & 0x80) && fs->n_copies < 3; i++)
		if (i != active)
			fs->copies[fs->n_copies++] = (int64_t)(i * stride);
	fs->fsinfo_offset = fs->backup_offset = 0;
	if (is32 && le16_get(boot->u.fat32.fs_info_sector) < le16_get(boot->reserved_sectors))
		fs->fsinfo_offset = (uint64_t)le16_get(boot->u.fat32.fs_info_sector) *
				    fs->info.sector_bytes;
	if (is32 && le16_get(boot->u.fat32.backup_boot_sector) < le16_get(boot->reserved_sectors))
		fs->backup_offset = (uint64_t)le16_get(boot->u.fat32.backup_boot_sector) *
				    fs->info.sector_bytes;
	fs->info.dirty = (is32 ? boot->u.fat32.reserved1 : boot->u.fat16.reserved1) & FAT_FLAG_DIRTY;
	if (signature != FAT_EXT_BOOT_SIGNATURE && signature != 0x28)
		return;
	fs->info.serial = le32_get(is32 ? boot->u.fat32.volume_id : boot->u.fat16.volume_id);
	if (signature == FAT_EXT_BOOT_SIGNATURE)
		memcpy(fs->boot_label, is32 ? boot->u.fat32.volume_label :
				       boot->u.fat16.volume_label, 11);
}

/* The bits in entry 1 that say how the last user left. */
static int read_clean_bits(struct msd_fs *fs, struct msd_error *err)
{
	uint8_t raw[4] = { 0 };
	uint32_t width = entry_bits(fs) / 8, clean;
	int rc;

	if (fs->info.type == MSD_FS_TYPE_FAT12)
		return 0;
	rc = msd_io_pread(fs->io, raw, width, fs->fat_offset + width, err);
	if (rc < 0)
		return rc;
	clean = width == 4 ? FAT32_CLEAN_SHUTDOWN | FAT32_NO_HARD_ERROR :
			     FAT16_CLEAN_SHUTDOWN | FAT16_NO_HARD_ERROR;
	if ((le32_get((le32){ { raw[0], raw[1], raw[2], raw[3] } }) & clean) != clean)
		fs->info.dirty = true;
	return 0;
}

int msd_fat_probe(struct msd_fs *fs, uint64_t offset, struct msd_error *err)
{
	uint64_t window = msd_io_get_size(fs->io), sectors, fat_sectors, heap, clusters, held;
	struct fat_boot_sector boot;
	uint32_t sector, reserved, root_sectors;
	bool is32;
	int rc;

	if (window < sizeof(boot) || offset > window - sizeof(boot))
		return 0;
	rc = msd_io_pread(fs->io, &boot, sizeof(boot), offset, err);
	if (rc < 0)
		return rc;
	if (!is_boot_sector(&boot))
		return 0;
	sector = le16_get(boot.bytes_per_sector);
	reserved = le16_get(boot.reserved_sectors);
	sectors = le16_get(boot.total_sectors16) ? le16_get(boot.total_sectors16) :
						   le32_get(boot.total_sectors32);
	is32 = le16_get(boot.fat_sectors16) == 0;
	fat_sectors = is32 ? le32_get(boot.u.fat32.fat_sectors) : le16_get(boot.fat_sectors16);
	root_sectors = is32 ? 0 : (le16_get(boot.root_entries) * 32u + sector - 1) / sector;
	heap = reserved + boot.fats * fat_sectors + root_sectors;
	if (fat_sectors == 0 || heap >= sectors || (!is32 && root_sectors == 0) ||
	    (offset && !is32) || heap * sector > window)
		return 0;

	memset(&fs->info, 0, sizeof(fs->info));
	fs->n_copies = 0;
	fs->ops = &fat_ops;
	fs->boot_offset = offset;
	fs->info.sector_bytes = sector;
	fs->info.cluster_bytes = sector * boot.sectors_per_cluster;
	fs->info.n_fats = boot.fats;
	fs->info.size_bytes = sectors * sector;
	fs->info.heap_offset_bytes = heap * sector;
	clusters = (sectors - heap) / boot.sectors_per_cluster;
	fs->info.type = is32 ? MSD_FS_TYPE_FAT32 :
			clusters < FAT12_CLUSTERS_END ? MSD_FS_TYPE_FAT12 : MSD_FS_TYPE_FAT16;
	if (fs->info.size_bytes > window) {
		msd_fs_damage(fs, offset, "volume of %llu bytes is cut off after %llu",
			   (unsigned long long)fs->info.size_bytes, (unsigned long long)window);
		clusters = (window / sector - heap) / boot.sectors_per_cluster;
	}
	held = fat_sectors * sector * 8 / entry_bits(fs);
	if (clusters + 2 > held) {
		msd_fs_damage(fs, offset, "FAT is too small for its volume");
		clusters = held > 2 ? held - 2 : 0;
	}
	if (clusters > FAT32_CLUSTERS_MAX)
		clusters = FAT32_CLUSTERS_MAX;
	fs->info.n_clusters = (uint32_t)clusters;
	fs->fat_offset = (uint64_t)reserved * sector;
	fs->fat_bytes = fat_sectors * sector;
	fs->root_offset = (heap - root_sectors) * sector;
	fs->root_bytes = is32 ? 0 : le16_get(boot.root_entries) * 32u;
	fs->root_cluster = is32 ? le32_get(boot.u.fat32.root_cluster) & FAT32_MASK : 0;
	set_boot_fields(fs, &boot, (uint32_t)fat_sectors);
	rc = read_clean_bits(fs, err);
	return rc < 0 ? rc : 1;
}
