/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who uses an image or a block device on this machine. */
#include "storage/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/proc.h"
#include "base/shell.h"
#include "gadget/attr.h"
#include "storage/remote.h"
#include "storage/remount.h"

/* A disk has some partitions, an image some loop devices with theirs; beyond that we refuse. */
#define DEVICES_MAX 512

/* What is looked for, and what is found. */
struct search {
	struct stat st;			/* of the image or device itself */
	const struct msd_drive_id *except;	/* a drive that does not count, or NULL */
	struct libmnt_table *mounts;	/* read when it is needed first */
	dev_t devices[DEVICES_MAX];	/* block devices that show its bytes */
	size_t n_devices;
	struct msd_usage *usage;
	size_t n;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_ino && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int need_mounts(struct search *search, struct msd_error *err)
{
	return search->mounts ? 0 : msd_mounts_read(&search->mounts, err);
}

/*
 * stat(2), unless path cannot be what is looked for: on another file server, which may be dead
 * and would hang us though it is not concerned.
 */
static bool ask(struct search *search, const char *path, struct stat *ret)
{
	dev_t dev;

	/* a device, most times */
	if (strncmp(path, "/dev/", 5) && need_mounts(search, NULL) == 0 &&
	    msd_remote_find(search->mounts, path, &dev) &&
	    (S_ISBLK(search->st.st_mode) || dev != search->st.st_dev))
		return false;
	return stat(path, ret) == 0;
}

/* An unlinked file has a mark of the kernel's behind its name, so that it is not found. */
static bool is_path_of(struct search *search, const char *path)
{
	struct stat st;

	return ask(search, path, &st) && same_file(&st, &search->st);
}

static bool is_same_drive(const struct msd_drive_id *a, const struct msd_drive_id *b)
{
	return a->lun == b->lun && !strcmp(a->gadget, b->gadget) && !strcmp(a->function, b->function);
}

/* hint_command may be NULL. */
static int add_usage(struct search *search, enum msd_usage_kind kind, bool writable,
		     const char *who, const char *hint_command, const char *hint_operand,
		     struct msd_error *err)
{
	struct msd_usage *usage = realloc(search->usage, (search->n + 1) * sizeof(*usage)), *new;

