/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles pack: a folder becomes an image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/image.h"
#include "disk/target.h"
#include "fs/change.h"
#include "normalfiles.h"
#include "storage/usage.h"

#define SIZE_DEFAULT (256ull << 20)
#define SIZE_DEFAULT_FAT12 (64ull << 20)	/* which cannot be 256 MiB large */

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

static enum msd_fs_kind get_kind(struct normalfiles *nf)
{
	for (enum msd_fs_kind kind = MSD_FS_FAT; nf->type && kind <= MSD_FS_EXFAT; kind++)
		if (!strcmp(nf->type, msd_fs_kind_text(kind)))
			return kind;
	if (nf->type)
		tool_usage_error(&nf->tool, "--type: '%s' is none of fat, fat12, fat16, fat32, exfat",
				 nf->type);
	return MSD_FS_FAT;
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
		return msd_fail_errno(&nf->err, -rc, "%s", image);
	if (strcmp(source, "-"))
		rc = msd_tree_add_path(*ret, source, "", &nf->progress.callback, &nf->err);
	else
		rc = msd_tree_add_archive(*ret, STDIN_FILENO, "standard input", spool,
					  &nf->progress.callback, &nf->err);
	return rc < 0 ? rc : msd_tree_seal(*ret, &nf->err);
}

/* As large as asked for or, when the files need more than that, with a quarter of it to spare. */
static int plan_image(struct normalfiles *nf, struct msd_tree *tree, struct msd_image_params *params,
		      struct msd_image_plan *ret)
{
	uint64_t at_least = nf->size ? nf->size :
			    params->format.kind == MSD_FS_FAT12 ? SIZE_DEFAULT_FAT12 : SIZE_DEFAULT;
	int rc;

	params->size_bytes = at_least;
	rc = msd_image_plan(params, tree, ret, &nf->err);
	if (rc != -MSD_E_TOOBIG)
		return rc;
	params->size_bytes = 0;
	params->format.free_bytes = at_least / 4;
	return msd_image_plan(params, tree, ret, &nf->err);
}

static int write_image(struct normalfiles *nf, const char *image, const struct msd_image_params *params,
		       const struct msd_image_plan *plan, struct msd_tree *tree)
{
	const struct msd_target_params target_params = { .sparse = false };
	_cleanup_(msd_target_closep) struct msd_target *target = NULL;
	int rc = msd_target_open(image, plan->size_bytes, &target_params, &nf->tool.log, &target,
				 &nf->err);

	if (rc == 0)
		rc = msd_image_write(msd_target_get_io(target), params, plan, tree,
				     msd_target_is_fresh(target), &nf->progress.callback, &nf->err);
	return rc < 0 ? rc : msd_target_commit(target, !nf->no_sync, &nf->err);
}

/* What changed goes into the image that is there. */
static int update(struct normalfiles *nf, const char *source, const char *image)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	struct msd_change *change = NULL;
	int rc = gather(nf, source, image, &tree);

	nf->operands[0] = image;
	if (rc == 0)
		rc = normalfiles_begin_change(nf, &change);
	if (rc == 0)
		rc = msd_change_update_tree(change, tree, nf->mirror, &nf->err);
	return normalfiles_end_change(nf, change, rc);
}

int normalfiles_pack(struct normalfiles *nf)
{
	const char *source = nf->operands[0], *image = nf->operands[1];
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	struct msd_image_params params = { .partition = MSD_PTABLE_MAKE_MBR };
	struct msd_image_plan plan;
	struct stat st;
	int rc;

	if ((nf->partition || nf->codepage || nf->mirror) && !nf->update)
		tool_usage_error(&nf->tool, "--partition, --codepage and --delete are for pack --update "
				 "alone");
	if (!strcmp(image, "-"))
		tool_usage_error(&nf->tool, "an image cannot go to standard output; ./- is a file of that "
				 "name");
	rc = stat(image, &st) < 0 ? 0 : msd_usage_check(image, true, &nf->err);
	if (rc == 0 && nf->update && access(image, F_OK) == 0) {
		progress_begin(&nf->progress, &nf->tool, nf->when, image);
		return update(nf, source, image);
	}
	params.format.kind = get_kind(nf);
	params.format.sector_bytes = 512;
	params.format.log = nf->tool.verbose ? &nf->tool.log : NULL;
	params.format.label = nf->label;
	params.format.now_s = time(NULL);
	progress_begin(&nf->progress, &nf->tool, nf->when, image);
	if (rc == 0)
		rc = gather(nf, source, image, &tree);
	if (rc == 0) {
		rc = msd_image_make_ids(&params, false, 0, false);
		if (rc < 0)
			msd_fail_errno(&nf->err, -rc, "%s", image);
	}
	if (rc == 0)
		rc = plan_image(nf, tree, &params, &plan);
	if (rc == 0)
		rc = write_image(nf, image, &params, &plan, tree);
	return normalfiles_finish(nf, rc);
}
