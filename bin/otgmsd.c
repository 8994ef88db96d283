/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shows and changes drives: image, CD or flash, rw, eject, wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "config/config.h"
#include "gadget/gadget.h"
#include "out.h"
#include "storage/drive.h"
#include "storage/remote.h"
#include "tool.h"

/* How long the host may take to find a drive that was plugged in anew. */
#define REPLUG_TIMEOUT_MS 15000

enum { SET_RW = 1000, SET_CDROM, SET_IMAGE, UNLOCK, EJECT, FORCE, REPLUG, WAIT, TIMEOUT,
       LIST, DRY_RUN };

static const struct poptOption options[] = {
	{ "gadget", 'g', POPT_ARG_STRING, NULL, 'g', "USB gadget, or GADGET/FUNCTION", "GADGET" },
	{ "instance", 'i', POPT_ARG_STRING, NULL, 'i', "Drive number, 0 by default", "N" },
	{ "lun", 'l', POPT_ARG_STRING, NULL, 'l', "LUN of the drive's function", "LUN" },
	{ "list", 0, POPT_ARG_NONE, NULL, LIST, "List all drives", NULL },
	{ "set-rw", 0, POPT_ARG_STRING, NULL, SET_RW, "Let the host write", "yes|no" },
	{ "set-cdrom", 0, POPT_ARG_STRING, NULL, SET_CDROM, "Be a CD/DVD, not a flash drive", "yes|no" },
	{ "set-image", 0, POPT_ARG_STRING, NULL, SET_IMAGE, "Put the image in", "IMAGE" },
	{ "eject", 0, POPT_ARG_NONE, NULL, EJECT, "Take the image out, first of all", NULL },
	{ "unlock", 0, POPT_ARG_NONE, NULL, UNLOCK, "Take the host's lock on it away", NULL },
	{ "force", 0, POPT_ARG_NONE, NULL, FORCE, "Do what is refused as unsafe", NULL },
	{ "replug", 0, POPT_ARG_NONE, NULL, REPLUG, "Plug the gadget in anew, and wait for the host", NULL },
	{ "wait", 0, POPT_ARG_STRING, NULL, WAIT, "Wait for configured, ejected or inserted", "STATE" },
	{ "timeout", 0, POPT_ARG_STRING, NULL, TIMEOUT, "Wait no longer, then exit with 3", "TIME" },
	{ "dry-run", 0, POPT_ARG_NONE, NULL, DRY_RUN, "Print what would be written where", NULL },
	OUT_OPTIONS,
	POPT_TABLEEND
};

enum column { COL_DRIVE, COL_GADGET, COL_FUNCTION, COL_LUN, COL_CDROM, COL_RW, COL_SIZE, COL_IMAGE,
	      COL_DELETED, COL_REMOVABLE, COL_FUA, COL_INQUIRY };

static const struct out_column columns[] = {
	[COL_DRIVE] = { "DRIVE", OUT_NUMBER, "number, as in -i", false },
	[COL_GADGET] = { "GADGET", OUT_TEXT, "name of the gadget", false },
	[COL_FUNCTION] = { "FUNCTION", OUT_TEXT, "function of the gadget", true },
	[COL_LUN] = { "LUN", OUT_NUMBER, "LUN of the function", false },
	[COL_CDROM] = { "CDROM", OUT_BOOL, "CD/DVD, not a flash drive", false },
	[COL_RW] = { "RW", OUT_BOOL, "the host can write", false },
	[COL_SIZE] = { "SIZE", OUT_SIZE, "size of the image", false },
	[COL_IMAGE] = { "IMAGE", OUT_TEXT, "image that is in", false },
	[COL_DELETED] = { "DELETED", OUT_BOOL, "the image has been removed meanwhile", true },
	[COL_REMOVABLE] = { "REMOVABLE", OUT_BOOL, "the host can eject", true },
	[COL_FUA] = { "FUA", OUT_BOOL, "the host can force its writes to the disk", true },
	[COL_INQUIRY] = { "INQUIRY", OUT_TEXT, "vendor, product, revision", true },
};

/* The command line. */
struct command {
	struct msd_drive_where where;
	struct msd_drive_change change;
	struct out_options out;
	bool list, has_number, changes, replug, has_wait, has_timeout;
	enum msd_wait wait;
	uint64_t timeout_ms;
};

static enum msd_wait parse_wait(struct tool *tool, const char *value)
{
	static const char *const names[] = { "configured", "ejected", "inserted" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(value, names[i]))
			return (enum msd_wait)i;
	tool_usage_error(tool, "--wait: '%s' is none of configured, ejected, inserted", value);
}

