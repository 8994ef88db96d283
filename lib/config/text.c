/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of a configuration file, from the disk to what libconfuse can be trusted with. */
#include "text-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"

/* A real one has some kilobytes: more is a mistake such as --config=IMAGE. */
#define TEXT_MAX (64 * 1024)

static int fail_errno(const char *path, struct msd_error *err)
{
	return msd_fail(err, MSD_E_CONFIG, "%s: %s", path, strerror(errno));
}

static int check_owner(const struct stat *st, const char *path, struct msd_error *err)
{
	if (st->st_uid != 0) {
		msd_fail(err, MSD_E_CONFIG, "%s: belongs to user %u, who could make root's commands do anything",
			 path, st->st_uid);
		msd_hint(err, "chown root %s", msd_quoted(path));
		return -MSD_E_CONFIG;
	}
	/* in a sticky directory nobody can replace a file of root's */
	if (!(st->st_mode & 022) || (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return 0;
	msd_fail(err, MSD_E_CONFIG, "%s: others than root can write it", path);
	msd_hint(err, "chmod go-w %s", msd_quoted(path));
	return -MSD_E_CONFIG;
}

static int check_directory_of(const char *path, struct msd_error *err)
{
	_cleanup_free_ char *dir = strdup(path);
	struct stat st;
	char *slash;

	if (!dir)
		return msd_fail_on(err, ENOMEM, path);
	slash = strrchr(dir, '/');
	if (!slash)
		strcpy(dir, ".");
	else if (slash == dir)
		slash[1] = '\0';
	else
		*slash = '\0';
	if (stat(dir, &st) < 0)
		return fail_errno(dir, err);
	return check_owner(&st, dir, err);
}

/* A link can be turned elsewhere: where it lies and where it leads are both checked. */
static int check_safe(const char *path, const struct stat *st, struct msd_error *err)
{
	_cleanup_free_ char *real = NULL;
	int rc;

	rc = check_owner(st, path, err);
	if (rc < 0)
		return rc;
	rc = check_directory_of(path, err);
	if (rc < 0)
		return rc;
	real = realpath(path, NULL);
	if (!real)
		return fail_errno(path, err);
	return strcmp(real, path) ? check_directory_of(real, err) : 0;
}

int msd_config_text_read(const char *path, char **ret, struct msd_error *reterr)
{
	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n;
	int rc;

	if (fd < 0 && errno == ENOENT) {
		msd_fail(reterr, MSD_E_CONFIG, "%s: there is no such file", path);
		return -ENOENT;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(path, reterr);
	if (!S_ISREG(st.st_mode))
		return msd_fail(reterr, MSD_E_CONFIG, "%s: not a regular file", path);
	if (st.st_size > TEXT_MAX)
		return msd_fail(reterr, MSD_E_CONFIG, "%s: bigger than %d KiB: not a configuration", path,
				TEXT_MAX / 1024);
	if (geteuid() == 0) {
		rc = check_safe(path, &st, reterr);
		if (rc < 0)
			return rc;
	}
	text = malloc(TEXT_MAX + 1);
	if (!text)
		return msd_fail_on(reterr, ENOMEM, path);
	while (len < TEXT_MAX && (n = read(fd, text + len, TEXT_MAX - len)) != 0) {
		if (n < 0)
			return fail_errno(path, reterr);
		len += (size_t)n;
	}
	text[len] = '\0';
	if (strlen(text) != len)
		return msd_fail(reterr, MSD_E_CONFIG, "%s: holds a NUL byte: not a configuration", path);
	*ret = msd_steal(text);
	return 0;
}

/* Where the scan is: a comment's end, a quote's end, lines and open braces. */
struct scan {
	const char *path;
	struct msd_error *err;
	unsigned line;
	unsigned depth;
	unsigned open_line;	/* of the outermost open brace */
};

static int fail_line(const struct scan *scan, unsigned line, const char *why)
{
	return msd_fail(scan->err, MSD_E_CONFIG, "%s:%u: %s", scan->path, line, why);
}

/* Blanks the comment at p, newlines excepted. Returns where it ends, NULL if it does not. */
static char *skip_comment(struct scan *scan, char *p)
{
	bool block = p[0] == '/' && p[1] == '*';

	if (block) {
		p[0] = p[1] = ' ';
		p += 2;
	}
	for (; *p; p++) {
		if (block && p[0] == '*' && p[1] == '/') {
			p[0] = p[1] = ' ';
			return p + 2;
		}
		if (*p == '\n' && !block)
			return p;
		if (*p == '\n')
			scan->line++;
		else
			*p = ' ';
	}
	return block ? NULL : p;
}

static int fail_variable(const struct scan *scan)
{
	return fail_line(scan, scan->line, "'${' would be replaced from the environment, which has no say"
			 " here; write the value");
}

/* Returns 0 with *p behind the closing quote. */
static int skip_string(struct scan *scan, char **p)
{
	unsigned start = scan->line;
	char quote = *(*p)++;

	for (; **p && **p != quote; ++*p) {
		if (**p == '\\' && (*p)[1])
			++*p;
		else if (quote == '"' && (*p)[0] == '$' && (*p)[1] == '{')
			return fail_variable(scan);
		if (**p == '\n')
			scan->line++;
	}
	if (!**p)
		return fail_line(scan, start, "this quote is never closed");
	++*p;
	return 0;
}

static int count_brace(struct scan *scan, char c)
{
	if (c == '{') {
		if (scan->depth++ == 0)
			scan->open_line = scan->line;
		return 0;
	}
	if (scan->depth == 0)
		return fail_line(scan, scan->line, "'}' without a '{' before it");
	scan->depth--;
	return 0;
}

/* In the middle of a word, as in /var//lib, slashes are slashes. */
static bool begins_comment(const char *text, const char *p)
{
	if (*p == '#')
		return true;
	if (p[0] != '/' || (p[1] != '/' && p[1] != '*'))
		return false;
	return p == text || strchr(" \t\r\n={}()+,\"'", p[-1]);
}

int msd_config_text_clean(const char *path, char *text, struct msd_error *reterr)
{
	struct scan scan = { .path = path, .err = reterr, .line = 1 };
	int rc = 0;

	for (char *p = text; *p && rc == 0; ) {
		unsigned line = scan.line;

		if (begins_comment(text, p)) {
			p = skip_comment(&scan, p);
			if (!p)
				return fail_line(&scan, line, "this comment is never closed");
			continue;
		}
		if (*p == '"' || *p == '\'') {
			rc = skip_string(&scan, &p);
			continue;
		}
		if (p[0] == '$' && p[1] == '{')
			return fail_variable(&scan);
		if (*p == '{' || *p == '}')
			rc = count_brace(&scan, *p);
		else if (*p == '\n')
			scan.line++;
		p++;
	}
	if (rc == 0 && scan.depth > 0)
		return fail_line(&scan, scan.open_line, "the section that begins here is never closed");
	return rc;
}
