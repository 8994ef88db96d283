/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes a mounted file system writable or read-only. */
#include "storage/remount.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/shell.h"

#define MOUNTINFO "/proc/self/mountinfo"

static bool has_option(const char *options, const char *name)
{
	return options && mnt_optstr_get_option(options, name, NULL, NULL) == 0;
}

static bool is_readonly(const char *options)
{
	return has_option(options, "ro");
}

static void set_string(char **ret, const char *text, bool *failed)
{
	*ret = text ? strdup(text) : NULL;
	if (text && !*ret)
		*failed = true;
}

/* The other mount point of the file system that could write it, or NULL. */
static const char *find_other(struct libmnt_table *table, struct libmnt_fs *self)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	const char *found = NULL;
	struct libmnt_fs *fs;

	while (iter && !found && mnt_table_next_fs(table, iter, &fs) == 0)
		if (fs != self && mnt_fs_get_devno(fs) == mnt_fs_get_devno(self) &&
		    !is_readonly(mnt_fs_get_vfs_options(fs)))
			found = mnt_fs_get_target(fs);
	mnt_free_iter(iter);
	return found;
}

static int copy_mount(struct libmnt_table *table, struct libmnt_fs *fs, struct msd_mount *mount)
{
	bool failed = false;

	mount->id = mnt_fs_get_id(fs);
	mount->dev = mnt_fs_get_devno(fs);
	set_string(&mount->target, mnt_fs_get_target(fs), &failed);
	set_string(&mount->source, mnt_fs_get_srcpath(fs), &failed);
	set_string(&mount->fstype, mnt_fs_get_fstype(fs), &failed);
	set_string(&mount->options, mnt_fs_get_vfs_options(fs), &failed);
	set_string(&mount->fs_options, mnt_fs_get_fs_options(fs), &failed);
	set_string(&mount->other, find_other(table, fs), &failed);
	mount->fs_readonly = is_readonly(mount->fs_options);
	mount->readonly = mount->fs_readonly || is_readonly(mount->options);
	if (!failed)
		return 0;
	msd_mount_done(mount);
	return -ENOMEM;
}

/* The mount point path, or the one above it that is nearest; of equal ones the top one. */
static struct libmnt_fs *find_mount(struct libmnt_table *table, const char *path, bool above)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs, *found = NULL;
	size_t best = 0;

	while (iter && mnt_table_next_fs(table, iter, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs);
		size_t len = target ? strlen(target) : 0;

		if (len < best || strncmp(path, target, len) ||
		    (path[len] != '\0' && (!above || (len > 1 && path[len] != '/'))))
			continue;
		best = len;
		found = fs;
	}
	mnt_free_iter(iter);
	return found;
}

/* libmount's own opening of the file, of which it resolves the name, costs three times the calls. */
int msd_mounts_read(struct libmnt_table **ret, struct msd_error *reterr)
{
	_cleanup_free_ char *text = NULL;
	struct libmnt_table *table;
	FILE *file;
	int rc = msd_proc_read(MOUNTINFO, &text, reterr);

	if (rc < 0)
		return rc;
	table = mnt_new_table();
	file = fmemopen(text, strlen(text), "r");
	rc = table && file ? mnt_table_parse_stream(table, file, "") : -ENOMEM;
	if (file)
		fclose(file);
	if (rc != 0) {
		mnt_unref_table(table);
		return msd_fail_errno(reterr, rc < 0 && rc > -4096 ? -rc : EIO, MOUNTINFO);
	}
	*ret = table;
	return 0;
}

struct libmnt_fs *msd_mounts_find(struct libmnt_table *mounts, const char *path)
{
	return find_mount(mounts, path, true);
}

static int read_mount(const char *path, bool above, struct msd_mount *ret, struct msd_error *err)
{
	struct msd_mount mount = { 0 };
	struct libmnt_table *table;
	struct libmnt_fs *fs;
	int rc = msd_mounts_read(&table, err);

	if (rc < 0)
		return rc;
	fs = find_mount(table, path, above);
	if (!fs) {
		rc = msd_fail(err, MSD_E_NOTFOUND, "%s: nothing is mounted there", path);
	} else {
		rc = copy_mount(table, fs, &mount);
		if (rc < 0)
			msd_fail_on(err, -rc, path);
	}
	mnt_unref_table(table);
	if (rc == 0)
		*ret = mount;
	return rc;
}

int msd_mount_read(const char *target, struct msd_mount *ret, struct msd_error *reterr)
{
	return read_mount(target, false, ret, reterr);
}

int msd_mount_find(const char *path, struct msd_mount *ret, struct msd_error *reterr)
{
	return read_mount(path, true, ret, reterr);
}

void msd_mount_done(struct msd_mount *mount)
{
	free(mount->target);
	free(mount->source);
	free(mount->fstype);
	free(mount->options);
	free(mount->fs_options);
	free(mount->other);
	memset(mount, 0, sizeof(*mount));
}