static void print_dry_run(void *data, const char *path, const char *value)
{
	char file[MSD_SHELL_QUOTED_MAX(PATH_MAX)], text[MSD_SHELL_QUOTED_MAX(PATH_MAX)];

	msd_shell_quote(path, file, sizeof(file));
	if (!value)
		printf("mount -o remount,rw %s\n", file);
	else if (!value[0])
		printf("echo > %s\n", file);
	else
		printf("echo %s > %s\n", msd_shell_quote(value, text, sizeof(text)), file);
}

static void take_option(struct tool *tool, struct command *command, int option)
{
	const char *value = tool_option_value(tool);
	struct msd_drive_change *change = &command->change;

	switch (option) {
	case 'g':
		command->where.gadget = value;
		break;
	case 'i':
		command->where.number = (unsigned)tool_number(tool, "--instance", value, 1000000);
		command->has_number = true;
		break;
	case 'l':
		command->where.lun = (unsigned)tool_number(tool, "--lun", value, 255);
		break;
	case LIST:
		command->list = true;
		break;
	case SET_RW:
		change->rw = tool_bool(tool, "--set-rw", value) ? MSD_YES : MSD_NO;
		break;
	case SET_CDROM:
		change->cdrom = tool_bool(tool, "--set-cdrom", value) ? MSD_YES : MSD_NO;
		break;
	case SET_IMAGE:
		if (!value[0])
			tool_usage_error(tool, "--set-image: no image is named; --eject takes one out");
		change->image = value;
		break;
	case UNLOCK:
		change->unlock = true;
		break;
	case EJECT:
		change->eject = true;
		break;
	case FORCE:
		change->force = true;
		break;
	case REPLUG:
		command->replug = true;
		change->quiet_type = true;
		break;
	case WAIT:
		command->wait = parse_wait(tool, value);
		command->has_wait = true;
		break;
	case TIMEOUT:
		command->timeout_ms = tool_duration(tool, "--timeout", value);
		command->has_timeout = true;
		break;
	case DRY_RUN:
		change->dry_run = print_dry_run;
		break;
	}
}

/* What does not go together. */
static void check_command(struct tool *tool, struct command *command)
{
	const struct msd_drive_change *change = &command->change;
	const char *operand = tool_next_operand(tool);

	if (operand)
		tool_usage_error(tool, "unexpected argument '%s': an image is named by --set-image",
				 operand);
	command->changes = change->rw != MSD_KEEP || change->cdrom != MSD_KEEP || change->image ||
			   change->eject || change->unlock;
	if (command->list && (command->changes || command->replug || command->has_wait ||
			      command->has_number || command->where.lun != MSD_FIND_ANY))
		tool_usage_error(tool, "--list shows all drives, and changes none");
	if (!command->list && (command->out.json || command->out.pairs || command->out.noheadings ||
			       command->out.columns))
		tool_usage_error(tool, "--json, --pairs, --noheadings and --output belong to --list");
	if (command->has_timeout && !command->has_wait)
		tool_usage_error(tool, "--timeout belongs to --wait");
	if (change->dry_run && command->has_wait)
		tool_usage_error(tool, "--dry-run and --wait exclude each other");
}

static void parse(struct tool *tool, struct command *command)
{
	int option;

	*command = (struct command){
		.where = { .dir = MSD_GADGETS_DIR, .lun = MSD_FIND_ANY },
		.change = { .cdrom = MSD_KEEP, .rw = MSD_KEEP },
		.timeout_ms = MSD_WAIT_FOREVER,
	};
	while ((option = tool_next_option(tool)))
		if (!out_option(tool, option, &command->out))
			take_option(tool, command, option);
	check_command(tool, command);
}

/* The lines of kvmd-otgmsd, which scripts read. */
static void show(const struct msd_lun_state *state)
{
	printf("Image file:  %s%s\n", state->file[0] ? state->file : "<none>",
	       state->deleted ? " (deleted)" : "");
	printf("CD/DVD flag: %s\n", state->cdrom ? "yes" : "no");
	printf("RW flag:     %s\n", state->ro ? "no" : "yes");
}