	if (!usage)
		return msd_fail_on(err, ENOMEM, who);
	search->usage = usage;
	new = &usage[search->n];
	*new = (struct msd_usage){ .kind = kind, .writable = writable, .who = strdup(who) };
	if (!new->who)
		return msd_fail_on(err, ENOMEM, who);
	search->n++;
	if (hint_command && asprintf(&new->hint, kind == MSD_USAGE_DRIVE ? "%s %s --eject" : "%s %s",
				     hint_command, kind == MSD_USAGE_DRIVE ? hint_operand :
						   msd_quoted(hint_operand)) < 0) {
		new->hint = NULL;
		return msd_fail_on(err, ENOMEM, who);
	}
	return 0;
}

static bool has_device(const struct search *search, dev_t dev)
{
	for (size_t i = 0; i < search->n_devices; i++)
		if (search->devices[i] == dev)
			return true;
	return false;
}

static int add_device(struct search *search, dev_t dev, struct msd_error *err)
{
	if (has_device(search, dev))
		return 0;
	if (search->n_devices == DEVICES_MAX)
		return msd_fail_errno(err, E2BIG, "devices on the image");
	search->devices[search->n_devices++] = dev;
	return 0;
}

static bool read_dev(int dirfd, const char *path, dev_t *ret)
{
	unsigned major, minor;
	char text[32];

	if (msd_attr_read(dirfd, path, text, sizeof(text), NULL) < 0 ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

/* The device of a directory of sysfs, and its partitions. */
static int add_disk(struct search *search, const char *sys, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	dev_t dev;
	int rc = 0;

	msd_dir_open(&dir, AT_FDCWD, sys);
	if (read_dev(dir.fd, "dev", &dev))
		rc = add_device(search, dev, err);
	while (rc == 0 && (entry = msd_dir_next(&dir))) {
		char path[NAME_MAX + 16], number[16];

		/* every partition is a directory with a file of that name */
		snprintf(path, sizeof(path), "%s/partition", entry->d_name);
		if (entry->d_type != DT_DIR ||
		    msd_attr_read(dir.fd, path, number, sizeof(number), NULL) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/dev", entry->d_name);
		if (read_dev(dir.fd, path, &dev))
			rc = add_device(search, dev, err);
	}
	return rc;
}

static int check_drive(struct search *search, const struct msd_drive_id *id, struct msd_error *err)
{
	char path[PATH_MAX], file[MSD_ATTR_BUFSIZE], who[3 * NAME_MAX], options[3 * NAME_MAX];
	bool ro;
	int len, rc;

	len = snprintf(path, sizeof(path), MSD_GADGETS_DIR "/%s/functions/%s/lun.%u/file", id->gadget,
		       id->function, id->lun);
	rc = msd_attr_read(AT_FDCWD, path, file, sizeof(file), err);
	if (rc == 0 && (!file[0] || !is_path_of(search, file)))
		return 0;
	if (rc == 0) {
		strcpy(path + len - strlen("file"), "ro");
		rc = msd_attr_read_bool(AT_FDCWD, path, &ro, err);
	}
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;	/* just torn down */
	return add_usage(search, MSD_USAGE_DRIVE, !ro, msd_drive_id_format(id, who, sizeof(who)),
			 "otgmsd", msd_drive_id_options(id, options, sizeof(options)), err);
}

static int find_drives(struct search *search, struct msd_error *err)
{
	_cleanup_free_ struct msd_drive_id *drives = NULL;
	size_t n;
	int rc = msd_find_all(MSD_GADGETS_DIR, NULL, &drives, &n, err);

	for (size_t i = 0; rc >= 0 && i < n; i++)
		if (!search->except || !is_same_drive(&drives[i], search->except))
			rc = check_drive(search, &drives[i], err);
	return rc < 0 ? rc : 0;
}

static int each_line(const char *path, struct search *search,
		     int (*check)(struct search *, char *, struct msd_error *),
		     struct msd_error *err)
{
	_cleanup_free_ char *text = NULL;
	char *line, *next;
	int rc = msd_proc_read(path, &text, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	for (line = text; rc == 0 && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		rc = check(search, line, err);
	}
	return rc;
}

/*
 * One line of /proc/partitions, which has only loop devices that are attached. One on the image
 * and its partitions become devices to look for.
 */
static int check_loop(struct search *search, char *line, struct msd_error *err)
{
	char name[32], path[PATH_MAX], file[MSD_ATTR_BUFSIZE];
	bool ro = false;
	int rc;

	if (sscanf(line, "%*u %*u %*u %31s", name) != 1 || strncmp(name, "loop", 4))
		return 0;
	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", name);
	/* a partition of one has none */
	if (msd_attr_read(AT_FDCWD, path, file, sizeof(file), NULL) < 0)
		return 0;
	if (!is_path_of(search, file))
		return 0;
	snprintf(path, sizeof(path), "/sys/block/%s/ro", name);
	msd_attr_read_bool(AT_FDCWD, path, &ro, NULL);
	snprintf(path, sizeof(path), "/sys/block/%s", name);
	rc = add_disk(search, path, err);
	snprintf(path, sizeof(path), "/dev/%s", name);
	return rc < 0 ? rc : add_usage(search, MSD_USAGE_LOOP, !ro, path, "losetup -d", path, err);
}

/* \ooo of /proc files, in place. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *p = text; *p; out++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
			*out = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*out = *p++;
		}
	}
	*out = '\0';
	return text;
}

/* Whether a mount or swap area named source is on what is looked for. */
static bool is_source(struct search *search, const char *source)
{
	struct stat st;

	if (!source || source[0] != '/')
		return false;
	/* a device can be on no file but through a loop device, which would be known by now */
	if (!strncmp(source, "/dev/", 5) && !S_ISBLK(search->st.st_mode) && !search->n_devices)
		return false;
	if (!ask(search, source, &st))
		return false;
	return same_file(&st, &search->st) || (S_ISBLK(st.st_mode) && has_device(search, st.st_rdev));
}

static int find_mounts(struct search *search, struct msd_error *err)
{
	int rc = need_mounts(search, err);
	struct libmnt_iter *iter;
	struct libmnt_fs *fs;

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	iter = mnt_new_iter(MNT_ITER_FORWARD);
	if (!iter)
		return msd_fail_errno(err, ENOMEM, "mounts");
	while (rc == 0 && mnt_table_next_fs(search->mounts, iter, &fs) == 0) {
		const char *options = mnt_fs_get_fs_options(fs), *target = mnt_fs_get_target(fs);

		if (!options || !target || (!has_device(search, mnt_fs_get_devno(fs)) &&
					    !is_source(search, mnt_fs_get_source(fs))))
			continue;
		rc = add_usage(search, MSD_USAGE_MOUNT, !strncmp(options, "rw", 2), target, "umount",
			       target, err);
	}
	mnt_free_iter(iter);
	return rc;
}

static int check_swap(struct search *search, char *line, struct msd_error *err)
{
	line[strcspn(line, " \t")] = '\0';
	if (!is_source(search, unescape(line)))
		return 0;
	return add_usage(search, MSD_USAGE_SWAP, true, "swap", "swapoff", line, err);
}

/* What the kernel has stacked on the devices: device mapper, md, bcache. */
static int find_holders(struct search *search, struct msd_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < search->n_devices; i++) {
		_cleanup_dir_ struct msd_dir dir;
		const struct dirent64 *entry;
		char path[64];

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders",
			 major(search->devices[i]), minor(search->devices[i]));
		msd_dir_open(&dir, AT_FDCWD, path);
		while (rc == 0 && (entry = msd_dir_next(&dir))) {
			char who[NAME_MAX + 8];

			snprintf(who, sizeof(who), "/dev/%s", entry->d_name);
			rc = add_usage(search, MSD_USAGE_HOLDER, true, who, NULL, NULL, err);
		}
	}
	return rc;
}

/*
 * The kernel's own word on a block device: an exclusive open fails when it or a partition of
 * it is claimed, which finds what leaves no trace above (btrfs over several disks, zfs).
 */
static int find_claim(struct search *search, const char *path, struct msd_error *err)
{
	_cleanup_close_ int fd = -1;

	if (!S_ISBLK(search->st.st_mode) || search->n)
		return 0;
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 || errno != EBUSY)
		return 0;
	return add_usage(search, MSD_USAGE_HOLDER, true, "the kernel", NULL, NULL, err);
}

/* What this machine itself does with it. */
static int find_local(struct search *search, const char *path, struct msd_error *err)
{
	char sys[64];
	int rc = 0;

	if (S_ISBLK(search->st.st_mode)) {
		snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(search->st.st_rdev),
			 minor(search->st.st_rdev));
		rc = add_device(search, search->st.st_rdev, err);
		if (rc == 0)
			rc = add_disk(search, sys, err);
	}
	if (rc == 0)
		rc = each_line("/proc/partitions", search, check_loop, err);
	if (rc == 0)
		rc = find_mounts(search, err);
	/* a swap file is written through its blocks, and no image; asking costs four calls */
	if (rc == 0 && (!search->except || S_ISBLK(search->st.st_mode)))
		rc = each_line("/proc/swaps", search, check_swap, err);
	if (rc == 0)
		rc = find_holders(search, err);
	return rc == 0 ? find_claim(search, path, err) : rc;
}

/* Frees what it found when it fails. */
static int search_all(struct search *search, const char *path, bool local, struct msd_usage **ret,
		      size_t *ret_n, struct msd_error *err)
{
	int rc = find_drives(search, err);

	if (rc == 0 && local)
		rc = find_local(search, path, err);
	mnt_unref_table(search->mounts);
	if (rc < 0) {
		msd_usage_free(search->usage, search->n);
		return rc;
	}
	*ret = search->usage;
	*ret_n = search->n;
	return 0;
}

int msd_usage_read(const char *path, struct msd_usage **ret, size_t *ret_n,
		   struct msd_error *reterr)
{
	struct search search = { 0 };

