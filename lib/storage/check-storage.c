/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wrong with this board: the storage and what is mounted below it. */
#include <errno.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/parse.h"
#include "base/shell.h"
#include "base/text.h"
#include "storage/check-priv.h"
#include "storage/hold.h"
#include "storage/layout.h"
#include "storage/remote.h"
#include "storage/root.h"
#include "storage/writers.h"

#define MARK ".__"
#define INCOMPLETE ".incomplete"

/* Less room than either is a warning. */
#define ROOM_BYTES (256ULL << 20)
#define ROOM_PERCENT 5

static bool has(const char *options, const char *name)
{
	return options && mnt_optstr_get_option(options, name, NULL, NULL) == 0;
}

/* rw, and nobody needs it: the next power cut may cost more than the image that was copied. */
static void check_mode(struct check *check, const struct msd_root *root,
		       const struct msd_mount *mount)
{
	_cleanup_free_ pid_t *pids = NULL;
	struct msd_writer *writers = NULL;
	size_t n_pids = 0, n = 0;

	msd_hold_read_holders(root, &pids, &n_pids, NULL);
	msd_writers_read(root->target, &writers, &n, NULL);
	msd_writers_free(writers, n);
	if (!mount->readonly && n_pids == 0 && n == 0) {
		check_add(check, MSD_CHECK_WARN, "storage", "%s: rw, and nobody writes it: a power cut may"
			  " damage it", root->target);
		check_hint(check, "otgmsd-remount ro");
		return;
	}
	check_add(check, MSD_CHECK_OK, "storage", "%s: %s %s, %s", root->target, mount->fstype,
		  mount->source, mount->readonly ? "ro" : "rw while it is needed");
}

static void check_flags(struct check *check, const struct msd_root *root,
			const struct msd_mount *mount)
{
	static const char *const wanted[] = { "nosuid", "nodev", "noexec" };
	char missing[32] = "";

	for (size_t i = 0; i < 3; i++)
		if (!has(mount->options, wanted[i]))
			msd_append(missing, sizeof(missing), ",", "%s", wanted[i]);
	if (!missing[0])
		return;
	check_add(check, MSD_CHECK_WARN, "storage", "%s: mounted without %s", root->target, missing);
	check_hint(check, "add %s to its line in " MSD_FSTAB ", then mount -o remount,%s %s", missing,
		   missing, root->target);
}

static void check_owner(struct check *check, const struct msd_root *root)
{
	struct msd_owner owner;
	struct msd_error err;
	char wanted[256];
	struct stat st;

	if (!root->user && !root->group)
		return;
	if (msd_owner_read(root, &owner, &err) < 0) {
		check_add_error(check, MSD_CHECK_FAIL, "owner", &err);
		return;
	}
	if (stat(root->path, &st) < 0)
		return;
	snprintf(wanted, sizeof(wanted), "%s%s%s", root->user ? root->user : "", root->group ? ":" : "",
		 root->group ? root->group : "");
	if ((owner.uid != (uid_t)-1 && owner.uid != st.st_uid) ||
	    (owner.gid != (gid_t)-1 && owner.gid != st.st_gid)) {
		check_add(check, MSD_CHECK_WARN, "owner", "%s: belongs to %u:%u, not to %s as fstab says",
			  root->path, st.st_uid, st.st_gid, wanted);
		check_hint(check, "otgmsd-remount rw && otgmsd-remount ro");
		return;
	}
	check_add(check, MSD_CHECK_OK, "owner", "%s: belongs to %s", root->path, wanted);
}

static bool is_type(const char *fstype, const char *const types[])
{
	for (; *types; types++)
		if (!strcmp(fstype, *types))
			return true;
	return false;
}

/*
 * The options that each kind of file system needs here. options are those of the fstab line,
 * which is what the next boot goes by, or those of the mount where there is no line.
 */
static void check_options(struct check *check, const char *target, const char *fstype,
			  const char *options, bool in_fstab)
{
	static const char *const nfs[] = { "nfs", "nfs4", NULL };
	static const char *const cifs[] = { "cifs", "smb3", NULL };
	static const char *const fat[] = { "exfat", "vfat", "ntfs", "ntfs3", NULL };
	size_t before = check->n;

	if (is_type(fstype, nfs) && !has(options, "soft") && !has(options, "softerr")) {
		check_add(check, MSD_CHECK_WARN, "mounts", "%s: NFS without soft: when the server is gone,"
			  " every drive hangs", target);
		check_hint(check, "add soft,timeo=50,retrans=2 to its line in " MSD_FSTAB);
	}
	if ((is_type(fstype, nfs) || is_type(fstype, cifs)) && in_fstab && !has(options, "nofail") &&
	    !has(options, "noauto")) {
		check_add(check, MSD_CHECK_WARN, "mounts", "%s: %s without nofail: when the server is gone,"
			  " the board does not boot", target, fstype);
		check_hint(check, "add nofail to its line in " MSD_FSTAB);
	}
	if (is_type(fstype, fat) && !has(options, "umask") && !has(options, "dmask") &&
	    !has(options, "uid")) {
		check_add(check, MSD_CHECK_WARN, "mounts", "%s: %s without umask or uid: only root can write"
			  " it", target, fstype);
		check_hint(check, "add umask=0000, or uid=kvmd,gid=kvmd, to its line in " MSD_FSTAB);
	}
	if (check->n == before)
		check_add(check, MSD_CHECK_OK, "mounts", "%s: %s", target, fstype);
}

