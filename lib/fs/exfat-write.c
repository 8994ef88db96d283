/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exFAT: boot regions, table, bitmap and folders as planned. */
#include <string.h>

#include "base/ptable-disk.h"
#include "fs/exfat-disk.h"
#include "exfat-priv.h"
#include "fs/name.h"

/* 6.3.3 in the order of the root: bitmap, up-case table; the label comes first when there is one */
#define ROOT_RECORDS 2

static unsigned exfat_count_records(const uint16_t *units, size_t n)
{
	return 2 + (unsigned)div_up(n, EXFAT_NAME_UNITS);
}

static int exfat_check_label(const char *label, unsigned *ret_records, struct msd_error *err)
{
	uint16_t units[EXFAT_LABEL_UNITS_MAX];

	*ret_records = 1;
	if (msd_utf8_to_utf16(label, units, EXFAT_LABEL_UNITS_MAX) >= 0)
		return 0;
	return msd_fail(err, MSD_E_USAGE,
			"--label='%s': a label of exFAT is UTF-8 of at most 11 UTF-16 units", label);
}

static void fill_boot(const struct writing *writing, struct exfat_boot_sector *boot)
{
	const struct msd_fs_layout *layout = writing->layout;

	memset(boot, 0, sizeof(*boot));
	memcpy(boot->jump, "\xEB\x76\x90", 3);
	memcpy(boot->fs_name, "EXFAT   ", 8);
	boot->partition_offset = le64_make(writing->params->start_lba);
	boot->volume_length = le64_make(layout->sectors);
	boot->fat_offset = le32_make(layout->reserved_sectors);
	boot->fat_length = le32_make(layout->fat_sectors);
	boot->heap_offset = le32_make((uint32_t)layout->heap_sector);
	boot->cluster_count = le32_make(layout->clusters);
	boot->root_cluster = le32_make(layout->root_cluster);
	boot->serial = le32_make(writing->params->serial);
	boot->revision = le16_make(EXFAT_REVISION);
	boot->sector_shift = (uint8_t)__builtin_ctz(layout->sector_bytes);
	boot->cluster_shift = (uint8_t)__builtin_ctz(layout->cluster_bytes / layout->sector_bytes);
	boot->fats = 1;
	boot->drive_select = 0x80;
	boot->percent_in_use = (uint8_t)((uint64_t)layout->used_clusters * 100 / layout->clusters);
	/* 3.1.19: no boot code is halt instructions; where an MBR has its partitions there are none */
	memset(boot->boot_code, 0xF4, offsetof(struct mbr, entries) -
	       offsetof(struct exfat_boot_sector, boot_code));
	boot->signature = le16_make(EXFAT_BOOT_SIGNATURE);
}

/* 3.1 to 3.4 */
static void write_boot_region(struct writing *writing)
{
	uint32_t sector_bytes = writing->layout->sector_bytes;
	const le32 signature = le32_make(EXFAT_EXTENDED_SIGNATURE);
	uint32_t sum = 0;

	for (unsigned i = 0; i < EXFAT_BOOT_SECTORS; i++) {
		uint8_t *sector = sink_reserve(&writing->sink, sector_bytes);

		memset(sector, 0, sector_bytes);
		if (i == 0) {
			struct exfat_boot_sector boot;

			fill_boot(writing, &boot);
			memcpy(sector, &boot, sizeof(boot));
		} else if (i <= 8) {
			memcpy(sector + sector_bytes - 4, &signature, 4);
		}
		if (i < EXFAT_CHECKSUM_SECTOR) {
			sum = exfat_boot_checksum(sum, sector, sector_bytes, i == 0);
			continue;
		}
		for (uint32_t at = 0; at < sector_bytes; at += 4) {
			const le32 repeated = le32_make(sum);

			memcpy(sector + at, &repeated, 4);
		}
	}
}

static void put_chain(struct sink *sink, uint32_t *next, uint32_t end)
{
	for (; *next < end; ++*next) {
		const le32 entry = le32_make(*next + 1 < end ? *next + 1 : EXFAT_EOC);

		sink_put(sink, &entry, sizeof(entry));
	}
}

/* Files and other folders are contiguous and have no chain. */
static void write_table(struct writing *writing)
{
	const struct msd_fs_layout *layout = writing->layout;
	const le32 reserved[2] = { le32_make(EXFAT_FAT_ENTRY0), le32_make(EXFAT_FAT_ENTRY1) };
	uint32_t next = EXFAT_FIRST_CLUSTER;

	sink_put(&writing->sink, reserved, sizeof(reserved));
	put_chain(&writing->sink, &next, layout->upcase_cluster);
	put_chain(&writing->sink, &next, layout->root_cluster);
	put_chain(&writing->sink, &next, layout->tree_cluster);
	sink_zero_to(&writing->sink, ((uint64_t)layout->reserved_sectors + layout->fat_sectors) *
				     layout->sector_bytes);
}

static void write_bitmap(struct writing *writing)
{
	uint32_t used = writing->layout->used_clusters;
	const uint8_t last = (uint8_t)((1u << used % 8) - 1);

	for (uint32_t left = used / 8; left > 0;) {
		uint32_t len = left < SINK_BYTES ? left : SINK_BYTES;

		memset(sink_reserve(&writing->sink, len), 0xFF, len);
		left -= len;
	}
	sink_put(&writing->sink, &last, 1);
}

