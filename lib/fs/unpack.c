/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unpacking into a folder. */
#include "fs/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "fs/fat-disk.h"
#include "read-priv.h"
#include "unpack-priv.h"
#include "fs/walk.h"

/* A folder on the way to where the walk is. */
struct level {
	const struct msd_fs_node *node;
	int fd;				/* -1: not made yet */
	bool refused;			/* it cannot be made; nothing in it is tried */
	uint64_t damages_before;
	uint64_t *names;		/* hashes of what the volume has in it, to mirror it */
	size_t n_names, room;
};

struct folder_unpack {
	struct unpack common;
	unsigned depth;			/* of the current folder; levels[0] is the destination */
	unsigned temp_number;
	struct level levels[MSD_WALK_DEPTH_MAX + 2];
};

/* ---- what is wanted ---- */

static bool fits_one(const char *const *globs, const char *path, const char *name)
{
	for (; globs && *globs; globs++)
		if (!fnmatch(*globs, path, FNM_CASEFOLD) || !fnmatch(*globs, name, FNM_CASEFOLD))
			return true;
	return false;
}

bool unpack_wants(const struct msd_unpack_params *params, const char *path, const char *name,
		  bool is_dir)
{
	if (fits_one(params->exclude, path, name))
		return false;
	return is_dir || !params->include || fits_one(params->include, path, name);
}

int unpack_init(struct unpack *unpack, struct msd_fs *fs, const struct msd_unpack_params *params,
		struct msd_unpack_result *result, struct msd_error *err)
{
	struct msd_fs_info info;

	memset(result, 0, sizeof(*result));
	msd_fs_get_info(fs, &info);
	unpack->fs = fs;
	unpack->params = params;
	unpack->result = result;
	unpack->planned = 0;
	unpack->max_bytes = params->max_bytes ? params->max_bytes :
			    (uint64_t)info.n_clusters * info.cluster_bytes;
	if (msd_copy_out_new(fs, params->progress, &unpack->copy) < 0)
		return msd_fail_on(err, ENOMEM, msd_io_get_name(msd_fs_get_io(fs)));
	return 0;
}

int unpack_count(struct unpack *unpack, const struct msd_fs_node *node, struct msd_error *err)
{
	const struct msd_unpack_params *params = unpack->params;
	struct msd_unpack_result *result = unpack->result;
	const char *image = msd_io_get_name(msd_fs_get_io(unpack->fs));

	if (result->n_files + result->n_folders == params->max_files) {
		msd_fail(err, MSD_E_UNSAFE, "%s: has more than %llu files", image,
			 (unsigned long long)params->max_files);
		msd_hint(err, "--max-files=%llu", (unsigned long long)params->max_files * 10);
		return -MSD_E_UNSAFE;
	}
	if (node->is_dir) {
		result->n_folders++;
		return 0;
	}
	if (unpack->planned + node->size_bytes > unpack->max_bytes) {
		if (!params->max_bytes) {
			msd_fs_damage(unpack->fs, node->entry_offset_bytes,
				      "left out: with it there is more in the files than in the "
				      "volume, so they share clusters");
			return 1;
		}
		msd_fail(err, MSD_E_UNSAFE, "%s: its files have more than the %llu bytes of --max-size",
			 image, (unsigned long long)params->max_bytes);
		msd_hint(err, "--max-size=%llu", (unsigned long long)params->max_bytes * 10);
		return -MSD_E_UNSAFE;
	}
	unpack->planned += node->size_bytes;
	result->n_files++;
	return 0;
}

/* ---- this machine's side ---- */

/* What ends everything; other refusals concern one file. */
static bool is_fatal(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EROFS || rc == -EIO || rc == -ENOMEM ||
	       rc == -EMFILE || rc == -ENFILE || rc == -MSD_E_CANCELLED;
}

static int refuse(struct folder_unpack *u, const char *path, int rc, const char *what,
		  struct msd_error *err)
{
	if (what)
		msd_fail(err, -rc, "%s: %s", path, what);
	else
		msd_fail_on(err, -rc, path);
	if (is_fatal(rc))
		return rc;
	u->common.result->n_failed++;
	msd_log(u->common.params->log, MSD_LOG_WARNING, "%s", err->msg);
	return 0;
}

