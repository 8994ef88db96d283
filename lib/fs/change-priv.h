/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: free clusters, folders, and what is to be written in which step. */
#ifndef MSD_FS_CHANGE_PRIV_H
#define MSD_FS_CHANGE_PRIV_H

#include "fs/change.h"
#include "fs/name.h"
#include "fs/records.h"
#include "fs/short-name.h"
#include "read-priv.h"

struct run {
	uint32_t start, n;
};

/*
 * The steps of a commit that a write to a folder belongs to; see change.h. Where the entries of a name
 * on FAT lie in several places, those before the last come first when they are added, and go last:
 * fsck.fat removes a long name that lacks its end by itself, but not one that lacks its beginning.
 * What is behind a folder's new end is cleared when nothing is there any more.
 */
enum step { STEP_ADD_FRONT, STEP_ADD, STEP_REMOVE, STEP_REMOVE_FRONT, STEP_CLEAR, N_STEPS };

struct write {
	uint64_t offset;
	uint32_t data;			/* in change->data */
	uint32_t len;
	uint32_t number;		/* later ones count where two overlap */
	enum step step;
};

/* A chain that is free once nothing leads to it. */
struct doomed {
	uint32_t first_cluster;
	bool contiguous;
	uint64_t size_bytes;		/* UINT64_MAX: as far as the chain goes */
};

/* What a folder's entry leads to the place of. */
struct name {
	uint64_t hash;			/* 0: none; keyed, so that two names do not share one */
	uint32_t slot;			/* UINT32_MAX: removed */
	uint32_t child;			/* index of its folder plus one, once it is loaded */
	bool pending;			/* not on the disk before the commit */
};

struct folder {
	struct folder *parent;		/* NULL: the root */
	uint32_t number;		/* in change->folders */
	uint32_t first_cluster;
	bool gone;
	bool is_new;
	bool contiguous;		/* exFAT */
	struct msd_extent *extents;
	size_t n_extents;
	uint32_t last_cluster;
	bool last_is_new;		/* nothing on the disk leads to it yet */
	uint32_t room, end;		/* in slots; what is at end and beyond was never used */
	struct run *holes;		/* slots of removed entries before end */
	size_t n_holes, room_holes;
	uint32_t label_slot;		/* of the root, UINT32_MAX: none */
	struct name *names;		/* open addressing, room_names a power of two */
	size_t n_names, n_used, room_names;
	struct msd_short_set *shorts;	/* FAT */
	struct run *removed;		/* slots that this change empties */
	size_t n_removed, room_removed;
	uint32_t set_slot;		/* exFAT: where its own entries are in parent */
	unsigned n_set;			/* and those entries, when they are to be written: else 0 */
	union exfat_entry set[EXFAT_ENTRIES_MAX];
};

struct msd_change {
	struct msd_fs *fs;
	struct msd_change_params params;
	struct msd_error *err;
	uint64_t key;			/* of the hashes of names */

	struct run *extents;		/* of free clusters, the larger ones if there are too many */
	size_t n_extents, current;
	uint32_t n_free;
	struct run *taken;		/* since the last commit, for undoing it */
	size_t n_taken, room_taken;
	struct run spare;		/* taken from extents for folders to grow into */

	struct write *writes;
	size_t n_writes, room_writes;
	uint8_t *data;
	size_t n_data, room_data;
	bool has_adds;
	struct run *links;		/* start: a cluster on the disk; n: what comes to be next */
	size_t n_links, room_links;
	uint32_t *cuts;			/* clusters that folders end with from now on */
	size_t n_cuts, room_cuts;
	struct doomed *doomed;
	size_t n_doomed, room_doomed;
	struct folder **folders;
	size_t n_folders, room_folders;

	bool dirty_set;			/* step 1 was done by us */
	bool copied;			/* there is content to sync */
	uint8_t *buf;			/* content on its way, CHANGE_BUF_BYTES */
	uint64_t buf_offset;		/* in the window */
	size_t buf_used;
	uint64_t done_bytes;
};

#define CHANGE_BUF_BYTES (1u << 20)
#define NO_SLOT UINT32_MAX
#define SECTOR_BYTES_MIN 512u	/* what a disk writes in one piece */

/* Makes room for one more in an array of n with room for *room. Returns it, NULL without memory. */
void *change_grow(void *array, size_t n, size_t *room, size_t size);
int change_no_memory(struct msd_change *change);

/* Tells the log of a step: the path and what is done with it, "" when it is put in. */
void change_tell(const struct msd_change *change, const char *path, const char *what);

/* ---- change.c ---- */

/* Lets happen what there is, and forgets folders and names: pointers to them end here. */
int change_batch(struct msd_change *change);
int change_doom(struct msd_change *change, uint32_t first, bool contiguous, uint64_t size_bytes);
int change_doom_node(struct msd_change *change, const struct msd_fs_node *node);
/* Gathered enough: what there is takes effect, and memory is free again. */
int change_keep_small(struct msd_change *change);

/* Where a path leads to: its folder, its name there, and both when it is there. */
struct place {
	struct folder *folder;
	uint16_t units[MSD_NAME_UNITS_MAX];
	size_t n;
	struct name *name;		/* NULL: not there */
	struct msd_fs_node node;
};

/* What was put in the same go and is asked for again takes effect first. */
int place_find(struct msd_change *change, const char *path, bool make_parents, struct place *ret);
/* That the last name of path is one that the file system can hold. */
int place_check_name(struct msd_change *change, const char *path);
/* Its entries are to be written: until then the disk does not say what it is. */
void place_set_pending(struct msd_change *change, struct folder *folder,
		       const struct msd_fs_node *node);

/* ---- change-entry.c ---- */

