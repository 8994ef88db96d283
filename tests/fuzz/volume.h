/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads all that an image in memory has, as unpack does, and throws it away. */
#ifndef TESTS_FUZZ_VOLUME_H
#define TESTS_FUZZ_VOLUME_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "disk/volume.h"
#include "fs/check.h"
#include "fs/copy-out.h"
#include "fs/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int memory_pread(void *ctx, void *buf, size_t len, uint64_t offset)
{
	memcpy(buf, (const uint8_t *)ctx + offset, len);
	return 0;
}

/* Nothing that reads may write. */
static int memory_pwrite(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	abort();
}

static const struct msd_io_ops memory_ops = { .pread = memory_pread, .pwrite = memory_pwrite };

static inline void ignore_damage(void *data, uint64_t offset, const char *what)
{
	if (!what[0])
		abort();
}

static int ignore_bytes(void *data, const void *buf, size_t len, struct msd_error *err)
{
	uint64_t *total = data;

	*total += len;
	return 0;
}

static int visit(void *data, enum msd_walk_event event, const char *path,
		 const struct msd_fs_node *node, struct msd_error *err)
{
	uint64_t total = 0;
	struct msd_sink sink = { .name = path, .write = ignore_bytes, .data = &total };

	if (strchr(node->name, '/') || !node->name[0] || !strcmp(node->name, ".") ||
	    !strcmp(node->name, ".."))
		abort();
	if (event != MSD_WALK_FILE)
		return 0;
	if (msd_copy_out_file(data, node, &sink, err) == 0 && total != node->size_bytes)
		abort();
	return 0;
}

static void ignore_finding(void *data, const struct msd_check_finding *finding)
{
	if (!finding->what[0] || !finding->path)
		abort();
}

/* Damage that the walk over all files found must be found here as well. */
static void check_all(struct msd_fs *fs, uint64_t damages)
{
	static const struct msd_check_params params = { ignore_finding, NULL };
	struct msd_check_result result;

	if (msd_fs_check(fs, &params, &result, NULL) == 0 && damages && !result.n_damages)
		abort();
}

static inline void read_all(const uint8_t *data, size_t size)
{
	static const struct msd_damage damage = { ignore_damage, NULL };
	char label[MSD_FS_NAME_BYTES];
	struct msd_volume *volume;
	struct msd_copy_out *copy;
	struct msd_fs_node node;
	struct msd_io *io;
	uint64_t damages;
	uint32_t n;

	if (msd_io_new(&memory_ops, (void *)data, "input", 0, size, &io) < 0)
		return;
	if (msd_volume_open(io, 0, NULL, &damage, &volume, NULL) == 0) {
		struct msd_walk walk = { .fs = volume->fs, .recurse = true, .fn = visit };

		damages = msd_fs_get_damages(volume->fs);
		msd_fs_read_label(volume->fs, label, sizeof(label), NULL);
		msd_fs_count_free(volume->fs, &n, NULL);
		msd_fs_lookup(volume->fs, "a/b", &node, NULL);
		if (msd_copy_out_new(volume->fs, NULL, &copy) == 0) {
			walk.data = copy;
			msd_fs_begin_walk(volume->fs);
			msd_walk_run(&walk, NULL, "", NULL);
			msd_copy_out_free(copy);
		}
		check_all(volume->fs, msd_fs_get_damages(volume->fs) - damages);
		msd_volume_close(volume);
	}
	msd_io_close(io);
}

#endif