/* One component, never a symlink. Returns the descriptor or -errno. */
static int open_folder(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	/* before Linux 5.6, or under an old container's filter; the name has no slash, is not ".." */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dirfd, name, (int)how.flags);
	return fd < 0 ? -errno : fd;
}

/* Makes the folders on the way that are not there yet. Returns 1, 0 when refused, <0. */
static int ensure_folder(struct folder_unpack *u, const char *path, struct msd_error *err)
{
	for (unsigned i = 1; i <= u->depth; i++) {
		struct level *level = &u->levels[i];
		int dirfd = u->levels[i - 1].fd, fd, rc;

		if (level->refused)
			return 0;
		if (level->fd >= 0)
			continue;
		rc = mkdirat(dirfd, level->node->name, 0777) < 0 ? -errno : 0;
		fd = rc == 0 || rc == -EEXIST ? open_folder(dirfd, level->node->name) : rc;
		if (fd < 0) {
			level->refused = true;
			return refuse(u, path, fd, fd == -ELOOP || fd == -ENOTDIR ?
				      "is no folder here, and a symbolic link is not followed" :
				      NULL, err);
		}
		level->fd = fd;
	}
	return 1;
}

/* A new file under its own name or, when something bears it, under one that is renamed later. */
static int create(struct folder_unpack *u, int dirfd, const struct msd_fs_node *node, char *temp,
		  size_t temp_len)
{
	mode_t mode = node->attributes & FAT_ATTR_READ_ONLY ? 0444 : 0666;
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dirfd, node->name, flags, mode);

	temp[0] = '\0';
	while (fd < 0 && errno == EEXIST) {
		snprintf(temp, temp_len, ".msd-%d-%u.tmp", (int)getpid(), u->temp_number++);
		fd = openat(dirfd, temp, flags, mode);
	}
	return fd < 0 ? -errno : fd;
}

static void set_mtime(int fd, const struct msd_fs_node *node)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, node->mtime };

	if (node->mtime.tv_sec != 0)
		futimens(fd, times);
}

static int unpack_file(struct folder_unpack *u, const char *path, const struct msd_fs_node *node,
		       struct msd_error *err)
{
	int dirfd = u->levels[u->depth].fd, rc;
	char temp[64];
	_cleanup_close_ int fd = create(u, dirfd, node, temp, sizeof(temp));
	struct msd_sink sink = { .name = path, .fd = fd, .is_regular = true };
	const char *made = temp[0] ? temp : node->name;

	if (fd < 0)
		return refuse(u, path, fd, NULL, err);
	rc = msd_copy_out_file(u->common.copy, node, &sink, err);
	if (rc < 0) {
		unlinkat(dirfd, made, 0);
		return rc == -EFBIG ? refuse(u, path, rc, NULL, err) : rc;
	}
	set_mtime(fd, node);
	if (temp[0] && renameat(dirfd, temp, dirfd, node->name) < 0) {
		rc = -errno;
		unlinkat(dirfd, temp, 0);
		return refuse(u, path, rc, rc == -EISDIR ? "is a folder here" : NULL, err);
	}
	msd_log(u->common.params->log, MSD_LOG_STEP, "%s", path);
	return 0;
}

/* ---- mirroring ---- */

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;	/* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	return hash;
}

static int remember(struct level *level, const char *name, struct msd_error *err)
{
	if (level->n_names == level->room) {
		size_t room = level->room ? level->room * 2 : 64;
		uint64_t *names = realloc(level->names, room * sizeof(*names));

		if (!names)
			return msd_fail_on(err, ENOMEM, name);
		level->names = names;
		level->room = room;
	}
	level->names[level->n_names++] = hash_name(name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Removes a file, or a folder and what is in it. Symlinks are removed, not followed. */
