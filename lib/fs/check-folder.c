/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The check of names, and of "." and "..". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "check-priv.h"
#include "fs/fat-disk.h"

enum { HASHES_AT_A_TIME = 256 << 10 };

void check_name(struct check *check, const struct msd_fs_node *node)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	const uint8_t *name = node->short_name;
	bool bad = false;
	size_t n;

	if (check->fs->info.type == MSD_FS_TYPE_EXFAT) {
		bad = msd_name_check(node->name, units, &n) == MSD_NAME_CHARACTER;
	} else if (memcmp(name, "EA DATA  SF", 11) && memcmp(name, "WP ROOT  SF", 11)) {
		/* those two are OS/2's */
		for (unsigned i = 0; i < 11; i++)
			bad |= name[i] < 0x20 || name[i] == 0x7f || strchr("*?<>|\"\\/:", name[i]);
		bad |= name[0] == ' ';
	}
	if (bad)
		check_damage(check, node->entry_offset_bytes, 0, "name with characters that it cannot have");
}

/* ---- names that are there twice ---- */

struct names {
	uint64_t *hashes;		/* open addressing, 0: none */
	size_t room, n;			/* room: a power of two, n: in it */
	uint64_t part, n_parts;		/* only hashes of this remainder */
};

static uint64_t hash_units(const uint16_t *units, unsigned n)
{
	uint64_t hash = n;

	for (unsigned i = 0; i < n; i++) {
		hash = (hash ^ msd_upcase(units[i])) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return hash ? hash : 1;
}

/* Returns whether it was there. */
static bool put(struct names *names, uint64_t hash)
{
	size_t at = hash & (names->room - 1);

	if ((hash >> 32) % names->n_parts != names->part)
		return false;
	/* more than the folder has room for: it changes while it is read */
	if (names->n >= names->room / 2)
		return false;
	for (; names->hashes[at]; at = (at + 1) & (names->room - 1))
		if (names->hashes[at] == hash)
			return true;
	names->hashes[at] = hash;
	names->n++;
	return false;
}

static void see_name(struct check *check, struct names *names, const struct msd_fs_node *node)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(node->name, units, MSD_NAME_UNITS_MAX);
	uint64_t hash = n < 0 ? 0 : hash_units(units, (unsigned)n), short_hash = hash;
	bool twice;

	if (n < 0)
		return;
	if (check->fs->info.type != MSD_FS_TYPE_EXFAT)
		short_hash = hash_units(units, msd_fat_short_units(check->fs, node->short_name, units));
	twice = put(names, hash);
	if (short_hash != hash)
		twice |= put(names, short_hash);
	if (twice)
		check_damage(check, node->entry_offset_bytes, 0, "'%s' is there twice", node->name);
}

static int see_names(struct check *check, const struct msd_fs_node *folder, struct names *names)
{
	_cleanup_(msd_fs_dir_closep) struct msd_fs_dir *dir = NULL;
	_cleanup_free_ struct msd_fs_node *node = malloc(sizeof(*node));
	int rc = node ? msd_fs_dir_open(check->fs, folder, &dir, check->err) :
			msd_fail_on(check->err, ENOMEM, msd_io_get_name(check->fs->io));

	names->n = 0;
	memset(names->hashes, 0, names->room * sizeof(*names->hashes));
	while (rc == 0 && (rc = msd_fs_dir_next(dir, node, check->err)) > 0) {
		see_name(check, names, node);
		rc = 0;
	}
	return rc;
}

int check_names(struct check *check, const struct msd_fs_node *folder, uint64_t bytes)
{
	uint64_t slots = bytes / 32;
	struct names names = { .n_parts = 1 + slots / (HASHES_AT_A_TIME / 4 * 3), .room = 16 };
	int rc = 0;

	/* a chain that is damaged may go round in circles */
	if (bytes == 0)
		return 0;
	while (names.room < 2 * slots && names.room < 2 * HASHES_AT_A_TIME)
		names.room *= 2;
	names.hashes = malloc(names.room * sizeof(*names.hashes));
	if (!names.hashes)
		return msd_fail_on(check->err, ENOMEM, msd_io_get_name(check->fs->io));
	/* the walk reads it as well, and tells what else there is */
	check->hushed = true;
	for (; rc == 0 && names.part < names.n_parts; names.part++)
		rc = see_names(check, folder, &names);
	check->hushed = false;
	free(names.hashes);
	return rc;
}

/* ---- dots ---- */

static void check_dot(struct check *check, uint64_t offset, const struct fat_dirent *entry,
		      const char *name, uint32_t expected)
{
	const char *shown = name[1] == '.' ? ".." : ".";
	uint32_t cluster = le16_get(entry->cluster_low);

	if (check->fs->info.type == MSD_FS_TYPE_FAT32)
		cluster |= (uint32_t)le16_get(entry->cluster_high) << 16;
	if (memcmp(entry->name, name, 11) || !(entry->attr & FAT_ATTR_DIRECTORY))
		check_damage(check, offset, 0, "'%s' is missing", shown);
	else if (cluster != expected)
		check_damage(check, offset, 0, "'%s' leads to cluster %u, not to %u", shown, cluster,
			     expected);
}

int check_dots(struct check *check, const struct msd_fs_node *folder, uint32_t up)
{
	uint64_t offset = fs_cluster_offset(check->fs, folder->first_cluster);
	struct fat_dirent dots[2];
	int rc = msd_io_pread(check->fs->io, dots, sizeof(dots), offset, check->err);

	if (rc < 0)
		return rc;
	check_dot(check, offset, &dots[0], ".          ", folder->first_cluster);
	/* the root is 0, on FAT32 too */
	check_dot(check, offset + 32, &dots[1], "..         ", up);
	return 0;
}
