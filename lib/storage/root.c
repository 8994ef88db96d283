/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the images lie. */
#include "storage/root.h"

#include <errno.h>
#include <libmount.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "storage/remote.h"
#include "storage/remount.h"

#define OPTION "X-kvmd.otgmsd-"

/* What a marked line looks like, for hints. */
#define EXAMPLE "/dev/mmcblk0p3 %s ext4 nodev,nosuid,noexec,ro,errors=remount-ro,"         \
		OPTION "root=%s," OPTION "user=kvmd 0 0"

struct fstab {
	struct libmnt_table *table;	/* NULL: no lines */
	struct libmnt_table *mounts;
};

static void fstab_close(struct fstab *fstab)
{
	mnt_unref_table(fstab->table);
	mnt_unref_table(fstab->mounts);
}

static int fstab_open(struct fstab *fstab, const char *file, struct msd_error *err)
{
	int rc;

	fstab->table = mnt_new_table();
	if (!fstab->table)
		return msd_fail_on(err, ENOMEM, file);
	rc = mnt_table_parse_file(fstab->table, file);
	if (rc < 0 && rc != -ENOENT)
		return msd_fail_on(err, -rc, file);
	return 0;
}

/* "/a//b/./c/" is "/a/b/c". NULL for what is not absolute or goes up. */
static char *normal_path(const char *text, size_t len)
{
	char *path = malloc(len + 2), *out = path;

	if (!path || len == 0 || text[0] != '/')
		goto bad;
	for (size_t i = 0, n; i < len; i += n) {
		const char *part = text + i;

		n = part[0] == '/' ? strspn(part, "/") : strcspn(part, "/");
		if (n > len - i)
			n = len - i;
		if (part[0] == '/' || (n == 1 && part[0] == '.'))
			continue;
		if (n == 2 && !strncmp(part, "..", 2))
			goto bad;
		*out++ = '/';
		out = mempcpy(out, part, n);
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
	return path;
bad:
	free(path);
	return NULL;
}

/* Whether path is dir or lies below it; both are normal. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

/* The value of a mark, or NULL; *marked becomes true when it is there, with or without one. */
static char *get_mark(struct libmnt_fs *fs, const char *name, bool *marked)
{
	char *value;
	size_t len;

	if (mnt_optstr_get_option(mnt_fs_get_options(fs), name, &value, &len))
		return NULL;
	*marked = true;
	return value && len ? strndup(value, len) : NULL;
}

/* Takes in a line if it is marked: 1, else 0. */
static int read_line(struct libmnt_fs *fs, const char *file, struct msd_root *root,
		     struct msd_error *err)
{
	_cleanup_free_ char *path = NULL, *user = NULL, *group = NULL;
	const char *target = mnt_fs_get_target(fs);
	bool marked = false;

	if (!mnt_fs_get_options(fs))
		return 0;
	path = get_mark(fs, OPTION "root", &marked);
	user = get_mark(fs, OPTION "user", &marked);
	group = get_mark(fs, OPTION "group", &marked);
	if (!marked)
		return 0;
	if (!target)
		target = "none";
	if (root->target) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: both %s and %s are marked as the storage", file,
			 root->target, target);
		msd_hint(err, "take the options " OPTION "root, -user and -group out of one of the"
			 " two lines");
		return -MSD_E_NOTFOUND;
	}
	root->target = normal_path(target, strlen(target));
	if (!path)
		path = strdup(target);
	if (root->target && path)
		root->path = normal_path(path, strlen(path));
	if (!root->path || !is_below(root->path, root->target)) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: the storage %s does not lie on its mount point %s",
			 file, path ? path : "", target);
		msd_hint(err, "write " OPTION "root=%s, or a folder below it, into this line", target);
		return -MSD_E_NOTFOUND;
	}
	root->user = msd_steal(user);
	root->group = msd_steal(group);
	return 1;
}

static int read_marked(struct fstab *fstab, const char *file, struct msd_root *root,
		       struct msd_error *err)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int rc = 0;

	if (!iter)
		return msd_fail_on(err, ENOMEM, file);
	while (rc >= 0 && mnt_table_next_fs(fstab->table, iter, &fs) == 0)
		rc = read_line(fs, file, root, err);
	mnt_free_iter(iter);
	return rc < 0 ? rc : 0;
}

static int check_mounted(const struct fstab *fstab, const char *target, struct msd_error *err)
{
	struct libmnt_fs *fs = msd_mounts_find(fstab->mounts, target);

	if (fs && !strcmp(mnt_fs_get_target(fs), target))
		return 0;
	return msd_fail(err, MSD_E_NOTFOUND, "%s: nothing is mounted there", target);
}

/*
 * The way to the target may lead over links: mountinfo has it without. Only what lies above
 * the mount point is looked at, never the mounted file system.
 */
