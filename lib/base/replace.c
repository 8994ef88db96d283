/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new file takes the place of an old one. */
#include "base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define TRIES 100

struct msd_replace {
	struct msd_replace_params params;
	char *path;		/* resolved */
	const char *name;	/* its last part */
	int dirfd;
	int fd;
	bool has_old;
	bool has_temp;		/* temp exists in the folder and is ours to remove */
	char temp[NAME_MAX + 1];
};

/* Follows symlinks, the last one too; the file itself may be missing. */
static int resolve(struct msd_replace *replace, const char *path, struct msd_error *err)
{
	_cleanup_free_ char *copy = NULL, *folder = NULL;
	struct stat st;
	char *slash;

	replace->path = realpath(path, NULL);
	if (replace->path)
		return 0;
	if (errno != ENOENT)
		return msd_fail_os(err, path);
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return msd_fail(err, MSD_E_REFUSED, "%s: a symbolic link to nothing", path);
	copy = strdup(path);
	if (!copy)
		return msd_fail_on(err, ENOMEM, path);
	slash = strrchr(copy, '/');
	if (slash && !slash[1])
		return msd_fail_on(err, ENOENT, path);
	if (slash)
		*slash = '\0';
	folder = realpath(!slash ? "." : slash == copy ? "/" : copy, NULL);
	if (!folder)
		return msd_fail_os(err, path);
	if (asprintf(&replace->path, "%s/%s", folder[1] ? folder : "", slash ? slash + 1 : copy) < 0)
		return msd_fail_on(err, ENOMEM, path);
	return 0;
}

