/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles info: what an image is and holds. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "disk/ventoy.h"
#include "fs/walk.h"
#include "normalfiles.h"

enum {
	COL_TYPE, COL_LABEL, COL_SERIAL, COL_TABLE, COL_PARTITION, COL_OFFSET, COL_SIZE, COL_FREE,
	COL_USED, COL_SECTOR_SIZE, COL_CLUSTER_SIZE, COL_CLUSTERS, COL_FATS, COL_FILES,
	COL_FOLDERS, COL_FRAGMENTED, COL_DIRTY, COL_BOOT,
	COL_VENTOY, COL_SECURE_BOOT, COL_UPDATE_CUT,
};

static const struct out_column columns[] = {
	[COL_TYPE] = { "TYPE", OUT_TEXT, "fat12, fat16, fat32 or exfat" },
	[COL_LABEL] = { "LABEL", OUT_TEXT, "volume label" },
	[COL_SERIAL] = { "SERIAL", OUT_TEXT, "serial number" },
	[COL_TABLE] = { "TABLE", OUT_TEXT, "partition table: mbr, gpt or none" },
	[COL_PARTITION] = { "PARTITION", OUT_NUMBER, "number of the partition" },
	[COL_OFFSET] = { "OFFSET", OUT_NUMBER, "where the volume begins in the image" },
	[COL_SIZE] = { "SIZE", OUT_SIZE, "of the volume" },
	[COL_FREE] = { "FREE", OUT_SIZE, "room in it" },
	[COL_USED] = { "USED", OUT_SIZE, "bytes of all files" },
	[COL_SECTOR_SIZE] = { "SECTOR_SIZE", OUT_NUMBER, "bytes" },
	[COL_CLUSTER_SIZE] = { "CLUSTER_SIZE", OUT_NUMBER, "bytes" },
	[COL_CLUSTERS] = { "CLUSTERS", OUT_NUMBER, "how many there are" },
	[COL_FATS] = { "FATS", OUT_NUMBER, "copies of the allocation table" },
	[COL_FILES] = { "FILES", OUT_NUMBER, "how many there are" },
	[COL_FOLDERS] = { "FOLDERS", OUT_NUMBER, "how many there are" },
	[COL_FRAGMENTED] = { "FRAGMENTED", OUT_NUMBER, "files in more than one piece" },
	[COL_DIRTY] = { "DIRTY", OUT_BOOL, "not unmounted by its last user, or with errors" },
	[COL_BOOT] = { "BOOT", OUT_TEXT, "mbr: boot code and an active partition; uefi: a loader" },
	[COL_VENTOY] = { "VENTOY", OUT_TEXT, "version of Ventoy on the disk" },
	[COL_SECURE_BOOT] = { "SECURE_BOOT", OUT_BOOL, "Ventoy: whether it is on" },
	[COL_UPDATE_CUT] = { "UPDATE_CUT", OUT_BOOL, "Ventoy: an update has to be run again" },
};

enum { N_COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct totals {
	struct msd_fs *fs;
	uint64_t files, folders, fragmented, bytes;
	bool uefi;
};

static int count(void *data, enum msd_walk_event event, const char *path,
		 const struct msd_fs_node *node, struct msd_error *err)
{
	struct totals *totals = data;
	struct msd_extent extent;
	struct msd_fs_map map;
	uint64_t end = 0;
	int rc;

	if (event == MSD_WALK_LEAVE)
		return 0;
	if (node->is_dir) {
		totals->folders++;
		return 0;
	}
	totals->files++;
	totals->bytes += node->size_bytes;
	if (!strncasecmp(path, "EFI/BOOT/BOOT", 13))
		totals->uefi = true;
	msd_fs_map_init(totals->fs, node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, err)) > 0) {
		if (end && extent.offset_bytes != end) {
			totals->fragmented++;
			break;
		}
		end = extent.offset_bytes + extent.size_bytes;
	}
	return rc < 0 ? rc : 0;
}

/* Code in the master boot record, and a partition for it to start. */
static int has_boot_code(struct normalfiles *nf, bool *ret)
{
	const struct msd_ptable *table = &nf->volume->ptable;
	uint8_t code[440];
	bool active = table->kind == MSD_PTABLE_GPT, any = false;
	int rc;

	*ret = false;
	if (table->kind == MSD_PTABLE_NONE)
		return 0;
	rc = msd_io_pread(nf->io, code, sizeof(code), 0, &nf->err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < table->n_partitions; i++)
		active |= table->partitions[i].active;
	for (unsigned i = 0; i < sizeof(code); i++)
		any |= code[i] != 0;
	*ret = active && any;
	return 0;
}

struct info {
	struct msd_fs_info fs;
	struct totals totals;
	uint32_t n_free;
	char label[MSD_FS_NAME_BYTES];
	char serial[16];
	char boot[16];
	bool is_ventoy;
	struct msd_ventoy_info ventoy;
};

static int read_ventoy(struct normalfiles *nf, struct info *info)
{
	int rc = msd_ventoy_probe(nf->io, &info->ventoy, &nf->err);

	info->is_ventoy = rc == 0;
	return rc == -MSD_E_FORMAT ? 0 : rc;
}

