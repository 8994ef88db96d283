/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget's directories in configfs: what is there. */
#include "tree-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/proc.h"
#include "gadget/attr.h"
#include "gadget/find.h"
#include "gadget/gadget.h"

#define CONFIGFS_DIR "/sys/kernel/config"

/* Of fs/configfs/mount.c; no header for programs has it. */
#define CONFIGFS_MAGIC 0x62656570

bool msd_gadget_has_module(const char *name)
{
	static const char *const lists[] = { "modules.dep", "modules.builtin" };
	char path[sizeof("/lib/modules//modules.builtin") + sizeof(((struct utsname *)0)->release)];
	char wanted[64], line[8192];
	struct utsname kernel;

	uname(&kernel);
	snprintf(wanted, sizeof(wanted), "/%s.ko", name);
	for (size_t i = 0; i < 2; i++) {
		_cleanup_fclose_ FILE *file = NULL;

		snprintf(path, sizeof(path), "/lib/modules/%s/%s", kernel.release, lists[i]);
		file = msd_proc_open(AT_FDCWD, path);
		while (file && fgets(line, sizeof(line), file)) {
			/* in modules.dep what follows the colon are modules that it needs */
			line[strcspn(line, ":\n")] = '\0';
			if (strstr(line, wanted))
				return true;
		}
	}
	return false;
}

/* What to type, unless it could not work. */
static void hint_modprobe(const char *more, struct msd_error *err)
{
	struct utsname kernel;

	uname(&kernel);
	if (msd_gadget_has_module("libcomposite"))
		msd_hint(err, "modprobe libcomposite%s", more);
	else
		msd_hint(err, "install the modules of kernel %s, or reboot when the kernel was updated",
			 kernel.release);
}

/* Why there is no directory of gadgets. */
static int fail_configfs(struct msd_error *err)
{
	struct statfs fs;
	int rc;

	if (statfs(CONFIGFS_DIR, &fs) < 0) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED, "%s: this kernel has no configfs, or its module is not loaded",
			      CONFIGFS_DIR);
		hint_modprobe(" && mount -t configfs none " CONFIGFS_DIR, err);
		return rc;
	}
	if (fs.f_type != CONFIGFS_MAGIC) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED, "%s: configfs is not mounted", CONFIGFS_DIR);
		msd_hint(err, "mount -t configfs none %s", CONFIGFS_DIR);
		return rc;
	}
	rc = msd_fail(err, MSD_E_UNSUPPORTED, "%s: the kernel's module libcomposite is not loaded",
		      MSD_GADGETS_DIR);
	hint_modprobe("", err);
	return rc;
}

int tree_open_gadgets(int *ret_fd, struct msd_error *reterr)
{
	*ret_fd = open(MSD_GADGETS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	if (errno == ENOENT)
		return fail_configfs(reterr);
	return msd_fail_os(reterr, MSD_GADGETS_DIR);
}

int msd_gadget_check_configfs(struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;

	return tree_open_gadgets(&fd, reterr);
}

static int fail_path(const struct tree *tree, struct msd_error *err)
{
	return msd_fail_errno(err, errno, "%s/%s", MSD_GADGETS_DIR, tree->path);
}

static unsigned count_luns(struct tree *tree, const char *function)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	unsigned n = 0;

	msd_dir_open(&dir, tree->dirfd, tree_path(tree, "/functions/%s", function));
	while ((entry = msd_dir_next(&dir)))
		n += !strncmp(entry->d_name, "lun.", 4);
	return n;
}

