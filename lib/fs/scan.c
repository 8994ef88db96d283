/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders and files as sources of a tree. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "fs/fat-disk.h"
#include "tree-priv.h"

#ifndef EXFAT_SUPER_MAGIC
#define EXFAT_SUPER_MAGIC 0x2011BAB0
#endif

/* FAT_IOCTL_GET_ATTRIBUTES of <linux/msdos_fs.h>, whose structures have the names of ours */
#define GET_FAT_ATTRIBUTES _IOR('r', 0x10, uint32_t)

/* The folders of one source that are still to be read. */
struct scan {
	struct msd_tree *tree;
	uint16_t source;
	uint32_t top;			/* what is in the source goes in here */
	uint32_t *folders;
	size_t n_folders, room_folders;
	struct stat image;		/* what is to be left out; no mode: nothing */
	struct msd_error *err;
};

int tree_open(const char *path, int flags)
{
	_cleanup_close_ int at = -1;
	const char *rest = path;
	int fd;

	while (strlen(rest) >= PATH_MAX) {
		char piece[PATH_MAX];
		size_t len = PATH_MAX - 1;

		while (len > 0 && rest[len] != '/')
			len--;
		if (len == 0)
			return -ENAMETOOLONG;
		memcpy(piece, rest, len);
		piece[len] = '\0';
		fd = openat(at < 0 ? AT_FDCWD : at, piece, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		msd_closep(&at);
		at = fd;
		rest += len + 1;
	}
	fd = openat(at < 0 ? AT_FDCWD : at, rest, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int push_folder(struct scan *scan, uint32_t node)
{
	if (scan->n_folders == scan->room_folders) {
		size_t room = scan->room_folders ? scan->room_folders * 2 : 64;
		uint32_t *folders = realloc(scan->folders, room * sizeof(*folders));

		if (!folders)
			return -ENOMEM;
		scan->folders = folders;
		scan->room_folders = room;
	}
	scan->folders[scan->n_folders++] = node;
	return 0;
}

static uint8_t mode_to_attr(const char *name, const struct stat *st)
{
	uint8_t attr = S_ISDIR(st->st_mode) ? 0 : FAT_ATTR_ARCHIVE;

	/* Windows takes read-only on a folder for something else */
	if (!S_ISDIR(st->st_mode) && !(st->st_mode & 0222))
		attr |= FAT_ATTR_READ_ONLY;
	if (name[0] == '.')
		attr |= FAT_ATTR_HIDDEN;
	return attr;
}

/* A FAT or exFAT that is mounted has attributes of its own. */
static bool has_fat_attributes(int dirfd)
{
	struct statfs st;

	return fstatfs(dirfd, &st) == 0 &&
	       (st.f_type == MSDOS_SUPER_MAGIC || (uint32_t)st.f_type == EXFAT_SUPER_MAGIC);
}

static void read_fat_attr(int dirfd, const char *name, uint8_t *attr)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	uint32_t value;

	if (fd >= 0 && ioctl(fd, GET_FAT_ATTRIBUTES, &value) == 0)
		*attr = (uint8_t)value & (FAT_ATTR_READ_ONLY | FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM |
					  FAT_ATTR_ARCHIVE);
}

static const char *kind_text(mode_t mode)
{
	return S_ISLNK(mode) ? "a symbolic link; --dereference follows it" :
	       S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a FIFO" :
	       S_ISBLK(mode) ? "a block device" : S_ISCHR(mode) ? "a character device" :
	       "neither a file nor a folder";
}

/* "PATH/NAME", or NULL. */
static char *entry_path(const struct scan *scan, uint32_t parent, const char *name)
{
	_cleanup_free_ char *folder = tree_path_in(scan->tree, scan->source, parent);
	char *path;

	if (!folder || asprintf(&path, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0)
		return NULL;
	return path;
}

static void entry_problem(struct scan *scan, uint32_t parent, const char *name, const char *why)
{
	_cleanup_free_ char *path = entry_path(scan, parent, name);

	tree_problem(scan->tree, path ? path : name, why);
}

static bool is_image(const struct scan *scan, const struct stat *st)
{
	return S_ISREG(scan->image.st_mode) && S_ISREG(st->st_mode) &&
	       scan->image.st_dev == st->st_dev && scan->image.st_ino == st->st_ino;
}

/* Not a problem that ends it all: tar leaves its archive out, too. */
static void leave_image_out(const struct scan *scan, uint32_t parent, const char *name)
{
	const struct msd_tree_params *params = &scan->tree->params;
	_cleanup_free_ char *path = entry_path(scan, parent, name);

	if (params->problem)
		params->problem(params->data, path ? path : name, "is the image; not put into it");
}

/* Is the folder that a link leads to one of those the link lies in? */
static bool is_loop(const struct scan *scan, uint32_t parent, const struct stat *st)
{
	for (uint32_t n = parent;; n = scan->tree->nodes[n].parent) {
		_cleanup_free_ char *path = tree_path_in(scan->tree, scan->source, n);
		struct stat above;

		if (!path || stat(path, &above) < 0 ||
		    (above.st_dev == st->st_dev && above.st_ino == st->st_ino))
			return true;
		if (n == scan->top)
			return false;
	}
}

static int add_entry(struct scan *scan, int dirfd, uint32_t parent, const char *name, bool fat)
{
	struct msd_tree *tree = scan->tree;
	struct entry entry = { .parent = parent, .name = name, .source = scan->source };
	uint32_t node;
	struct stat st;
	int rc;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		entry_problem(scan, parent, name, strerror(errno));
		return 0;
	}
	if (S_ISLNK(st.st_mode) && tree->params.dereference) {
		if (fstatat(dirfd, name, &st, 0) < 0) {
			entry_problem(scan, parent, name, "a symbolic link that leads nowhere");
			return 0;
		}
		if (S_ISDIR(st.st_mode) && is_loop(scan, parent, &st)) {
			entry_problem(scan, parent, name, "a symbolic link to a folder that it lies in");
			return 0;
		}
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		entry_problem(scan, parent, name, kind_text(st.st_mode));
		return 0;
	}
	if (is_image(scan, &st)) {
		leave_image_out(scan, parent, name);
		return 0;
	}
	entry.is_folder = entry.indexed = S_ISDIR(st.st_mode);
	entry.attr = mode_to_attr(name, &st);
	if (fat)
		read_fat_attr(dirfd, name, &entry.attr);
	entry.size_bytes = entry.is_folder ? 0 : (uint64_t)st.st_size;
	entry.mtime_s = st.st_mtim.tv_sec;
	entry.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	if (entry.is_folder) {
		node = tree_find(tree, parent, name);
		if (node != TREE_NONE)
			return push_folder(scan, node);
	}
	rc = tree_add(tree, &entry, &node);
	if (rc == 0 && entry.is_folder)
		rc = push_folder(scan, node);
	return rc;
}

static int read_folder(struct scan *scan, uint32_t folder)
{
	_cleanup_free_ char *path = tree_path_in(scan->tree, scan->source, folder);
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *d;
	bool fat;
	int fd, rc = 0;

	if (!path)
		return -ENOMEM;
	fd = tree_open(path, O_RDONLY | O_DIRECTORY);
	msd_dir_take(&dir, fd);
	if (fd < 0) {
		rc = fd;
		if (folder == scan->top)
			return msd_fail_on(scan->err, -rc, path);
		tree_problem(scan->tree, path, strerror(-rc));
		return 0;
	}
	fat = has_fat_attributes(fd);
	while (rc == 0 && (d = msd_dir_next(&dir)))
		rc = add_entry(scan, fd, folder, d->d_name, fat);
	return rc == 0 && errno ? msd_fail_os(scan->err, path) : rc;
}

/* A file becomes an entry under its own name. */
static int add_file(const struct scan *scan, const char *path, const struct stat *st)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct entry entry = {
		.parent = scan->top, .name = name, .source = scan->source,
		.attr = mode_to_attr(name, st),
		.size_bytes = (uint64_t)st->st_size, .mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};

	return tree_add(scan->tree, &entry, NULL);
}

static int add_folder(struct scan *scan, const struct msd_progress *progress)
{
	int rc = push_folder(scan, scan->top);

	for (size_t i = 0; rc == 0 && i < scan->n_folders; i++) {
		if (msd_progress(progress, 0, 0))
			return msd_fail(scan->err, MSD_E_CANCELLED, "%s: stopped",
					scan->tree->sources[scan->source].path);
		rc = read_folder(scan, scan->folders[i]);
	}
	return rc;
}

/* Finds or makes the folder of the tree at path. */
static int make_top(struct msd_tree *tree, const char *path, uint32_t *ret)
{
	struct entry entry = { .source = SOURCE_SPOOL, .is_folder = true, .indexed = true };

	*ret = TREE_ROOT;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		_cleanup_free_ char *name = strndup(path, strcspn(path, "/"));
		uint32_t node;
		int rc;

		if (!name)
			return -ENOMEM;
		path += strlen(name);
		if (!strcmp(name, "."))
			continue;
		node = tree_find(tree, *ret, name);
		if (node == TREE_NONE) {
			entry.parent = *ret;
			entry.name = name;
			rc = tree_add(tree, &entry, &node);
			if (rc < 0)
				return rc;
		}
		*ret = node;
	}
	return 0;
}

