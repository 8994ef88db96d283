/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles: the commands that change an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "fs/change.h"
#include "fs/check.h"
#include "normalfiles.h"

/* The first damage that has to do with a file or folder. */
static void keep_first(void *data, const struct msd_check_finding *finding)
{
	struct normalfiles *nf = data;
	char image[512];

	if (finding->note || !finding->path[0] || nf->err.code)
		return;
	msd_fail(&nf->err, MSD_E_DAMAGED, "%s: was not unmounted by its last user and is damaged, "
		 "nothing is changed: '%s': %s", nf->operands[0], finding->path, finding->what);
	msd_hint(&nf->err, "%s check %s", nf->tool.name,
		 msd_shell_quote(nf->operands[0], image, sizeof(image)));
}

/* Files that share clusters lose them when one of them is removed; the mark says that it may be so. */
static int check_dirty(struct normalfiles *nf)
{
	struct msd_check_params params = { .fn = keep_first, .data = nf };
	struct msd_check_result result;
	struct msd_fs *fs;
	int rc = msd_fs_open(nf->volume->io, NULL, NULL, &fs, &nf->err);

	if (rc < 0)
		return rc;
	nf->err.code = 0;
	rc = msd_fs_check(fs, &params, &result, &nf->err);
	msd_fs_close(fs);
	if (rc == 0 && nf->err.code)
		return -MSD_E_DAMAGED;
	if (rc == 0)
		tool_warn(&nf->tool, "%s: was not unmounted by its last user", nf->operands[0]);
	return rc;
}

int normalfiles_begin_change(struct normalfiles *nf, struct msd_change **ret)
{
	struct msd_change_params params = {
		.no_sync = nf->no_sync, .now_s = time(NULL), .progress = &nf->progress.callback,
		.log = &nf->tool.log,
	};
	struct msd_fs_info info;
	int rc = normalfiles_open_for_change(nf);

	if (rc < 0)
		return rc;
	msd_fs_get_info(nf->volume->fs, &info);
	if (info.dirty)
		rc = check_dirty(nf);
	return rc < 0 ? rc : msd_change_new(nf->volume->fs, &params, ret, &nf->err);
}

int normalfiles_end_change(struct normalfiles *nf, struct msd_change *change, int rc)
{
	if (rc == 0)
		rc = msd_change_commit(change, &nf->err);
	msd_change_free(change);
	return normalfiles_finish(nf, rc);
}

static void hint_mkdir(struct normalfiles *nf, const char *folder)
{
	msd_hint(&nf->err, "%s mkdir -p %s %s", nf->tool.name, msd_quoted(nf->operands[0]),
		 msd_quoted(folder));
}

/* Whether there is the folder that something is to go into. */
static int check_folder(struct normalfiles *nf, const char *to)
{
	struct msd_fs_node node;
	int rc = msd_fs_lookup(nf->volume->fs, to, &node, &nf->err);

	if (rc == 0 && !node.is_dir)
		return msd_fail_errno(&nf->err, ENOTDIR, "%s: '%s'", nf->operands[0], to);
	if (rc == -ENOENT)
		hint_mkdir(nf, to);
	return rc;
}

/* What is before the last slash of path. Free it. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) : 0);
}

int normalfiles_mkdir(struct normalfiles *nf)
{
	struct msd_change *change = NULL;
	int rc = normalfiles_begin_change(nf, &change);

	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++) {
		rc = msd_change_mkdir(change, nf->operands[i], nf->parents, &nf->err);
		if (rc == -ENOENT)
			hint_mkdir(nf, nf->operands[i]);
	}
	return normalfiles_end_change(nf, change, rc);
}

int normalfiles_rm(struct normalfiles *nf)
{
	struct msd_change *change = NULL;
	int rc = normalfiles_begin_change(nf, &change);

	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++)
		rc = msd_change_remove(change, nf->operands[i], nf->recursive, &nf->err);
	return normalfiles_end_change(nf, change, rc);
}

int normalfiles_mv(struct normalfiles *nf)
{
	_cleanup_free_ char *folder = folder_of(nf->operands[2]);
	struct msd_change *change = NULL;
	int rc = normalfiles_begin_change(nf, &change);

	if (rc == 0)
		rc = folder ? check_folder(nf, folder) :
			      msd_fail_on(&nf->err, ENOMEM, nf->operands[2]);
	if (rc == 0)
		rc = msd_change_rename(change, nf->operands[1], nf->operands[2], &nf->err);
	return normalfiles_end_change(nf, change, rc);
}

int normalfiles_label(struct normalfiles *nf)
{
	char label[MSD_FS_NAME_BYTES];
	struct msd_change *change = NULL;
	int rc;

	if (nf->n_operands == 2) {
		rc = normalfiles_begin_change(nf, &change);
		if (rc == 0)
			rc = msd_change_set_label(change, nf->operands[1], &nf->err);
		return normalfiles_end_change(nf, change, rc);
	}
	rc = normalfiles_open(nf, false, -1);
	if (rc == 0)
		rc = msd_fs_read_label(nf->volume->fs, label, sizeof(label), &nf->err);
	if (rc == 0)
		puts(label);
	return normalfiles_finish(nf, rc);
}

/* ---- add ---- */

