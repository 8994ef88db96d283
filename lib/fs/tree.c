/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree: nodes and names in two growing arrays, sorted and checked at the end. */
#include "fs/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fs/fat-disk.h"
#include "fs/name.h"
#include "tree-priv.h"

/* Makes room for want items of size bytes. Returns 0, -ENOMEM or -E2BIG. */
static int make_room(void *array, uint32_t *room, size_t size, uint64_t want)
{
	void **items = array;
	uint64_t bigger = *room ? *room : 256;
	void *moved;

	if (want <= *room)
		return 0;
	if (want >= UINT32_MAX)
		return -E2BIG;
	while (bigger < want)
		bigger += bigger / 2;
	if (bigger > UINT32_MAX - 1)
		bigger = UINT32_MAX - 1;
	moved = bigger <= SIZE_MAX / size ? realloc(*items, (size_t)bigger * size) : NULL;
	if (!moved)
		return -ENOMEM;
	*items = moved;
	*room = (uint32_t)bigger;
	return 0;
}

/* Returns 0 with the offset of what is put into names, or -ENOMEM, -E2BIG. */
static int add_name(struct msd_tree *tree, const char *name, uint32_t *ret)
{
	size_t len = strlen(name) + 1;
	int rc = make_room(&tree->names, &tree->room_names, 1, (uint64_t)tree->n_names + len);

	if (rc < 0)
		return rc;
	memcpy(tree->names + tree->n_names, name, len);
	*ret = tree->n_names;
	tree->n_names += (uint32_t)len;
	return 0;
}

int msd_tree_new(const struct msd_tree_params *params, struct msd_tree **ret)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = calloc(1, sizeof(*tree));
	const struct entry root = { .parent = TREE_NONE, .name = "", .is_folder = true };
	int rc;

	if (!tree)
		return -ENOMEM;
	tree->params = *params;
	tree->spool_fd = -1;
	rc = tree_add(tree, &root, NULL);
	if (rc < 0)
		return rc;
	*ret = msd_steal(tree);
	return 0;
}

void msd_tree_free(struct msd_tree *tree)
{
	if (!tree)
		return;
	for (unsigned i = 0; i < tree->n_sources; i++)
		free(tree->sources[i].path);
	free(tree->sources);
	free(tree->nodes);
	free(tree->names);
	free(tree->index);
	msd_closep(&tree->spool_fd);
	free(tree);
}

void msd_tree_freep(struct msd_tree **tree)
{
	msd_tree_free(*tree);
}