/* What is there now decides the mode and owner that were not asked for. */
static int look_at_old(struct msd_replace *replace, struct msd_error *err)
{
	struct stat st;

	if (fstatat(replace->dirfd, replace->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : msd_fail_os(err, replace->path);
	if (!S_ISREG(st.st_mode))
		return msd_fail(err, MSD_E_REFUSED, "%s: not a regular file", replace->path);
	replace->has_old = true;
	if (!replace->params.has_mode) {
		replace->params.has_mode = true;
		replace->params.mode = st.st_mode & 07777;
	}
	if (!replace->params.has_owner) {
		replace->params.uid = st.st_uid;
		replace->params.gid = st.st_gid;
	}
	return 0;
}

/* A name that nobody has, as far as chance goes. */
static void make_temp_name(struct msd_replace *replace)
{
	uint64_t random;

	/* enough of the name is left to tell whose it is */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint64_t)getpid() << 32 | (uintptr_t)&random;
	snprintf(replace->temp, sizeof(replace->temp), ".%.200s.%08x.tmp", replace->name,
		 (unsigned)(random ^ random >> 32));
}

static int open_named(struct msd_replace *replace, mode_t mode, struct msd_error *err)
{
	for (unsigned i = 0; i < TRIES; i++) {
		make_temp_name(replace);
		replace->fd = openat(replace->dirfd, replace->temp,
				     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (replace->fd >= 0) {
			replace->has_temp = true;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return msd_fail_errno(err, errno, "%s: new file beside it", replace->path);
}

/* A file without a name gets one through /proc, or not at all. */
static bool can_link(int fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, link, F_OK, 0) == 0;
}

static int open_new(struct msd_replace *replace, struct msd_error *err)
{
	mode_t mode = replace->params.has_mode ? replace->params.mode & 0777 : 0666;

	/* one's own file must be writable while it is made, whatever it becomes */
	replace->fd = openat(replace->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (replace->fd >= 0 && can_link(replace->fd))
		return 0;
	if (replace->fd < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT &&
	    errno != EINVAL)
		return msd_fail_errno(err, errno, "%s: new file beside it", replace->path);
	msd_closep(&replace->fd);
	replace->fd = -1;
	return open_named(replace, mode, err);
}

int msd_replace_open(const char *path, const struct msd_replace_params *params,
		     struct msd_replace **ret, struct msd_error *reterr)
{
	_cleanup_(msd_replace_closep) struct msd_replace *replace = calloc(1, sizeof(*replace));
	char *slash;
	int rc;

	if (!replace)
		return msd_fail_on(reterr, ENOMEM, path);
	replace->dirfd = replace->fd = -1;
	replace->params.uid = (uid_t)-1;
	replace->params.gid = (gid_t)-1;
	if (params)
		replace->params = *params;
	if (!replace->params.has_owner) {
		replace->params.uid = (uid_t)-1;
		replace->params.gid = (gid_t)-1;
	}
	rc = resolve(replace, path, reterr);
	if (rc < 0)
		return rc;
	slash = strrchr(replace->path, '/');
	replace->name = slash + 1;
	/* openat() of the path up to the slash; "/" itself for what lies there */
	*slash = '\0';
	replace->dirfd = open(slash == replace->path ? "/" : replace->path,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (replace->dirfd < 0)
		return msd_fail_os(reterr, replace->path);
	rc = look_at_old(replace, reterr);
	if (rc == 0)
		rc = open_new(replace, reterr);
	if (rc < 0)
		return rc;
	*ret = msd_steal(replace);
	return 0;
}

int msd_replace_get_fd(const struct msd_replace *replace)
{
	return replace->fd;
}

const char *msd_replace_get_path(const struct msd_replace *replace)
{
	return replace->path;
}

static int set_owner_and_mode(struct msd_replace *replace, struct msd_error *err)
{
	const struct msd_replace_params *params = &replace->params;
	struct stat st;

	if (!params->has_mode && params->uid == (uid_t)-1 && params->gid == (gid_t)-1)
		return 0;
	if (fstat(replace->fd, &st) < 0)
		return msd_fail_os(err, replace->path);
	if ((params->uid != (uid_t)-1 && params->uid != st.st_uid) ||
	    (params->gid != (gid_t)-1 && params->gid != st.st_gid)) {
		/* the old file's owner is kept where that is allowed, one asked for must be had */
		if (fchown(replace->fd, params->uid, params->gid) < 0 && params->has_owner)
			return msd_fail_errno(err, errno, "%s: change of owner", replace->path);
		/* a change of owner takes set-id bits away */
		st.st_mode = (mode_t)-1;
	}
	if (params->has_mode && params->mode != (st.st_mode & 07777) &&
	    fchmod(replace->fd, params->mode) < 0)
		return msd_fail_errno(err, errno, "%s: change of mode", replace->path);
	return 0;
}

static int link_fd(struct msd_replace *replace, const char *name)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", replace->fd);
	return linkat(AT_FDCWD, link, replace->dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* The file without a name gets its own, or, when an old one has it, one to be renamed from. */
static int give_name(struct msd_replace *replace)
{
	int rc = replace->has_old ? -EEXIST : link_fd(replace, replace->name);

	for (unsigned i = 0; rc == -EEXIST && i < TRIES; i++) {
		make_temp_name(replace);
		rc = link_fd(replace, replace->temp);
		replace->has_temp = rc == 0;
	}
	return rc;
}

int msd_replace_commit(struct msd_replace *replace, bool sync, struct msd_error *reterr)
{
	int rc = set_owner_and_mode(replace, reterr);

	if (rc < 0)
		return rc;
	if (sync && fsync(replace->fd) < 0)
		return msd_fail_errno(reterr, errno, "%s: sync", replace->path);
	if (!replace->has_temp) {
		rc = give_name(replace);
		if (rc < 0)
			return msd_fail_errno(reterr, -rc, "%s: link", replace->path);
	}
	if (replace->has_temp) {
		if (renameat(replace->dirfd, replace->temp, replace->dirfd, replace->name) < 0)
			return msd_fail_errno(reterr, errno, "%s: rename", replace->path);
		replace->has_temp = false;
	}
	/* some file systems have no sync of a folder, and say so */
	if (sync && fsync(replace->dirfd) < 0 && errno != EINVAL)
		return msd_fail_errno(reterr, errno,
				      "%s: in place, but may be lost in a power cut: sync of its folder",
				      replace->path);
	return 0;
}

struct msd_replace *msd_replace_close(struct msd_replace *replace)
{
	if (!replace)
		return NULL;
	if (replace->has_temp)
		unlinkat(replace->dirfd, replace->temp, 0);
	msd_closep(&replace->fd);
	msd_closep(&replace->dirfd);
	free(replace->path);
	free(replace);
	return NULL;
}

void msd_replace_closep(struct msd_replace **replace)
{
	msd_replace_close(*replace);
}
