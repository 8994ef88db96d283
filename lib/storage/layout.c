/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a storage that becomes writable is put right in. */
#include "storage/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/parse.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int unknown(const char *what, const char *name, const char *option, struct msd_error *err)
{
	msd_fail(err, MSD_E_CONFIG, "%s: there is no such %s, which the storage is to belong to", name,
		 what);
	msd_hint(err, "correct X-kvmd.otgmsd-%s= in " MSD_FSTAB ", or %sadd %s", option, option, name);
	return -MSD_E_CONFIG;
}

int msd_owner_read(const struct msd_root *root, struct msd_owner *ret, struct msd_error *reterr)
{
	uint64_t number;

	*ret = (struct msd_owner){ (uid_t)-1, (gid_t)-1 };
	if (root->user && msd_parse_number(root->user, INT32_MAX, &number) == 0) {
		ret->uid = (uid_t)number;
	} else if (root->user) {
		const struct passwd *user = getpwnam(root->user);

		if (!user)
			return unknown("user", root->user, "user", reterr);
		ret->uid = user->pw_uid;
	}
	if (root->group && msd_parse_number(root->group, INT32_MAX, &number) == 0) {
		ret->gid = (gid_t)number;
	} else if (root->group) {
		const struct group *group = getgrnam(root->group);

		if (!group)
			return unknown("group", root->group, "group", reterr);
		ret->gid = group->gr_gid;
	}
	return 0;
}

/* Below the mount point a user may have put links: each step is made without following one. */
static int open_folder(const struct msd_root *root, struct msd_error *err)
{
	const char *from = root->target ? root->target : root->path;
	_cleanup_close_ int fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *rest = root->path + strlen(from);
	char name[NAME_MAX + 1];

	while (fd >= 0 && root->target && *(rest += strspn(rest, "/"))) {
		size_t len = strcspn(rest, "/");
		int next;

		if (len > NAME_MAX)
			return msd_fail_on(err, ENAMETOOLONG, root->path);
		memcpy(name, rest, len);
		name[len] = '\0';
		next = openat(fd, name, FOLDER_FLAGS);
		close(fd);
		fd = next;
		rest += len;
	}
	if (fd < 0)
		return msd_fail_os(err, root->path);
	return msd_steal_fd(&fd);
}

static void set_owner(int fd, const struct msd_root *root, const struct msd_owner *owner,
		      const struct msd_log *log)
{
	struct stat st;
	bool uid, gid;

	if (fstat(fd, &st) < 0)
		return;
	uid = owner->uid != (uid_t)-1 && owner->uid != st.st_uid;
	gid = owner->gid != (gid_t)-1 && owner->gid != st.st_gid;
	if (!uid && !gid)
		return;
	if (fchown(fd, uid ? owner->uid : (uid_t)-1, gid ? owner->gid : (gid_t)-1) < 0) {
		msd_log(log, MSD_LOG_WARNING, "%s: cannot be given to %s%s%s: %s", root->path,
			uid ? root->user : "", uid && gid ? ":" : "", gid ? root->group : "",
			strerror(errno));
		msd_log(log, MSD_LOG_HINT, "FAT and exFAT know no owners: put uid=%d,gid=%d into the"
			" line of %s in " MSD_FSTAB, owner->uid == (uid_t)-1 ? 0 : (int)owner->uid,
			owner->gid == (gid_t)-1 ? 0 : (int)owner->gid, root->path);
		return;
	}
	if (uid)
		msd_log(log, MSD_LOG_STEP, "%s: belongs to user %s now", root->path, root->user);
	if (gid)
		msd_log(log, MSD_LOG_STEP, "%s: belongs to group %s now", root->path, root->group);
}

static int open_dir(struct msd_dir *ret, int dirfd, const char *name)
{
	return msd_dir_take(ret, openat(dirfd, name, FOLDER_FLAGS));
}

static bool is_complete(int metafd, const char *name)
{
	char file[NAME_MAX + 16];
	struct stat st;

	snprintf(file, sizeof(file), "%s.complete", name);
	return fstatat(metafd, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int mark_incomplete(int fd, const char *name)
{
	_cleanup_close_ int marker = -1;
	char file[NAME_MAX + 32];

	snprintf(file, sizeof(file), ".__%s.incomplete", name);
	marker = openat(fd, file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return marker < 0 ? -errno : 0;
}

/* images/NAME becomes NAME; the marker first, so that a power cut makes no half image whole. */
static void move_images(int fd, struct msd_dir *images, int metafd, const struct msd_root *root,
			const struct msd_log *log)
{
	const struct dirent64 *entry;

	while ((entry = msd_dir_next(images))) {
		const char *name = entry->d_name;
		int rc = 0;

		if (!is_complete(metafd, name))
			rc = mark_incomplete(fd, name);
		if (rc == 0 && renameat2(images->fd, name, fd, name, RENAME_NOREPLACE) < 0)
			rc = -errno;
		if (rc < 0)
			msd_log(log, MSD_LOG_WARNING, "%s/images/%s: cannot be moved to %s: %s",
				root->path, name, root->path, strerror(-rc));
		else
			msd_log(log, MSD_LOG_STEP, "%s/images/%s: moved to %s", root->path, name,
				root->path);
	}
}

static void migrate_folders(int fd, const struct msd_root *root, const struct msd_log *log)
{
	_cleanup_dir_ struct msd_dir images, meta;
	const struct dirent64 *entry;

	open_dir(&meta, fd, "meta");
	if (open_dir(&images, fd, "images") < 0 || meta.fd < 0)
		return;
	move_images(fd, &images, meta.fd, root, log);
	if (unlinkat(fd, "images", AT_REMOVEDIR) < 0)
		return;		/* what could not be moved still needs its marks */
	while ((entry = msd_dir_next(&meta)))
		unlinkat(meta.fd, entry->d_name, 0);
	unlinkat(fd, "meta", AT_REMOVEDIR);
}

static bool is_old_mark(const char *name)
{
	static const char end[] = ".complete";
	size_t len = strlen(name);

	return len > 3 + strlen(end) && !strncmp(name, ".__", 3) &&
	       !strcmp(name + len - strlen(end), end);
}

static void remove_old_marks(int fd, const struct msd_root *root, const struct msd_log *log)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;

	open_dir(&dir, fd, ".");
	while ((entry = msd_dir_next(&dir)))
		if (is_old_mark(entry->d_name) && unlinkat(fd, entry->d_name, 0) == 0)
			msd_log(log, MSD_LOG_STEP, "%s/%s: old marker removed", root->path, entry->d_name);
}

int msd_layout_update(const struct msd_root *root, const struct msd_owner *owner,
		      const struct msd_log *log, struct msd_error *reterr)
{
	_cleanup_close_ int fd = open_folder(root, reterr);

	if (fd < 0)
		return fd;
	migrate_folders(fd, root, log);
	remove_old_marks(fd, root, log);
	set_owner(fd, root, owner, log);
	return 0;
}
