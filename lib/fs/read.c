/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reading is the same for FAT and exFAT: opening, chains, folders as slots, paths. */
#include "fs/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/codepage.h"
#include "fs/name.h"
#include "read-priv.h"

static int probe(struct msd_fs *fs, struct msd_error *err)
{
	int rc = msd_exfat_probe(fs, 0, err);

	return rc ? rc : msd_fat_probe(fs, 0, err);
}

static int probe_fat(struct msd_fs *fs, struct msd_error *err)
{
	return msd_fat_probe(fs, 0, err);
}

/* exFAT keeps a copy in sector 12, FAT32 in sector 6. */
static int probe_backup(struct msd_fs *fs, struct msd_error *err)
{
	int rc = 0;

	for (unsigned sector = 512; rc == 0 && sector <= 4096; sector *= 2) {
		rc = msd_exfat_probe(fs, 12 * sector, err);
		if (rc == 0)
			rc = msd_fat_probe(fs, 6 * sector, err);
		if (rc > 0 && fs->info.sector_bytes != sector)
			rc = 0;
	}
	if (rc > 0)
		msd_fs_damage(fs, 0, "boot sector damaged, its copy used");
	return rc;
}

static int open_with(int (*find)(struct msd_fs *fs, struct msd_error *err), struct msd_io *io,
		     const uint16_t *codepage, const struct msd_damage *damage, struct msd_fs **ret,
		     struct msd_error *err)
{
	_cleanup_(msd_fs_closep) struct msd_fs *fs = calloc(1, sizeof(*fs));
	struct msd_extent fat;
	int rc;

