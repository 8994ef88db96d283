/* SPDX-License-Identifier: GPL-3.0-or-later */
/* FAT12, FAT16 and FAT32: boot sectors, tables and folders as planned. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/fat-disk.h"
#include "fat-priv.h"
#include "fs/name.h"
#include "fs/records.h"

#define FSINFO_SECTOR 1
#define BACKUP_SECTOR 6

/*
 * What a BIOS runs that boots from here: says so and asks it for the next device (INT 18h).
 * xor ax,ax; mov ds,ax; cld; mov si,TEXT; 1: lodsb; test al,al; jz 2; mov ah,14; mov bx,7; int
 * 0x10; jmp 1; 2: int 0x18; 3: hlt; jmp 3. TEXT's address stands at CODE_TEXT.
 */
static const uint8_t boot_code[] = {
	0x31, 0xC0, 0x8E, 0xD8, 0xFC, 0xBE, 0x00, 0x00, 0xAC, 0x84, 0xC0, 0x74, 0x09, 0xB4, 0x0E,
	0xBB, 0x07, 0x00, 0xCD, 0x10, 0xEB, 0xF2, 0xCD, 0x18, 0xF4, 0xEB, 0xFD,
};
#define CODE_TEXT 6
static const char boot_text[] = "No operating system on this disk.\r\n";

static unsigned fat_count_records(const uint16_t *units, size_t n)
{
	struct msd_short_name exact;

	return msd_fat_count_records(n, msd_short_name_is_exact(units, n, &exact));
}

/* Labels are 8.3 names without the dot, blanks allowed; code pages being unknown, ASCII only. */
static int make_label(const char *label, uint8_t out[11])
{
	size_t len = strlen(label);

	if (len > 11 || label[0] == ' ')
		return -EINVAL;
	memset(out, ' ', 11);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)label[i];

		if (c < 0x20 || c > 0x7E || strchr("\"*+,./:;<=>?[\\]|", c))
			return -EINVAL;
		out[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
	}
	return 0;
}

static int fat_check_label(const char *label, unsigned *ret_records, struct msd_error *err)
{
	uint8_t out[11];

	*ret_records = 1;
	if (make_label(label, out) == 0)
		return 0;
	return msd_fail(err, MSD_E_USAGE,
			"--label='%s': a label of FAT has at most 11 of A-Z, 0-9, blank and !#$%%&'()-@^_`{}~",
			label);
}

static bool has_label(const struct writing *writing)
{
	return writing->params->label && *writing->params->label;
}

/* The label as the boot sector has it. */
static void get_label(const struct writing *writing, uint8_t out[11])
{
	if (!has_label(writing) || make_label(writing->params->label, out) < 0)
		memcpy(out, "NO NAME    ", 11);
}

static void put_code(uint8_t *code, size_t offset)
{
	uint16_t text = (uint16_t)(0x7C00 + offset + sizeof(boot_code));

	memcpy(code, boot_code, sizeof(boot_code));
	code[CODE_TEXT] = (uint8_t)text;
	code[CODE_TEXT + 1] = (uint8_t)(text >> 8);
	memcpy(code + sizeof(boot_code), boot_text, sizeof(boot_text));
}

static void fill_bpb16(const struct writing *writing, struct fat_boot_sector *boot)
{
	struct fat_bpb16 *bpb = &boot->u.fat16;

	boot->jump[1] = offsetof(struct fat_boot_sector, u.fat16.boot_code) - 2;
	boot->fat_sectors16 = le16_make((uint16_t)writing->layout->fat_sectors);
	boot->root_entries = le16_make((uint16_t)writing->layout->root_records);
	bpb->drive_number = 0x80;
	bpb->boot_signature = FAT_EXT_BOOT_SIGNATURE;
	bpb->volume_id = le32_make(writing->params->serial);
	get_label(writing, bpb->volume_label);
	memcpy(bpb->fs_type, writing->layout->kind == MSD_FS_FAT12 ? "FAT12   " : "FAT16   ", 8);
	put_code(bpb->boot_code, offsetof(struct fat_boot_sector, u.fat16.boot_code));
}

