/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles pack: a folder becomes an image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "fs/change.h"
#include "fs/format.h"
#include "normalfiles.h"
#include "storage/usage.h"

static void print_safe(FILE *to, const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(to, "\\x%02x", (unsigned char)*text);
		else
			putc(*text, to);
}

void normalfiles_tell_problem(void *data, const char *path, const char *why)
{
	struct normalfiles *nf = data;

	progress_end(&nf->progress);
	fprintf(stderr, "%s: ", nf->tool.name);
	print_safe(stderr, path);
	fprintf(stderr, ": %s\n", why);
}

void normalfiles_tell_mangled(void *data, const char *path, const char *name)
{
	struct normalfiles *nf = data;

	progress_end(&nf->progress);
	print_safe(stdout, path);
	printf(" -> %s\n", name);
}

/* Where an archive's files wait: beside the image. */
static int gather(struct normalfiles *nf, const char *source, const char *image,
		  struct msd_tree **ret)
{
	struct msd_tree_params params = {
		.dereference = nf->dereference, .mangle = nf->mangle, .image = image,
		.problem = normalfiles_tell_problem, .mangled = normalfiles_tell_mangled, .data = nf,
	};
	const char *slash = strrchr(image, '/');
	_cleanup_free_ char *spool = slash ? strndup(image, (size_t)(slash - image) + 1) : strdup(".");
	int rc = spool ? msd_tree_new(&params, ret) : -ENOMEM;

	if (rc < 0)
		return msd_fail_on(&nf->err, -rc, image);
	if (strcmp(source, "-"))
		rc = msd_tree_add_path(*ret, source, "", &nf->progress.callback, &nf->err);
	else
		rc = msd_tree_add_archive(*ret, STDIN_FILENO, "standard input", spool,
					  &nf->progress.callback, &nf->err);
	return rc < 0 ? rc : msd_tree_seal(*ret, &nf->err);
}

/* What changed goes into the image that is there. */
static int update(struct normalfiles *nf, const char *source, const char *image)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	struct msd_change *change = NULL;
	int rc = msd_usage_check(image, true, &nf->err);

	progress_begin(&nf->progress, &nf->tool, nf->when, image);
	if (rc == 0)
		rc = gather(nf, source, image, &tree);
	nf->operands[0] = image;
	if (rc == 0)
		rc = normalfiles_begin_change(nf, &change);
	if (rc == 0)
		rc = msd_change_update_tree(change, tree, nf->mirror, &nf->err);
	return normalfiles_end_change(nf, change, rc);
}

/* In the folder that this program is in, or found as any command is. */
static void exec_mkimage(char **args)
{
	static const char name[] = "msd-mkimage";
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
	char *slash;

	path[len < 0 ? 0 : len] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, name, sizeof(name));
		execv(path, args);
	}
	execvp(name, args);
}

/* A new image is msd-mkimage's work: it goes on as this process, and speaks in this one's name. */
static int make_image(struct normalfiles *nf, const char *source, const char *image)
{
	const char *size = nf->size ? nf->size : nf->type && !strcmp(nf->type, "fat12") ? "64M" : "256M";
	const struct { const char *option, *value; bool given; } options[] = {
		{ "--min-size", size, true }, { "--source", source, true },
		{ "--type", nf->type, nf->type }, { "--label", nf->label, nf->label },
		{ "--progress", nf->progress_when, nf->progress_when },
		{ "--dereference", NULL, nf->dereference }, { "--mangle", NULL, nf->mangle },
		{ "--no-sync", NULL, nf->no_sync }, { "--quiet", NULL, nf->tool.quiet },
		{ "--verbose", NULL, nf->tool.verbose }, { "--preallocate", NULL, true }, { "--", image, true },
	};
	const char *args[2 * sizeof(options) / sizeof(options[0]) + 2] = { nf->tool.name };
	struct stat st;

	if (stat(image, &st) == 0 && S_ISBLK(st.st_mode)) {
		msd_fail(&nf->err, MSD_E_UNSAFE, "%s: a block device, all that is on it would be lost", image);
		msd_hint(&nf->err, "msd-mkimage --force --source=%s %s", msd_quoted(source), msd_quoted(image));
		return -MSD_E_UNSAFE;
	}
	for (unsigned i = 0, n = 1; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!options[i].given)
			continue;
		args[n++] = options[i].option;
		if (options[i].value)
			args[n++] = options[i].value;
	}
	/* speaks to those who call msd-mkimage themselves */
	unsetenv("SOURCE_DATE_EPOCH");
	exec_mkimage((char **)args);
	return msd_fail(&nf->err, MSD_E_FAILED, "msd-mkimage, which makes the image: %s",
			strerror(errno));
}

static bool is_type(const char *text)
{
	for (enum msd_fs_kind kind = MSD_FS_FAT; kind <= MSD_FS_EXFAT; kind++)
		if (!strcmp(text, msd_fs_kind_text(kind)))
			return true;
	return false;
}

static void check_options(struct normalfiles *nf, const char *image)
{
	if ((nf->partition || nf->codepage || nf->mirror) && !nf->update)
		tool_usage_error(&nf->tool, "--partition, --codepage and --delete are for pack --update "
				 "alone");
	if (!strcmp(image, "-"))
		tool_usage_error(&nf->tool, "an image cannot go to standard output; ./- is a file of that "
				 "name");
	if (nf->type && !is_type(nf->type))
		tool_usage_error(&nf->tool, "--type: '%s' is none of fat, fat12, fat16, fat32, exfat",
				 nf->type);
}

int normalfiles_pack(struct normalfiles *nf)
{
	const char *source = nf->operands[0], *image = nf->operands[1];

	check_options(nf, image);
	if (nf->update && faccessat(AT_FDCWD, image, F_OK, 0) == 0)
		return update(nf, source, image);
	return normalfiles_finish(nf, make_image(nf, source, image));
}
