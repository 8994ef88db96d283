/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles: the commands that read an image. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/replace.h"
#include "base/shell.h"
#include "fs/copy-out.h"
#include "fs/unpack.h"
#include "fs/walk.h"
#include "normalfiles.h"
#include "rows.h"

/* ---- list ---- */

enum { COL_ATTRS, COL_SIZE, COL_MTIME, COL_NAME, COL_TYPE, COL_CLUSTER };

static const struct rows_column list_columns[] = {
	[COL_ATTRS] = { "ATTRS", OUT_TEXT, 5 },
	[COL_SIZE] = { "SIZE", OUT_NUMBER, 12 },
	[COL_MTIME] = { "MTIME", OUT_TEXT, 19 },
	[COL_NAME] = { "NAME", OUT_TEXT, 0 },
	[COL_TYPE] = { "TYPE", OUT_TEXT, 4, true },
	[COL_CLUSTER] = { "CLUSTER", OUT_NUMBER, 10, true },
};

struct list {
	struct normalfiles *nf;
	struct rows rows;
	time_t day;			/* local midnight that date is of */
	char date[12];
};

static void put_two(char *to, char before, unsigned number)
{
	to[0] = before;
	to[1] = (char)('0' + number / 10);
	to[2] = (char)('0' + number % 10);
}

/* ISO 8601 in local time; the calendar is asked once for the files of one day. */
static void format_time(struct list *list, time_t t, char *buf, size_t len)
{
	if (list->date[0] == '\0' || t < list->day || t >= list->day + 23 * 3600) {
		struct tm tm;

		localtime_r(&t, &tm);
		strftime(list->date, sizeof(list->date), "%Y-%m-%d", &tm);
		list->day = t - tm.tm_hour * 3600 - tm.tm_min * 60 - tm.tm_sec;
		/* on the day of a change of the clock each is asked for */
		if (tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec > 0) {
			time_t midnight = list->day;
			struct tm first;

			localtime_r(&midnight, &first);
			if (first.tm_hour != 0)
				list->date[0] = '\0';
		}
		strftime(buf, len, "%Y-%m-%dT%H:%M:%S", &tm);
		return;
	}
	t -= list->day;
	stpcpy(buf, list->date);
	put_two(buf + 10, 'T', (unsigned)(t / 3600));
	put_two(buf + 13, ':', (unsigned)(t / 60 % 60));
	put_two(buf + 16, ':', (unsigned)(t % 60));
	buf[19] = '\0';
}

static int list_node(void *data, enum msd_walk_event event, const char *path,
		     const struct msd_fs_node *node, struct msd_error *err)
{
	struct list *list = data;
	char attrs[6], mtime[32];

	if (event == MSD_WALK_LEAVE)
		return 0;
	attrs[0] = node->is_dir ? 'D' : '-';
	attrs[1] = node->attributes & 0x01 ? 'R' : '-';
	attrs[2] = node->attributes & 0x02 ? 'H' : '-';
	attrs[3] = node->attributes & 0x04 ? 'S' : '-';
	attrs[4] = node->attributes & 0x20 ? 'A' : '-';
	attrs[5] = '\0';
	rows_text(&list->rows, COL_ATTRS, attrs);
	if (!node->is_dir)
		rows_number(&list->rows, COL_SIZE, node->size_bytes);
	if (node->mtime.tv_sec) {
		format_time(list, node->mtime.tv_sec, mtime, sizeof(mtime));
		rows_text(&list->rows, COL_MTIME, mtime);
	}
	rows_text(&list->rows, COL_NAME, path);
	rows_text(&list->rows, COL_TYPE, node->is_dir ? "dir" : "file");
	if (node->first_cluster)
		rows_number(&list->rows, COL_CLUSTER, node->first_cluster);
	rows_print(&list->rows);
	return 0;
}

/* As it is printed: without what leads nowhere, "//" and ".". */
static void tidy_path(const char *path, char *ret)
{
	size_t n = 0;

	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t len = strcspn(path, "/");

		if (len != 1 || *path != '.') {
			if (n > 0)
				ret[n++] = '/';
			memcpy(ret + n, path, len);
			n += len;
		}
		path += len;
	}
	ret[n] = '\0';
}

static int list_path(struct list *list, const char *operand)
{
	_cleanup_free_ char *path = strdup(operand);
	struct normalfiles *nf = list->nf;
	struct msd_walk walk = {
		.fs = nf->volume->fs, .recurse = nf->recursive, .fn = list_node, .data = list,
	};
	struct msd_fs_node node;
	int rc = msd_fs_lookup(nf->volume->fs, operand, &node, &nf->err);

	if (rc < 0)
		return rc;
	if (!path)
		return msd_fail_on(&nf->err, ENOMEM, operand);
	tidy_path(operand, path);
	if (!node.is_dir)
		return list_node(list, MSD_WALK_FILE, path, &node, &nf->err);
	msd_fs_begin_walk(nf->volume->fs);
	return msd_walk_run(&walk, &node, path, &nf->err);
}