static int remove_tree(int dirfd, const char *name, uint64_t *n_removed)
{
	/* not on the stack, which a deep tree would fill */
	_cleanup_free_ struct msd_dir *dir = NULL;
	_cleanup_close_ int fd = -1;
	const struct dirent64 *entry;

	(*n_removed)++;
	if (unlinkat(dirfd, name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = open_folder(dirfd, name);
	if (fd < 0)
		return fd;
	dir = malloc(sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	msd_dir_take(dir, fd);
	while ((entry = msd_dir_next(dir))) {
		int rc = remove_tree(fd, entry->d_name, n_removed);

		if (rc < 0)
			return rc;
	}
	return errno ? -errno : unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_others(struct folder_unpack *u, struct level *level, const char *path,
			 struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;

	if (msd_dir_open(&dir, level->fd, ".") < 0)
		return refuse(u, path, -errno, NULL, err);
	if (level->n_names)
		qsort(level->names, level->n_names, sizeof(uint64_t), compare);
	while ((entry = msd_dir_next(&dir))) {
		uint64_t hash = hash_name(entry->d_name);
		char child[PATH_MAX];
		int rc;

		if (level->n_names &&
		    bsearch(&hash, level->names, level->n_names, sizeof(hash), compare))
			continue;
		snprintf(child, sizeof(child), "%s%s%s", path, path[0] ? "/" : "", entry->d_name);
		if (!unpack_wants(u->common.params, child, entry->d_name, entry->d_type == DT_DIR))
			continue;
		rc = remove_tree(level->fd, entry->d_name, &u->common.result->n_removed);
		if (rc == 0)
			msd_log(u->common.params->log, MSD_LOG_STEP, "%s: removed", child);
		else
			rc = refuse(u, child, rc, NULL, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int leave(struct folder_unpack *u, const char *path, struct msd_error *err)
{
	struct level *level = &u->levels[u->depth];
	bool whole = level->damages_before == msd_fs_get_damages(u->common.fs);
	int rc = 0;

	if (u->common.params->mirror && level->fd >= 0 && whole)
		rc = remove_others(u, level, path, err);
	free(level->names);
	level->names = NULL;
	if (level->node && level->fd >= 0) {
		set_mtime(level->fd, level->node);
		close(level->fd);
	}
	return rc;
}

/* ---- the walk ---- */

static int enter(struct folder_unpack *u, const char *path, const struct msd_fs_node *node,
		 struct msd_error *err)
{
	struct level *level = &u->levels[u->depth + 1];
	int rc;

	if (!unpack_wants(u->common.params, path, node->name, true))
		return 1;
	rc = unpack_count(&u->common, node, err);
	if (rc)
		return rc;
	u->depth++;
	*level = (struct level){ node, .fd = -1,
				 .damages_before = msd_fs_get_damages(u->common.fs) };
	rc = u->common.params->include ? 0 : ensure_folder(u, path, err);
	return rc < 0 ? rc : 0;
}

static int visit(void *data, enum msd_walk_event event, const char *path,
		 const struct msd_fs_node *node, struct msd_error *err)
{
	struct folder_unpack *u = data;
	int rc;

	if (event == MSD_WALK_LEAVE) {
		rc = leave(u, path, err);
		u->depth--;
		return rc;
	}
	if (u->common.params->mirror) {
		rc = remember(&u->levels[u->depth], node->name, err);
		if (rc < 0)
			return rc;
	}
	if (event == MSD_WALK_FOLDER)
		return enter(u, path, node, err);
	if (!unpack_wants(u->common.params, path, node->name, false))
		return 0;
	rc = ensure_folder(u, path, err);
	if (rc <= 0)
		return rc;
	rc = unpack_count(&u->common, node, err);
	return rc < 0 ? rc : rc > 0 ? 0 : unpack_file(u, path, node, err);
}

int msd_unpack(struct msd_fs *fs, const struct msd_fs_node *folder, int dirfd,
	       const struct msd_unpack_params *params, struct msd_unpack_result *ret,
	       struct msd_error *reterr)
{
	_cleanup_free_ struct folder_unpack *u = calloc(1, sizeof(*u));
	struct msd_walk walk = { .fs = fs, .recurse = true, .fn = visit, .data = u };
	int rc = u ? unpack_init(&u->common, fs, params, ret, reterr) :
		     msd_fail_on(reterr, ENOMEM, msd_io_get_name(msd_fs_get_io(fs)));

	if (rc < 0)
		return rc;
	u->levels[0] = (struct level){ NULL, dirfd, .damages_before = msd_fs_get_damages(fs) };
	rc = msd_walk_run(&walk, folder, "", reterr);
	for (; u->depth > 0; u->depth--) {
		free(u->levels[u->depth].names);
		if (u->levels[u->depth].fd >= 0)
			close(u->levels[u->depth].fd);
	}
	if (rc == 0)
		rc = leave(u, "", reterr);
	else
		free(u->levels[0].names);
	ret->bytes = msd_copy_out_get_total(u->common.copy);
	msd_copy_out_free(u->common.copy);
	return rc;
}
