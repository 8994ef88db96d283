/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a Ventoy release, one after the other, from a folder or a .tar.gz. */
#include "disk/ventoy-source-priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

struct ventoy_source {
	const char *path;
	struct archive *archive;	/* NULL: a folder */
	int dirfd, fd;			/* of the folder and its current file */
	unsigned next;			/* the folder's next member */
	enum ventoy_member current;
};

const char *ventoy_member_name(enum ventoy_member member)
{
	static const char *const names[VENTOY_MEMBERS] = {
		[VENTOY_MEMBER_BOOT] = "boot/boot.img",
		[VENTOY_MEMBER_CORE] = "boot/core.img.xz",
		[VENTOY_MEMBER_DISK] = "ventoy/ventoy.disk.img.xz",
		[VENTOY_MEMBER_VERSION] = "ventoy/version",
	};

	return names[member];
}

static void hint_release(struct msd_error *err)
{
	msd_hint(err, "give the folder of an unpacked Ventoy release (ventoy-X-linux.tar.gz), or "
		      "that file itself");
}

int ventoy_source_fail(const struct ventoy_source *source, struct msd_error *err, const char *why)
{
	const char *name = ventoy_member_name(source->current);

	if (source->archive)
		msd_fail(err, MSD_E_FAILED, "%s: %s: %s", source->path, name, why);
	else
		msd_fail(err, MSD_E_FAILED, "%s/%s: %s", source->path, name, why);
	hint_release(err);
	return -MSD_E_FAILED;
}

static int fail_archive(const struct ventoy_source *source, struct msd_error *err)
{
	const char *why = archive_error_string(source->archive);

	if (archive_errno(source->archive) == ENOMEM)
		return msd_fail_on(err, ENOMEM, source->path);
	msd_fail(err, MSD_E_FAILED, "%s: no Ventoy release, or damaged: %s", source->path,
		 why ? why : "not a .tar.gz");
	hint_release(err);
	return -MSD_E_FAILED;
}

static int open_archive(struct ventoy_source *source, struct msd_error *err)
{
	source->archive = archive_read_new();
	if (!source->archive)
		return msd_fail_on(err, ENOMEM, source->path);
	if (archive_read_support_filter_gzip(source->archive) != ARCHIVE_OK ||
	    archive_read_support_format_tar(source->archive) != ARCHIVE_OK ||
	    archive_read_open_fd(source->archive, source->fd, 64 << 10) != ARCHIVE_OK)
		return fail_archive(source, err);
	return 0;
}

int ventoy_source_open(const char *path, struct ventoy_source **ret, struct msd_error *reterr)
{
	_cleanup_(ventoy_source_closep) struct ventoy_source *source = calloc(1, sizeof(*source));
	struct stat st;
	int rc, fd;

	if (!source)
		return msd_fail_on(reterr, ENOMEM, path);
	source->path = path;
	source->dirfd = source->fd = -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		rc = msd_fail_os(reterr, path);
		hint_release(reterr);
		return rc;
	}
	source->fd = fd;
	if (fstat(fd, &st) < 0)
		return msd_fail_os(reterr, path);
	if (S_ISDIR(st.st_mode)) {
		source->dirfd = msd_steal_fd(&source->fd);
	} else if (S_ISREG(st.st_mode)) {
		rc = open_archive(source, reterr);
		if (rc < 0)
			return rc;
	} else {
		msd_fail(reterr, MSD_E_FAILED, "%s: neither a folder nor a file", path);
		hint_release(reterr);
		return -MSD_E_FAILED;
	}
	*ret = msd_steal(source);
	return 0;
}

struct ventoy_source *ventoy_source_close(struct ventoy_source *source)
{
	if (!source)
		return NULL;
	if (source->archive)
		archive_read_free(source->archive);
	msd_closep(&source->fd);
	msd_closep(&source->dirfd);
	free(source);
	return NULL;
}

void ventoy_source_closep(struct ventoy_source **source)
{
	ventoy_source_close(*source);
}

/* Which member a name in an archive is; the release's own folder may stand before it. */
static bool find_member(const char *name, enum ventoy_member *ret)
{
	const char *slash;

	if (!strncmp(name, "./", 2))
		name += 2;
	slash = strchr(name, '/');
	for (unsigned m = 0; m < VENTOY_MEMBERS; m++) {
		const char *want = ventoy_member_name((enum ventoy_member)m);

		if (!strcmp(name, want) || (slash && !strcmp(slash + 1, want))) {
			*ret = (enum ventoy_member)m;
			return true;
		}
	}
	return false;
}

static int next_in_archive(struct ventoy_source *source, struct msd_error *err)
{
	struct archive_entry *entry;

	for (;;) {
		int rc = archive_read_next_header(source->archive, &entry);
		const char *name;

		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc < ARCHIVE_WARN)
			return fail_archive(source, err);
		name = archive_entry_pathname(entry);
		if (name && archive_entry_filetype(entry) == AE_IFREG &&
		    find_member(name, &source->current))
			return 1;
	}
}

static int next_in_folder(struct ventoy_source *source, struct msd_error *err)
{
	struct stat st;

	msd_closep(&source->fd);
	source->fd = -1;
	if (source->next == VENTOY_MEMBERS)
		return 0;
	source->current = (enum ventoy_member)source->next++;
	source->fd = openat(source->dirfd, ventoy_member_name(source->current),
			    O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0)
		return ventoy_source_fail(source, err, strerror(errno));
	if (fstat(source->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ventoy_source_fail(source, err, "not a regular file");
	return 1;
}

int ventoy_source_next(struct ventoy_source *source, enum ventoy_member *ret,
		       struct msd_error *reterr)
{
	int rc = source->archive ? next_in_archive(source, reterr) : next_in_folder(source, reterr);

	if (rc > 0)
		*ret = source->current;
	return rc;
}

int ventoy_source_read(struct ventoy_source *source, void *buf, size_t len, size_t *ret_len,
		       struct msd_error *reterr)
{
	size_t got = 0;

	while (got < len) {
		char *p = (char *)buf + got;
		ssize_t n = source->archive ? archive_read_data(source->archive, p, len - got) :
					      read(source->fd, p, len - got);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (source->archive)
			return fail_archive(source, reterr);
		else if (errno != EINTR)
			return msd_fail_errno(reterr, errno, "%s/%s", source->path,
					      ventoy_member_name(source->current));
	}
	*ret_len = got;
	return 0;
}