static void fill_bpb32(const struct writing *writing, struct fat_boot_sector *boot)
{
	struct fat_bpb32 *bpb = &boot->u.fat32;

	boot->jump[1] = offsetof(struct fat_boot_sector, u.fat32.boot_code) - 2;
	bpb->fat_sectors = le32_make(writing->layout->fat_sectors);
	bpb->root_cluster = le32_make(writing->layout->root_cluster);
	bpb->fs_info_sector = le16_make(FSINFO_SECTOR);
	bpb->backup_boot_sector = le16_make(BACKUP_SECTOR);
	bpb->drive_number = 0x80;
	bpb->boot_signature = FAT_EXT_BOOT_SIGNATURE;
	bpb->volume_id = le32_make(writing->params->serial);
	get_label(writing, bpb->volume_label);
	memcpy(bpb->fs_type, "FAT32   ", 8);
	put_code(bpb->boot_code, offsetof(struct fat_boot_sector, u.fat32.boot_code));
}

static void fill_boot(const struct writing *writing, struct fat_boot_sector *boot)
{
	const struct msd_fs_layout *layout = writing->layout;

	memset(boot, 0, sizeof(*boot));
	boot->jump[0] = 0xEB;
	boot->jump[2] = 0x90;
	/* the name that every driver takes for granted */
	memcpy(boot->oem_name, "MSWIN4.1", 8);
	boot->bytes_per_sector = le16_make((uint16_t)layout->sector_bytes);
	boot->sectors_per_cluster = (uint8_t)(layout->cluster_bytes / layout->sector_bytes);
	boot->reserved_sectors = le16_make((uint16_t)layout->reserved_sectors);
	boot->fats = (uint8_t)layout->fats;
	if (layout->sectors < 0x10000 && layout->kind != MSD_FS_FAT32)
		boot->total_sectors16 = le16_make((uint16_t)layout->sectors);
	else
		boot->total_sectors32 = le32_make((uint32_t)layout->sectors);
	boot->media = FAT_MEDIA_FIXED;
	boot->sectors_per_track = le16_make(63);
	boot->heads = le16_make(255);
	boot->hidden_sectors = le32_make((uint32_t)writing->params->start_lba);
	boot->signature = le16_make(FAT_BOOT_SIGNATURE);
	if (layout->kind == MSD_FS_FAT32)
		fill_bpb32(writing, boot);
	else
		fill_bpb16(writing, boot);
}

static void fill_fsinfo(const struct msd_fs_layout *layout, struct fat_fsinfo *info)
{
	uint32_t next = layout->used_clusters + FAT_FIRST_CLUSTER;

	memset(info, 0, sizeof(*info));
	info->lead_signature = le32_make(FAT_FSINFO_LEAD);
	info->struct_signature = le32_make(FAT_FSINFO_STRUCT);
	info->free_clusters = le32_make(layout->clusters - layout->used_clusters);
	info->next_free = le32_make(layout->used_clusters < layout->clusters ? next :
				    FAT_FSINFO_UNKNOWN);
	info->trail_signature = le32_make(FAT_FSINFO_TRAIL);
}

static void write_reserved(struct writing *writing)
{
	const struct msd_fs_layout *layout = writing->layout;
	struct fat_boot_sector boot;
	struct fat_fsinfo info;

	fill_boot(writing, &boot);
	sink_put(&writing->sink, &boot, sizeof(boot));
	if (layout->kind == MSD_FS_FAT32) {
		fill_fsinfo(layout, &info);
		for (unsigned copy = 0; copy <= BACKUP_SECTOR; copy += BACKUP_SECTOR) {
			if (copy) {
				sink_zero_to(&writing->sink, (uint64_t)copy * layout->sector_bytes);
				sink_put(&writing->sink, &boot, sizeof(boot));
			}
			sink_zero_to(&writing->sink,
				     (uint64_t)(copy + FSINFO_SECTOR) * layout->sector_bytes);
			sink_put(&writing->sink, &info, sizeof(info));
		}
	}
	sink_zero_to(&writing->sink, (uint64_t)layout->reserved_sectors * layout->sector_bytes);
}