int tree_add_source(struct msd_tree *tree, char *path, uint32_t top, bool is_file)
{
	struct source *sources;

	if (tree->n_sources == SOURCE_SPOOL)
		return -E2BIG;
	sources = realloc(tree->sources, (tree->n_sources + 1u) * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	tree->sources = sources;
	sources[tree->n_sources] = (struct source){ path, top, is_file };
	return tree->n_sources++;
}

static uint32_t *find_index(const struct msd_tree *tree, uint32_t parent, const char *name)
{
	uint32_t hash = 2166136261u ^ parent * 2654435761u, at;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	at = (hash ^ hash >> 16) & (tree->room_index - 1);
	while (tree->index[at] != TREE_NONE &&
	       (tree->nodes[tree->index[at]].parent != parent ||
		strcmp(tree_source_name(tree, tree->index[at]), name)))
		at = (at + 1) & (tree->room_index - 1);
	return &tree->index[at];
}

uint32_t tree_find(const struct msd_tree *tree, uint32_t parent, const char *name)
{
	return tree->index ? *find_index(tree, parent, name) : TREE_NONE;
}

static int add_to_index(struct msd_tree *tree, uint32_t node)
{
	if (tree->n_index * 2u >= tree->room_index) {
		uint32_t *old = tree->index, n_old = tree->room_index;
		uint32_t room = n_old ? n_old * 2 : 256;
		uint32_t *index = malloc((size_t)room * sizeof(*index));

		if (!index)
			return -ENOMEM;
		memset(index, 0xFF, (size_t)room * sizeof(*index));
		tree->index = index;
		tree->room_index = room;
		for (uint32_t i = 0; i < n_old; i++)
			if (old[i] != TREE_NONE)
				*find_index(tree, tree->nodes[old[i]].parent,
					    tree_source_name(tree, old[i])) = old[i];
		free(old);
	}
	*find_index(tree, tree->nodes[node].parent, tree_source_name(tree, node)) = node;
	tree->n_index++;
	return 0;
}

void tree_set_time(struct msd_tree *tree, uint32_t node, int64_t mtime_s, uint32_t mtime_ns)
{
	const struct msd_tree_params *params = &tree->params;
	bool clamp = params->has_epoch && mtime_s >= params->epoch_s;

	tree->nodes[node].mtime_s = clamp ? params->epoch_s : mtime_s;
	tree->nodes[node].mtime_cs = clamp ? 0 : (uint8_t)(mtime_ns / 10000000);
}

int tree_add(struct msd_tree *tree, const struct entry *entry, uint32_t *ret_node)
{
	uint32_t name, at = tree->n_nodes;
	struct node *node;
	int rc = make_room(&tree->nodes, &tree->room_nodes, sizeof(*node), (uint64_t)at + 1);

	if (rc == 0)
		rc = add_name(tree, entry->name, &name);
	if (rc < 0)
		return rc;
	node = &tree->nodes[at];
	*node = (struct node){
		.size_bytes = entry->size_bytes, .name = name, .parent = entry->parent,
		.next = TREE_NONE, .source = entry->source, .attr = entry->attr,
	};
	tree_set_time(tree, at, entry->mtime_s, entry->mtime_ns);
	if (entry->is_folder) {
		node->attr |= FAT_ATTR_DIRECTORY;
		node->u.child = TREE_NONE;
	} else {
		node->u.data = entry->data;
	}
	tree->n_nodes++;
	if (entry->parent != TREE_NONE) {
		struct node *parent = &tree->nodes[entry->parent];

		node->next = parent->u.child;
		parent->u.child = at;
	}
	if (ret_node)
		*ret_node = at;
	return entry->indexed ? add_to_index(tree, at) : 0;
}

uint32_t tree_next(const struct msd_tree *tree, uint32_t node)
{
	if (node_is_folder(&tree->nodes[node]) && tree->nodes[node].u.child != TREE_NONE)
		return tree->nodes[node].u.child;
	while (node != TREE_NONE && tree->nodes[node].next == TREE_NONE)
		node = tree->nodes[node].parent;
	return node == TREE_NONE ? TREE_NONE : tree->nodes[node].next;
}

/* prefix, then the names from below top down to node. */
static char *make_path(const struct msd_tree *tree, const char *prefix, uint32_t top, uint32_t node,
		       const char *(*name_of)(const struct msd_tree *, uint32_t))
{
	size_t prefix_len = strlen(prefix), len = prefix_len;
	char *path, *p;

	for (uint32_t n = node; n != top; n = tree->nodes[n].parent)
		len += strlen(name_of(tree, n)) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	memcpy(path, prefix, prefix_len);
	p = path + len;
	*p = '\0';
	for (uint32_t n = node; n != top; n = tree->nodes[n].parent) {
		size_t name_len = strlen(name_of(tree, n));

		p -= name_len;
		memcpy(p, name_of(tree, n), name_len);
		*--p = '/';
	}
	return path;
}

char *tree_path_in(const struct msd_tree *tree, uint16_t source, uint32_t node)
{
	bool known = source < tree->n_sources;
	const char *prefix = known ? tree->sources[source].path : "";
	uint32_t top = known ? tree->sources[source].top : TREE_ROOT;

	/* no path has a slash at its end, but for "/" itself */
	return make_path(tree, !strcmp(prefix, "/") && node != top ? "" : prefix, top, node,
			 tree_source_name);
}

char *tree_source_path(const struct msd_tree *tree, uint32_t node)
{
	uint16_t source = tree->nodes[node].source;

	char *path;

	if (source < tree->n_sources && tree->sources[source].is_file)
		return strdup(tree->sources[source].path);
	path = tree_path_in(tree, source, node);
	/* in an archive there is nothing above it */
	if (path && source == SOURCE_SPOOL && path[0] == '/')
		memmove(path, path + 1, strlen(path));
	return path;
}

char *tree_image_path(const struct msd_tree *tree, uint32_t node)
{
	return make_path(tree, "", TREE_ROOT, node, node_name);
}

void tree_problem(struct msd_tree *tree, const char *path, const char *why)
{
	tree->n_problems++;
	if (tree->params.problem)
		tree->params.problem(tree->params.data, path, why);
}

static void node_problem(struct msd_tree *tree, uint32_t node, const char *why)
{
	_cleanup_free_ char *path = tree_source_path(tree, node);

	tree_problem(tree, path ? path : node_name(tree, node), why);
}

/* The names of one folder that are settled, whatever their case. */
struct settled {
	uint32_t *slots;	/* nodes, open addressing */
	uint32_t *hashes;
	uint32_t n_slots;
};

/* The slot of the name, taken by another node or free. */
static uint32_t find_settled(const struct msd_tree *tree, const struct settled *settled,
			     const uint16_t *units, size_t n, uint32_t hash)
{
	uint32_t at = (hash ^ hash >> 16) & (settled->n_slots - 1);

	for (; settled->slots[at] != TREE_NONE; at = (at + 1) & (settled->n_slots - 1)) {
		uint16_t other[MSD_NAME_UNITS_MAX];
		int n_other;

		if (settled->hashes[at] != hash)
			continue;
		n_other = msd_utf8_to_utf16(node_name(tree, settled->slots[at]), other,
					    MSD_NAME_UNITS_MAX);
		if (n_other >= 0 && msd_name_is_same(units, n, other, (size_t)n_other))
			break;
	}
	return at;
}

static int rename_node(struct msd_tree *tree, uint32_t node, const uint16_t *units, size_t n)
{
	_cleanup_free_ char *old = strdup(node_name(tree, node));
	_cleanup_free_ char *path = tree_source_path(tree, node);
	char name[MSD_NAME_BYTES_MAX];
	uint32_t at, old_at;
	int rc;

	if (!old || !path)
		return -ENOMEM;
	rc = msd_utf16_to_utf8(units, n, name, sizeof(name));
	if (rc < 0)
		return rc;
	rc = add_name(tree, name, &at);
	if (rc == 0)
		rc = add_name(tree, old, &old_at);
	if (rc < 0)
		return rc;
	tree->nodes[node].name = at;
	tree->nodes[node].flags |= NODE_MANGLED;
	if (tree->params.mangled)
		tree->params.mangled(tree->params.data, path, name);
	return 0;
}

/* Finds a name for a node that has none that fits, or whose name another has. */
static int mangle_node(struct msd_tree *tree, struct settled *settled, uint32_t node,
		       unsigned *next_number)
{
	_cleanup_free_ char *name = strdup(node_name(tree, node));
	uint16_t units[MSD_NAME_UNITS_MAX];
	size_t n;
	uint32_t hash, at;
	unsigned number = 1;
	int rc;

	if (!name)
		return -ENOMEM;
	for (;;) {
		n = msd_name_mangle(name, number, units);
		hash = msd_name_hash(units, n);
		at = find_settled(tree, settled, units, n, hash);
		if (settled->slots[at] == TREE_NONE)
			break;
		/* numbers are not tried twice in a folder, or thousands of twins would take minutes */
		number = (*next_number)++;
	}
	rc = rename_node(tree, node, units, n);
	if (rc < 0)
		return rc;
	settled->slots[at] = node;
	settled->hashes[at] = hash;
	return 0;
}

/* Keeps the name when it is fit and free. Returns 1, 0 when it must be mangled, or -ENOMEM. */
static int settle_node(struct msd_tree *tree, struct settled *settled, uint32_t node)
{
	uint16_t units[MSD_NAME_UNITS_MAX];
	enum msd_name_fault fault;
	uint32_t hash, at;
	size_t n;

	fault = msd_name_check(node_name(tree, node), units, &n);
	if (fault != MSD_NAME_OK) {
		if (tree->params.mangle)
			return 0;
		node_problem(tree, node, msd_name_fault_text(fault));
		return 1;
	}
	hash = msd_name_hash(units, n);
	at = find_settled(tree, settled, units, n, hash);
	if (settled->slots[at] == TREE_NONE) {
		settled->slots[at] = node;
		settled->hashes[at] = hash;
		return 1;
	}
	if (!tree->params.mangle) {
		_cleanup_free_ char *other = tree_source_path(tree, settled->slots[at]);
		_cleanup_free_ char *why = NULL;

		if (!other || asprintf(&why, "the same name to FAT and exFAT as '%s'", other) < 0)
			return -ENOMEM;
		node_problem(tree, node, why);
		return 1;
	}
	return 0;
}

static int compare(const void *a, const void *b, void *data)
{
	const struct msd_tree *tree = data;
	uint32_t node_a = *(const uint32_t *)a, node_b = *(const uint32_t *)b;
	bool folder_a = node_is_folder(&tree->nodes[node_a]);
	bool folder_b = node_is_folder(&tree->nodes[node_b]);
	int order;

	/* folders first: then the files of a folder follow one another on the disk */
	if (folder_a != folder_b)
		return folder_a ? -1 : 1;
	order = strcmp(node_name(tree, node_a), node_name(tree, node_b));
	return order ? order : node_a < node_b ? -1 : 1;
}

static int settle_folder(struct msd_tree *tree, uint32_t *children, uint32_t n)
{
	_cleanup_free_ uint32_t *slots = NULL, *hashes = NULL;
	struct settled settled = { .n_slots = 16 };
	unsigned next_number = 2;
	int rc;

	while (settled.n_slots < (uint64_t)n * 2)
		settled.n_slots *= 2;
	settled.slots = slots = malloc((size_t)settled.n_slots * sizeof(*slots));
	settled.hashes = hashes = malloc((size_t)settled.n_slots * sizeof(*hashes));
	if (!slots || !hashes)
		return -ENOMEM;
	memset(slots, 0xFF, (size_t)settled.n_slots * sizeof(*slots));
	for (uint32_t i = 0; i < n; i++) {
		rc = settle_node(tree, &settled, children[i]);
		if (rc < 0)
			return rc;
		/* those that keep their names come first, the others after all of them */
		if (rc > 0)
			children[i] |= 0x80000000u;
	}
	for (uint32_t i = 0; i < n; i++) {
		rc = children[i] & 0x80000000u ? 0 :
		     mangle_node(tree, &settled, children[i], &next_number);
		if (rc < 0)
			return rc;
		children[i] &= ~0x80000000u;
	}
	return 0;
}

/* Sorts before, so that who keeps a name does not depend on how the folder was read, and after. */
static int seal_folder(struct msd_tree *tree, uint32_t folder)
{
	_cleanup_free_ uint32_t *children = NULL;
	uint32_t n = 0, n_names = tree->n_names;
	int rc;

	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next)
		n++;
	if (n == 0)
		return 0;
	children = malloc((size_t)n * sizeof(*children));
	if (!children)
		return -ENOMEM;
	n = 0;
	for (uint32_t c = tree->nodes[folder].u.child; c != TREE_NONE; c = tree->nodes[c].next)
		children[n++] = c;
	qsort_r(children, n, sizeof(*children), compare, tree);
	rc = settle_folder(tree, children, n);
	if (rc < 0)
		return rc;
	if (tree->n_names != n_names)
		qsort_r(children, n, sizeof(*children), compare, tree);
	tree->nodes[folder].u.child = children[0];
	for (uint32_t i = 0; i < n; i++)
		tree->nodes[children[i]].next = i + 1 < n ? children[i + 1] : TREE_NONE;
	return 0;
}