static int read_stdin(void *data, void *buf, size_t len, size_t *ret_len, struct msd_error *err)
{
	*ret_len = 0;
	while (*ret_len < len) {
		ssize_t n = read(STDIN_FILENO, (char *)buf + *ret_len, len - *ret_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return msd_fail_errno(err, errno, "standard input");
		if (n == 0)
			return 0;
		*ret_len += (size_t)n;
	}
	return 0;
}

static int add_stdin(struct normalfiles *nf, struct msd_change *change)
{
	const char *path = nf->operands[2];
	_cleanup_free_ char *folder = folder_of(path);
	struct msd_source source = {
		.read = read_stdin, .size_bytes = UINT64_MAX, .mtime_s = time(NULL),
	};
	int rc;

	if (!folder)
		return msd_fail_on(&nf->err, ENOMEM, path);
	rc = nf->parents ? msd_change_mkdir(change, folder, true, &nf->err) : check_folder(nf, folder);
	return rc < 0 ? rc : msd_change_put(change, path, &source, &nf->err);
}

/* A folder goes in as itself, "folder/." as what is in it. Gives the folder of the image. */
static char *choose_folder(const char *source, const char *to)
{
	_cleanup_free_ char *copy = strdup(source);
	struct stat st;
	char *path, *name;
	size_t len;

	if (!copy)
		return NULL;
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	name = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
	if (stat(source, &st) < 0 || !S_ISDIR(st.st_mode) || !*name || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return strdup(to);
	return asprintf(&path, "%s/%s", to, name) < 0 ? NULL : path;
}

static int gather(struct normalfiles *nf, unsigned n, const char *to, struct msd_tree **ret)
{
	struct msd_tree_params params = {
		.dereference = nf->dereference, .mangle = nf->mangle, .image = nf->operands[0],
		.problem = normalfiles_tell_problem, .mangled = normalfiles_tell_mangled, .data = nf,
	};
	int rc = msd_tree_new(&params, ret);

	if (rc < 0)
		return msd_fail_on(&nf->err, -rc, nf->operands[0]);
	for (unsigned i = 1; rc == 0 && i <= n; i++) {
		_cleanup_free_ char *folder = choose_folder(nf->operands[i], to);

		if (!folder)
			return msd_fail_on(&nf->err, ENOMEM, nf->operands[i]);
		rc = msd_tree_add_path(*ret, nf->operands[i], folder, &nf->progress.callback,
				       &nf->err);
		if (rc == -ENOENT && i == n && i > 1)
			msd_hint(&nf->err, "a folder of the image ends with a slash: %s/",
				 msd_quoted(nf->operands[i]));
	}
	return rc < 0 ? rc : msd_tree_seal(*ret, &nf->err);
}

static int add_sources(struct normalfiles *nf, unsigned n, const char *to)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	struct msd_change *change = NULL;
	int rc;

	progress_begin(&nf->progress, &nf->tool, nf->when, "add");
	rc = gather(nf, n, to, &tree);
	if (rc == 0)
		rc = normalfiles_begin_change(nf, &change);
	if (rc == 0 && *to && !nf->parents)
		rc = check_folder(nf, to);
	if (rc == 0)
		rc = msd_change_add_tree(change, tree, &nf->err);
	return normalfiles_end_change(nf, change, rc);
}

int normalfiles_add(struct normalfiles *nf)
{
	const char *last = nf->operands[nf->n_operands - 1];
	struct msd_change *change = NULL;
	int rc;

	if (!strcmp(nf->operands[1], "-")) {
		if (nf->n_operands != 3)
			tool_usage_error(&nf->tool, "usage: %s add IMAGE - FILE", nf->tool.name);
		rc = normalfiles_begin_change(nf, &change);
		return normalfiles_end_change(nf, change, rc < 0 ? rc : add_stdin(nf, change));
	}
	if (nf->n_operands > 2 && *last && last[strlen(last) - 1] == '/')
		return add_sources(nf, nf->n_operands - 2, last);
	return add_sources(nf, nf->n_operands - 1, "");
}