/* A table that is written from entry 0 on. */
struct table {
	struct sink *sink;
	enum msd_fs_kind kind;
	uint32_t next;			/* the number of the entry that comes next */
	uint32_t half;			/* of a pair on FAT12 */
};

static inline void put_entry(struct table *table, uint32_t value)
{
	if (table->kind == MSD_FS_FAT32) {
		le32 entry = le32_make(value & FAT32_MASK);

		sink_put(table->sink, &entry, sizeof(entry));
	} else if (table->kind == MSD_FS_FAT16) {
		le16 entry = le16_make((uint16_t)value);

		sink_put(table->sink, &entry, sizeof(entry));
	} else if (table->next % 2) {
		uint32_t pair = table->half | (value & 0xFFF) << 12;
		const uint8_t bytes[3] = { (uint8_t)pair, (uint8_t)(pair >> 8), (uint8_t)(pair >> 16) };

		sink_put(table->sink, bytes, sizeof(bytes));
	} else {
		table->half = value & 0xFFF;
	}
	table->next++;
}

static void put_chain(struct table *table, uint32_t clusters)
{
	if (clusters == 0)
		return;
	for (; clusters > 1; clusters--)
		put_entry(table, table->next + 1);
	put_entry(table, FAT32_EOC);
}

static void put_chains(struct table *table, const struct writing *writing, bool folders)
{
	const struct msd_tree *tree = writing->tree;

	for (uint32_t i = tree_next(tree, TREE_ROOT); i != TREE_NONE; i = tree_next(tree, i)) {
		const struct node *node = &tree->nodes[i];

		if (node_is_folder(node) == folders)
			put_chain(table, count_clusters(writing->layout, node->size_bytes));
	}
}

static void fat_write_head(struct writing *writing)
{
	const struct msd_fs_layout *layout = writing->layout;

	write_reserved(writing);
	for (uint32_t i = 1; i <= layout->fats; i++) {
		struct table table = { .sink = &writing->sink, .kind = layout->kind };

		put_entry(&table, 0x0FFFFF00 | FAT_MEDIA_FIXED);
		put_entry(&table, FAT32_EOC);
		put_chain(&table, layout->tree_cluster - FAT_FIRST_CLUSTER);
		if (writing->tree) {
			put_chains(&table, writing, true);
			put_chains(&table, writing, false);
		}
		/* the second half of a pair */
		if (layout->kind == MSD_FS_FAT12 && table.next % 2)
			put_entry(&table, 0);
		sink_zero_to(&writing->sink, ((uint64_t)layout->reserved_sectors +
					      (uint64_t)i * layout->fat_sectors) * layout->sector_bytes);
	}
}

static void fill_dirent(const struct writing *writing, const struct node *node, uint8_t attr,
			uint32_t cluster, struct fat_dirent *dirent)
{
	const struct msd_format_params *params = writing->params;
	uint8_t cs;
	uint32_t when = node ? fat_time_make(node->mtime_s, node->mtime_cs, params->utc, &cs) :
			       fat_time_make(params->now_s, 0, params->utc, &cs);
	le16 date = le16_make((uint16_t)(when >> 16)), time = le16_make((uint16_t)when);

	memset(dirent, 0, sizeof(*dirent));
	dirent->attr = attr;
	dirent->write_time = time;
	dirent->write_date = date;
	if (node) {
		dirent->create_time_cs = cs;
		dirent->create_time = time;
		dirent->create_date = date;
		dirent->access_date = date;
		dirent->cluster_low = le16_make((uint16_t)cluster);
		dirent->cluster_high = le16_make((uint16_t)(cluster >> 16));
		if (!node_is_folder(node))
			dirent->size_bytes = le32_make((uint32_t)node->size_bytes);
	}
}

/* One that has no long name. */
static void put_dirent(struct writing *writing, const uint8_t *name, const struct node *node,
		       uint8_t attr, uint32_t cluster)
{
	struct fat_dirent dirent;

	fill_dirent(writing, node, attr, cluster, &dirent);
	memcpy(dirent.name, name, sizeof(dirent.name));
	sink_put(&writing->sink, &dirent, sizeof(dirent));
}

