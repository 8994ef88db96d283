/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The image storage: names, what lies beside an image, removing and renaming. */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "base/text.h"
#include "store-priv.h"
#include "storage/remote.h"
#include "storage/sums.h"
#include "storage/usage.h"

/* The longest name of what lies beside an image is ".__NAME.incomplete". */
#define BASE_MAX (NAME_MAX - (sizeof(".__.incomplete") - 1))

int msd_store_open(const struct msd_root *root, const struct msd_log *log, struct msd_store **ret,
		   struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;
	char link[64], real[PATH_MAX];
	struct msd_store *store;
	ssize_t n;

	if (msd_remote_check(NULL, root->path, reterr) < 0)
		return -MSD_E_FAILED;
	fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return msd_fail(reterr, MSD_E_NOTFOUND, "%s: no such folder for images", root->path);
	if (fd < 0)
		return msd_fail_os(reterr, root->path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlinkat(AT_FDCWD, link, real, sizeof(real) - 1);
	if (n < 0)
		return msd_fail_os(reterr, link);
	real[n] = '\0';
	store = calloc(1, sizeof(*store));
	if (!store || !(store->path = strdup(real))) {
		free(store);
		return msd_fail_on(reterr, ENOMEM, root->path);
	}
	store->fd = msd_steal_fd(&fd);
	store->root = root;
	store->log = log;
	*ret = store;
	return 0;
}

struct msd_store *msd_store_close(struct msd_store *store)
{
	if (!store)
		return NULL;
	msd_hold_releasep(&store->hold);
	close(store->fd);
	free(store->path);
	free(store);
	return NULL;
}

void msd_store_closep(struct msd_store **store)
{
	msd_store_close(*store);
}

int msd_store_release(struct msd_store *store, struct msd_error *reterr)
{
	return msd_hold_release(msd_steal(store->hold), reterr);
}

static void store_place_folder(const struct store_place *place, char *buf, size_t len)
{
	snprintf(buf, len, "%.*s", (int)(strlen(place->path) - strlen(place->base) - 1), place->path);
}

int store_place_hold(struct msd_store *store, const struct store_place *place,
		     struct msd_error *reterr)
{
	struct stat root, folder;
	char dir[PATH_MAX];

	if (store->hold)
		return 0;
	if (fstat(store->fd, &root) < 0 || fstat(place->dirfd, &folder) < 0)
		return msd_fail_os(reterr, place->path);
	if (root.st_dev == folder.st_dev)
		return msd_hold_new(store->root, MSD_HOLD_TIMEOUT_MS, &store->hold, reterr);
	if (faccessat(place->dirfd, ".", W_OK, AT_EACCESS) == 0 || errno != EROFS)
		return 0;
	msd_fail_on(reterr, EROFS, place->name);
	store_place_folder(place, dir, sizeof(dir));
	msd_hint(reterr, "mount -o remount,rw %s", msd_quoted(dir));
	return -EROFS;
}

int msd_store_openat(const struct msd_store *store, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, store->fd, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Returns what is wrong with a name, NULL if nothing is. */
static const char *name_fault(const char *name)
{
	const char *p = name;

	if (!*name)
		return "it is empty";
	if (strlen(name) >= PATH_MAX)
		return "it is too long";
	for (const char *c = name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "it has a control character";
	if (*name == '/')
		return "it must be a path below the storage";
	for (size_t len; ; p += len + 1) {
		len = strcspn(p, "/");
		if (len == 0)
			return "a part of its path is empty";
		if (*p == '.')
			return "names that begin with a dot are hidden";
		if (len == 10 && !strncmp(p, "lost+found", len))
			return "lost+found is not for images";
		if (!p[len])
			return len > BASE_MAX ? "it is longer than 241 bytes" : NULL;
	}
}

/* DIR of DIR/BASE into buf, "" without one. */
static void copy_folder(const char *name, const char *base, char *buf, size_t len)
{
	int n = base > name ? (int)(base - name - 1) : 0;

	snprintf(buf, len, "%.*s", n, name);
}

int store_place_open(const struct msd_store *store, const char *name, struct store_place *ret,
		     struct msd_error *reterr)
{
	const char *fault = name_fault(name), *slash = strrchr(name, '/');
	char folder[PATH_MAX];
	int fd;

	if (fault)
		return msd_fail(reterr, MSD_E_NAME, "'%s': not a name for an image: %s", name, fault);
	ret->name = name;
	ret->base = slash ? slash + 1 : name;
	copy_folder(name, ret->base, folder, sizeof(folder));
	if (snprintf(ret->path, sizeof(ret->path), "%s/%s", store->path, name) >= PATH_MAX)
		return msd_fail(reterr, MSD_E_NAME, "'%s': not a name for an image: it is too long",
				name);
	snprintf(ret->marker, sizeof(ret->marker), ".__%s.incomplete", ret->base);
	snprintf(ret->part, sizeof(ret->part), ".__%s.part", ret->base);
	snprintf(ret->sum, sizeof(ret->sum), ".__%s.sha256", ret->base);
	fd = msd_store_openat(store, folder, O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT || fd == -ENOTDIR) {
		msd_fail(reterr, MSD_E_NOTFOUND, "%s: the storage has no folder '%s'", name, folder);
		ret->path[strlen(ret->path) - strlen(ret->base) - 1] = '\0';
		msd_hint(reterr, "%smkdir -p %s", store->root->target ? "otgmsd-remount rw -- " : "",
			 msd_quoted(ret->path));
		return -MSD_E_NOTFOUND;
	}
	if (fd == -ELOOP || fd == -EXDEV)
		return msd_fail(reterr, MSD_E_NOTFOUND, "%s: a symbolic link on the way is not followed",
				name);
	if (fd < 0)
		return msd_fail_errno(reterr, -fd, "%s: opening its folder", name);
	ret->dirfd = fd;
	return 0;
}

void store_place_close(struct store_place *place)
{
	if (place->dirfd >= 0)
		close(place->dirfd);
	place->dirfd = -1;
}

int store_place_stat(const struct store_place *place, const char *base, struct stat *ret)
{
	struct stat st;

	if (fstatat(place->dirfd, base, ret ? ret : &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Does fd still go by the name of the part? A put that ends renames it. */
static bool is_part(const struct store_place *place, int fd)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && store_place_stat(place, place->part, &there) == 1 &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

int store_part_lock(const struct store_place *place, bool create, int *ret_fd,
		    struct msd_error *reterr)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (create ? O_CREAT : 0);
	char path[PATH_MAX + NAME_MAX];

	for (;;) {
		_cleanup_close_ int fd = openat(place->dirfd, place->part, flags, 0600);

		if (fd < 0 && errno == ENOENT && !create)
			return -ENOENT;
		if (fd < 0)
			return msd_fail_errno(reterr, errno, "%s: opening its part '%s'", place->name,
					      place->part);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
			msd_fail(reterr, MSD_E_BUSY, "%s: another msd-store put is writing it",
				 place->name);
			store_place_folder(place, path, sizeof(path));
			msd_append(path, sizeof(path), "/", "%s", place->part);
			msd_hint(reterr, "fuser -v %s", msd_quoted(path));
			return -MSD_E_BUSY;
		}
		/* a file system without locks: rather no lock than no put */
		if (!is_part(place, fd))
			continue;
		*ret_fd = msd_steal_fd(&fd);
		return 0;
	}
}

int store_sum_read(const struct store_place *place, uint8_t ret[MSD_SHA256_SIZE],
		   struct timespec *ret_time)
{
	struct stat st;

	if (store_place_stat(place, place->sum, &st) != 1)
		return -ENOENT;
	*ret_time = st.st_mtim;
	return msd_sums_find(place->dirfd, place->sum, place->base, ret, NULL);
}

void store_sum_write(const struct store_place *place, const uint8_t sha256[MSD_SHA256_SIZE],
		     const struct timespec *time)
{
	const struct timespec times[2] = { *time, *time };
	_cleanup_free_ char *line = msd_sums_format(sha256, place->base);
	_cleanup_close_ int fd = -1;

	unlinkat(place->dirfd, place->sum, 0);
	if (!line)
		return;
	fd = openat(place->dirfd, place->sum, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) ||
	    futimens(fd, times) < 0)
		unlinkat(place->dirfd, place->sum, 0);
}

/* The image or what a put left of it. Returns 0, -MSD_E_NOTFOUND, -MSD_E_FORMAT, -errno. */
static int check_image(const struct store_place *place, bool *ret_exists, struct msd_error *err)
{
	struct stat st;
	int there = store_place_stat(place, place->base, &st);

	if (there < 0)
		return msd_fail_on(err, -there, place->name);
	if (there && !S_ISREG(st.st_mode))
		return msd_fail(err, MSD_E_FORMAT, "%s: is no image but a %s", place->name,
				S_ISDIR(st.st_mode) ? "folder" : "link or device");
	*ret_exists = there > 0;
	if (there || store_place_stat(place, place->part, NULL) == 1)
		return 0;
	msd_fail(err, MSD_E_NOTFOUND, "%s: no such image in the storage", place->name);
	msd_hint(err, "msd-store list");
	return -MSD_E_NOTFOUND;
}

/* No drive, loop device or mount uses the image. */
static int check_free(const struct store_place *place, bool exists, struct msd_error *err)
{
	return exists ? msd_usage_check(place->path, true, err) : 0;
}

static int unlink_beside(const struct store_place *place, const char *file, struct msd_error *err)
{
	if (unlinkat(place->dirfd, file, 0) == 0 || errno == ENOENT)
		return 0;
	return msd_fail_errno(err, errno, "%s: removing '%s'", place->name, file);
}

static int remove_all(const struct store_place *place, struct msd_error *err)
{
	/* the marker goes last: a half image is never seen without it */
	const char *const files[] = { place->base, place->part, place->sum, place->marker };

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int rc = unlink_beside(place, files[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int msd_store_remove(struct msd_store *store, const char *name, struct msd_error *reterr)
{
	_cleanup_(store_place_close) struct store_place place = STORE_PLACE_NONE;
	_cleanup_close_ int lock = -1;
	bool exists;
	int rc;

	rc = store_place_open(store, name, &place, reterr);
	if (rc == 0)
		rc = check_image(&place, &exists, reterr);
	if (rc == 0)
		rc = check_free(&place, exists, reterr);
	if (rc == 0)
		rc = store_place_hold(store, &place, reterr);
	if (rc < 0)
		return rc;
	rc = store_part_lock(&place, false, &lock, reterr);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	return remove_all(&place, reterr);
}

/* to_name, or to_name/BASE when to_name is a folder. */
static int find_target(const struct msd_store *store, const struct store_place *from,
		       const char *to_name, char *buf, size_t len)
{
	_cleanup_close_ int fd = msd_store_openat(store, to_name, O_RDONLY | O_DIRECTORY);
	size_t n = strlen(to_name);

	while (n > 0 && to_name[n - 1] == '/')
		n--;
	if (fd < 0)
		return snprintf(buf, len, "%s", to_name) < (int)len ? 0 : -ENAMETOOLONG;
	if (n == 0 || !strcmp(to_name, "."))
		return snprintf(buf, len, "%s", from->base) < (int)len ? 0 : -ENAMETOOLONG;
	return snprintf(buf, len, "%.*s/%s", (int)n, to_name, from->base) < (int)len ?
	       0 : -ENAMETOOLONG;
}

static int rename_beside(const struct store_place *from, const char *file,
			 const struct store_place *to, const char *to_file, struct msd_error *err)
{
	if (renameat(from->dirfd, file, to->dirfd, to_file) == 0 || errno == ENOENT)
		return 0;
	return msd_fail_errno(err, errno, "%s: renaming it to %s", from->name, to->name);
}

/* The marker of an image that is not whole is there first and goes last. */
static int rename_all(const struct store_place *from, const struct store_place *to,
		      struct msd_error *err)
{
	bool incomplete = store_place_stat(from, from->marker, NULL) == 1, has_sum;
	uint8_t sha256[MSD_SHA256_SIZE];
	struct timespec time;
	int rc = 0;

	if (incomplete) {
		int fd = openat(to->dirfd, to->marker, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				0644);

		if (fd < 0)
			return msd_fail_errno(err, errno, "%s: making its marker", to->name);
		close(fd);
	}
	has_sum = store_sum_read(from, sha256, &time) == 0;
	unlinkat(to->dirfd, to->sum, 0);
	unlinkat(to->dirfd, to->part, 0);
	rc = rename_beside(from, from->base, to, to->base, err);
	if (rc == 0)
		rc = rename_beside(from, from->part, to, to->part, err);
	if (rc == 0 && has_sum)
		store_sum_write(to, sha256, &time);
	if (rc == 0)
		rc = unlink_beside(from, from->sum, err);
	if (rc == 0)
		rc = unlink_beside(from, from->marker, err);
	if (rc == 0 && !incomplete)
		rc = unlink_beside(to, to->marker, err);
	return rc;
}

static int check_target(const struct store_place *from, const struct store_place *to, bool force,
			struct msd_error *err)
{
	struct stat a, b;
	bool exists;
	int rc;

	if (fstat(from->dirfd, &a) < 0 || fstat(to->dirfd, &b) < 0)
		return msd_fail_os(err, to->name);
	if (a.st_dev != b.st_dev) {
		msd_fail(err, EXDEV, "%s: %s lies on another file system", from->name, to->name);
		msd_hint(err, "msd-store put %s --name=%s && msd-store rm %s", msd_quoted(from->path),
			 msd_quoted(to->name), msd_quoted(from->name));
		return -EXDEV;
	}
	rc = check_image(to, &exists, err);
	if (rc == -MSD_E_NOTFOUND)
		return 0;
	if (rc < 0)
		return rc;
	if (!force) {
		msd_fail(err, MSD_E_UNSAFE, "%s: an image of that name is there already", to->name);
		msd_hint(err, "--force replaces it");
		return -MSD_E_UNSAFE;
	}
	return check_free(to, exists, err);
}

int msd_store_rename(struct msd_store *store, const char *name, const char *to_name, bool force,
		     struct msd_error *reterr)
{
	_cleanup_(store_place_close) struct store_place from = STORE_PLACE_NONE;
	_cleanup_(store_place_close) struct store_place to = STORE_PLACE_NONE;
	_cleanup_close_ int lock = -1, to_lock = -1;
	char target[PATH_MAX];
	bool exists;
	int rc;

	rc = store_place_open(store, name, &from, reterr);
	if (rc < 0)
		return rc;
	rc = find_target(store, &from, to_name, target, sizeof(target));
	if (rc < 0)
		return msd_fail_on(reterr, -rc, to_name);
	rc = store_place_open(store, target, &to, reterr);
	if (rc == 0)
		rc = check_image(&from, &exists, reterr);
	if (rc == 0)
		rc = check_free(&from, exists, reterr);
	if (rc < 0)
		return rc;
	if (!strcmp(name, target))
		return 0;
	rc = check_target(&from, &to, force, reterr);
	if (rc == 0)
		rc = store_place_hold(store, &from, reterr);
	if (rc == 0)
		rc = store_part_lock(&from, false, &lock, reterr);
	if (rc == 0 || rc == -ENOENT)
		rc = store_part_lock(&to, false, &to_lock, reterr);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	return rename_all(&from, &to, reterr);
}
