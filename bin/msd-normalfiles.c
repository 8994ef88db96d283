/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-normalfiles: a folder into a drive, and back out of what the target made of it. */
#include "normalfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "fs/codepage.h"
#include "storage/usage.h"

enum {
	OPT_PARTITION = 1000, OPT_CODEPAGE, OPT_DELETE, OPT_INCLUDE, OPT_EXCLUDE, OPT_MAX_SIZE,
	OPT_MAX_FILES, OPT_SNAPSHOT, OPT_NO_SYNC, OPT_DEREFERENCE, OPT_MANGLE, OPT_UPDATE,
};

static const struct poptOption options[] = {
	{ "recursive", 'r', POPT_ARG_NONE, NULL, 'r', "add, get, list, rm: all that is in folders", NULL },
	{ "parents", 'p', POPT_ARG_NONE, NULL, 'p', "add, mkdir: with the folders above", NULL },
	{ "partition", 0, POPT_ARG_STRING, NULL, OPT_PARTITION, "Use partition N", "N" },
	{ "codepage", 0, POPT_ARG_STRING, NULL, OPT_CODEPAGE, "Of FAT's short names, 437 if not given", "NUMBER" },
	{ "delete", 0, POPT_ARG_NONE, NULL, OPT_DELETE, "pack, unpack: remove what the source has not", NULL },
	{ "include", 0, POPT_ARG_STRING, NULL, OPT_INCLUDE, "unpack: only files like this", "GLOB" },
	{ "exclude", 0, POPT_ARG_STRING, NULL, OPT_EXCLUDE, "unpack: nothing like this", "GLOB" },
	{ "max-size", 0, POPT_ARG_STRING, NULL, OPT_MAX_SIZE, "unpack: stop before more than SIZE", "SIZE" },
	{ "max-files", 0, POPT_ARG_STRING, NULL, OPT_MAX_FILES, "unpack: stop before more than N files", "N" },
	{ "snapshot", 0, POPT_ARG_NONE, NULL, OPT_SNAPSHOT, "cat, check, get, info, list, unpack: read a copy of now", NULL },
	{ "size", 's', POPT_ARG_STRING, NULL, 's', "pack: at least SIZE, 256M (fat12: 64M) if not given", "SIZE" },
	{ "type", 't', POPT_ARG_STRING, NULL, 't', "pack: fat, fat12, fat16, fat32 or exfat", "TYPE" },
	{ "label", 'L', POPT_ARG_STRING, NULL, 'L', "pack: name of the volume", "LABEL" },
	{ "update", 0, POPT_ARG_NONE, NULL, OPT_UPDATE, "pack: put what changed into the image", NULL },
	{ "dereference", 0, POPT_ARG_NONE, NULL, OPT_DEREFERENCE, "add, pack: follow symbolic links", NULL },
	{ "mangle", 0, POPT_ARG_NONE, NULL, OPT_MANGLE, "add, pack: change names that do not fit", NULL },
	{ "no-sync", 0, POPT_ARG_NONE, NULL, OPT_NO_SYNC, "add, label, mkdir, mv, pack, rm: do not wait for the disk", NULL },
	PROGRESS_OPTION_FOR("add, get, pack, unpack: always, never or auto"),
	OUT_OPTIONS_FOR("check, info, list: print"),
	POPT_TABLEEND
};

static const struct command {
	const char *name;
	unsigned min, max;		/* operands, IMAGE among them */
	const char *operands;
	int (*run)(struct normalfiles *nf);
} commands[] = {
	{ "add", 2, UINT32_MAX, "IMAGE SOURCE… [FOLDER/] or IMAGE - FILE", normalfiles_add },
	{ "cat", 2, UINT32_MAX, "IMAGE FILE…", normalfiles_cat },
	{ "check", 1, 1, "IMAGE", normalfiles_check },
	{ "get", 3, UINT32_MAX, "IMAGE PATH… TO|-", normalfiles_get },
	{ "info", 1, 1, "IMAGE", normalfiles_info },
	{ "label", 1, 2, "IMAGE [LABEL]", normalfiles_label },
	{ "list", 1, UINT32_MAX, "IMAGE [PATH…]", normalfiles_list },
	{ "mkdir", 2, UINT32_MAX, "IMAGE FOLDER…", normalfiles_mkdir },
	{ "mv", 3, 3, "IMAGE FROM TO", normalfiles_mv },
	{ "pack", 2, 2, "FOLDER|- IMAGE", normalfiles_pack },
	{ "rm", 2, UINT32_MAX, "IMAGE PATH…", normalfiles_rm },
	{ "unpack", 2, 2, "IMAGE FOLDER|-", normalfiles_unpack },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]), DAMAGES_SHOWN = 100 };

