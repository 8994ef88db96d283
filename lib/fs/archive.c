/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Archives as sources of a tree, by libarchive, which is loaded only when one is read. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/archive-load.h"
#include "base/cleanup.h"
#include "fs/fat-disk.h"
#include "tree-priv.h"

/* A file of this size or more begins where a block does, so that it can be shared (reflink). */
#define ALIGN_FROM 65536u
#define ALIGN_BYTES 4096u
#define BUFFER_BYTES (256u << 10)

#define FUNCTIONS(F)                                                                              \
	F(archive_read_new) F(archive_read_free) F(archive_read_support_filter_all)               \
	F(archive_read_support_format_tar) F(archive_read_support_format_cpio)                    \
	F(archive_read_support_format_zip) F(archive_read_support_format_iso9660)                 \
	F(archive_read_open2) F(archive_read_next_header)                                         \
	F(archive_read_data) F(archive_error_string) F(archive_errno) F(archive_entry_pathname)   \
	F(archive_entry_pathname_utf8) F(archive_entry_hardlink) F(archive_entry_filetype)        \
	F(archive_entry_mtime) F(archive_entry_mtime_nsec) F(archive_entry_perm)                  \
	F(archive_entry_fflags_text) F(archive_entry_size)

struct library {
	FUNCTIONS(MSD_ARCHIVE_MEMBER)
};

struct reading {
	struct library lib;
	struct msd_tree *tree;
	struct archive *archive;
	const struct msd_progress *progress;
	struct msd_error *err;
	const char *name;
	int fd;				/* of the archive */
	bool cancelled;
	struct link { uint32_t node, target; } *links;	/* hard links, settled at the end */
	size_t n_links;
	uint8_t in[BUFFER_BYTES];	/* of the archive */
	uint8_t out[BUFFER_BYTES];	/* to the spool */
	size_t used;
};

/* libarchive's source of bytes. */
static la_ssize_t read_archive(struct archive *archive, void *data, const void **ret)
{
	struct reading *r = data;
	ssize_t n;

	do {
		if (msd_progress(r->progress, 0, 0)) {
			r->cancelled = true;
			return -1;
		}
		n = read(r->fd, r->in, sizeof(r->in));
	} while (n < 0 && errno == EINTR);
	*ret = r->in;
	return n;
}

static int fail_archive(struct reading *r, int code)
{
	const char *why = r->lib.archive_error_string(r->archive);

	if (r->cancelled)
		return msd_fail(r->err, MSD_E_CANCELLED, "%s: stopped", r->name);
	return msd_fail(r->err, code, "%s: %s", r->name, why ? why : "not readable");
}

