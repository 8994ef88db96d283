/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A folder that stands for configfs where arguments are tested; the kernel is proven in the VM. */
#ifndef TESTS_UNIT_TREE_H
#define TESTS_UNIT_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* printf into a buffer that lives until the next 8 calls. */
static inline const char *pathf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline const char *pathf(const char *fmt, ...)
{
	static char bufs[8][4096];
	static unsigned next;
	char *buf = bufs[next++ % 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(bufs[0]), fmt, ap);
	va_end(ap);
	return buf;
}

static inline void make_dirs(const char *path)
{
	char *copy = strdup(path);

	for (char *p = copy + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(copy, 0755);
			*p = '/';
		}
	mkdir(copy, 0755);
	free(copy);
}

static inline void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) < 0)
		abort();
}

static inline char *get_file(const char *path)
{
	static char text[8192];
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		abort();
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* FUNCTION/lun.N of a gadget with the attributes of an empty flash drive. */
static inline void make_lun(const char *root, const char *gadget, const char *function,
			    unsigned lun)
{
	const char *dir = pathf("%s/%s/functions/%s/lun.%u", root, gadget, function, lun);

	make_dirs(dir);
	put_file(pathf("%s/file", dir), "");
	put_file(pathf("%s/cdrom", dir), "0\n");
	put_file(pathf("%s/ro", dir), "0\n");
	put_file(pathf("%s/removable", dir), "1\n");
	put_file(pathf("%s/nofua", dir), "0\n");
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
