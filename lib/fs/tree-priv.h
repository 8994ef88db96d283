/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree as the planning and the writing see it: 48 bytes and its name for each file. */
#ifndef MSD_FS_TREE_PRIV_H
#define MSD_FS_TREE_PRIV_H

#include <string.h>

#include "fs/fat-disk.h"
#include "fs/tree.h"

#define TREE_ROOT 0u
#define TREE_NONE UINT32_MAX
#define SOURCE_SPOOL 0xFFFFu	/* the content lies in the tree's spool at data */

#define NODE_MANGLED 0x01	/* behind the name lies the one that the source has */

struct node {
	uint64_t size_bytes;		/* a folder's is planned: all its records */
	union {
		uint64_t data;		/* of a file: offset in the spool */
		uint32_t child;		/* of a folder: the first one */
	} u;
	int64_t mtime_s;
	uint32_t name;			/* offset in names */
	uint32_t parent;
	uint32_t next;			/* sibling */
	uint32_t first_cluster;		/* planned; 0: none */
	uint16_t source;
	uint8_t mtime_cs;		/* hundredths of a second */
	uint8_t attr;			/* FAT_ATTR_* */
	uint8_t flags;
	uint8_t records;		/* planned; of its name in its folder */
};

_Static_assert(sizeof(struct node) <= 48, "of 60,000 files there are 60,000 of these");

struct source {
	char *path;
	uint32_t top;			/* the folder that its content is in */
	bool is_file;			/* path is the file itself */
};

struct msd_tree {
	struct msd_tree_params params;
	struct node *nodes;
	uint32_t n_nodes, room_nodes;
	char *names;
	uint32_t n_names, room_names;
	struct source *sources;
	uint16_t n_sources;
	uint32_t *index;		/* of nodes by parent and name, open addressing */
	uint32_t n_index, room_index;
	int spool_fd;
	uint64_t spool_bytes;
	uint64_t n_problems;
	uint64_t n_files, n_folders, n_bytes;
};

static inline const char *node_name(const struct msd_tree *tree, uint32_t node)
{
	return tree->names + tree->nodes[node].name;
}

/* As the source calls it. */
static inline const char *tree_source_name(const struct msd_tree *tree, uint32_t node)
{
	const char *name = node_name(tree, node);

	return tree->nodes[node].flags & NODE_MANGLED ? name + strlen(name) + 1 : name;
}

static inline bool node_is_folder(const struct node *node)
{
	return node->attr & FAT_ATTR_DIRECTORY;
}

/* Folders and files in the order of the disk: each folder before all that is in it. */
uint32_t tree_next(const struct msd_tree *tree, uint32_t node);

/*
 * The path of a node as its source has it, or as the image will have it, in a buffer that the
 * caller frees. Returns NULL without memory.
 */
char *tree_source_path(const struct msd_tree *tree, uint32_t node);
/* The same for a folder that is in several sources. */
char *tree_path_in(const struct msd_tree *tree, uint16_t source, uint32_t node);
char *tree_image_path(const struct msd_tree *tree, uint32_t node);

/* Counts a problem and reports it; path is escaped. */
void tree_problem(struct msd_tree *tree, const char *path, const char *why);

/* What is known of a file or folder before it is in the tree. */
struct entry {
	uint32_t parent;
	const char *name;
	bool is_folder;
	bool indexed;			/* findable by tree_find */
	uint8_t attr;			/* without the folder bit */
	uint16_t source;
	uint64_t size_bytes, data;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

/* Clamps the time. Returns 0 with the node in *ret_node (may be NULL), -ENOMEM or -E2BIG. */
int tree_add(struct msd_tree *tree, const struct entry *entry, uint32_t *ret_node);

/* Gives a node a time, or the epoch when that is earlier. */
void tree_set_time(struct msd_tree *tree, uint32_t node, int64_t mtime_s, uint32_t mtime_ns);

/* The indexed node that a source calls so, or TREE_NONE. */
uint32_t tree_find(const struct msd_tree *tree, uint32_t parent, const char *name);

/*
 * Opens a path of any length, in pieces where it is longer than the kernel takes. Returns the
 * descriptor or -errno.
 */
int tree_open(const char *path, int flags);

/* A new source; takes path over. Returns its number, -ENOMEM or -E2BIG. */
int tree_add_source(struct msd_tree *tree, char *path, uint32_t top, bool is_file);

#endif
