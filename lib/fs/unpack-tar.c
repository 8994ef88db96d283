/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unpacking into a tar stream, by libarchive, which is loaded only for that. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/archive-load.h"
#include "fs/fat-disk.h"
#include "unpack-priv.h"
#include "fs/walk.h"

#define FUNCTIONS(F)                                                                              \
	F(archive_entry_clear) F(archive_entry_free) F(archive_entry_new)                         \
	F(archive_entry_set_mode) F(archive_entry_set_mtime) F(archive_entry_set_pathname)        \
	F(archive_entry_set_size) F(archive_errno) F(archive_error_string) F(archive_write_close) \
	F(archive_write_data) F(archive_write_fail) F(archive_write_free) F(archive_write_header) \
	F(archive_write_new) F(archive_write_open_fd) F(archive_write_set_bytes_in_last_block)    \
	F(archive_write_set_bytes_per_block) F(archive_write_set_format_pax_restricted)

static struct {
	FUNCTIONS(MSD_ARCHIVE_MEMBER)
} lib;

struct tar {
	struct unpack common;
	struct archive *archive;
	struct archive_entry *entry;
};

static int fail(struct tar *tar, const char *path, struct msd_error *err)
{
	int number = lib.archive_errno(tar->archive);

	return number > 0 ? msd_fail_on(err, number, path) :
			    msd_fail(err, MSD_E_FAILED, "%s: %s", path,
				     lib.archive_error_string(tar->archive));
}

static int write_data(void *data, const void *buf, size_t len, struct msd_error *err)
{
	struct tar *tar = data;

	return lib.archive_write_data(tar->archive, buf, len) == (la_ssize_t)len ?
		       0 : fail(tar, "tar stream", err);
}

static int visit(void *data, enum msd_walk_event event, const char *path,
		 const struct msd_fs_node *node, struct msd_error *err)
{
	struct tar *tar = data;
	mode_t mode = node->is_dir ? 0755 : node->attributes & FAT_ATTR_READ_ONLY ? 0444 : 0644;
	struct msd_sink sink = { .name = path, .pad = true, .write = write_data, .data = tar };
	int rc;

	if (event == MSD_WALK_LEAVE)
		return 0;
	if (!unpack_wants(tar->common.params, path, node->name, node->is_dir))
		return 1;
	rc = unpack_count(&tar->common, node, err);
	if (rc)
		return rc;
	if (node->is_dir && tar->common.params->include)
		return 0;
	lib.archive_entry_clear(tar->entry);
	lib.archive_entry_set_pathname(tar->entry, path);
	lib.archive_entry_set_mode(tar->entry, mode | (node->is_dir ? S_IFDIR : S_IFREG));
	lib.archive_entry_set_size(tar->entry, node->is_dir ? 0 : (la_int64_t)node->size_bytes);
	lib.archive_entry_set_mtime(tar->entry, node->mtime.tv_sec, node->mtime.tv_nsec);
	if (lib.archive_write_header(tar->archive, tar->entry) < ARCHIVE_WARN)
		return fail(tar, path, err);
	if (node->is_dir)
		return 0;
	rc = msd_copy_out_file(tar->common.copy, node, &sink, err);
	return rc < 0 ? rc : 0;
}

int msd_unpack_tar_load(struct msd_error *reterr)
{
	return msd_archive_load(FUNCTIONS(MSD_ARCHIVE_NAME), &lib, reterr);
}

int msd_unpack_tar(struct msd_fs *fs, const struct msd_fs_node *folder, int fd,
		   const struct msd_unpack_params *params, struct msd_unpack_result *ret,
		   struct msd_error *reterr)
{
	struct tar tar = { .archive = lib.archive_write_new(), .entry = lib.archive_entry_new() };
	struct msd_walk walk = { .fs = fs, .recurse = true, .fn = visit, .data = &tar };
	int rc = tar.archive && tar.entry ?
			 unpack_init(&tar.common, fs, params, ret, reterr) :
			 msd_fail_on(reterr, ENOMEM, msd_io_get_name(msd_fs_get_io(fs)));

	if (rc == 0) {
		lib.archive_write_set_format_pax_restricted(tar.archive);
		lib.archive_write_set_bytes_per_block(tar.archive, 65536);
		lib.archive_write_set_bytes_in_last_block(tar.archive, 1);
		if (lib.archive_write_open_fd(tar.archive, fd) != ARCHIVE_OK)
			rc = fail(&tar, "standard output", reterr);
	}
	if (rc == 0)
		rc = msd_walk_run(&walk, folder, "", reterr);
	if (rc == 0 && lib.archive_write_close(tar.archive) != ARCHIVE_OK)
		rc = fail(&tar, "standard output", reterr);
	if (tar.common.copy)
		ret->bytes = msd_copy_out_get_total(tar.common.copy);
	msd_copy_out_free(tar.common.copy);
	lib.archive_entry_free(tar.entry);
	/* what was not written yet stays that way after a failure */
	if (rc < 0)
		lib.archive_write_fail(tar.archive);
	lib.archive_write_free(tar.archive);
	return rc;
}
