/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget's directories in configfs: every change, and how it is undone. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/text.h"
#include "gadget/attr.h"
#include "gadget/find.h"
#include "tree-priv.h"

enum undo_kind { UNDO_RMDIR, UNDO_UNLINK, UNDO_LINK };

struct tree_undo {
	struct tree_undo *next;
	enum undo_kind kind;
	char *target;		/* UNDO_LINK only */
	char path[];
};

const char *tree_path(struct tree *tree, const char *fmt, ...)
{
	size_t len = strlen(tree->name);
	va_list ap;

	strcpy(tree->path, tree->name);
	va_start(ap, fmt);
	vsnprintf(tree->path + len, sizeof(tree->path) - len, fmt, ap);
	va_end(ap);
	return tree->path;
}

static int fail(int errnum, const char *path, struct msd_error *err)
{
	return msd_fail_errno(err, errnum, "%s/%s", MSD_GADGETS_DIR, path);
}

/* Tells a step as a shell would do it. Returns whether it is to be taken. */
static bool step(const struct tree *tree, const char *what, const char *path)
{
	msd_log(tree->options->log, MSD_LOG_STEP, "%s %s/%s", what, MSD_GADGETS_DIR, path);
	return !tree->options->dry_run;
}

/* Without memory there is no way back, and nothing worse. */
static void remember(struct tree *tree, enum undo_kind kind, const char *path, const char *target)
{
	struct tree_undo *undo = malloc(sizeof(*undo) + strlen(path) + 1);

	if (!undo)
		return;
	undo->kind = kind;
	undo->target = target ? strdup(target) : NULL;
	strcpy(undo->path, path);
	undo->next = tree->undo;
	tree->undo = undo;
}

static struct tree_undo *free_undo(struct tree_undo *undo)
{
	struct tree_undo *next = undo->next;

	free(undo->target);
	free(undo);
	return next;
}

void tree_roll_back(struct tree *tree)
{
	while (tree->undo) {
		struct tree_undo *undo = tree->undo;

		if (undo->kind == UNDO_LINK && undo->target)
			symlinkat(undo->target, tree->dirfd, undo->path);
		else if (undo->kind == UNDO_UNLINK)
			unlinkat(tree->dirfd, undo->path, 0);
		else if (undo->kind == UNDO_RMDIR)
			unlinkat(tree->dirfd, undo->path, AT_REMOVEDIR);
		tree->undo = free_undo(undo);
	}
}

void tree_keep(struct tree *tree, const struct tree_undo *mark)
{
	while (tree->undo && tree->undo != mark)
		tree->undo = free_undo(tree->undo);
}

void tree_close(struct tree *tree)
{
	tree_keep(tree, NULL);
	free(tree->functions);
	free(tree->links);
	if (tree->dirfd >= 0)
		close(tree->dirfd);
	*tree = (struct tree){ .dirfd = -1 };
}

int tree_mkdir(struct tree *tree, const char *path, struct msd_error *err)
{
	if (!step(tree, "mkdir", path))
		return 0;
	if (mkdirat(tree->dirfd, path, 0755) == 0)
		remember(tree, UNDO_RMDIR, path, NULL);
	else if (errno != EEXIST)
		return fail(errno, path, err);
	return 0;
}