static int list_drive(struct out *out, const char *dir, const struct msd_drive_id *id,
		      int *timeout_ms, struct msd_error *err)
{
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	struct msd_lun_options opts;
	struct msd_lun_state state;
	struct statx st;
	int asked, rc = msd_lun_open_drive(dir, id, &lun, err);

	if (rc == 0)
		rc = msd_lun_read_state(lun, &state, err);
	if (rc == 0)
		rc = msd_lun_read_options(lun, &opts, err);
	if (rc < 0)
		return rc;
	out_row(out, NULL, NULL);
	out_number(out, COL_DRIVE, id->number);
	out_text(out, COL_GADGET, id->gadget);
	out_text(out, COL_FUNCTION, id->function);
	out_number(out, COL_LUN, id->lun);
	out_bool(out, COL_CDROM, state.cdrom);
	out_bool(out, COL_RW, !state.ro);
	if (state.file[0]) {
		out_text(out, COL_IMAGE, state.file);
		out_bool(out, COL_DELETED, state.deleted);
		asked = state.deleted ? -ENOENT : msd_remote_stat(state.file, *timeout_ms, &st);
		if (asked == 0 && S_ISREG(st.stx_mode))
			out_size(out, COL_SIZE, st.stx_size);
		/* dead servers cost one time-out together */
		if (asked == -ETIMEDOUT)
			*timeout_ms = 0;
	}
	out_bool(out, COL_REMOVABLE, opts.removable);
	out_bool(out, COL_FUA, !opts.nofua);
	out_text(out, COL_INQUIRY, opts.inquiry);
	return 0;
}

static int list(struct tool *tool, const struct command *command, struct msd_error *err)
{
	_cleanup_free_ struct msd_drive_id *ids = NULL;
	struct out *out = out_new(tool, "drives", columns, sizeof(columns) / sizeof(*columns),
				  &command->out);
	int timeout_ms = MSD_REMOTE_TIMEOUT_MS;
	size_t n;
	int rc = msd_find_all(command->where.dir, command->where.gadget, &ids, &n, err);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = list_drive(out, command->where.dir, &ids[i], &timeout_ms, err);
	if (rc < 0)
		return rc;
	out_print(out);
	if (n == 0 && !command->out.json && !command->out.pairs) {
		tool_warn(tool, "there is no drive, in no gadget");
		tool_hint(tool, "otgmsd-gadget %s",
			  faccessat(AT_FDCWD, command->where.dir, F_OK, 0) == 0 ? "start" : "check");
	}
	return 0;
}

static void print_step(void *data, enum msd_log_level level, const char *msg)
{
	if (level == MSD_LOG_STEP)
		printf("%s\n", msg);
}

static int replug(const struct tool *tool, const struct command *command, const char *gadget,
		  struct msd_error *err)
{
	const struct msd_log print = { .fn = print_step };
	bool dry_run = command->change.dry_run;
	const struct msd_gadget_options opts = {
		.host_timeout_ms = REPLUG_TIMEOUT_MS,
		.dry_run = dry_run,
		.log = dry_run ? &print : &tool->log,
	};
	_cleanup_close_ int lock = -1;
	int rc = msd_gadget_lock(MSD_GADGET_LOCK_MS, &lock, err);

	return rc < 0 ? rc : msd_gadget_replug(gadget, &opts, err);
}

static int run(struct tool *tool, struct command *command, struct msd_error *err)
{
	_cleanup_(msd_config_freep) struct msd_config *config = NULL;
	_cleanup_(msd_drive_closep) struct msd_drive *drive = NULL;
	struct msd_lun_state state;
	int rc = msd_config_read(tool->config, &config, err);

	if (rc < 0)
		return rc;
	if (command->list)
		return list(tool, command, err);
	command->where.preferred = config->gadget.name;
	command->change.storage_path = config->storage_path;
	rc = msd_drive_open(&command->where, &tool->log, &drive, err);
	if (rc == 0 && command->changes)
		rc = msd_drive_change(drive, &command->change, &state, err);
	if (rc == 0 && command->replug)
		rc = replug(tool, command, msd_drive_get_id(drive)->gadget, err);
	if (rc == 0 && command->has_wait)
		rc = msd_drive_wait(drive, command->wait, command->timeout_ms,
				    config->storage_path, err);
	if (rc == 0 && (!command->changes || command->replug || command->has_wait))
		rc = msd_drive_read(drive, &state, err);
	if (rc == 0 && !command->change.dry_run)
		show(&state);
	return rc;
}

int main(int argc, char **argv)
{
	static char out_buf[4096];
	struct command command;
	struct msd_error err;
	struct tool tool;
	int rc, status = TOOL_OK;

	/* without a buffer of its own, stdio asks what kind of file it writes to */
	setvbuf(stdout, out_buf, _IOFBF, sizeof(out_buf));

	tool_init(&tool, "otgmsd", argc, argv, options, "[OPTION…]");
	parse(&tool, &command);
	rc = run(&tool, &command, &err);
	if (rc < 0)
		status = tool_report(&tool, rc, &err);
	return tool_done(&tool, status);
}