int msd_tree_add_path(struct msd_tree *tree, const char *path, const char *folder,
		      const struct msd_progress *progress, struct msd_error *reterr)
{
	_cleanup_free_ char *copy = strdup(path);
	struct scan scan = { .tree = tree, .err = reterr };
	struct stat st;
	int rc;

	if (!copy)
		return msd_fail_on(reterr, ENOMEM, path);
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/';)
		copy[--len] = '\0';
	if (stat(path, &st) < 0)
		return msd_fail_os(reterr, path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return msd_fail(reterr, MSD_E_FAILED, "%s: neither a file nor a folder", path);
	if (tree->params.image && stat(tree->params.image, &scan.image) < 0)
		scan.image.st_mode = 0;
	if (is_image(&scan, &st))
		return msd_fail(reterr, MSD_E_USAGE, "%s: is the image itself", path);
	rc = make_top(tree, folder, &scan.top);
	if (rc == 0)
		rc = tree_add_source(tree, copy, scan.top, S_ISREG(st.st_mode));
	if (rc < 0)
		return msd_fail_on(reterr, -rc, path);
	scan.source = (uint16_t)rc;
	/* without a message of its own the code is an errno of the tree's */
	if (reterr)
		reterr->code = 0;
	rc = S_ISREG(st.st_mode) ? add_file(&scan, copy, &st) :
				   add_folder(&scan, progress);
	msd_steal(copy);
	free(scan.folders);
	if (rc < 0 && reterr && !reterr->code)
		return msd_fail_on(reterr, -rc, path);
	return rc;
}
