/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An image that shall become a medium: found, looked at, checked. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "drive-priv.h"
#include "storage/remote.h"
#include "storage/remount.h"
#include "storage/usage.h"

#define FLASH_BLOCK_BYTES 512
#define CD_BLOCK_BYTES 2048
#define CD_MIN_BLOCKS 300	/* storage_common.c: the smallest disc that a host takes */
#define BOOT_SIGNATURE_OFFSET 510

/*
 * Opens what name means here, or in the storage when it is bare and not here; only a file or a
 * block device, since to open others may do things. Returns the descriptor or what
 * msd_image_read returns.
 */
static int open_image(struct msd_drive *drive, const char *name, struct msd_image *image,
		      struct msd_error *err)
{
	int fd, rc;

	/* the table of mounts has no relative ones */
	if (name[0] == '/' && !drive->mounts)
		msd_mounts_read(&drive->mounts, NULL);
	if (name[0] == '/' && msd_remote_check(drive->mounts, name, err) < 0)
		return -MSD_E_FAILED;
	if (stat(name, &image->st) < 0)
		return errno == ENOENT ?
			       msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such file", name) :
			       msd_fail_os(err, name);
	if (S_ISDIR(image->st.st_mode)) {
		rc = msd_fail(err, MSD_E_REFUSED, "%s: is a directory, no image", name);
		msd_hint(err, "msd-normalfiles pack makes an image of its files");
		return rc;
	}
	if (!S_ISREG(image->st.st_mode) && !S_ISBLK(image->st.st_mode))
		return msd_fail(err, MSD_E_REFUSED, "%s: neither a regular file nor a block device",
				name);
	fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? msd_fail_os(err, name) : fd;
}

static int open_in_storage(struct msd_drive *drive, const char *name, const char *storage_path,
			   struct msd_image *image, struct msd_error *err)
{
	const struct msd_root *root = strchr(name, '/') ? NULL : msd_drive_read_root(drive, storage_path);
	char path[PATH_MAX];
	int rc;

	if (!root)
		return -MSD_E_NOTFOUND;
	if (snprintf(path, sizeof(path), "%s/%s", root->path, name) >= (int)sizeof(path))
		rc = msd_fail_errno(err, ENAMETOOLONG, "%s/%s", root->path, name);
	else
		rc = open_image(drive, path, image, err);
	if (rc == -MSD_E_NOTFOUND) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such file, neither here nor in %s",
			 name, root->path);
		msd_hint(err, "msd-store list shows the images of the storage");
	}
	return rc;
}

/* The name without links, as the kernel will show it. */
static int read_path(int fd, const char *name, struct msd_image *image, struct msd_error *err)
{
	char link[40], path[PATH_MAX + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlinkat(AT_FDCWD, link, path, sizeof(path));
	if (n < 0)
		return msd_fail_os(err, name);
	if (n > MSD_ATTR_MAX)
		return msd_fail(err, ENAMETOOLONG, "%s: its absolute path has %zd bytes, and the kernel takes %d",
				name, n, MSD_ATTR_MAX);
	memcpy(image->path, path, (size_t)n);
	image->path[n] = '\0';
	if (image->path[n - 1] == '\n')
		return msd_fail(err, MSD_E_REFUSED,
				"%s: the kernel cannot take a name that ends in a newline", name);
	return 0;
}

/* Size, boot signature and whether a block device can be written at all. */
static int read_content(int fd, struct msd_image *image, struct msd_error *err)
{
	unsigned char signature[2];
	int ro = 0;

	image->size_bytes = (uint64_t)image->st.st_size;
	if (S_ISBLK(image->st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &image->size_bytes) < 0 || ioctl(fd, BLKROGET, &ro) < 0)
			return msd_fail_os(err, image->path);
		image->device_readonly = ro;
	}
	image->boots = pread(fd, signature, 2, BOOT_SIGNATURE_OFFSET) == 2 &&
		       signature[0] == 0x55 && signature[1] == 0xaa;
	return 0;
}

int msd_image_read(struct msd_drive *drive, const char *name, const char *storage_path,
		   struct msd_image *ret, struct msd_error *reterr)
{
	_cleanup_close_ int fd = open_image(drive, name, ret, reterr);
	int rc;

	if (fd == -MSD_E_NOTFOUND)
		fd = open_in_storage(drive, name, storage_path, ret, reterr);
	if (fd < 0)
		return fd;
	rc = read_path(fd, name, ret, reterr);
	return rc < 0 ? rc : read_content(fd, ret, reterr);
}

/* Refuses what --force overrides, unless it was given. */
static int unsafe(const struct msd_drive *drive, const struct msd_drive_change *change,
		  struct msd_error *err, const char *fmt, ...) MSD_PRINTF(4, 5);