static size_t get_units(const struct msd_tree *tree, uint32_t node,
			uint16_t units[MSD_NAME_UNITS_MAX])
{
	int n = msd_utf8_to_utf16(node_name(tree, node), units, MSD_NAME_UNITS_MAX);

	return n < 0 ? 0 : (size_t)n;
}

/* Puts the names in that are their own short names: no made one may take theirs. */
static int collect_exact(const struct msd_tree *tree, uint32_t folder, struct msd_short_set *set)
{
	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next) {
		uint16_t units[MSD_NAME_UNITS_MAX];
		struct msd_short_name exact;
		int rc;

		if (tree->nodes[c].records > 1 ||
		    !msd_short_name_is_exact(units, get_units(tree, c, units), &exact))
			continue;
		rc = msd_short_set_add(set, exact.name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int put_child(struct writing *writing, uint32_t child, struct msd_short_set *set)
{
	const struct node *node = &writing->tree->nodes[child];
	uint16_t units[MSD_NAME_UNITS_MAX];
	struct fat_dirent dirent, records[FAT_RECORDS_MAX];
	struct msd_short_name shortened;
	size_t n = get_units(writing->tree, child, units);
	bool exact = node->records == 1 && msd_short_name_is_exact(units, n, &shortened);
	int rc = exact ? 0 : msd_short_set_make(set, units, n, &shortened);
	unsigned n_records;

	if (rc < 0)
		return rc;
	fill_dirent(writing, node, node->attr, node->first_cluster, &dirent);
	n_records = msd_fat_make_records(units, n, exact, &shortened, &dirent, records);
	sink_put(&writing->sink, records, n_records * sizeof(*records));
	return 0;
}

static void put_dots(struct writing *writing, uint32_t folder)
{
	const struct msd_tree *tree = writing->tree;
	const struct node *node = &tree->nodes[folder];
	/* a parent that is the root is 0, on FAT32 too */
	uint32_t parent = node->parent == TREE_ROOT ? 0 : tree->nodes[node->parent].first_cluster;

	put_dirent(writing, (const uint8_t *)".          ", node, FAT_ATTR_DIRECTORY,
		   node->first_cluster);
	put_dirent(writing, (const uint8_t *)"..         ", node, FAT_ATTR_DIRECTORY, parent);
}

static int fat_write_folder(struct writing *writing, uint32_t folder)
{
	_cleanup_(msd_short_set_freep) struct msd_short_set *set = NULL;
	const struct msd_tree *tree = writing->tree;
	uint8_t label[11];
	int rc;

	if (folder != TREE_ROOT) {
		put_dots(writing, folder);
	} else if (has_label(writing)) {
		get_label(writing, label);
		put_dirent(writing, label, NULL, FAT_ATTR_VOLUME_ID, 0);
	}
	if (!tree || tree->nodes[folder].u.child == TREE_NONE)
		return 0;
	/* as a name has one record or more, this many are enough */
	rc = msd_short_set_new(tree->nodes[folder].size_bytes / RECORD_BYTES / 2, &set);
	if (rc == 0)
		rc = collect_exact(tree, folder, set);
	for (uint32_t c = tree->nodes[folder].u.child; rc == 0 && c != TREE_NONE;
	     c = tree->nodes[c].next)
		rc = put_child(writing, c, set);
	if (rc < 0)
		return msd_fail_errno(writing->err, -rc, "%s: short names",
				      msd_io_get_name(writing->sink.io));
	return 0;
}

const struct fs_type fat_type = {
	.file_bytes_max = UINT32_MAX,
	.folder_bytes_max = (uint64_t)FAT_DIRENTS_MAX * RECORD_BYTES,
	.folder_limit = "more than the 65,536 entries that a folder of FAT has (long names take several)",
	.folder_records = 2,
	.root_records = 0,
	.count_records = fat_count_records,
	.check_label = fat_check_label,
	.plan = fat_plan,
	.write_head = fat_write_head,
	.write_folder = fat_write_folder,
};
