/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Turns secure boot off: a few entries and chains of the boot partition's FAT16 change. */
#include <errno.h>
#include <string.h>

#include "disk/ventoy-priv.h"
#include "fs/fat-disk.h"
#include "fs/read.h"

#define BOOT_FOLDER "/EFI/BOOT"

/* The boot partition while it is changed. */
struct edit {
	struct msd_fs *fs;
	struct msd_io *io;
	uint32_t n_clusters;
	uint64_t fat_offset, fat_bytes;	/* of the first one */
	unsigned fats;
};

static int edit_init(struct edit *edit, struct msd_io *io, struct msd_error *err)
{
	struct fat_boot_sector boot;
	struct msd_fs_info info;
	unsigned sector_bytes;
	int rc = msd_fs_open_fat(io, &edit->fs, err);

	if (rc == 0)
		rc = msd_io_pread(io, &boot, sizeof(boot), 0, err);
	if (rc < 0)
		return rc;
	msd_fs_get_info(edit->fs, &info);
	if (info.type != MSD_FS_TYPE_FAT16)
		return msd_fail(err, MSD_E_FORMAT, "%s: %s instead of FAT16", msd_io_get_name(io),
				msd_fs_get_type_name(info.type));
	sector_bytes = le16_get(boot.bytes_per_sector);
	edit->io = io;
	edit->n_clusters = info.n_clusters;
	edit->fats = boot.fats;
	edit->fat_offset = (uint64_t)le16_get(boot.reserved_sectors) * sector_bytes;
	edit->fat_bytes = (uint64_t)le16_get(boot.fat_sectors16) * sector_bytes;
	return 0;
}

/* Frees the clusters of a chain in every FAT, first to last. */
static int free_chain(struct edit *edit, uint32_t cluster, struct msd_error *err)
{
	static const le16 none = { { 0, 0 } };

	for (uint32_t n = 0; n < edit->n_clusters; n++) {
		uint64_t at = edit->fat_offset + 2ull * cluster;
		le16 next;
		int rc;

		/* 0, an end mark, or damage */
		if (cluster < FAT_FIRST_CLUSTER || cluster - FAT_FIRST_CLUSTER >= edit->n_clusters)
			break;
		rc = msd_io_pread(edit->io, &next, sizeof(next), at, err);
		for (unsigned fat = 0; rc == 0 && fat < edit->fats; fat++)
			rc = msd_io_pwrite(edit->io, &none, sizeof(none),
					   at + fat * edit->fat_bytes, err);
		if (rc < 0)
			return rc;
		cluster = le16_get(next);
	}
	return 0;
}

/* Where the entry number slot of a folder lies. */
static int find_slot(struct edit *edit, const struct msd_fs_node *folder, uint32_t slot,
		     uint64_t *ret, struct msd_error *err)
{
	uint64_t left = (uint64_t)slot * sizeof(struct fat_dirent);
	struct msd_extent extent;
	struct msd_fs_map map;
	int rc;

	msd_fs_map_init(edit->fs, folder, &map);
	while ((rc = msd_fs_map_next(&map, &extent, err)) > 0) {
		if (left < extent.size_bytes) {
			*ret = extent.offset_bytes + left;
			return 0;
		}
		left -= extent.size_bytes;
	}
	return rc < 0 ? rc : msd_fail(err, MSD_E_FORMAT, "%s: damaged folder",
				      msd_io_get_name(edit->io));
}

/* Marks all entries that make up a name as free. */
static int free_name(struct edit *edit, const struct msd_fs_node *folder,
		     const struct msd_fs_node *node, struct msd_error *err)
{
	static const uint8_t mark = FAT_DIRENT_FREE;

	for (uint32_t i = 0; i < node->n_slots; i++) {
		uint64_t at = 0;
		int rc = find_slot(edit, folder, node->slot + i, &at, err);

		if (rc == 0)
			rc = msd_io_pwrite(edit->io, &mark, 1, at, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Returns 1 with folder and file, 0 when there is no such file. */
static int find_file(struct edit *edit, const char *folder_path, const char *name,
		     struct msd_fs_node *folder, struct msd_fs_node *node, struct msd_error *err)
{
	char path[64];
	int rc = msd_fs_lookup(edit->fs, folder_path, folder, err);

	snprintf(path, sizeof(path), "%s/%s", folder_path, name);
	if (rc == 0)
		rc = msd_fs_lookup(edit->fs, path, node, err);
	if (rc == -ENOENT || rc == -ENOTDIR || (rc == 0 && node->is_dir))
		return 0;
	return rc < 0 ? rc : 1;
}

/* Removes a file; one that is not there is fine. */
static int remove_file(struct edit *edit, const char *folder_path, const char *name,
		       struct msd_error *err)
{
	struct msd_fs_node folder, node;
	int rc = find_file(edit, folder_path, name, &folder, &node, err);

	if (rc <= 0)
		return rc;
	rc = free_name(edit, &folder, &node, err);
	return rc < 0 ? rc : free_chain(edit, node.first_cluster, err);
}

/*
 * The file called from takes the place of the one called to: the entry of to gets what from's
 * says of content and times, so that the folder needs no new entry.
 */
static int move_over(struct edit *edit, const char *from_name, const char *to_name,
		     struct msd_error *err)
{
	struct msd_fs_node folder, from, to;
	struct fat_dirent entry, content;
	int rc = find_file(edit, BOOT_FOLDER, from_name, &folder, &from, err);

	if (rc <= 0)
		return rc;
	rc = find_file(edit, BOOT_FOLDER, to_name, &folder, &to, err);
	if (rc == 0)
		return msd_fail(err, MSD_E_FORMAT, "%s: " BOOT_FOLDER "/%s is missing",
				msd_io_get_name(edit->io), to_name);
	if (rc > 0)
		rc = msd_io_pread(edit->io, &entry, sizeof(entry), to.entry_offset_bytes, err);
	if (rc == 0)
		rc = msd_io_pread(edit->io, &content, sizeof(content), from.entry_offset_bytes, err);
	if (rc < 0)
		return rc;
	memcpy(content.name, entry.name, sizeof(content.name));
	content.nt_case = entry.nt_case;
	rc = msd_io_pwrite(edit->io, &content, sizeof(content), to.entry_offset_bytes, err);
	if (rc == 0)
		rc = free_chain(edit, to.first_cluster, err);
	return rc < 0 ? rc : free_name(edit, &folder, &from, err);
}

int ventoy_bootfs_set_insecure(struct msd_io *boot, struct msd_error *reterr)
{
	static const struct { const char *folder, *name; } gone[] = {
		{ BOOT_FOLDER, "grubx64.efi" },
		{ BOOT_FOLDER, "MokManager.efi" },
		{ BOOT_FOLDER, "mmx64.efi" },
		{ BOOT_FOLDER, "grubia32.efi" },
		{ BOOT_FOLDER, "mmia32.efi" },
		{ "", "ENROLL_THIS_KEY_IN_MOKMANAGER.cer" },
	};
	struct edit edit = { 0 };
	int rc = edit_init(&edit, boot, reterr);

	if (rc == 0)
		rc = move_over(&edit, "grubx64_real.efi", "BOOTX64.EFI", reterr);
	if (rc == 0)
		rc = move_over(&edit, "grubia32_real.efi", "BOOTIA32.EFI", reterr);
	for (unsigned i = 0; rc == 0 && i < sizeof(gone) / sizeof(gone[0]); i++)
		rc = remove_file(&edit, gone[i].folder, gone[i].name, reterr);
	msd_fs_close(edit.fs);
	return rc;
}
