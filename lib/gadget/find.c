/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which gadgets and drives there are. */
#include "gadget/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/lock.h"
#include "base/parse.h"
#include "base/text.h"

#define FUNCTION_PREFIX "mass_storage."
#define LUN_PREFIX "lun."

/* Gadgets that are taken when no name was given, the first that has drives. */
static const char *const known_gadgets[] = { "kvmd", "one-kvm", "g0" };

struct names {
	char **v;
	size_t n;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct names){ 0 };
}

#define _cleanup_names_ _cleanup_(names_done)

static int compare_names(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct names *names, const char *name)
{
	char **v = realloc(names->v, (names->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	names->v = v;
	v[names->n] = strdup(name);
	if (!v[names->n])
		return -ENOMEM;
	names->n++;
	return 0;
}

/* The entries of a directory of configfs that begin with prefix, sorted with numbers as numbers. */
static int list_names(const char *path, const char *prefix, struct names *ret)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	int rc = msd_dir_open(&dir, AT_FDCWD, path);

	dir.fills = true;
	while (rc == 0 && (entry = msd_dir_next(&dir)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			rc = add_name(ret, entry->d_name);
	if (rc < 0 || errno)
		return rc < 0 ? rc : -errno;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_names);
	return 0;
}

/* The mass-storage functions of a gadget; none is no error. Returns 0 or -errno. */
static int list_functions(const char *dir, const char *gadget, struct names *ret)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s/functions", dir, gadget) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return list_names(path, FUNCTION_PREFIX, ret);
}

/* The number at the end of a name, -1 for none. */
static long trailing_number(const char *name)
{
	size_t len = strlen(name), digits = 0;
	uint64_t number;

	while (digits < len && name[len - 1 - digits] >= '0' && name[len - 1 - digits] <= '9')
		digits++;
	return msd_parse_number(name + len - digits, 999999, &number) < 0 ? -1 : (long)number;
}

/*
 * The drive number of a function of a gadget that has several: that of its name, when all have one
 * and no two the same, or its place.
 */
static unsigned function_number(const struct names *functions, size_t function)
{
	for (size_t i = 0; i < functions->n; i++) {
		long number = trailing_number(functions->v[i]);

		if (number < 0)
			return (unsigned)function;
		for (size_t j = 0; j < i; j++)
			if (trailing_number(functions->v[j]) == number)
				return (unsigned)function;
	}
	return (unsigned)trailing_number(functions->v[function]);
}

static void fill_id(struct msd_drive_id *id, const char *gadget, const struct names *functions,
		    size_t i, unsigned lun)
{
	*id = (struct msd_drive_id){ .lun = lun };
	snprintf(id->gadget, sizeof(id->gadget), "%s", gadget);
	snprintf(id->function, sizeof(id->function), "%s", functions->v[i]);
	id->number = functions->n == 1 ? lun : function_number(functions, i);
	id->plain = functions->n == 1 || lun == 0;
}

/*
 * "kvmd" or "kvmd/mass_storage.usb0" into its parts; function is "" when there is none.
 * Returns false for what cannot be the name of a gadget.
 */
static bool split_name(const char *text, char gadget[NAME_MAX + 1], char function[NAME_MAX + 1])
{
	size_t len = strcspn(text, "/");
	const char *rest = text[len] ? text + len + 1 : "";

	if (len == 0 || len > NAME_MAX || text[0] == '.' || strchr(rest, '/') ||
	    strlen(rest) > NAME_MAX || (text[len] && strncmp(rest, FUNCTION_PREFIX,
							     strlen(FUNCTION_PREFIX))))
		return false;
	memcpy(gadget, text, len);
	gadget[len] = '\0';
	strcpy(function, rest);
	return true;
}

struct drives {
	struct msd_drive_id *v;
	size_t n;
};

/* The LUNs of a function; lun.0 is always there, so the links of one folder tell that it is all. */
static int list_luns(const char *path, struct names *ret)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_nlink == 3)
		return add_name(ret, LUN_PREFIX "0");
	return list_names(path, LUN_PREFIX, ret);
}