	if (!fs)
		return msd_fail_on(err, ENOMEM, msd_io_get_name(io));
	fs->io = io;
	msd_fs_set_damage(fs, damage);
	if (codepage)
		memcpy(fs->oem, codepage, sizeof(fs->oem));
	else
		msd_codepage_read("437", fs->oem, NULL);
	rc = find(fs, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return msd_fail(err, MSD_E_FORMAT, "%s: %s", msd_io_get_name(io),
				find == probe_fat ? "no FAT" : "neither FAT nor exFAT");
	fat = (struct msd_extent){ fs->fat_offset, fs->fat_bytes };
	if (msd_area_new(io, &fat, 1, fs->n_copies, fs->copies, &fs->fat) < 0)
		return msd_fail_on(err, ENOMEM, msd_io_get_name(io));
	*ret = msd_steal(fs);
	return 0;
}

int msd_fs_open(struct msd_io *io, const uint16_t *codepage, const struct msd_damage *damage,
		struct msd_fs **ret, struct msd_error *reterr)
{
	return open_with(probe, io, codepage, damage, ret, reterr);
}

int msd_fs_open_fat(struct msd_io *io, struct msd_fs **ret, struct msd_error *reterr)
{
	return open_with(probe_fat, io, NULL, NULL, ret, reterr);
}

int msd_fs_open_backup(struct msd_io *io, const uint16_t *codepage, const struct msd_damage *damage,
		       struct msd_fs **ret, struct msd_error *reterr)
{
	return open_with(probe_backup, io, codepage, damage, ret, reterr);
}

struct msd_fs *msd_fs_close(struct msd_fs *fs)
{
	if (!fs)
		return NULL;
	msd_area_free(fs->fat);
	msd_area_free(fs->bitmap);
	free(fs);
	return NULL;
}

void msd_fs_closep(struct msd_fs **fs)
{
	msd_fs_close(*fs);
}

void msd_fs_get_info(const struct msd_fs *fs, struct msd_fs_info *ret)
{
	*ret = fs->info;
}

const char *msd_fs_get_type_name(enum msd_fs_type type)
{
	static const char *const names[] = { "fat12", "fat16", "fat32", "exfat" };

	return names[type];
}

struct msd_io *msd_fs_get_io(const struct msd_fs *fs)
{
	return fs->io;
}

void msd_fs_set_damage(struct msd_fs *fs, const struct msd_damage *damage)
{
	fs->damage = damage ? *damage : (struct msd_damage){ NULL, NULL };
}

void msd_fs_damage(struct msd_fs *fs, uint64_t offset_bytes, const char *fmt, ...)
{
	char what[1280];
	va_list ap;

	fs->n_damages++;
	if (!fs->damage.fn)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	fs->damage.fn(fs->damage.data, offset_bytes, what);
}

uint64_t msd_fs_get_damages(const struct msd_fs *fs)
{
	return fs->n_damages;
}

const char *msd_fs_get_path(const struct msd_fs *fs)
{
	return fs->path ? fs->path : "";
}

int msd_fs_read_label(struct msd_fs *fs, char *buf, size_t len, struct msd_error *reterr)
{
	return fs->ops->read_label(fs, buf, len, reterr);
}

int fs_next_free(struct msd_fs *fs, uint32_t from, uint32_t *ret_start, uint32_t *ret_n,
		 struct msd_error *err)
{
	return fs->info.type == MSD_FS_TYPE_EXFAT ? exfat_next_free(fs, from, ret_start, ret_n, err) :
						    fat_next_free(fs, from, ret_start, ret_n, err);
}

int msd_fs_count_free(struct msd_fs *fs, uint32_t *ret_clusters, struct msd_error *reterr)
{
	uint32_t start = 2, n = 0, total = 0;
	int rc;

	while ((rc = fs_next_free(fs, start + n, &start, &n, reterr)) > 0)
		total += n;
	*ret_clusters = total;
	return rc;
}

void msd_fs_begin_walk(struct msd_fs *fs)
{
	fs->dir_bytes_read = 0;
}

/* ---- chains ---- */

void msd_fs_map_init(struct msd_fs *fs, const struct msd_fs_node *node, struct msd_fs_map *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->fs = fs;
	ret->limit = 1;
	if (!node || (node->is_dir && node->first_cluster == 0)) {
		ret->fixed_root = fs->root_bytes != 0;
		ret->cluster = fs->root_cluster;
		ret->left_bytes = ret->fixed_root ? fs->root_bytes : UINT64_MAX;
		return;
	}
	ret->place = node->entry_offset_bytes;
	ret->cluster = node->first_cluster;
	ret->contiguous = node->contiguous;
	ret->left_bytes = node->size_bytes;
	if (node->is_dir && fs->info.type != MSD_FS_TYPE_EXFAT)
		ret->left_bytes = UINT64_MAX;
}

static int map_end(struct msd_fs_map *map, const char *what)
{
	struct msd_fs *fs = map->fs;

	if (!fs->hush_chains && map->left_bytes != UINT64_MAX)
		msd_fs_damage(fs, map->place, "%s; the last %llu bytes are missing", what,
			   (unsigned long long)map->left_bytes);
	else if (!fs->hush_chains)
		msd_fs_damage(fs, map->place, "%s", what);
	map->damaged = true;
	map->left_bytes = 0;
	return 0;
}

/* The clusters that follow each other from map->cluster on; leaves the one after them there. */
static int map_run(struct msd_fs_map *map, uint64_t *ret_clusters, struct msd_error *err)
{
	struct msd_fs *fs = map->fs;
	uint32_t cluster_bytes = fs->info.cluster_bytes, cluster = map->cluster, next;
	uint64_t n = 1, wanted = map->left_bytes / cluster_bytes +
				 (map->left_bytes % cluster_bytes != 0);

	if (map->contiguous) {
		uint64_t room = fs->info.n_clusters - (cluster - 2);

		*ret_clusters = wanted < room ? wanted : room;
		map->cluster = 0;
		return 0;
	}
	for (;;) {
		int rc;

		next = 0;
		if (n == wanted)
			break;
		rc = fs->ops->read_next(fs, cluster, &next, err);
		if (rc < 0)
			return rc;
		if (next == map->mark && next)
			next = FS_LOOP;
		if (++map->n_steps == map->limit) {
			map->mark = next;
			map->limit *= 2;
			map->n_steps = 0;
		}
		if (next != cluster + 1 || !fs_is_cluster(fs, next))
			break;
		cluster = next;
		n++;
	}
	*ret_clusters = n;
	map->cluster = next;
	map->place = fs_entry_offset(fs, cluster);
	return 0;
}

int msd_fs_map_next(struct msd_fs_map *map, struct msd_extent *ret, struct msd_error *reterr)
{
	struct msd_fs *fs = map->fs;
	uint64_t clusters;
	int rc;

	if (map->left_bytes == 0)
		return 0;
	if (map->fixed_root) {
		*ret = (struct msd_extent){ fs->root_offset, fs->root_bytes };
		map->left_bytes = 0;
		return 1;
	}
	if (map->cluster == 0 && map->left_bytes == UINT64_MAX && map->begun)
		return 0;
	if (map->cluster == 0)
		return map_end(map, "chain of clusters ends too early");
	if (map->cluster == FS_LOOP)
		return map_end(map, "chain of clusters is a loop");
	if (map->cluster == FS_FREE)
		return map_end(map, "a cluster of its chain is free");
	if (map->cluster == FS_BAD)
		return map_end(map, "a cluster of its chain is marked as bad");
	if (!fs_is_cluster(fs, map->cluster))
		return map_end(map, "chain of clusters leads to none that there is");
	map->begun = true;
	ret->offset_bytes = fs_cluster_offset(fs, map->cluster);
	rc = map_run(map, &clusters, reterr);
	if (rc < 0)
		return rc;
	ret->size_bytes = clusters * fs->info.cluster_bytes;
	if (map->left_bytes == UINT64_MAX)
		return 1;
	if (ret->size_bytes > map->left_bytes)
		ret->size_bytes = map->left_bytes;
	map->left_bytes -= ret->size_bytes;
	return 1;
}

/* ---- folders as slots ---- */

int msd_fs_dir_open(struct msd_fs *fs, const struct msd_fs_node *node, struct msd_fs_dir **ret,
		    struct msd_error *reterr)
{
	struct msd_fs_dir *dir = malloc(sizeof(*dir));