static int resolve_target(const struct fstab *fstab, struct msd_root *root, struct msd_error *err)
{
	_cleanup_free_ char *parent = NULL, *rest = NULL;
	char *name = strrchr(root->target, '/'), *real;
	int rc = check_mounted(fstab, root->target, err);

	if (rc != -MSD_E_NOTFOUND || name == root->target)
		return rc;
	*name = '\0';
	parent = realpath(root->target, NULL);
	*name = '/';
	if (!parent || asprintf(&real, "%s%s", parent, name) < 0)
		return rc;
	if (check_mounted(fstab, real, NULL) < 0) {
		free(real);
		return rc;
	}
	rest = strdup(root->path + strlen(root->target));
	free(root->target);
	root->target = real;
	free(root->path);
	root->path = NULL;
	if (!rest || asprintf(&root->path, "%s%s", root->target, rest) < 0)
		return msd_fail_on(err, ENOMEM, root->target);
	return 0;
}

static int check_folder(const struct fstab *fstab, const char *path, struct msd_error *err)
{
	struct stat st;
	int rc = msd_remote_check(fstab->mounts, path, err);

	if (rc < 0)
		return rc;
	if (stat(path, &st) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return msd_fail_os(err, path);
		msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such folder for the image storage",
			 path);
	} else if (!S_ISDIR(st.st_mode)) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: the image storage must be a folder", path);
	} else {
		return 0;
	}
	return -MSD_E_NOTFOUND;
}

static int finish_marked(const struct fstab *fstab, const char *file, struct msd_root *root,
			 struct msd_error *err)
{
	int rc = resolve_target(fstab, root, err);

	if (rc == -MSD_E_NOTFOUND) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: the image storage is not mounted", root->target);
		msd_hint(err, "mount %s (its line is in %s; with nofail in it the board boots"
			 " without the storage)", msd_quoted(root->target), file);
		return rc;
	}
	if (rc < 0 || !strcmp(root->path, root->target))
		return rc;
	rc = check_folder(fstab, root->path, err);
	if (rc == -MSD_E_NOTFOUND)
		msd_hint(err, "mount -o remount,rw %s && mkdir -p %s, or correct " OPTION "root= in %s",
			 msd_quoted(root->target), msd_quoted(root->path), file);
	return rc;
}

/* A file system that belongs on path or above it, says fstab, and is not there. */
static int check_expected_mount(struct fstab *fstab, const char *path, const char *file,
				struct msd_error *err)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int rc = 0;

	if (!iter)
		return msd_fail_on(err, ENOMEM, file);
	while (rc == 0 && mnt_table_next_fs(fstab->table, iter, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs);

		if (!target || target[0] != '/' || !strcmp(target, "/") || !is_below(path, target) ||
		    check_mounted(fstab, target, NULL) == 0)
			continue;
		rc = msd_fail(err, MSD_E_NOTFOUND, "%s: the image storage is not mounted", target);
		msd_hint(err, "mount %s (its line is in %s)", msd_quoted(target), file);
	}
	mnt_free_iter(iter);
	return rc;
}

static int finish_unmarked(struct fstab *fstab, const char *path, const char *file,
			   struct msd_root *root, struct msd_error *err)
{
	int rc;

	root->path = normal_path(path, strlen(path));
	if (!root->path) {
		msd_fail(err, MSD_E_CONFIG, "%s: the storage needs a whole path, without ..", path);
		msd_hint(err, "storage { path = \"%s\" }", MSD_ROOT_DEFAULT);
		return -MSD_E_CONFIG;
	}
	if (strcmp(root->path, "/") && check_mounted(fstab, root->path, NULL) == 0) {
		root->target = strdup(root->path);
		return root->target ? 0 : msd_fail_on(err, ENOMEM, path);
	}
	rc = check_expected_mount(fstab, root->path, file, err);
	if (rc < 0)
		return rc;
	rc = check_folder(fstab, root->path, err);
	if (rc == -MSD_E_NOTFOUND)
		msd_hint(err, "mkdir -p %s, or for a partition of its own add to %s: " EXAMPLE,
			 msd_quoted(root->path), file, root->path, root->path);
	return rc;
}

int msd_root_read(const char *fstab, const char *path, struct libmnt_table *mounts,
		  struct msd_root *ret, struct msd_error *reterr)
{
	_cleanup_(fstab_close) struct fstab lines = { 0 };
	struct msd_root root = { 0 };
	int rc = fstab_open(&lines, fstab, reterr);

	if (mounts)
		mnt_ref_table(lines.mounts = mounts);
	else if (rc == 0)
		rc = msd_mounts_read(&lines.mounts, reterr);
	if (rc == 0)
		rc = read_marked(&lines, fstab, &root, reterr);
	if (rc == 0 && root.target)
		rc = finish_marked(&lines, fstab, &root, reterr);
	else if (rc == 0)
		rc = finish_unmarked(&lines, path ? path : MSD_ROOT_DEFAULT, fstab, &root, reterr);
	if (rc < 0) {
		msd_root_done(&root);
		return rc;
	}
	*ret = root;
	return 0;
}

void msd_root_done(struct msd_root *root)
{
	free(root->path);
	free(root->target);
	free(root->user);
	free(root->group);
	memset(root, 0, sizeof(*root));
}
