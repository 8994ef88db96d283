/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libarchive's functions that a program needs only now and then, loaded at the first call: its own
 * libraries (libxml2, ICU) take longer to load than an empty image takes to make. Linked
 * into a program instead of libarchive.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <stddef.h>

/* NULL without libarchive. It stays loaded: what a program read with it may still be in use. */
static void *find(const char *name)
{
	void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);

	return library ? dlsym(library, name) : NULL;
}

#define LAZY(type, name, parameters, arguments, failed)                                           \
	type name parameters                                                                      \
	{                                                                                         \
		__typeof__(&name) function;                                                       \
                                                                                                  \
		*(void **)&function = find(#name);                                                \
		return function ? function arguments : (failed);                                  \
	}

LAZY(struct archive *, archive_read_new, (void), (), NULL)
LAZY(int, archive_read_free, (struct archive *a), (a), ARCHIVE_FATAL)
LAZY(int, archive_read_support_filter_gzip, (struct archive *a), (a), ARCHIVE_FATAL)
LAZY(int, archive_read_support_format_tar, (struct archive *a), (a), ARCHIVE_FATAL)
LAZY(int, archive_read_open_fd, (struct archive *a, int fd, size_t n), (a, fd, n), ARCHIVE_FATAL)
LAZY(int, archive_read_next_header, (struct archive *a, struct archive_entry **e), (a, e), ARCHIVE_FATAL)
LAZY(la_ssize_t, archive_read_data, (struct archive *a, void *b, size_t n), (a, b, n), ARCHIVE_FATAL)
LAZY(int, archive_errno, (struct archive *a), (a), 0)
LAZY(const char *, archive_error_string, (struct archive *a), (a), "no libarchive")
LAZY(__LA_MODE_T, archive_entry_filetype, (struct archive_entry *e), (e), 0)
LAZY(const char *, archive_entry_pathname, (struct archive_entry *e), (e), NULL)