static int unsafe(const struct msd_drive *drive, const struct msd_drive_change *change,
		  struct msd_error *err, const char *fmt, ...)
{
	char text[PATH_MAX + 256], command[900];
	va_list ap;

	if (change->force)
		return 0;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	msd_fail(err, MSD_E_UNSAFE, "%s", text);
	msd_hint(err, "to do it all the same: %s",
		 msd_drive_command(drive, change, " --force", command, sizeof(command)));
	return -MSD_E_UNSAFE;
}

static int check_size(const struct msd_drive *drive, const struct msd_image *image, bool cdrom,
		      const struct msd_drive_change *change, struct msd_error *err)
{
	unsigned block = cdrom ? CD_BLOCK_BYTES : FLASH_BLOCK_BYTES;
	int rc;

	if (!image->size_bytes) {
		rc = msd_fail(err, MSD_E_REFUSED, "%s: is empty", image->path);
		msd_hint(err, "fallocate -l 64M IMAGE makes room that the host can format, msd-mkimage formats it too");
		return rc;
	}
	if (cdrom && image->size_bytes < CD_MIN_BLOCKS * CD_BLOCK_BYTES)
		return msd_fail(err, MSD_E_REFUSED,
				"%s: image is smaller than the 600 KiB that a CD needs", image->path);
	if (image->size_bytes % block)
		return unsafe(drive, change, err,
			      "%s: its %llu bytes are no multiple of %u, and the host does not get the last %u: incomplete, or no %s image",
			      image->path, (unsigned long long)image->size_bytes, block,
			      (unsigned)(image->size_bytes % block), cdrom ? "CD" : "disk");
	return 0;
}

/* An upload marks itself by a second file, as kvmd does it. */
static int check_complete(const struct msd_drive *drive, const struct msd_image *image,
			  const struct msd_drive_change *change, struct msd_error *err)
{
	const char *name = strrchr(image->path, '/') + 1;
	char mark[PATH_MAX + 32];

	snprintf(mark, sizeof(mark), "%.*s.__%s.incomplete", (int)(name - image->path), image->path,
		 name);
	if (faccessat(AT_FDCWD, mark, F_OK, 0) < 0)
		return 0;
	return unsafe(drive, change, err, "%s: its upload is not complete: %s is beside it",
		      image->path, strrchr(mark, '/') + 1);
}

/* Two hosts, or one host twice, on one image that any of them writes. */
static int check_other_drive(const struct msd_image *image, const struct msd_usage *usage, bool rw,
			     struct msd_error *err)
{
	char words[PATH_MAX];
	int rc;

	if (!rw && !usage->writable)
		return 0;
	rc = msd_fail(err, MSD_E_REFUSED, "%s: is %s already%s", image->path,
		      msd_usage_format(usage, words, sizeof(words)),
		      usage->writable ? ", where the host can write it" :
					", and two drives of it must both be read-only");
	msd_hint(err, "%s", usage->hint);
	return rc;
}

static int check_this_machine(const struct msd_image *image, const struct msd_usage *usage,
			      struct msd_error *err)
{
	char words[PATH_MAX];
	int rc = msd_fail(err, MSD_E_UNSAFE,
			  "%s: is %s on this machine, and both would destroy each other's data",
			  image->path, msd_usage_format(usage, words, sizeof(words)));

	msd_hint(err, "%s", usage->hint ? usage->hint : "free it first, or add --force");
	return rc;
}

/* Who has it: other drives; this machine, a block device for any use, a file if the host may write. */
static int check_users(const struct msd_drive *drive, const struct msd_image *image, bool rw,
		       const struct msd_drive_change *change, struct msd_error *err)
{
	bool local = !change->force && (rw || S_ISBLK(image->st.st_mode));
	const struct msd_usage *found;
	struct msd_usage *usage;
	size_t n, i;
	int rc = msd_usage_read_for(&drive->id, image->path, &image->st, drive->mounts, local,
				    &usage, &n, err);

	if (rc < 0)
		return rc;
	for (i = 0; rc == 0 && i < n && usage[i].kind == MSD_USAGE_DRIVE; i++)
		rc = check_other_drive(image, &usage[i], rw, err);
	found = rc == 0 ? msd_usage_choose(usage + i, n - i, false) : NULL;
	if (found)
		rc = check_this_machine(image, found, err);
	msd_usage_free(usage, n);
	return rc;
}

int msd_image_check(const struct msd_drive *drive, const struct msd_image *image,
		    const struct msd_lun_state *to, const struct msd_drive_change *change,
		    struct msd_error *reterr)
{
	int rc = check_size(drive, image, to->cdrom, change, reterr);

	if (rc == 0)
		rc = check_complete(drive, image, change, reterr);
	if (rc == 0)
		rc = check_users(drive, image, !to->ro, change, reterr);
	return rc;
}
