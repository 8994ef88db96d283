/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The writer alone, without libraries, so that it builds for any machine: KIND SIZE CLUSTER SECTOR
 * LABEL SERIAL EPOCH FOLDER IMAGE. The image is msd-mkimage's with --partition=none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/format.h"

static void tell(void *data, const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
}

static int make(char **argv, struct msd_error *err)
{
	struct msd_tree_params tree_params = { .problem = tell };
	struct msd_format_params params = { .utc = true };
	struct msd_fs_layout layout;
	struct msd_tree *tree;
	struct msd_io *io;
	int fd, rc;

	while (strcmp(msd_fs_kind_text(params.kind), argv[1]))
		params.kind++;
	params.size_bytes = strtoull(argv[2], NULL, 0);
	params.cluster_bytes = (uint32_t)strtoul(argv[3], NULL, 0);
	params.sector_bytes = (uint32_t)strtoul(argv[4], NULL, 0);
	params.label = argv[5];
	params.serial = (uint32_t)strtoul(argv[6], NULL, 16);
	params.now_s = tree_params.epoch_s = strtoll(argv[7], NULL, 0);
	tree_params.has_epoch = true;
	rc = msd_tree_new(&tree_params, &tree);
	if (rc == 0)
		rc = msd_tree_add_path(tree, argv[8], "", NULL, err);
	if (rc == 0)
		rc = msd_tree_seal(tree, err);
	if (rc == 0)
		rc = msd_format_plan(&params, tree, &layout, err);
	fd = open(argv[9], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (rc < 0 || fd < 0 || ftruncate(fd, (off_t)(layout.sectors * layout.sector_bytes)) < 0)
		return rc < 0 ? rc : -1;
	rc = msd_io_open_fd(fd, argv[9], &io, err);
	if (rc == 0)
		rc = msd_format_write(io, &params, &layout, tree, true, NULL, err);
	msd_io_close(io);
	msd_tree_free(tree);
	close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct msd_error err = { 0 };

	if (argc == 10 && make(argv, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