int tree_rmdir(struct tree *tree, const char *path, struct msd_error *err)
{
	if (step(tree, "rmdir", path) && unlinkat(tree->dirfd, path, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		return fail(errno, path, err);
	return 0;
}

/* As a shell takes it back: ' becomes '\''. */
static void quote(const char *value, char *to, size_t len)
{
	char *end = to + len - sizeof("'\\''");

	for (; *value && to < end; value++)
		if (*value == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *value;
	*to = '\0';
}

int tree_write(struct tree *tree, const char *path, const char *value, struct msd_error *err)
{
	char quoted[512];
	int rc;

	quote(value, quoted, sizeof(quoted));
	msd_log(tree->options->log, MSD_LOG_STEP, "echo '%s' > %s/%s", quoted, MSD_GADGETS_DIR, path);
	if (tree->options->dry_run)
		return 0;
	rc = msd_attr_write(tree->dirfd, path, value, err);
	if (rc < 0)
		msd_prefix(err, MSD_GADGETS_DIR);
	return rc;
}

int tree_chown(struct tree *tree, const char *path, uid_t uid, gid_t gid, struct msd_error *err)
{
	char what[64];

	snprintf(what, sizeof(what), "chown %d:%d", (int)uid, (int)gid);
	if (step(tree, what, path) && fchownat(tree->dirfd, path, uid, gid, 0) < 0)
		return fail(errno, path, err);
	return 0;
}

int tree_mark(struct tree *tree, const char *path, mode_t bits, bool set, struct msd_error *err)
{
	const char *who = bits & TREE_HALF_BUILT ? "u" : bits & TREE_TAKEN_OUT ? "g" : "";
	char sign = set ? '+' : '-';
	char what[24] = "chmod ";
	struct stat st;
	mode_t mode;

	/* "chmod u+s,+t", "chmod g-s": one way for the shell to say it */
	if (*who)
		msd_append(what, sizeof(what), "", "%s%cs", who, sign);
	if (bits & TREE_OWN)
		msd_append(what, sizeof(what), *who ? "," : "", "%ct", sign);
	if (!step(tree, what, path))
		return 0;
	if (fstatat(tree->dirfd, path, &st, 0) < 0)
		return fail(errno, path, err);
	mode = (set ? st.st_mode | bits : st.st_mode & ~bits) & 07777;
	if (fchmodat(tree->dirfd, path, mode, 0) < 0)
		return fail(errno, path, err);
	return 0;
}

int tree_link(struct tree *tree, const char *config, const char *name, const char *function,
	      struct msd_error *err)
{
	struct tree_link *links = realloc(tree->links, (tree->n_links + 1) * sizeof(*links));
	char target[PATH_MAX];
	const char *path;

	if (!links)
		return fail(ENOMEM, config, err);
	tree->links = links;
	path = tree_path(tree, "/configs/%s/%s", config, name);
	/* configfs resolves it as the process would, and shows it relative */
	snprintf(target, sizeof(target), "%s/%s/functions/%s", MSD_GADGETS_DIR, tree->name, function);
	msd_log(tree->options->log, MSD_LOG_STEP, "ln -s %s %s/%s", target, MSD_GADGETS_DIR, path);
	if (!tree->options->dry_run) {
		if (symlinkat(target, tree->dirfd, path) < 0)
			return fail(errno, path, err);
		remember(tree, UNDO_UNLINK, path, NULL);
	}
	links += tree->n_links++;
	strcpy(links->config, config);
	strcpy(links->name, name);
	strcpy(links->function, function);
	return 0;
}

int tree_unlink(struct tree *tree, const struct tree_link *link, struct msd_error *err)
{
	const char *path = tree_path(tree, "/configs/%s/%s", link->config, link->name);
	size_t i = (size_t)(link - tree->links);
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/%s/functions/%s", MSD_GADGETS_DIR, tree->name,
		 link->function);
	if (step(tree, "rm", path)) {
		if (unlinkat(tree->dirfd, path, 0) < 0 && errno != ENOENT)
			return fail(errno, path, err);
		remember(tree, UNDO_LINK, path, target);
	}
	memmove(&tree->links[i], &tree->links[i + 1], (--tree->n_links - i) * sizeof(*link));
	return 0;
}

int tree_add_function(struct tree *tree, const char *name, struct msd_error *err)
{
	struct tree_function *function;
	int rc;

	rc = tree_mkdir(tree, tree_path(tree, "/functions/%s", name), err);
	if (rc == -ENOENT || rc == -ENODEV) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED, "%s: the kernel's module usb_f_mass_storage is missing",
			      name);
		msd_hint(err, "modprobe usb_f_mass_storage; if it is not found, install the modules of kernel $(uname -r)");
	}
	if (rc == 0)
		rc = tree_mark(tree, tree_path(tree, "/functions/%s", name),
			       TREE_OWN | TREE_HALF_BUILT, true, err);
	if (rc < 0)
		return rc;
	function = tree_find_function(tree, name);
	if (!function) {
		function = realloc(tree->functions, (tree->n_functions + 1) * sizeof(*function));
		if (!function)
			return fail(ENOMEM, name, err);
		tree->functions = function;
		function += tree->n_functions++;
		*function = (struct tree_function){ .mass_storage = true, .n_luns = 1 };
		strcpy(function->name, name);
	}
	function->own = function->half_built = true;
	return 0;
}

int tree_add_lun(struct tree *tree, struct tree_function *function, struct msd_error *err)
{
	int rc = tree_mkdir(tree, tree_path(tree, "/functions/%s/lun.%u", function->name,
					    function->n_luns), err);

	if (rc == 0)
		function->n_luns++;
	return rc;
}

int tree_remove_function(struct tree *tree, struct tree_function *function, struct msd_error *err)
{
	size_t i = (size_t)(function - tree->functions);
	int rc;

	/* lun.0 goes with the function */
	for (unsigned lun = function->n_luns; lun > 1; lun--) {
		rc = tree_rmdir(tree, tree_path(tree, "/functions/%s/lun.%u", function->name, lun - 1), err);
		if (rc < 0)
			return rc;
	}
	rc = tree_rmdir(tree, tree_path(tree, "/functions/%s", function->name), err);
	if (rc < 0)
		return rc;
	memmove(function, function + 1, (--tree->n_functions - i) * sizeof(*function));
	return 0;
}

int tree_remove_below(struct tree *tree, const char *path, bool links, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	char entry_path[PATH_MAX + NAME_MAX + 2];
	const struct dirent64 *entry;

	if (msd_dir_open(&dir, tree->dirfd, path) < 0)
		return errno == ENOENT ? 0 : fail(errno, path, err);
	while ((entry = msd_dir_next(&dir))) {
		if (entry->d_type != (links ? DT_LNK : DT_DIR))
			continue;
		snprintf(entry_path, sizeof(entry_path), "%s/%s", path, entry->d_name);
		if (step(tree, links ? "rm" : "rmdir", entry_path) &&
		    unlinkat(tree->dirfd, entry_path, links ? 0 : AT_REMOVEDIR) < 0 && errno != ENOENT)
			return fail(errno, entry_path, err);
	}
	return 0;
}