static int read_info(struct normalfiles *nf, struct info *info)
{
	struct msd_fs *fs = nf->volume->fs;
	struct msd_walk walk = { .fs = fs, .recurse = true, .fn = count, .data = &info->totals };
	bool mbr = false;
	int rc;

	info->totals.fs = fs;
	msd_fs_get_info(fs, &info->fs);
	snprintf(info->serial, sizeof(info->serial), "%04X-%04X", info->fs.serial >> 16,
		 info->fs.serial & 0xffff);
	rc = msd_fs_read_label(fs, info->label, sizeof(info->label), &nf->err);
	if (rc == 0)
		rc = msd_fs_count_free(fs, &info->n_free, &nf->err);
	if (rc == 0)
		rc = msd_walk_run(&walk, NULL, "", &nf->err);
	if (rc == 0)
		rc = has_boot_code(nf, &mbr);
	if (rc == 0)
		rc = read_ventoy(nf, info);
	if (rc < 0)
		return rc;
	snprintf(info->boot, sizeof(info->boot), "%s%s%s", mbr ? "mbr" : "",
		 mbr && info->totals.uefi ? "," : "", info->totals.uefi ? "uefi" : "");
	return 0;
}

static void fill_row(struct normalfiles *nf, const struct info *info, struct out *out)
{
	const struct msd_volume *volume = nf->volume;

	out_row(out, NULL, NULL);
	out_text(out, COL_TYPE, msd_fs_get_type_name(info->fs.type));
	out_text(out, COL_LABEL, info->label);
	out_text(out, COL_SERIAL, info->serial);
	out_text(out, COL_TABLE, msd_ptable_get_kind_name(volume->ptable.kind));
	if (volume->partition)
		out_number(out, COL_PARTITION, volume->partition);
	out_number(out, COL_OFFSET, volume->offset_bytes);
	out_size(out, COL_SIZE, info->fs.size_bytes);
	out_size(out, COL_FREE, (uint64_t)info->n_free * info->fs.cluster_bytes);
	out_size(out, COL_USED, info->totals.bytes);
	out_number(out, COL_SECTOR_SIZE, info->fs.sector_bytes);
	out_number(out, COL_CLUSTER_SIZE, info->fs.cluster_bytes);
	out_number(out, COL_CLUSTERS, info->fs.n_clusters);
	out_number(out, COL_FATS, info->fs.n_fats);
	out_number(out, COL_FILES, info->totals.files);
	out_number(out, COL_FOLDERS, info->totals.folders);
	out_number(out, COL_FRAGMENTED, info->totals.fragmented);
	out_bool(out, COL_DIRTY, info->fs.dirty);
	out_text(out, COL_BOOT, info->boot);
	if (!info->is_ventoy)
		return;
	out_text(out, COL_VENTOY, info->ventoy.version);
	out_bool(out, COL_SECURE_BOOT, info->ventoy.secure_boot);
	out_bool(out, COL_UPDATE_CUT, info->ventoy.interrupted);
}

static void print_size(const char *name, uint64_t bytes)
{
	char text[24];

	printf("%-14s%s (%llu)\n", name, msd_format_size(bytes, text, sizeof(text)),
	       (unsigned long long)bytes);
}

static void print_lines(const struct normalfiles *nf, const struct info *info)
{
	const struct msd_volume *volume = nf->volume;

	printf("%-14s%s\n", "Type:", msd_fs_get_type_name(info->fs.type));
	printf("%-14s%s\n", "Label:", info->label[0] ? info->label : "<none>");
	printf("%-14s%s\n", "Serial:", info->serial);
	if (volume->partition)
		printf("%-14s%s, number %u at byte %llu\n", "Partition:",
		       msd_ptable_get_kind_name(volume->ptable.kind), volume->partition,
		       (unsigned long long)volume->offset_bytes);
	else
		printf("%-14s%s\n", "Partition:", "<none>");
	print_size("Size:", info->fs.size_bytes);
	print_size("Free:", (uint64_t)info->n_free * info->fs.cluster_bytes);
	printf("%-14s%u clusters of %u bytes, sectors of %u, %u FAT%s\n", "Geometry:",
	       info->fs.n_clusters, info->fs.cluster_bytes, info->fs.sector_bytes, info->fs.n_fats,
	       info->fs.n_fats == 1 ? "" : "s");
	printf("%-14s%llu in %llu folders, %llu of them in pieces\n", "Files:",
	       (unsigned long long)info->totals.files, (unsigned long long)info->totals.folders,
	       (unsigned long long)info->totals.fragmented);
	printf("%-14s%s\n", "Dirty:", info->fs.dirty ? "yes" : "no");
	printf("%-14s%s\n", "Boot:", info->boot[0] ? info->boot : "<no>");
	if (info->is_ventoy && info->ventoy.interrupted)
		printf("%-14s%s\n", "Ventoy:", "<none>, its update was cut short and has to be run again");
	else if (info->is_ventoy)
		printf("%-14s%s, %s, secure boot %s\n", "Ventoy:", info->ventoy.version,
		       info->ventoy.layout.gpt ? "GPT" : "MBR",
		       info->ventoy.secure_boot ? "on" : "off");
}

int normalfiles_info(struct normalfiles *nf)
{
	struct info info = { .n_free = 0 };
	struct out *out;
	int rc = normalfiles_open(nf, false, -1);

	if (rc == 0)
		rc = read_info(nf, &info);
	if (rc < 0)
		return normalfiles_finish(nf, rc);
	if (!nf->out.json && !nf->out.pairs && !nf->out.columns) {
		print_lines(nf, &info);
		return normalfiles_finish(nf, 0);
	}
	out = out_new(&nf->tool, "volumes", columns, N_COLUMNS, &nf->out);
	fill_row(nf, &info, out);
	out_print(out);
	return normalfiles_finish(nf, 0);
}