static int flush_spool(struct reading *r)
{
	size_t done = 0;

	while (done < r->used) {
		ssize_t n = pwrite(r->tree->spool_fd, r->out + done, r->used - done,
				   (off_t)(r->tree->spool_bytes + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return msd_fail_errno(r->err, errno, "%s: temporary file", r->name);
		done += (size_t)n;
	}
	r->tree->spool_bytes += r->used;
	r->used = 0;
	return 0;
}

/* The content of the entry to the spool. Gives where and how much. */
static int spool_content(struct reading *r, uint64_t *ret_offset, uint64_t *ret_bytes)
{
	uint64_t start = r->tree->spool_bytes + r->used, bytes = 0;
	int rc = 0;

	for (;;) {
		la_ssize_t n;

		if (r->used == sizeof(r->out)) {
			rc = flush_spool(r);
			if (rc < 0)
				return rc;
		}
		n = r->lib.archive_read_data(r->archive, r->out + r->used, sizeof(r->out) - r->used);
		if (n < 0)
			return fail_archive(r, MSD_E_DAMAGED);
		if (n == 0)
			break;
		r->used += (size_t)n;
		bytes += (uint64_t)n;
	}
	*ret_offset = start;
	*ret_bytes = bytes;
	return 0;
}

/* Before a large file: what follows begins at a block. */
static int align_spool(struct reading *r)
{
	int rc = flush_spool(r);

	r->tree->spool_bytes = (r->tree->spool_bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
	return rc;
}

static uint8_t entry_attr(struct reading *r, struct archive_entry *entry, const char *name)
{
	const char *flags = r->lib.archive_entry_fflags_text(entry);
	bool folder = r->lib.archive_entry_filetype(entry) == AE_IFDIR;
	uint8_t attr = folder ? 0 : FAT_ATTR_ARCHIVE;

	if (!folder && !(r->lib.archive_entry_perm(entry) & 0222))
		attr |= FAT_ATTR_READ_ONLY;
	if (name[0] == '.' || (flags && strstr(flags, "hidden")))
		attr |= FAT_ATTR_HIDDEN;
	if (flags && strstr(flags, "system"))
		attr |= FAT_ATTR_SYSTEM;
	if (!folder && flags && (strstr(flags, "rdonly") || strstr(flags, "readonly")))
		attr |= FAT_ATTR_READ_ONLY;
	return attr;
}

/*
 * Takes the next part of a path, "." left out; *path is left behind it. Returns NULL at the end;
 * "..", which leads out, is the caller's to refuse.
 */
static char *next_part(char **path)
{
	for (;;) {
		char *part = *path + strspn(*path, "/");

		if (!*part)
			return NULL;
		*path = part + strcspn(part, "/");
		if (**path)
			*(*path)++ = '\0';
		if (strcmp(part, "."))
			return part;
	}
}

static const char *kind_text(unsigned type)
{
	return type == AE_IFLNK ? "a symbolic link, which cannot be followed in an archive" :
	       type == AE_IFSOCK ? "a socket" : type == AE_IFIFO ? "a FIFO" :
	       type == AE_IFBLK ? "a block device" : type == AE_IFCHR ? "a character device" :
	       "neither a file nor a folder";
}

/* The folder that a path lies in, made where it is missing. *ret_name: its last part, or NULL. */
static int find_parent(struct reading *r, char *path, const char *whole, uint32_t *ret_parent,
		       const char **ret_name)
{
	char *part = next_part(&path), *next;
	uint32_t parent = TREE_ROOT;

	*ret_name = NULL;
	for (; part; part = next) {
		uint32_t node;
		int rc;

		if (!strcmp(part, "..")) {
			tree_problem(r->tree, whole, "its path leads out of the archive");
			return 0;
		}
		next = next_part(&path);
		if (!next)
			break;
		node = tree_find(r->tree, parent, part);
		if (node == TREE_NONE) {
			const struct entry folder = {
				.parent = parent, .name = part, .is_folder = true, .indexed = true,
				.attr = part[0] == '.' ? FAT_ATTR_HIDDEN : 0, .source = SOURCE_SPOOL,
				.mtime_s = r->tree->params.has_epoch ? r->tree->params.epoch_s : 0,
			};

			rc = tree_add(r->tree, &folder, &node);
			if (rc < 0)
				return msd_fail_on(r->err, -rc, r->name);
		} else if (!node_is_folder(&r->tree->nodes[node])) {
			tree_problem(r->tree, whole, "a part of its path is a file");
			return 0;
		}
		parent = node;
	}
	*ret_parent = parent;
	*ret_name = part;
	return 0;
}

/* The file that a hard link of the archive leads to, TREE_NONE when there is none. */
static int find_link(struct reading *r, const char *target, uint32_t *ret_node)
{
	_cleanup_free_ char *copy = strdup(target);
	char *path = copy, *part;
	uint32_t node = TREE_ROOT;

	if (!copy)
		return msd_fail_on(r->err, ENOMEM, r->name);
	while (node != TREE_NONE && (part = next_part(&path)))
		node = tree_find(r->tree, node, part);
	*ret_node = node != TREE_NONE && node_is_folder(&r->tree->nodes[node]) ? TREE_NONE : node;
	return 0;
}

/* A later entry of the same path takes the place of the first, as it does for tar. */
static int put_entry(struct reading *r, const struct entry *entry, const char *whole,
		     uint32_t *ret_node)
{
	uint32_t node = tree_find(r->tree, entry->parent, entry->name);
	struct node *old = node == TREE_NONE ? NULL : &r->tree->nodes[node];
	int rc;

	*ret_node = node;
	if (!old) {
		rc = tree_add(r->tree, entry, ret_node);
		return rc < 0 ? msd_fail_on(r->err, -rc, r->name) : 0;
	}
	if (node_is_folder(old) != entry->is_folder) {
		tree_problem(r->tree, whole, "a file and a folder of the same name");
		return 0;
	}
	old->attr = entry->attr | (old->attr & FAT_ATTR_DIRECTORY);
	tree_set_time(r->tree, node, entry->mtime_s, entry->mtime_ns);
	if (!entry->is_folder) {
		old->source = entry->source;
		old->size_bytes = entry->size_bytes;
		old->u.data = entry->data;
	}
	return 0;
}

static int add_link(struct reading *r, uint32_t node, uint32_t target)
{
	struct link *links = realloc(r->links, (r->n_links + 1) * sizeof(*links));

	if (!links)
		return msd_fail_on(r->err, ENOMEM, r->name);
	r->links = links;
	links[r->n_links++] = (struct link){ node, target };
	return 0;
}

/* tar has the content with the first of several links, cpio with the last: all get it. */
static void settle_links(struct reading *r)
{
	struct node *nodes = r->tree->nodes;

	for (size_t i = 0; i < r->n_links; i++) {
		nodes[r->links[i].node].size_bytes = nodes[r->links[i].target].size_bytes;
		nodes[r->links[i].node].u.data = nodes[r->links[i].target].u.data;
	}
}

/* Puts a file in, or another name for one. */
static int put_file(struct reading *r, struct archive_entry *from, struct entry *entry,
		    const char *whole)
{
	const char *link = r->lib.archive_entry_hardlink(from);
	int64_t size = r->lib.archive_entry_size(from);
	uint32_t node, target = TREE_NONE;
	int rc = size >= ALIGN_FROM ? align_spool(r) : 0;

	if (rc == 0 && (!link || size > 0))
		rc = spool_content(r, &entry->data, &entry->size_bytes);
	if (rc == 0 && link)
		rc = find_link(r, link, &target);
	if (rc < 0)
		return rc;
	if (link && (target == TREE_NONE || r->tree->nodes[target].source != SOURCE_SPOOL)) {
		tree_problem(r->tree, whole, "a hard link to what is not in the archive");
		return 0;
	}
	if (link && entry->size_bytes > 0) {
		r->tree->nodes[target].size_bytes = entry->size_bytes;
		r->tree->nodes[target].u.data = entry->data;
	}
	rc = put_entry(r, entry, whole, &node);
	/* a folder of that name is a problem that was told */
	if (rc < 0 || !link || node_is_folder(&r->tree->nodes[node]))
		return rc;
	return add_link(r, node, target);
}

static int add_archive_entry(struct reading *r, struct archive_entry *from)
{
	const char *whole = r->lib.archive_entry_pathname_utf8(from);
	unsigned type = r->lib.archive_entry_filetype(from);
	_cleanup_free_ char *copy = NULL;
	struct entry entry = { .source = SOURCE_SPOOL, .indexed = true };
	uint32_t node;
	int rc;

	/* a name in no known encoding is checked, and mangled, as it is */
	if (!whole)
		whole = r->lib.archive_entry_pathname(from);
	/* for messages, as those of its parts are told later */
	while (whole && (whole[0] == '/' || !strncmp(whole, "./", 2)))
		whole += whole[0] == '/' ? 1 : 2;
	copy = strdup(whole ? whole : "");
	if (!copy)
		return msd_fail_on(r->err, ENOMEM, r->name);
	rc = find_parent(r, copy, whole, &entry.parent, &entry.name);
	if (rc < 0 || !entry.name)
		return rc;
	if (type != AE_IFREG && type != AE_IFDIR && !r->lib.archive_entry_hardlink(from)) {
		tree_problem(r->tree, whole, kind_text(type));
		return 0;
	}
	entry.is_folder = type == AE_IFDIR;
	entry.attr = entry_attr(r, from, entry.name);
	entry.mtime_s = r->lib.archive_entry_mtime(from);
	entry.mtime_ns = (uint32_t)r->lib.archive_entry_mtime_nsec(from);
	return entry.is_folder ? put_entry(r, &entry, whole, &node) : put_file(r, from, &entry, whole);
}

/* Takes what is behind the end, so that who writes the archive is not killed by SIGPIPE. */
static int drain(struct reading *r)
{
	const void *data;
	la_ssize_t n;

	while ((n = read_archive(r->archive, r, &data)) > 0)
		;
	return r->cancelled ? fail_archive(r, MSD_E_CANCELLED) : flush_spool(r);
}

static int read_entries(struct reading *r)
{
	struct archive_entry *entry;
	bool any = false;
	int rc;

	/* not all formats: by mtree an archive could name files of this machine */
	if (r->lib.archive_read_support_filter_all(r->archive) < ARCHIVE_WARN ||
	    r->lib.archive_read_support_format_tar(r->archive) < ARCHIVE_WARN ||
	    r->lib.archive_read_support_format_cpio(r->archive) < ARCHIVE_WARN ||
	    r->lib.archive_read_support_format_zip(r->archive) < ARCHIVE_WARN ||
	    r->lib.archive_read_support_format_iso9660(r->archive) < ARCHIVE_WARN)
		return fail_archive(r, MSD_E_UNSUPPORTED);
	if (r->lib.archive_read_open2(r->archive, r, NULL, read_archive, NULL, NULL) != ARCHIVE_OK)
		return fail_archive(r, MSD_E_FORMAT);
	while ((rc = r->lib.archive_read_next_header(r->archive, &entry)) != ARCHIVE_EOF) {
		if (rc < ARCHIVE_WARN)
			return fail_archive(r, any ? MSD_E_DAMAGED : MSD_E_FORMAT);
		any = true;
		rc = add_archive_entry(r, entry);
		if (rc < 0)
			return rc;
	}
	settle_links(r);
	return drain(r);
}

static int open_spool(struct msd_tree *tree, const char *dir, struct msd_error *err)
{
	_cleanup_free_ char *path = NULL;

	if (tree->spool_fd >= 0)
		return 0;
	tree->spool_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (tree->spool_fd >= 0)
		return 0;
	/* a file system without unnamed files: the name is gone at once */
	if (asprintf(&path, "%s/.msd-spool.XXXXXX", dir) < 0)
		return msd_fail_on(err, ENOMEM, dir);
	tree->spool_fd = mkostemp(path, O_CLOEXEC);
	if (tree->spool_fd < 0)
		return msd_fail_errno(err, errno, "%s: temporary file", dir);
	unlinkat(AT_FDCWD, path, 0);
	return 0;
}

int msd_tree_add_archive(struct msd_tree *tree, int fd, const char *name, const char *spool_dir,
			 const struct msd_progress *progress, struct msd_error *reterr)
{
	_cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return msd_fail_on(reterr, ENOMEM, name);
	r->tree = tree;
	r->progress = progress;
	r->err = reterr;
	r->name = name;
	r->fd = fd;
	rc = msd_archive_load(FUNCTIONS(MSD_ARCHIVE_NAME), &r->lib, reterr);
	if (rc == 0)
		rc = open_spool(tree, spool_dir, reterr);
	if (rc == 0) {
		r->archive = r->lib.archive_read_new();
		rc = r->archive ? read_entries(r) : msd_fail_on(reterr, ENOMEM, name);
	}
	if (r->archive)
		r->lib.archive_read_free(r->archive);
	free(r->links);
	return rc;
}