int normalfiles_list(struct normalfiles *nf)
{
	static char buffer[65536];	/* until the program ends */
	struct list list = { .nf = nf };
	int rc = normalfiles_open(nf, false, -1);

	if (rc < 0)
		return normalfiles_finish(nf, rc);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	rows_begin(&list.rows, &nf->tool, "files", list_columns,
		   sizeof(list_columns) / sizeof(list_columns[0]), &nf->out);
	if (nf->n_operands == 1)
		rc = list_path(&list, "");
	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++)
		rc = list_path(&list, nf->operands[i]);
	rows_end(&list.rows);
	return normalfiles_finish(nf, rc);
}

/* ---- cat, get ---- */

static int find_file(struct normalfiles *nf, const char *path, struct msd_fs_node *ret)
{
	int rc = msd_fs_lookup(nf->volume->fs, path, ret, &nf->err);

	if (rc < 0 || !ret->is_dir)
		return rc;
	msd_fail(&nf->err, EISDIR, "%s: '%s' is a folder", nf->operands[0], path);
	msd_hint(&nf->err, "msd-normalfiles get -r %s %s .", msd_quoted(nf->operands[0]),
		 msd_quoted(path));
	return -EISDIR;
}

int normalfiles_cat(struct normalfiles *nf)
{
	struct msd_sink sink = { .name = "standard output", .fd = STDOUT_FILENO };
	struct msd_copy_out *copy = NULL;
	int rc = normalfiles_open(nf, false, -1);

	if (rc == 0 && (rc = msd_copy_out_new(nf->volume->fs, NULL, &copy)) < 0)
		msd_fail_on(&nf->err, -rc, nf->operands[0]);
	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++) {
		struct msd_fs_node node;

		rc = find_file(nf, nf->operands[i], &node);
		if (rc == 0)
			rc = msd_copy_out_file(copy, &node, &sink, &nf->err);
		if (rc > 0)
			rc = 0;
	}
	msd_copy_out_free(copy);
	return normalfiles_finish(nf, rc);
}

static struct msd_unpack_params unpack_params(struct normalfiles *nf)
{
	return (struct msd_unpack_params){
		.mirror = nf->mirror,
		.include = nf->include,
		.exclude = nf->exclude,
		.max_bytes = nf->max_size,
		.max_files = nf->max_files ? nf->max_files : 1000000,
		.progress = &nf->progress.callback,
		.log = &nf->tool.log,
	};
}

static int unpack_to(struct normalfiles *nf, const struct msd_fs_node *folder, int dirfd)
{
	struct msd_unpack_params params = unpack_params(nf);
	struct msd_unpack_result result;
	int rc = msd_unpack(nf->volume->fs, folder, dirfd, &params, &result, &nf->err);

	if (rc == 0 && result.n_failed)
		rc = msd_fail(&nf->err, MSD_E_FAILED, "%s: %llu files could not be written",
			      nf->operands[0], (unsigned long long)result.n_failed);
	return rc;
}

static int get_file(struct normalfiles *nf, struct msd_copy_out *copy, const struct msd_fs_node *node,
		    const char *to)
{
	struct msd_replace_params params = {
		.has_mode = node->attributes & 0x01, .mode = 0444,
	};
	struct timespec times[2] = { { 0, UTIME_OMIT }, node->mtime };
	_cleanup_(msd_replace_closep) struct msd_replace *replace = NULL;
	struct msd_sink sink = { .name = to, .is_regular = true };
	int rc = msd_replace_open(to, &params, &replace, &nf->err);

	if (rc < 0)
		return rc;
	sink.fd = msd_replace_get_fd(replace);
	rc = msd_copy_out_file(copy, node, &sink, &nf->err);
	if (rc < 0)
		return rc;
	if (node->mtime.tv_sec)
		futimens(sink.fd, times);
	return msd_replace_commit(replace, false, &nf->err);
}