static void exfat_write_head(struct writing *writing)
{
	const struct msd_fs_layout *layout = writing->layout;
	struct sink *sink = &writing->sink;

	write_boot_region(writing);
	write_boot_region(writing);
	sink_zero_to(sink, (uint64_t)layout->reserved_sectors * layout->sector_bytes);
	write_table(writing);
	sink_zero_to(sink, cluster_offset(layout, layout->bitmap_cluster));
	write_bitmap(writing);
	sink_zero_to(sink, cluster_offset(layout, layout->upcase_cluster));
	msd_upcase_make_table(sink_reserve(sink, MSD_UPCASE_BYTES));
}

static void put_entry(struct sink *sink, const union exfat_entry *entry)
{
	sink_put(sink, entry, sizeof(*entry));
}

static void put_root_entries(struct writing *writing)
{
	const struct msd_fs_layout *layout = writing->layout;
	const char *label = writing->params->label;
	union exfat_entry entry;

	if (label && *label) {
		uint16_t units[EXFAT_LABEL_UNITS_MAX];
		int n = msd_utf8_to_utf16(label, units, EXFAT_LABEL_UNITS_MAX);

		memset(&entry, 0, sizeof(entry));
		entry.label.type = EXFAT_TYPE_LABEL;
		entry.label.units = n < 0 ? 0 : (uint8_t)n;
		for (int i = 0; i < n; i++)
			entry.label.label[i] = le16_make(units[i]);
		put_entry(&writing->sink, &entry);
	}
	memset(&entry, 0, sizeof(entry));
	entry.bitmap.type = EXFAT_TYPE_BITMAP;
	entry.bitmap.first_cluster = le32_make(layout->bitmap_cluster);
	entry.bitmap.size_bytes = le64_make(exfat_bitmap_bytes(layout));
	put_entry(&writing->sink, &entry);
	memset(&entry, 0, sizeof(entry));
	entry.upcase.type = EXFAT_TYPE_UPCASE;
	entry.upcase.checksum = le32_make(MSD_UPCASE_CHECKSUM);
	entry.upcase.first_cluster = le32_make(layout->upcase_cluster);
	entry.upcase.size_bytes = le64_make(MSD_UPCASE_BYTES);
	put_entry(&writing->sink, &entry);
}

/* Times are in UTC and say so: the same bytes in every time zone. */
static void fill_file(union exfat_entry *entry, const struct node *node, unsigned secondary)
{
	uint8_t cs;
	const le32 when = le32_make(fat_time_make(node->mtime_s, node->mtime_cs, true, &cs));

	entry->file.type = EXFAT_TYPE_FILE;
	entry->file.secondary_count = (uint8_t)secondary;
	/* the low six bits are FAT's */
	entry->file.attr = le16_make(node->attr);
	entry->file.create_time = entry->file.write_time = entry->file.access_time = when;
	entry->file.create_time_cs = entry->file.write_time_cs = cs;
	entry->file.create_utc = entry->file.write_utc = entry->file.access_utc = EXFAT_UTC_VALID;
}

static void fill_stream(const struct writing *writing, union exfat_entry *entry,
			const struct node *node, const uint16_t *units, size_t n)
{
	uint64_t bytes = node->size_bytes;

	/* 7.6.7: a folder's length is that of its clusters */
	if (node_is_folder(node))
		bytes = round_up(bytes ? bytes : 1, writing->layout->cluster_bytes);
	entry->stream.type = EXFAT_TYPE_STREAM;
	entry->stream.flags = EXFAT_ALLOC_POSSIBLE | (bytes ? EXFAT_NO_FAT_CHAIN : 0);
	entry->stream.name_units = (uint8_t)n;
	entry->stream.name_hash = le16_make(msd_exfat_name_hash(units, n));
	entry->stream.valid_bytes = entry->stream.size_bytes = le64_make(bytes);
	entry->stream.first_cluster = le32_make(node->first_cluster);
}

static void put_child(struct writing *writing, uint32_t child)
{
	const struct node *node = &writing->tree->nodes[child];
	union exfat_entry entries[EXFAT_ENTRIES_MAX];
	uint16_t units[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(node_name(writing->tree, child), units, MSD_NAME_UNITS_MAX);
	unsigned count = exfat_count_records(units, n < 0 ? 0 : (size_t)n);

	memset(entries, 0, sizeof(entries));
	fill_file(&entries[0], node, count - 1);
	fill_stream(writing, &entries[1], node, units, n < 0 ? 0 : (size_t)n);
	for (unsigned i = 2; i < count; i++)
		entries[i].name.type = EXFAT_TYPE_NAME;
	for (int i = 0; i < n; i++)
		entries[2 + (unsigned)i / EXFAT_NAME_UNITS].name.name[(unsigned)i % EXFAT_NAME_UNITS] =
			le16_make(units[i]);
	entries[0].file.checksum = le16_make(exfat_entries_checksum(entries, count));
	sink_put(&writing->sink, entries, count * sizeof(entries[0]));
}

static int exfat_write_folder(struct writing *writing, uint32_t folder)
{
	const struct msd_tree *tree = writing->tree;

	if (folder == TREE_ROOT)
		put_root_entries(writing);
	for (uint32_t c = tree ? tree->nodes[folder].u.child : TREE_NONE; c != TREE_NONE;
	     c = tree->nodes[c].next)
		put_child(writing, c);
	return 0;
}

const struct fs_type exfat_type = {
	.file_bytes_max = INT64_MAX,
	.folder_bytes_max = EXFAT_DIR_BYTES_MAX,
	.folder_limit = "more than the 256 MiB of entries that a folder of exFAT has",
	.folder_records = 0,
	.root_records = ROOT_RECORDS,
	.count_records = exfat_count_records,
	.check_label = exfat_check_label,
	.plan = exfat_plan,
	.write_head = exfat_write_head,
	.write_folder = exfat_write_folder,
};