	if (stat(path, &search.st) < 0)
		return msd_fail_os(reterr, path);
	return search_all(&search, path, true, ret, ret_n, reterr);
}

int msd_usage_read_for(const struct msd_drive_id *drive, const char *path, const struct stat *st,
		       struct libmnt_table *mounts, bool local, struct msd_usage **ret,
		       size_t *ret_n, struct msd_error *reterr)
{
	struct search search = { .st = *st, .except = drive, .mounts = mounts };

	if (mounts)
		mnt_ref_table(mounts);
	return search_all(&search, path, local, ret, ret_n, reterr);
}

void msd_usage_free(struct msd_usage *usage, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(usage[i].who);
		free(usage[i].hint);
	}
	free(usage);
}

const struct msd_usage *msd_usage_choose(const struct msd_usage *usage, size_t n,
					 bool writable_only)
{
	const struct msd_usage *found = NULL;

	for (size_t i = 0; i < n; i++)
		if ((usage[i].writable || !writable_only) &&
		    (!found || found->kind == MSD_USAGE_LOOP))
			found = &usage[i];
	return found;
}

char *msd_usage_format(const struct msd_usage *usage, char *buf, size_t len)
{
	static const char *const how[] = {
		[MSD_USAGE_DRIVE] = "in",
		[MSD_USAGE_LOOP] = "attached to",
		[MSD_USAGE_MOUNT] = "mounted on",
		[MSD_USAGE_SWAP] = "used as",
		[MSD_USAGE_HOLDER] = "used by",
	};

	snprintf(buf, len, "%s %s", how[usage->kind], usage->who);
	return buf;
}

int msd_usage_check(const char *path, bool for_writing, struct msd_error *reterr)
{
	const struct msd_usage *found;
	struct msd_usage *usage;
	char words[PATH_MAX];
	size_t n;
	int rc = msd_usage_read(path, &usage, &n, reterr);

	if (rc < 0)
		return rc;
	found = msd_usage_choose(usage, n, !for_writing);
	if (found) {
		rc = msd_fail(reterr, MSD_E_BUSY, "%s: is %s%s", path,
			      msd_usage_format(found, words, sizeof(words)),
			      found->writable && !for_writing ? ", which can write it meanwhile" :
								"");
		if (found->hint)
			msd_hint(reterr, "%s", found->hint);
	}
	msd_usage_free(usage, n);
	return rc;
}