static int compare_functions(const void *a, const void *b)
{
	const struct tree_function *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

static int read_functions(struct tree *tree, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	struct stat st;

	if (msd_dir_open(&dir, tree->dirfd, tree_path(tree, "/functions")) < 0)
		return fail_path(tree, err);
	while ((entry = msd_dir_next(&dir))) {
		struct tree_function *function;

		function = realloc(tree->functions, (tree->n_functions + 1) * sizeof(*function));
		if (!function)
			return fail_path(tree, err);
		tree->functions = function;
		function += tree->n_functions++;
		*function = (struct tree_function){ 0 };
		strcpy(function->name, entry->d_name);
		function->mass_storage = !strncmp(entry->d_name, TREE_FUNCTION_PREFIX,
						  strlen(TREE_FUNCTION_PREFIX));
		if (fstatat(dir.fd, entry->d_name, &st, 0) == 0) {
			function->own = st.st_mode & TREE_OWN;
			function->taken_out = st.st_mode & TREE_TAKEN_OUT;
			function->half_built = st.st_mode & TREE_HALF_BUILT;
		}
		if (function->mass_storage)
			function->n_luns = count_luns(tree, function->name);
	}
	if (tree->n_functions)
		qsort(tree->functions, tree->n_functions, sizeof(*tree->functions),
		      compare_functions);
	return 0;
}

/* The newest is what readdir gives first, and the order of making is the order that counts. */
static int insert_link(struct tree *tree, size_t first, const char *config, const char *name,
		       const char *target)
{
	struct tree_link *links = realloc(tree->links, (tree->n_links + 1) * sizeof(*links));
	const char *function = strrchr(target, '/');

	if (!links)
		return -1;
	tree->links = links;
	links += first;
	memmove(links + 1, links, (tree->n_links++ - first) * sizeof(*links));
	strcpy(links->config, config);
	strcpy(links->name, name);
	snprintf(links->function, sizeof(links->function), "%s", function ? function + 1 : target);
	return 0;
}

static int read_links(struct tree *tree, const char *config, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	size_t first = tree->n_links;
	const struct dirent64 *entry;
	char target[PATH_MAX];

	if (msd_dir_open(&dir, tree->dirfd, tree_path(tree, "/configs/%s", config)) < 0)
		return fail_path(tree, err);
	while ((entry = msd_dir_next(&dir))) {
		ssize_t n;

		if (entry->d_type != DT_LNK)
			continue;
		n = readlinkat(dir.fd, entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (insert_link(tree, first, config, entry->d_name, target) < 0)
			return fail_path(tree, err);
	}
	return 0;
}

/* The first configuration by number is where drives go. */
static int read_configs(struct tree *tree, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	int rc;

	if (msd_dir_open(&dir, tree->dirfd, tree_path(tree, "/configs")) < 0)
		return fail_path(tree, err);
	while ((entry = msd_dir_next(&dir))) {
		if (!tree->has_config || strverscmp(entry->d_name, tree->config) < 0)
			strcpy(tree->config, entry->d_name);
		tree->has_config = true;
		rc = read_links(tree, entry->d_name, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* As mkdir makes it. */
static bool is_pristine(struct tree *tree, const char *function)
{
	static const char *const attrs[] = { "cdrom", "ro", "inquiry_string", "file" };
	char value[MSD_ATTR_BUFSIZE];

	for (unsigned i = 0; i < 4; i++)
		if (msd_attr_read(tree->dirfd, tree_path(tree, "/functions/%s/lun.0/%s", function, attrs[i]),
				  value, sizeof(value), NULL) == 0 && value[strspn(value, "0 ")])
			return false;
	return true;
}

/* Ours, and killed between the directory and its mark; another's would have done something to it. */
static void adopt_functions(struct tree *tree)
{
	for (size_t i = 0; i < tree->n_functions; i++) {
		struct tree_function *function = &tree->functions[i];

		if (function->mass_storage && !function->own && function->n_luns == 1 &&
		    !tree_find_link(tree, function->name) && is_pristine(tree, function->name))
			function->own = function->half_built = true;
	}
}

static int read_gadget(struct tree *tree, struct msd_error *err)
{
	char udc[NAME_MAX + 2];
	struct stat st;
	int rc;

	strcpy(tree->config, "c.1");
	if (fstatat(tree->dirfd, tree->name, &st, 0) < 0)
		return errno == ENOENT ? 0 : fail_path(tree, err);
	tree->exists = true;
	tree->own = st.st_mode & TREE_OWN;
	tree->taken_out = st.st_mode & TREE_TAKEN_OUT;
	rc = msd_attr_read(tree->dirfd, tree_path(tree, "/UDC"), udc, sizeof(udc), err);
	if (rc < 0)
		return rc;
	snprintf(tree->udc, sizeof(tree->udc), "%s", udc);
	rc = read_functions(tree, err);
	if (rc < 0)
		return rc;
	rc = read_configs(tree, err);
	if (rc < 0)
		return rc;
	adopt_functions(tree);
	/* killed between the directory and its mark; or another's, of which nothing is lost */
	if (tree->n_functions == 0 && !tree->has_config)
		tree->own = true;
	return 0;
}

int tree_open(const char *name, const struct msd_gadget_options *options, struct tree *ret,
	      struct msd_error *reterr)
{
	int rc;

	*ret = (struct tree){ .options = options, .dirfd = -1 };
	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > NAME_MAX)
		return msd_fail(reterr, MSD_E_NOTFOUND, "%s: not the name of a gadget", name);
	strcpy(ret->name, name);
	strcpy(ret->path, name);
	rc = tree_open_gadgets(&ret->dirfd, reterr);
	if (rc == 0)
		rc = read_gadget(ret, reterr);
	return rc;
}

struct tree_function *tree_find_function(struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->n_functions; i++)
		if (!strcmp(tree->functions[i].name, name))
			return &tree->functions[i];
	return NULL;
}

struct tree_link *tree_find_link(struct tree *tree, const char *function)
{
	for (size_t i = 0; i < tree->n_links; i++)
		if (!strcmp(tree->links[i].function, function))
			return &tree->links[i];
	return NULL;
}

unsigned tree_count_drives(const struct tree *tree)
{
	unsigned n = 0;

	for (size_t i = 0; i < tree->n_functions; i++)
		n += tree->functions[i].n_luns;
	return n;
}