static void tell_damage(void *data, uint64_t offset_bytes, const char *what)
{
	struct normalfiles *nf = data;
	const char *path = nf->volume ? msd_fs_get_path(nf->volume->fs) : "";

	nf->n_damages++;
	if (nf->tell) {
		nf->tell(nf, offset_bytes, what);
		return;
	}
	if (nf->n_damages > DAMAGES_SHOWN)
		return;
	progress_end(&nf->progress);
	fprintf(stderr, "%s: %s: %s%s%s (byte %llu)\n", nf->tool.name, nf->operands[0], path,
		path[0] ? ": " : "", what, (unsigned long long)offset_bytes);
}

/* A copy without a name that shares its blocks with the image. Returns its descriptor or <0. */
static int take_snapshot(struct normalfiles *nf, int image)
{
	_cleanup_free_ char *folder = strdup(nf->operands[0]);
	_cleanup_close_ int fd = -1;
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ioctl(fd, FICLONE, image) < 0) {
		msd_fail_errno(&nf->err, errno, "%s: no snapshot can be taken", nf->operands[0]);
		msd_hint(&nf->err, "needs a file system that shares blocks, btrfs or xfs; eject the "
			 "drive first and leave --snapshot off");
		return -nf->err.code;
	}
	return msd_steal_fd(&fd);
}

static int open_image(struct normalfiles *nf, int flags)
{
	const char *path = nf->operands[0];
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC), snapshot;

	if (fd < 0 && errno == ENOENT)
		return msd_fail(&nf->err, MSD_E_NOTFOUND, "%s: there is no such image", path);
	if (fd < 0)
		return msd_fail_os(&nf->err, path);
	if (nf->snapshot) {
		snapshot = take_snapshot(nf, fd);
		close(fd);
		if (snapshot < 0)
			return snapshot;
		fd = snapshot;
	}
	/* it is open until the program ends */
	return msd_io_open_fd(fd, path, &nf->io, &nf->err);
}

static int open_volume(struct normalfiles *nf, const uint16_t *codepage)
{
	struct msd_damage damage = { tell_damage, nf };

	return msd_volume_open(nf->io, nf->partition, codepage, &damage, &nf->volume, &nf->err);
}

/* What lists and times need, and cannot read any more once confined. */
static void read_locale_and_zone(void)
{
	tool_set_locale();
	tzset();
}

int normalfiles_open(struct normalfiles *nf, bool busy_is_error, int dirfd)
{
	uint16_t codepage[128];
	int rc;

	rc = msd_codepage_read(nf->codepage ? nf->codepage : "437", codepage, &nf->err);
	if (rc == 0)
		rc = open_image(nf, O_RDONLY);
	if (rc < 0)
		return rc;
	rc = nf->snapshot ? 0 : msd_usage_check(nf->operands[0], false, &nf->err);
	if (rc == -MSD_E_BUSY && !busy_is_error) {
		tool_warn(&nf->tool, "%s", nf->err.msg);
		if (nf->err.hint[0])
			tool_hint(&nf->tool, "%s", nf->err.hint);
	} else if (rc < 0) {
		return rc;
	}
	read_locale_and_zone();
	msd_confine(dirfd);
	return open_volume(nf, codepage);
}

int normalfiles_open_for_change(struct normalfiles *nf)
{
	uint16_t codepage[128];
	int rc;

	rc = msd_codepage_read(nf->codepage ? nf->codepage : "437", codepage, &nf->err);
	if (rc == 0)
		rc = open_image(nf, O_RDWR);
	if (rc < 0)
		return rc;
	/* two commands that change one image at a time would undo each other */
	if (flock(msd_io_get_fd(nf->io, NULL), LOCK_EX | LOCK_NB) < 0)
		return msd_fail(&nf->err, MSD_E_BUSY, "%s: another command changes it",
				nf->operands[0]);
	rc = msd_usage_check(nf->operands[0], true, &nf->err);
	if (rc < 0)
		return rc;
	read_locale_and_zone();
	msd_confine_to_reading();
	return open_volume(nf, codepage);
}

