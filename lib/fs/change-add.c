/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Putting a whole tree into a volume. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
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
			return msd_fail_os(err, reader->path);
		if (n == 0)
			return 0;
		*ret_len += (size_t)n;
		if (reader->offset != UINT64_MAX)
			reader->offset += (uint64_t)n;
	}
	return 0;
}

static unsigned count_records(const struct msd_change *change, const char *name)
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

/* The folder in a folder that a folder of the tree is to become, or NULL for one that is not there. */
static int open_there(struct msd_change *change, const struct msd_tree *tree, uint32_t i,
		      struct folder *folder, struct name *name, struct folder **ret)
{
	_cleanup_free_ char *path = NULL;

	*ret = NULL;
	if (!name)
		return 0;
	path = tree_image_path(tree, i);
	return path ? folder_open_child(change, folder, name, path, ret) : change_no_memory(change);
}

static struct name *find_there(struct msd_change *change, struct folder *folder, const char *name)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	int n = msd_utf8_to_utf16(name, units, MSD_NAME_UNITS_MAX);

	return folder && n >= 0 ? folder_find(change, folder, units, (size_t)n) : NULL;
}

/* The clusters that further entries in a folder take, or all its entries if it is new: NULL. */
static int count_entries(struct msd_change *change, const struct folder *folder, uint64_t records,
			 uint64_t *clusters)
{
	uint64_t room = 0;

	if (folder) {
		room = folder->room - folder->end;
		for (size_t i = 0; i < folder->n_holes; i++)
			room += folder->holes[i].n;
	} else {
		records += 2;
	}
	if (records <= room)
		return 0;
	*clusters += change_count_clusters(change, (records - room) * 32);
	if (!folder || folder->parent || !change->fs->root_bytes)
		return 0;
	msd_fail(change->err, ENOSPC, "%s: its root folder has room for %llu more entries, and %llu are "
		 "needed", change_image(change), (unsigned long long)room,
		 (unsigned long long)records);
	msd_hint(change->err, "add to a folder in it, which has no such limit");
	return -ENOSPC;
}

static int check_size(struct msd_change *change, const struct msd_tree *tree, uint32_t i)
{
	if (is_exfat(change) || tree->nodes[i].size_bytes <= UINT32_MAX)
		return 0;
	msd_fail(change->err, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot hold",
		 node_name(tree, i));
	msd_hint(change->err, "use an exFAT image: msd-mkimage -t exfat");
	return -MSD_E_TOOBIG;
}

/* Adds what a folder of the tree takes when it is put into one of the volume, or becomes a new one. */
static int count_folder(struct msd_change *change, const struct msd_tree *tree, uint32_t i,
			struct folder *folder, const uint8_t *same, uint64_t *clusters)
{
	uint64_t records = 0;
	int rc = 0;

	for (uint32_t c = tree->nodes[i].u.child; rc == 0 && c != TREE_NONE; c = tree->nodes[c].next) {
		bool is_folder = node_is_folder(&tree->nodes[c]);
		struct name *name = find_there(change, folder, node_name(tree, c));
		size_t n_folders = change->n_folders;
		struct folder *there;

		if (!name)
			records += count_records(change, node_name(tree, c));
		if (!is_folder && !(same && same[c])) {
			*clusters += change_count_clusters(change, tree->nodes[c].size_bytes);
			rc = check_size(change, tree, c);
		}
		if (!is_folder)
			continue;
		/* a file in its place will have gone by then */
		rc = open_there(change, tree, c, folder, same && !same[c] ? NULL : name, &there);
		if (rc == 0)
			rc = count_folder(change, tree, c, there, same, clusters);
		if (rc == 0 && change->n_folders > n_folders) {
			/* memory is for those that lead to here */
			folder_free(change->folders[--change->n_folders]);
			name->child = 0;
		}
	}
	return rc < 0 ? rc : count_entries(change, folder, records, clusters);
}

int change_check_room(struct msd_change *change, const struct msd_tree *tree, const uint8_t *same,
		      uint64_t freed)
{
	uint64_t clusters = 0, bytes = change->fs->info.cluster_bytes, has = change->n_free + freed;
	struct folder *root;
	int rc = folder_get_root(change, &root);

	if (rc == 0)
		rc = count_folder(change, tree, TREE_ROOT, root, same, &clusters);
	if (rc < 0 || clusters <= has)
		return rc;
	msd_fail(change->err, ENOSPC, "%s: needs room for %llu bytes and has it for %llu",
		 change_image(change), (unsigned long long)(clusters * bytes),
		 (unsigned long long)(has * bytes));
	msd_hint(change->err, "to make it larger: msd-normalfiles unpack %s FOLDER && msd-normalfiles pack "
		 "--size=%lluM FOLDER %s", msd_quoted(change_image(change)),
		 (unsigned long long)((change->fs->info.n_clusters + clusters - has) * bytes >> 20) + 8,
		 msd_quoted(change_image(change)));
	return -ENOSPC;
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
	/* an empty one has nothing to say */
	if (node->source != SOURCE_SPOOL && node->size_bytes) {
		fd = tree_open(source_path, O_RDONLY);
		if (fd < 0)
			return msd_fail_on(change->err, -fd, source_path);
		reader.fd = source.fd = fd;
		reader.offset = UINT64_MAX;
		source.has_fd = true;
	}
	return msd_change_put(change, path, &source, change->err);
}

int change_put_node(struct msd_change *change, const struct msd_tree *tree, uint32_t i)
{
	_cleanup_free_ char *path = tree_image_path(tree, i);

	if (!path)
		return change_no_memory(change);
	if (node_is_folder(&tree->nodes[i]))
		return msd_change_mkdir(change, path, true, change->err);
	return put_file(change, tree, i, path);
}

int msd_change_add_tree(struct msd_change *change, const struct msd_tree *tree,
			struct msd_error *reterr)
{
	int rc;

	change->err = reterr;
	rc = change_check_room(change, tree, NULL, 0);
	for (uint32_t i = tree_next(tree, TREE_ROOT); rc == 0 && i != TREE_NONE; i = tree_next(tree, i))
		rc = change_put_node(change, tree, i);
	return rc;
}