/* What a new entry or a new content says. */
struct facts {
	uint32_t first_cluster;
	bool contiguous;
	uint64_t size_bytes;
	uint16_t attributes;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

/* Date << 16 | time as FAT and exFAT have them, and the hundredths within two seconds. */
uint32_t entry_stamp(int64_t time_s, uint32_t time_ns, bool utc, uint8_t *ret_cs);
void entry_fill_dirent(const struct facts *facts, struct fat_dirent *dirent, bool is_new);
void entry_fill_set(const struct facts *facts, union exfat_entry *set, bool is_new);
/*
 * Puts a name into a folder. With raw, entries that the file had elsewhere are what is copied,
 * n_raw of them; else facts make them. child is the folder that it is, or NULL.
 */
int entry_add(struct msd_change *change, struct folder *folder, const uint16_t *units, size_t n,
	      const void *raw, unsigned n_raw, const struct facts *facts, struct folder *child);

/* ---- change-add.c ---- */

uint64_t change_count_clusters(const struct msd_change *change, uint64_t bytes);
/*
 * That a tree fits when freed more clusters are free, before anything is written. same: by node, what
 * is there already and stays as it is, and folders that are there; NULL: not known.
 */
int change_check_room(struct msd_change *change, const struct msd_tree *tree, const uint8_t *same,
		      uint64_t freed);
int change_put_node(struct msd_change *change, const struct msd_tree *tree, uint32_t i);

/* ---- commit.c ---- */

/* Where content for offset goes: at least a byte of the buffer; what is put there counts in buf_used. */
int commit_reserve(struct msd_change *change, uint64_t offset, uint8_t **ret, size_t *ret_len);
/* The first content of a cluster that nothing leads to yet. */
int commit_write_new(struct msd_change *change, const void *data, size_t len, uint64_t offset);
/* Content that the kernel copies from a descriptor's position: as msd_io_copy_from(). */
ssize_t commit_copy(struct msd_change *change, int fd, size_t len, uint64_t offset);
int commit_steps(struct msd_change *change);
int commit_unmark(struct msd_change *change);

static inline bool is_exfat(const struct msd_change *change)
{
	return change->fs->info.type == MSD_FS_TYPE_EXFAT;
}

static inline const char *change_image(const struct msd_change *change)
{
	return msd_io_get_name(change->fs->io);
}

/* The entries that a cluster has room for. */
static inline uint32_t cluster_slots(const struct msd_change *change)
{
	return change->fs->info.cluster_bytes / 32;
}

/* ---- alloc.c ---- */

/* A file's or new folder's clusters as they are taken. */
struct chain {
	uint32_t first, last;
	uint32_t n;
	bool contiguous;
};

int alloc_load(struct msd_change *change);

/* Takes up to n clusters in a row to the end of the chain. Returns how many, -ENOSPC, -errno. */
int64_t alloc_extend(struct msd_change *change, struct chain *chain, uint64_t n, struct run *ret);

/* One for a folder that is to lie near its others. The FAT says that it is the last one. */
int alloc_folder_cluster(struct msd_change *change, uint32_t *ret);
int alloc_set_next(struct msd_change *change, uint32_t cluster, uint32_t next);
/* exFAT: chain entries for clusters that went without. */
int alloc_write_chain(struct msd_change *change, uint32_t first, uint32_t n);
int alloc_free_chain(struct msd_change *change, const struct doomed *doomed);
int alloc_undo(struct msd_change *change);
int alloc_flush(struct msd_change *change);

/* The last n clusters of the run taken last are not needed after all; the chain ends with new_last. */
int alloc_give_back(struct msd_change *change, struct chain *chain, uint32_t n, uint32_t new_last);

/* ---- folder.c ---- */

/* A write of the commit that is not to a folder's slots. */
int change_add_write(struct msd_change *change, uint64_t offset, const void *data, uint32_t len,
		     enum step step);

int folder_get_root(struct msd_change *change, struct folder **ret);

/* The folder that a path's last name is in, and that name. -ENOENT, -ENOTDIR … */
int folder_resolve(struct msd_change *change, const char *path, bool make_parents,
		   struct folder **ret, uint16_t *units, size_t *ret_n, const char **ret_name);
struct name *folder_find(struct msd_change *change, struct folder *folder, const uint16_t *units,
			 size_t n);
int folder_open_child(struct msd_change *change, struct folder *folder, struct name *name,
		      const char *path, struct folder **ret);
int folder_read_node(struct msd_change *change, struct folder *folder, uint32_t slot,
		     struct msd_fs_node *ret);
/* raw entries as they are on the disk */
int folder_read_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		      void *buf);
int folder_write_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		       const void *buf, enum step step);
/* Room for n entries in a row; the folder grows when there is none. */
int folder_take_slots(struct msd_change *change, struct folder *folder, uint32_t n, uint32_t *ret);
/*
 * exFAT: the entries of a file or folder with other numbers in the first two. They have a checksum,
 * so that they are written as one sector, or else new in another place; a new one has no old place.
 */
int folder_write_set(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n,
		     union exfat_entry *set, bool is_new);
int folder_remove_slots(struct msd_change *change, struct folder *folder, uint32_t slot, uint32_t n);
int folder_add_name(struct msd_change *change, struct folder *folder, const uint16_t *units, size_t n,
		    uint32_t slot, bool pending, struct name **ret);
int folder_make(struct msd_change *change, struct folder *parent, uint32_t first_cluster,
		struct folder **ret);
/*
 * Ends that became free are given back; own entries on exFAT are written. Before a commit, for
 * the folders in a folder before it, since it may have to grow for them.
 */
int folder_settle(struct msd_change *change, struct folder *folder);
void folder_free(struct folder *folder);

#endif