static void check_room(struct check *check, const char *path)
{
	struct statfs st;
	uint64_t free_bytes, size_bytes;
	char text[24];

	if (statfs(path, &st) < 0 || st.f_blocks == 0)
		return;
	free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	size_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	msd_format_size(free_bytes, text, sizeof(text));
	if (free_bytes < ROOM_BYTES || free_bytes < size_bytes / 100 * ROOM_PERCENT) {
		check_add(check, MSD_CHECK_WARN, "room", "%s: only %s free", path, text);
		check_hint(check, "msd-store list; msd-store rm IMAGE");
	} else {
		check_add(check, MSD_CHECK_OK, "room", "%s: %s free", path, text);
	}
}

static void check_incomplete(struct check *check, const struct msd_root *root, const char *path)
{
	_cleanup_dir_ struct msd_dir dir;
	const char *below = path + strlen(root->path);
	const struct dirent64 *entry;

	below += *below == '/';
	msd_dir_open(&dir, AT_FDCWD, path);
	while ((entry = msd_dir_next(&dir))) {
		const char *name = entry->d_name;
		size_t len = strlen(name);
		char image[PATH_MAX];
		int image_len = (int)(len - strlen(MARK) - strlen(INCOMPLETE));

		if (image_len <= 0 || strncmp(name, MARK, strlen(MARK)) ||
		    strcmp(name + len - strlen(INCOMPLETE), INCOMPLETE))
			continue;
		name += strlen(MARK);
		check_add(check, MSD_CHECK_WARN, "incomplete", "%s/%.*s: its upload was interrupted", path,
			  image_len, name);
		snprintf(image, sizeof(image), "%s%s%.*s", below, *below ? "/" : "", image_len, name);
		check_hint(check, "msd-store put FILE --name=%s --resume, or msd-store rm %s",
			   msd_quoted(image), msd_quoted(image));
	}
}

/* Below a mount point: only when its file system answers. */
static void check_content(struct check *check, const struct msd_root *root, const char *path)
{
	int rc = msd_remote_ask(path, MSD_CHECK_TIMEOUT_MS, NULL);

	if (rc < 0) {
		check_add(check, MSD_CHECK_FAIL, "mounts", "%s: %s", path,
			  rc == -ETIMEDOUT ? "the server does not answer" : strerror(-rc));
		check_hint(check, "umount -l %s", msd_quoted(path));
		return;
	}
	check_room(check, path);
	check_incomplete(check, root, path);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return path && !strncmp(path, dir, len) && path[len] == '/';
}

/* fstab: its lines below the storage; the mounts that it does not have come after them. */
static void check_lines(struct check *check, const struct msd_root *root,
			struct libmnt_table *fstab, struct libmnt_table *mounts)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;

	while (iter && mnt_table_next_fs(fstab, iter, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs), *options = mnt_fs_get_options(fs);

		if (!target || (!is_below(target, root->path) && strcmp(target, root->path)))
			continue;
		check_options(check, target, mnt_fs_get_fstype(fs) ? mnt_fs_get_fstype(fs) : "auto", options,
			      true);
		if (is_below(target, root->path) && !has(options, "noauto") &&
		    !mnt_table_find_target(mounts, target, MNT_ITER_BACKWARD)) {
			check_add(check, MSD_CHECK_WARN, "mounts", "%s: not mounted, though fstab has it", target);
			check_hint(check, "mount %s", msd_quoted(target));
		}
	}
	mnt_free_iter(iter);
}

static void check_mounts(struct check *check, const struct msd_root *root)
{
	struct libmnt_table *fstab = mnt_new_table();
	struct libmnt_table *mounts = NULL;
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;

	if (msd_mounts_read(&mounts, NULL) < 0 || !fstab || !iter) {
		check->no_memory = true;
	} else {
		mnt_table_parse_file(fstab, MSD_FSTAB);
		check_lines(check, root, fstab, mounts);
	}
	while (!check->no_memory && mnt_table_next_fs(mounts, iter, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs);

		if (!is_below(target, root->path))
			continue;
		if (!mnt_table_find_target(fstab, target, MNT_ITER_FORWARD))
			check_options(check, target, mnt_fs_get_fstype(fs), mnt_fs_get_fs_options(fs), false);
		check_content(check, root, target);
	}
	mnt_free_iter(iter);
	mnt_unref_table(mounts);
	mnt_unref_table(fstab);
}

void check_storage(struct check *check)
{
	_cleanup_(msd_root_done) struct msd_root root = { 0 };
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };
	struct msd_error err;
	int rc = msd_root_read(MSD_FSTAB, check->options->storage_path, NULL, &root, &err);

	if (rc == 0 && root.target)
		rc = msd_mount_read(root.target, &mount, &err);
	if (rc < 0) {
		check_add_error(check, MSD_CHECK_FAIL, "storage", &err);
		return;
	}
	if (root.target) {
		check_mode(check, &root, &mount);
		check_flags(check, &root, &mount);
	} else {
		check_add(check, MSD_CHECK_OK, "storage", "%s: a folder, no mount of its own", root.path);
	}
	rc = msd_remote_ask(root.path, MSD_CHECK_TIMEOUT_MS, NULL);
	if (rc == 0)
		check_owner(check, &root);
	check_content(check, &root, root.path);
	check_mounts(check, &root);
}