	if (!dir)
		return msd_fail_on(reterr, ENOMEM, msd_io_get_name(fs->io));
	memset(dir, 0, offsetof(struct msd_fs_dir, buf));
	dir->fs = fs;
	msd_fs_map_init(fs, node, &dir->map);
	*ret = dir;
	return 0;
}

struct msd_fs_dir *msd_fs_dir_close(struct msd_fs_dir *dir)
{
	free(dir);
	return NULL;
}

void msd_fs_dir_closep(struct msd_fs_dir **dir)
{
	free(*dir);
}

static int fill(struct msd_fs_dir *dir, struct msd_error *err)
{
	struct msd_fs *fs = dir->fs;
	uint32_t len = sizeof(dir->buf);
	int rc;

	if (dir->extent.size_bytes == 0) {
		rc = dir->list ? dir->n_list > 0 :
				 msd_fs_map_next(&dir->map, &dir->extent, err);
		if (rc <= 0)
			return rc;
		if (dir->list) {
			dir->extent = *dir->list++;
			dir->n_list--;
		}
	}
	if (len > dir->extent.size_bytes)
		len = (uint32_t)dir->extent.size_bytes & ~31u;
	if (len == 0)
		return 0;
	if (dir->is_counted)
		fs->dir_bytes_read += len;
	if (fs->dir_bytes_read > (uint64_t)fs->info.n_clusters * fs->info.cluster_bytes +
				 fs->root_bytes) {
		msd_fs_damage(fs, dir->extent.offset_bytes,
			   "folders hold more than the volume: they are in each other");
		return 0;
	}
	rc = msd_io_pread(fs->io, dir->buf, len, dir->extent.offset_bytes, err);
	if (rc < 0)
		return rc;
	dir->buf_offset = dir->extent.offset_bytes;
	dir->extent.offset_bytes += len;
	dir->extent.size_bytes -= len;
	dir->len = len;
	dir->pos = 0;
	return 1;
}

int msd_fs_dir_slot(struct msd_fs_dir *dir, const uint8_t **ret, uint64_t *ret_offset,
		    struct msd_error *err)
{
	if (dir->ended)
		return 0;
	if (dir->pos == dir->len) {
		int rc = fill(dir, err);

		if (rc <= 0) {
			dir->ended = true;
			return rc;
		}
	}
	*ret = dir->buf + dir->pos;
	*ret_offset = dir->buf_offset + dir->pos;
	dir->pos += 32;
	dir->slot++;
	if (dir->on_slot && dir->slot > dir->seen) {
		dir->on_slot(dir->on_slot_data, dir->slot - 1, *ret);
		dir->seen = dir->slot;
	}
	return 1;
}

void msd_fs_dir_unread(struct msd_fs_dir *dir)
{
	dir->pos -= 32;
	dir->slot--;
}

int msd_fs_dir_next(struct msd_fs_dir *dir, struct msd_fs_node *ret, struct msd_error *reterr)
{
	return dir->fs->ops->dir_next(dir, ret, reterr);
}

/* ---- names and times ---- */

static uint16_t safe_unit(const uint16_t *units, unsigned n, unsigned i)
{
	uint16_t u = units[i];

	if (u < 0x20 || u == '/' || (u >= 0x7f && u < 0xa0))
		return '_';
	if (u >= 0xd800 && u < 0xdc00)
		return i + 1 < n && units[i + 1] >= 0xdc00 && units[i + 1] < 0xe000 ? u : 0xfffd;
	if (u >= 0xdc00 && u < 0xe000)
		return i > 0 && units[i - 1] >= 0xd800 && units[i - 1] < 0xdc00 ? u : 0xfffd;
	return u;
}

bool msd_fs_name_set(struct msd_fs_node *node, const uint16_t *units, unsigned n)
{
	uint16_t safe[MSD_NAME_UNITS_MAX];
	bool good = n > 0 && n <= MSD_NAME_UNITS_MAX;

	if (n > MSD_NAME_UNITS_MAX)
		n = MSD_NAME_UNITS_MAX;
	for (unsigned i = 0; i < n; i++) {
		bool plain = units[i] > '/' && units[i] < 0x7f;

		safe[i] = plain ? units[i] : safe_unit(units, n, i);
		good &= safe[i] == units[i];
	}
	if (n == 0 || msd_utf16_to_utf8(safe, n, node->name, sizeof(node->name)) < 0)
		strcpy(node->name, "_");
	if (!strcmp(node->name, ".") || !strcmp(node->name, "..")) {
		memset(node->name, '_', strlen(node->name));
		return false;
	}
	return good;
}

/* Days since 1970 of a date after it, by the calendar of 400 years that begin in March. */
static int64_t days(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

	return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

int64_t msd_fs_time_utc(uint16_t date, uint16_t time)
{
	int day = date & 31, month = date >> 5 & 15, year = 1980 + (date >> 9);
	int hour = time >> 11, minute = time >> 5 & 63, second = (time & 31) * 2;

	if (day < 1 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
		return -1;
	return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

struct timespec msd_fs_time(struct msd_fs *fs, uint16_t date, uint16_t time, unsigned hundredths)
{
	int64_t utc = msd_fs_time_utc(date, time);
	uint32_t key = (uint32_t)date << 5 | time >> 11;

	if (utc < 0)
		return (struct timespec){ 0, 0 };
	/* mktime looks for a new /etc/localtime each time; files of one hour are many */
	if (key != fs->local_time.key) {
		struct tm tm = {
			.tm_year = 80 + (date >> 9), .tm_mon = (date >> 5 & 15) - 1,
			.tm_mday = date & 31, .tm_hour = time >> 11, .tm_isdst = -1,
		};

		fs->local_time.base = mktime(&tm);
		fs->local_time.key = key;
	}
	return (struct timespec){
		fs->local_time.base + utc % 3600 + hundredths / 100,
		(long)(hundredths % 100) * 10000000,
	};
}

/* ---- paths ---- */

/* One name in a folder: the exact one, else one that differs in case. */
static int find(struct msd_fs *fs, const struct msd_fs_node *dir_node, const char *name,
		struct msd_fs_node *ret, struct msd_error *err)
{
	_cleanup_(msd_fs_dir_closep) struct msd_fs_dir *dir = NULL;
	uint16_t wanted[MSD_NAME_UNITS_MAX], units[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(name, wanted, MSD_NAME_UNITS_MAX);
	struct msd_fs_node node;
	bool found = false;
	int rc;

	if (n < 0)
		return -ENOENT;
	rc = msd_fs_dir_open(fs, dir_node, &dir, err);
	if (rc < 0)
		return rc;
	while ((rc = msd_fs_dir_next(dir, &node, err)) > 0) {
		int m;

		if (!strcmp(node.name, name)) {
			*ret = node;
			return 0;
		}
		m = msd_utf8_to_utf16(node.name, units, MSD_NAME_UNITS_MAX);
		if (found || m != n || !msd_name_is_same(units, (size_t)m, wanted, (size_t)n))
			continue;
		*ret = node;
		found = true;
	}
	return rc < 0 ? rc : found ? 0 : -ENOENT;
}

int msd_fs_lookup(struct msd_fs *fs, const char *path, struct msd_fs_node *ret,
		  struct msd_error *reterr)
{
	struct msd_fs_node node = { .is_dir = true };
	const char *p = path;

	for (;;) {
		char name[MSD_FS_NAME_BYTES];
		struct msd_fs_node next;
		size_t len;
		int rc;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 0)
			break;
		if (len == 1 && *p == '.') {
			p++;
			continue;
		}
		if (!node.is_dir)
			return msd_fail(reterr, ENOTDIR, "%s: '%.*s' is not a folder",
					msd_io_get_name(fs->io), (int)(p - path), path);
		rc = -ENOENT;
		if (len < sizeof(name)) {
			memcpy(name, p, len);
			name[len] = '\0';
			rc = find(fs, &node, name, &next, reterr);
		}
		if (rc == -ENOENT)
			return msd_fail(reterr, ENOENT, "%s: there is no '%s' in it",
					msd_io_get_name(fs->io), path);
		if (rc < 0)
			return rc;
		node = next;
		p += len;
	}
	*ret = node;
	return 0;
}