static int add_luns(const char *dir, const char *gadget, const struct names *functions, size_t i,
		    struct drives *drives)
{
	_cleanup_names_ struct names luns = { 0 };
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s/%s/functions/%s", dir, gadget, functions->v[i]) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	rc = list_luns(path, &luns);
	if (rc < 0)
		return rc;
	for (size_t j = 0; j < luns.n; j++) {
		struct msd_drive_id *v;
		uint64_t lun;

		if (msd_parse_number(luns.v[j] + strlen(LUN_PREFIX), UINT_MAX - 1, &lun) < 0)
			continue;
		v = realloc(drives->v, (drives->n + 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		drives->v = v;
		fill_id(&v[drives->n++], gadget, functions, i, (unsigned)lun);
	}
	return 0;
}

/* The drives of one gadget, of one function only unless that is "". */
static int add_gadget(const char *dir, const char *gadget, const char *function,
		      struct drives *drives)
{
	_cleanup_names_ struct names functions = { 0 };
	int rc = list_functions(dir, gadget, &functions);

	for (size_t i = 0; rc == 0 && i < functions.n; i++)
		if (!function[0] || !strcmp(function, functions.v[i]))
			rc = add_luns(dir, gadget, &functions, i, drives);
	return rc;
}

static int compare_drives(const void *a, const void *b)
{
	const struct msd_drive_id *x = a, *y = b;
	int order = strverscmp(x->gadget, y->gadget);

	if (order == 0)
		order = (x->number > y->number) - (x->number < y->number);
	return order ? order : (x->lun > y->lun) - (x->lun < y->lun);
}

static int no_such_gadget(const char *name, struct msd_error *err)
{
	int rc = msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such gadget with drives", name);

	msd_hint(err, "otgmsd --list shows the drives that there are, otgmsd-gadget start makes some");
	return rc;
}

int msd_find_all(const char *dir, const char *gadget, struct msd_drive_id **ret, size_t *ret_n,
		 struct msd_error *reterr)
{
	_cleanup_names_ struct names gadgets = { 0 };
	char name[NAME_MAX + 1], function[NAME_MAX + 1];
	struct drives drives = { 0 };
	int rc = 0;

	if (gadget) {
		if (!split_name(gadget, name, function))
			return no_such_gadget(gadget, reterr);
		rc = add_gadget(dir, name, function, &drives);
		if (rc == -ENOENT || (rc == 0 && drives.n == 0))
			rc = no_such_gadget(gadget, reterr);
	} else {
		rc = list_names(dir, "", &gadgets);
		/* no configfs, no drives */
		if (rc == -ENOENT)
			rc = 0;
		for (size_t i = 0; rc == 0 && i < gadgets.n; i++) {
			rc = add_gadget(dir, gadgets.v[i], "", &drives);
			/* torn down while we looked, or nothing with functions */
			if (rc == -ENOENT)
				rc = 0;
		}
	}
	if (rc < 0) {
		free(drives.v);
		return rc == -MSD_E_NOTFOUND ? rc : msd_fail_on(reterr, -rc, dir);
	}
	if (drives.n)
		qsort(drives.v, drives.n, sizeof(*drives.v), compare_drives);
	*ret = drives.v;
	*ret_n = drives.n;
	return 0;
}

/* Like list_functions, and a gadget that does not exist has none. */
static int list_some_functions(const char *dir, const char *gadget, struct names *ret)
{
	int rc = list_functions(dir, gadget, ret);

	return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

static int nothing_found(const char *dir, const char *several, struct msd_error *err)
{
	bool has_place = faccessat(AT_FDCWD, dir, F_OK, 0) == 0;
	int rc;

	if (several) {
		rc = msd_fail(err, MSD_E_NOTFOUND, "several gadgets have drives: %s", several);
		msd_hint(err, "name one: otgmsd -g GADGET …");
		return rc;
	}
	rc = msd_fail(err, MSD_E_NOTFOUND, "no USB gadget with mass storage: %s",
		      has_place ? "none has been built" : "the kernel's gadget support is not loaded");
	msd_hint(err, "otgmsd-gadget %s", has_place ? "start" : "check");
	return rc;
}

/* The gadget that is meant when none is named, and its functions. */
static int find_default(const char *dir, const char *preferred, char gadget[NAME_MAX + 1],
			struct names *functions, struct msd_error *err)
{
	_cleanup_names_ struct names all = { 0 };
	char several[512] = "";
	unsigned n_found = 0;
	int rc = 0;

	for (int i = preferred ? -1 : 0; i < (int)(sizeof(known_gadgets) / sizeof(*known_gadgets));
	     i++) {
		const char *name = i < 0 ? preferred : known_gadgets[i];

		rc = list_some_functions(dir, name, functions);
		if (rc < 0)
			return msd_fail_errno(err, -rc, "%s/%s", dir, name);
		if (functions->n) {
			snprintf(gadget, NAME_MAX + 1, "%s", name);
			return 0;
		}
	}
	rc = list_names(dir, "", &all);
	if (rc < 0 && rc != -ENOENT)
		return msd_fail_on(err, -rc, dir);
	for (size_t i = 0; i < all.n; i++) {
		_cleanup_names_ struct names some = { 0 };

		rc = list_some_functions(dir, all.v[i], &some);
		if (rc < 0)
			return msd_fail_errno(err, -rc, "%s/%s", dir, all.v[i]);
		if (!some.n)
			continue;
		msd_append(several, sizeof(several), ", ", "%s", all.v[i]);
		n_found++;
		snprintf(gadget, NAME_MAX + 1, "%s", all.v[i]);
		names_done(functions);
		*functions = some;
		some = (struct names){ 0 };
	}
	return n_found == 1 ? 0 : nothing_found(dir, n_found ? several : NULL, err);
}

int msd_find_gadget(const char *dir, const char *preferred, char ret[NAME_MAX + 1],
		    struct msd_error *reterr)
{
	_cleanup_names_ struct names functions = { 0 };

	return find_default(dir, preferred, ret, &functions, reterr);
}

static int no_such_drive(const char *dir, const char *gadget, unsigned number, unsigned lun,
			 struct msd_error *err)
{
	struct msd_drive_id *drives = NULL;
	char known[256] = "";
	size_t n = 0;
	int rc = msd_find_all(dir, gadget, &drives, &n, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && strlen(known) < sizeof(known) - 64; i++) {
		msd_append(known, sizeof(known), ", ", "%u", drives[i].number);
		if (!drives[i].plain)
			msd_append(known, sizeof(known), " ", "-l %u", drives[i].lun);
	}
	free(drives);
	if (lun != MSD_FIND_ANY)
		rc = msd_fail(err, MSD_E_NOTFOUND, "gadget %s has no LUN %u at drive %u, only %s %s",
			      gadget, lun, number, n == 1 ? "drive" : "drives", known);
	else
		rc = msd_fail(err, MSD_E_NOTFOUND, "gadget %s has no drive %u, only %s %s", gadget,
			      number, n == 1 ? "drive" : "drives", known);
	msd_hint(err, "otgmsd --list shows them all; otgmsd-gadget restart --drives=N makes N of them");
	return rc;
}

/* The index of the function that number or a name means; functions->n if none. */
static size_t choose_function(const struct names *functions, const char *function,
			      unsigned number)
{
	size_t i;

	for (i = 0; i < functions->n; i++)
		if (function[0] ? !strcmp(functions->v[i], function) :
				  functions->n == 1 || function_number(functions, i) == number)
			break;
	return i;
}

int msd_find_drive(const char *dir, const char *gadget, const char *preferred, unsigned number,
		   unsigned lun, struct msd_drive_id *ret, int *ret_fd, struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;
	_cleanup_names_ struct names functions = { 0 };
	char name[NAME_MAX + 1], function[NAME_MAX + 1] = "", path[PATH_MAX];
	bool one;
	size_t i;
	int rc;

	if (gadget && !split_name(gadget, name, function))
		return no_such_gadget(gadget, reterr);
	if (gadget) {
		rc = list_functions(dir, name, &functions);
		if (rc == -ENOENT || (rc == 0 && !functions.n))
			return no_such_gadget(gadget, reterr);
		if (rc < 0)
			return msd_fail_errno(reterr, -rc, "%s/%s", dir, name);
	} else {
		rc = find_default(dir, preferred, name, &functions, reterr);
		if (rc < 0)
			return rc;
	}
	i = choose_function(&functions, function, number);
	if (i == functions.n && function[0])
		return no_such_gadget(gadget, reterr);
	/* the number of a drive of one function is its LUN; with -l too, it must be drive 0 */
	one = functions.n == 1 || function[0];
	if (i == functions.n || (one && lun != MSD_FIND_ANY && number != 0))
		return no_such_drive(dir, name, number, lun, reterr);
	fill_id(ret, name, &functions, i, lun != MSD_FIND_ANY ? lun : one ? number : 0);
	ret->by_default = !gadget;
	if (snprintf(path, sizeof(path), "%s/%s/functions/%s/" LUN_PREFIX "%u", dir, name,
		     ret->function, ret->lun) >= (int)sizeof(path))
		return msd_fail_on(reterr, ENAMETOOLONG, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? no_such_drive(dir, name, number, lun, reterr) :
					 msd_fail_os(reterr, path);
	if (ret_fd)
		*ret_fd = msd_steal_fd(&fd);
	return 0;
}

char *msd_drive_id_format(const struct msd_drive_id *id, char *buf, size_t len)
{
	if (id->plain)
		snprintf(buf, len, "drive %u of gadget %s", id->number, id->gadget);
	else
		snprintf(buf, len, "drive %u, LUN %u of gadget %s", id->number, id->lun, id->gadget);
	return buf;
}

char *msd_drive_id_options(const struct msd_drive_id *id, char *buf, size_t len)
{
	bool named = !id->by_default;

	snprintf(buf, len, "%s%s%s-i %u", named ? "-g " : "", named ? id->gadget : "", named ? " " : "",
		 id->number);
	if (!id->plain)
		msd_append(buf, len, " ", "-l %u", id->lun);
	return buf;
}

int msd_gadget_lock(uint64_t timeout_ms, int *ret_fd, struct msd_error *reterr)
{
	int rc = msd_lock_take(MSD_RUN_DIR, "gadgets", false, timeout_ms, "USB gadgets", ret_fd,
			       reterr);

	if (rc == -MSD_E_BUSY)
		msd_hint(reterr, "try again when it has ended");
	return rc;
}