int msd_tree_seal(struct msd_tree *tree, struct msd_error *reterr)
{
	/* nobody has two thousand million files; the top bit marks what is settled */
	if (tree->n_nodes > 0x7FFFFFFFu)
		return msd_fail_errno(reterr, E2BIG, "source");
	tree->n_files = tree->n_folders = tree->n_bytes = 0;
	for (uint32_t i = 0; i < tree->n_nodes; i++) {
		int rc = 0;

		if (node_is_folder(&tree->nodes[i])) {
			rc = seal_folder(tree, i);
			tree->n_folders += i != TREE_ROOT;
		} else {
			tree->n_files++;
			tree->n_bytes += tree->nodes[i].size_bytes;
		}
		if (rc < 0)
			return msd_fail_errno(reterr, -rc, "source");
	}
	free(tree->index);
	tree->index = NULL;
	tree->room_index = tree->n_index = 0;
	if (!tree->n_problems)
		return 0;
	msd_fail(reterr, MSD_E_NAME, "source: %llu of its files or folders cannot be in the image",
		 (unsigned long long)tree->n_problems);
	return -MSD_E_NAME;
}

void msd_tree_get_counts(const struct msd_tree *tree, uint64_t *ret_files, uint64_t *ret_folders,
			 uint64_t *ret_bytes)
{
	*ret_files = tree->n_files;
	*ret_folders = tree->n_folders;
	*ret_bytes = tree->n_bytes;
}