/*
 * All flags that mount(2) would clear when they are not named: those of the mount point, and
 * of the file system the few that are no data of it.
 */
static int make_options(const struct msd_mount *mount, bool readonly, bool only_flag, char **ret)
{
	static const char *const kept[] = { "sync", "dirsync", "mand", "lazytime" };
	char *options = strdup(mount->options ? mount->options : "");
	int rc = options ? 0 : -ENOMEM;

	if (rc == 0) {
		mnt_optstr_remove_option(&options, "ro");
		mnt_optstr_remove_option(&options, "rw");
		rc = mnt_optstr_append_option(&options, readonly ? "ro" : "rw", NULL);
	}
	if (rc == 0 && only_flag)
		rc = mnt_optstr_append_option(&options, "bind", NULL);
	if (rc == 0)
		rc = mnt_optstr_append_option(&options, "remount", NULL);
	for (size_t i = 0; rc == 0 && !only_flag && i < sizeof(kept) / sizeof(kept[0]); i++)
		if (has_option(mount->fs_options, kept[i]))
			rc = mnt_optstr_append_option(&options, kept[i], NULL);
	if (rc < 0)
		free(options);
	else
		*ret = options;
	return rc;
}

/* mount(2) by libmount. Returns 0 or -errno. */
static int call_remount(const struct msd_mount *mount, const char *options)
{
	struct libmnt_context *cxt = mnt_new_context();
	int rc;

	if (!cxt)
		return -ENOMEM;
	/* nothing from fstab or utab, no helper, no look at the (perhaps hung) target */
	mnt_context_set_optsmode(cxt, MNT_OMODE_IGNORE);
	mnt_context_disable_helpers(cxt, 1);
	mnt_context_disable_mtab(cxt, 1);
	mnt_context_disable_canonicalize(cxt, 1);
	rc = mnt_context_set_target(cxt, mount->target);
	if (rc == 0 && mount->source)
		rc = mnt_context_set_source(cxt, mount->source);
	if (rc == 0)
		rc = mnt_context_set_options(cxt, options);
	if (rc == 0) {
		rc = mnt_context_mount(cxt);
		if (mnt_context_syscall_called(cxt))
			rc = -mnt_context_get_syscall_errno(cxt);
		else if (rc > 0)
			rc = -rc;
		else if (rc < -4095)	/* libmount's own, which are no errno */
			rc = -EINVAL;
	}
	mnt_free_context(cxt);
	return rc;
}

static void sync_target(const char *target)
{
	_cleanup_close_ int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		syncfs(fd);
	else
		sync();
}

/* Words for what the kernel answered. */
static int explain(const struct msd_mount *mount, bool readonly, int rc, struct msd_error *err)
{
	const char *mode = readonly ? "read-only" : "writable";

	switch (-rc) {
	case EBUSY:
		return msd_fail(err, MSD_E_BUSY, "%s: a file is open for writing", mount->target);
	case EPERM:
		msd_fail(err, EPERM, "%s: only root can make it %s", mount->target, mode);
		msd_hint(err, "type sudo in front of the command");
		return rc;
	case EACCES:
	case EROFS:
		msd_fail(err, -rc, "%s: %s cannot be made writable: the device is write-protected,"
			 " or the file system has errors", mount->target,
			 mount->source ? mount->source : mount->fstype);
		msd_hint(err, "dmesg | tail; then umount %s && fsck %s", msd_quoted(mount->target),
			 mount->source ? msd_quoted(mount->source) : "DEVICE");
		return rc;
	default:
		return msd_fail_errno(err, -rc, "%s: cannot be made %s", mount->target, mode);
	}
}

static int remount(const struct msd_mount *mount, bool readonly, struct msd_error *err)
{
	_cleanup_free_ char *options = NULL;
	int rc;

	if (mount->other && !readonly && mount->fs_readonly) {
		msd_fail(err, MSD_E_REFUSED, "%s: its file system is read-only, and would become"
			 " writable at %s as well", mount->target, mount->other);
		msd_hint(err, "mount -o remount,rw %s", msd_quoted(mount->other));
		return -MSD_E_REFUSED;
	}
	if (readonly)
		sync_target(mount->target);
	rc = make_options(mount, readonly, mount->other != NULL, &options);
	if (rc == 0)
		rc = call_remount(mount, options);
	return rc < 0 ? explain(mount, readonly, rc, err) : 0;
}

int msd_mount_set_readonly(const char *target, bool readonly, struct msd_error *reterr)
{
	_cleanup_(msd_mount_done) struct msd_mount before = { 0 }, after = { 0 };
	int rc = msd_mount_read(target, &before, reterr);

	if (rc < 0 || before.readonly == readonly)
		return rc;
	rc = remount(&before, readonly, reterr);
	if (rc == 0)
		rc = msd_mount_read(target, &after, reterr);
	if (rc == 0 && after.readonly != readonly)
		return explain(&before, readonly, readonly ? -EIO : -EROFS, reterr);
	return rc;
}