int normalfiles_finish(struct normalfiles *nf, int rc)
{
	progress_end(&nf->progress);
	if (nf->n_damages > DAMAGES_SHOWN)
		fprintf(stderr, "%s: %s: damaged in %llu more places\n", nf->tool.name,
			nf->operands[0], (unsigned long long)nf->n_damages - DAMAGES_SHOWN);
	if (rc < 0)
		return tool_report(&nf->tool, rc, &nf->err);
	return nf->n_damages ? TOOL_FORMAT : TOOL_OK;
}

static void take_glob(struct normalfiles *nf, const char ***list)
{
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	*list = realloc(*list, (n + 2) * sizeof(**list));
	if (!*list)
		exit(TOOL_FAILED);
	(*list)[n] = tool_option_value(&nf->tool);
	(*list)[n + 1] = NULL;
}

static void take_option(struct normalfiles *nf, int option)
{
	struct tool *tool = &nf->tool;

	if (out_option(tool, option, &nf->out))
		return;
	switch (option) {
	case 'r':
		nf->recursive = true;
		break;
	case OPT_PARTITION:
		nf->partition = (unsigned)tool_number(tool, "--partition", tool_option_value(tool),
						      MSD_PARTITIONS_MAX * 2);
		if (nf->partition == 0)
			tool_usage_error(tool, "--partition: the first one is 1");
		break;
	case OPT_CODEPAGE:
		nf->codepage = tool_option_value(tool);
		break;
	case OPT_DELETE:
		nf->mirror = true;
		break;
	case OPT_INCLUDE:
		take_glob(nf, &nf->include);
		break;
	case OPT_EXCLUDE:
		take_glob(nf, &nf->exclude);
		break;
	case OPT_MAX_SIZE:
		nf->max_size = tool_size(tool, "--max-size", tool_option_value(tool));
		break;
	case OPT_MAX_FILES:
		nf->max_files = tool_number(tool, "--max-files", tool_option_value(tool),
					    UINT64_MAX / 16);
		break;
	case 'p':
		nf->parents = true;
		break;
	case 's':
		nf->size = tool_option_value(tool);
		if (tool_size(tool, "--size", nf->size) == 0)
			nf->size = NULL;
		break;
	case 't':
		nf->type = tool_option_value(tool);
		break;
	case 'L':
		nf->label = tool_option_value(tool);
		break;
	case OPT_UPDATE:
		nf->update = true;
		break;
	case OPT_DEREFERENCE:
		nf->dereference = true;
		break;
	case OPT_MANGLE:
		nf->mangle = true;
		break;
	case OPT_NO_SYNC:
		nf->no_sync = true;
		break;
	case OPT_SNAPSHOT:
		nf->snapshot = true;
		break;
	case PROGRESS_OPTION_VAL:
		nf->progress_when = tool_option_value(tool);
		nf->when = progress_option(tool, nf->progress_when);
		break;
	}
}

static const struct command *find_command(struct normalfiles *nf)
{
	const char *name = tool_next_operand(&nf->tool);

	if (!name)
		tool_usage_error(&nf->tool, "no command given");
	for (unsigned i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	tool_usage_error(&nf->tool, "there is no command '%s'", name);
}

static void take_operands(struct normalfiles *nf, const struct command *command)
{
	const char *operand;

	while ((operand = tool_next_operand(&nf->tool))) {
		nf->operands = realloc(nf->operands, (nf->n_operands + 1) * sizeof(*nf->operands));
		if (!nf->operands)
			exit(TOOL_FAILED);
		nf->operands[nf->n_operands++] = operand;
	}
	if (nf->n_operands < command->min || nf->n_operands > command->max)
		tool_usage_error(&nf->tool, "usage: %s %s %s", nf->tool.name, command->name,
				 command->operands);
}

int main(int argc, char **argv)
{
	static struct normalfiles nf;
	const struct command *command;
	int option, status;

	tool_init(&nf.tool, "msd-normalfiles", argc, argv, options,
		  "[OPTION…] COMMAND IMAGE …");
	while ((option = tool_next_option(&nf.tool)))
		take_option(&nf, option);
	command = find_command(&nf);
	tool_check_options(&nf.tool, command->name);
	take_operands(&nf, command);
	status = command->run(&nf);
	msd_volume_close(nf.volume);
	msd_io_close(nf.io);
	free(nf.operands);
	free(nf.include);
	free(nf.exclude);
	return progress_exit_status(tool_done(&nf.tool, status));
}
