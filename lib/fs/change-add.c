/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Putting a whole tree into a volume. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "change-priv.h"
#include "tree-priv.h"

/* A file of the tree, as it is read. */
struct reader {
	int fd;
	uint64_t offset;		/* in the spool; UINT64_MAX: fd is the file itself */
	const char *path;
};

static int read_some(void *data, void *buf, size_t len, size_t *ret_len, struct msd_error *err)
{
	struct reader *reader = data;
	char *p = buf;

	*ret_len = 0;
	while (*ret_len < len) {
		ssize_t n = reader->offset == UINT64_MAX ?
				    read(reader->fd, p + *ret_len, len - *ret_len) :
				    pread(reader->fd, p + *ret_len, len - *ret_len,
					  (off_t)reader->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return msd_fail_errno(err, errno, "%s", reader->path);
		if (n == 0)
			return 0;
		*ret_len += (size_t)n;
		if (reader->offset != UINT64_MAX)
			reader->offset += (uint64_t)n;
	}
	return 0;
}

unsigned change_count_records(const struct msd_change *change, const char *name)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	struct msd_short_name exact;
	int n = msd_utf8_to_utf16(name, units, MSD_NAME_UNITS_MAX);

	if (n < 0)
		n = 0;
	return is_exfat(change) ? msd_exfat_count_records((size_t)n) :
	       msd_fat_count_records((size_t)n, msd_short_name_is_exact(units, (size_t)n, &exact));
}

uint64_t change_count_clusters(const struct msd_change *change, uint64_t bytes)
{
	uint32_t cluster = change->fs->info.cluster_bytes;

	return bytes / cluster + (bytes % cluster != 0);
}

uint64_t change_count_folder(const struct msd_change *change, const struct msd_tree *tree,
			     uint32_t folder)
{
	uint64_t records = 2;

	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next)
		records += change_count_records(change, node_name(tree, c));
	return change_count_clusters(change, records * 32);
}

int change_check_size(struct msd_change *change, const struct msd_tree *tree, uint32_t i)
{
	const struct node *node = &tree->nodes[i];

	if (is_exfat(change) || node_is_folder(node) || node->size_bytes <= UINT32_MAX)
		return 0;
	msd_fail(change->err, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot hold",
		 node_name(tree, i));
	msd_hint(change->err, "use an exFAT image: msd-mkimage -t exfat");
	return -MSD_E_TOOBIG;
}

int change_check_room(struct msd_change *change, uint64_t needed, uint64_t has)
{
	uint64_t bytes = change->fs->info.cluster_bytes;

	if (needed <= has)
		return 0;
	return msd_fail(change->err, ENOSPC, "%s: needs room for %llu bytes and has it for %llu",
			msd_io_get_name(change->fs->io), (unsigned long long)(needed * bytes),
			(unsigned long long)(has * bytes));
}

/* A volume that is too small, or cannot hold such a file, is known before anything is written. */
static int check_room(struct msd_change *change, const struct msd_tree *tree)
{
	uint64_t clusters = 0;
	int rc;

	for (uint32_t i = tree_next(tree, TREE_ROOT); i != TREE_NONE; i = tree_next(tree, i)) {
		const struct node *node = &tree->nodes[i];

		clusters += node_is_folder(node) ? change_count_folder(change, tree, i) :
						   change_count_clusters(change, node->size_bytes);
		rc = change_check_size(change, tree, i);
		if (rc < 0)
			return rc;
	}
	return change_check_room(change, clusters, change->n_free);
}

static int put_file(struct msd_change *change, const struct msd_tree *tree, uint32_t i,
		    const char *path)
{
	const struct node *node = &tree->nodes[i];
	_cleanup_free_ char *source_path = tree_source_path(tree, i);
	_cleanup_close_ int fd = -1;
	struct reader reader = { tree->spool_fd, node->u.data, source_path };
	struct msd_source source = {
		.read = read_some, .data = &reader, .size_bytes = node->size_bytes,
		.mtime_s = node->mtime_s, .mtime_ns = node->mtime_cs * 10000000u,
		.attributes = node->attr,
	};

	if (!source_path)
		return change_no_memory(change);
	if (node->source != SOURCE_SPOOL) {
		fd = tree_open(source_path, O_RDONLY);
		if (fd < 0)
			return msd_fail_errno(change->err, -fd, "%s", source_path);
		reader.fd = fd;
		reader.offset = UINT64_MAX;
	}
	return msd_change_put(change, path, &source, change->err);
}

int change_put_node(struct msd_change *change, const struct msd_tree *tree, uint32_t i,
		    const char *folder)
{
	_cleanup_free_ char *image_path = tree_image_path(tree, i), *path = NULL;

	if (!image_path || asprintf(&path, "%s/%s", folder, image_path) < 0)
		return change_no_memory(change);
	if (node_is_folder(&tree->nodes[i]))
		return msd_change_mkdir(change, path, true, change->err);
	return put_file(change, tree, i, path);
}

int msd_change_add_tree(struct msd_change *change, const struct msd_tree *tree, const char *folder,
			struct msd_error *reterr)
{
	int rc;

	change->err = reterr;
	rc = check_room(change, tree);
	for (uint32_t i = tree_next(tree, TREE_ROOT); rc == 0 && i != TREE_NONE; i = tree_next(tree, i))
		rc = change_put_node(change, tree, i, folder);
	return rc;
}
