/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget's directories in configfs: what is there, and every change with its undoing. */
#ifndef MSD_GADGET_TREE_PRIV_H
#define MSD_GADGET_TREE_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "gadget/gadget.h"

/* Mode bits: see gadget/gadget.h. */
#define TREE_OWN S_ISVTX
#define TREE_TAKEN_OUT S_ISGID
#define TREE_HALF_BUILT S_ISUID

#define TREE_FUNCTION_PREFIX "mass_storage."

struct tree_function {
	char name[NAME_MAX + 1];
	bool own;
	bool taken_out;
	bool half_built;
	bool mass_storage;
	unsigned n_luns;	/* of mass storage */
};

struct tree_link {
	char config[NAME_MAX + 1];
	char name[NAME_MAX + 1];
	char function[NAME_MAX + 1];
};

struct tree {
	const struct msd_gadget_options *options;
	int dirfd;		/* of all gadgets */
	char name[NAME_MAX + 1];
	bool exists;
	bool own;
	bool taken_out;
	char udc[NAME_MAX + 1];	/* "" while not bound */
	char config[NAME_MAX + 1];	/* the one that drives are linked in */
	bool has_config;
	struct tree_function *functions;
	size_t n_functions;	/* sorted, numbers as numbers */
	struct tree_link *links;
	size_t n_links;		/* in the order in which they were made: the order of the interfaces */
	struct tree_undo *undo;	/* what leads back, last first */
	char path[PATH_MAX];	/* that tree_path gave last */
};

/*
 * Opens configfs and reads gadget name; that there is none is no error. options must outlive the
 * tree. Returns 0; -MSD_E_UNSUPPORTED when configfs cannot be used, with what to type; -errno.
 */
int tree_open(const char *name, const struct msd_gadget_options *options, struct tree *ret,
	      struct msd_error *reterr);

/* Fine on a zeroed tree whose dirfd is -1. */
void tree_close(struct tree *tree);

/* The descriptor of the directory of all gadgets, or as tree_open. */
int tree_open_gadgets(int *ret_fd, struct msd_error *reterr);

struct tree_function *tree_find_function(struct tree *tree, const char *name);
struct tree_link *tree_find_link(struct tree *tree, const char *function);

/* LUNs of all mass-storage functions. */
unsigned tree_count_drives(const struct tree *tree);

/* The gadget's name and what fmt makes of the rest, "" or "/…", until the next call. */
const char *tree_path(struct tree *tree, const char *fmt, ...) MSD_PRINTF(2, 3);

/*
 * Changes. Paths are relative to the directory of all gadgets, as tree_path gives them. Each tells
 * its step, remembers how it is undone where that makes sense, and takes none in a dry run. They
 * return 0 or -errno with the path in the message.
 */
int tree_mkdir(struct tree *tree, const char *path, struct msd_error *err);
int tree_rmdir(struct tree *tree, const char *path, struct msd_error *err);
int tree_write(struct tree *tree, const char *path, const char *value, struct msd_error *err);
int tree_chown(struct tree *tree, const char *path, uid_t uid, gid_t gid, struct msd_error *err);

/* Sets or takes away mode bits. */
int tree_mark(struct tree *tree, const char *path, mode_t bits, bool set, struct msd_error *err);

/* Links a function in config under name; and the reverse. They keep tree->links up to date. */
int tree_link(struct tree *tree, const char *config, const char *name, const char *function,
	      struct msd_error *err);
int tree_unlink(struct tree *tree, const struct tree_link *link, struct msd_error *err);

/* A function, marked as own and half built, and a LUN of one. They keep tree->functions up to date. */
int tree_add_function(struct tree *tree, const char *name, struct msd_error *err);
int tree_add_lun(struct tree *tree, struct tree_function *function, struct msd_error *err);

/* A function with its LUNs is removed; it must not be linked. Not undone. */
int tree_remove_function(struct tree *tree, struct tree_function *function, struct msd_error *err);

/* Every directory below path (a symbolic link with links) is removed. Fine when there is none. */
int tree_remove_below(struct tree *tree, const char *path, bool links, struct msd_error *err);

/* Forgets how the changes since mark, an earlier tree->undo, are undone; NULL: all changes. */
void tree_keep(struct tree *tree, const struct tree_undo *mark);

/* Undoes every change since tree_open or tree_keep, as far as it can. */
void tree_roll_back(struct tree *tree);

#endif