static int get_path(struct normalfiles *nf, struct msd_copy_out *copy, const char *path,
		    const char *to, int to_dirfd)
{
	_cleanup_free_ char *target = NULL;
	_cleanup_close_ int fd = -1;
	struct msd_fs_node node;
	int rc = msd_fs_lookup(nf->volume->fs, path, &node, &nf->err);

	if (rc < 0)
		return rc;
	if (node.is_dir && !nf->recursive) {
		msd_fail(&nf->err, EISDIR, "%s: '%s' is a folder", nf->operands[0], path);
		msd_hint(&nf->err, "msd-normalfiles get -r %s %s %s", msd_quoted(nf->operands[0]),
			 msd_quoted(path), msd_quoted(to));
		return -EISDIR;
	}
	/* as cp does: TO becomes the folder when it is not there, else the folder goes into it */
	if (node.is_dir && (to_dirfd < 0 || node.name[0])) {
		const char *name = to_dirfd < 0 ? to : node.name;
		int at = to_dirfd < 0 ? AT_FDCWD : to_dirfd;

		if (mkdirat(at, name, 0777) < 0 && (errno != EEXIST || to_dirfd < 0))
			return msd_fail_os(&nf->err, name);
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return msd_fail_os(&nf->err, name);
	}
	if (node.is_dir)
		return unpack_to(nf, &node, fd < 0 ? to_dirfd : fd);
	if (to_dirfd < 0)
		return get_file(nf, copy, &node, to);
	if (asprintf(&target, "%s/%s", to, node.name) < 0)
		return msd_fail_on(&nf->err, ENOMEM, to);
	return get_file(nf, copy, &node, target);
}

/* The folder that TO is or that it is in, which is all that may be written. */
static int open_around(const char *to, bool *ret_is_dir)
{
	_cleanup_free_ char *copy = strdup(to);
	int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret_is_dir = fd >= 0;
	if (fd < 0 && copy)
		fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

int normalfiles_get(struct normalfiles *nf)
{
	const char *to = nf->operands[--nf->n_operands];
	struct msd_copy_out *copy = NULL;
	bool is_dir;
	_cleanup_close_ int fd = open_around(to, &is_dir);
	int rc;

	if (!strcmp(to, "-"))
		return normalfiles_cat(nf);
	if (fd < 0 || (!is_dir && nf->n_operands > 2)) {
		rc = msd_fail_on(&nf->err, fd < 0 ? errno : ENOTDIR, to);
		return normalfiles_finish(nf, rc);
	}
	rc = normalfiles_open(nf, false, fd);
	progress_begin(&nf->progress, &nf->tool, nf->when, to);
	if (rc == 0 && (rc = msd_copy_out_new(nf->volume->fs, &nf->progress.callback, &copy)) < 0)
		msd_fail_on(&nf->err, -rc, nf->operands[0]);
	for (unsigned i = 1; rc == 0 && i < nf->n_operands; i++)
		rc = get_path(nf, copy, nf->operands[i], to, is_dir ? fd : -1);
	msd_copy_out_free(copy);
	return normalfiles_finish(nf, rc);
}

/* ---- unpack ---- */

static int unpack_tar(struct normalfiles *nf)
{
	struct msd_unpack_params params;
	struct msd_unpack_result result;
	int rc;

	/* libarchive asks the locale whether names are UTF-8, which these are */
	setlocale(LC_CTYPE, "C.UTF-8");
	rc = msd_unpack_tar_load(&nf->err);
	if (rc == 0)
		rc = normalfiles_open(nf, true, -1);
	if (rc < 0)
		return rc;
	progress_begin(&nf->progress, &nf->tool, nf->when, "unpack");
	params = unpack_params(nf);
	return msd_unpack_tar(nf->volume->fs, NULL, STDOUT_FILENO, &params, &result, &nf->err);
}

/*
 * Opens the image, and then the folder: it is only made for an image that can be read. Until then
 * what is around it may be written, behind that nothing but itself. Returns its descriptor or <0.
 */
static int open_both(struct normalfiles *nf, const char *to)
{
	int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC), around, rc;
	bool is_dir;

	if (fd < 0 && errno != ENOENT)
		return msd_fail_os(&nf->err, to);
	around = fd < 0 ? open_around(to, &is_dir) : -1;
	if (fd < 0 && around < 0)
		return msd_fail_os(&nf->err, to);
	rc = normalfiles_open(nf, true, fd < 0 ? around : fd);
	if (rc == 0 && fd < 0) {
		fd = mkdir(to, 0777) < 0 ? -1 : open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			rc = msd_fail_os(&nf->err, to);
		else
			msd_confine(fd);
	}
	if (around >= 0)
		close(around);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int normalfiles_unpack(struct normalfiles *nf)
{
	const char *to = nf->operands[1];
	_cleanup_close_ int fd = -1;

	if (!strcmp(to, "-"))
		return normalfiles_finish(nf, unpack_tar(nf));
	fd = open_both(nf, to);
	if (fd < 0)
		return normalfiles_finish(nf, fd);
	progress_begin(&nf->progress, &nf->tool, nf->when, "unpack");
	return normalfiles_finish(nf, unpack_to(nf, NULL, fd));
}
