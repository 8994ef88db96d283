/* SPDX-License-Identifier: GPL-3.0-or-later */
/* otgmsd-gadget: build, tear down and replug the USB gadget, switch mass storage on and off. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config/config.h"
#include "gadget/find.h"
#include "gadget/gadget.h"
#include "out.h"
#include "storage/check.h"
#include "storage/remote.h"
#include "tool.h"

/* PiKVM's name, which scripts know. */
#define DEFAULT_GADGET "kvmd"
#define DEFAULT_HOST_TIMEOUT_MS 10000

enum { OPT_CONTROLLER = 1000, OPT_DRIVES, OPT_SHAPE, OPT_SOFT, OPT_TIMEOUT, OPT_DRY_RUN };

static const struct poptOption options[] = {
	{ "gadget", 'g', POPT_ARG_STRING, NULL, 'g', "Gadget in configfs", "NAME" },
	{ "controller", 0, POPT_ARG_STRING, NULL, OPT_CONTROLLER, "start, restart, enable, disable, replug, check: USB device controller to bind to", "NAME" },
	{ "drives", 0, POPT_ARG_STRING, NULL, OPT_DRIVES, "start, restart: number of drives, 1 to 8", "N" },
	{ "shape", 0, POPT_ARG_STRING, NULL, OPT_SHAPE, "start, restart: functions, one per drive, or luns, one for all", "SHAPE" },
	{ "soft", 0, POPT_ARG_NONE, NULL, OPT_SOFT, "replug: try it with functions left bound", NULL },
	{ "timeout", 0, POPT_ARG_STRING, NULL, OPT_TIMEOUT, "start, restart, enable, replug: wait for controller or host", "TIME" },
	{ "dry-run", 0, POPT_ARG_NONE, NULL, OPT_DRY_RUN, "start, stop, restart, enable, disable, replug: print what would be done, do nothing", NULL },
	OUT_OPTIONS_FOR("status, check: print"),
	POPT_TABLEEND
};

struct command {
	struct tool tool;
	const struct verb *verb;
	struct msd_config *config;
	const char *gadget;		/* -g, or NULL */
	struct msd_gadget_options gadget_options;
	struct msd_log dry_log;
	const char *controller, *drives, *shape, *timeout;
	bool listed;			/* an option of lists was given */
	struct out_options out;
};

struct verb {
	const char *name;
	bool builds;			/* wants --drives and --shape */
	int (*run)(struct command *command, struct msd_error *err);
};

/* Steps of a dry run are what was asked for, so they go to stdout. */
static void print_step(void *data, enum msd_log_level level, const char *msg)
{
	struct tool *tool = data;

	if (level == MSD_LOG_STEP)
		fprintf(stdout, "%s\n", msg);
	else
		tool->log.fn(tool->log.data, level, msg);
}

static int run_start(struct command *command, struct msd_error *err)
{
	return msd_gadget_start(&command->config->gadget, &command->gadget_options, err);
}

/* What does not answer cannot be kept in, and shall not hang us. */
static int free_drives(struct command *command, struct msd_error *err)
{
	return msd_remote_free_gadget(command->config->gadget.name, command->gadget_options.dry_run,
				      &command->tool.log, err);
}

static int run_stop(struct command *command, struct msd_error *err)
{
	int rc = free_drives(command, err);

	return rc < 0 ? rc : msd_gadget_stop(command->config->gadget.name, &command->gadget_options, err);
}

static int run_restart(struct command *command, struct msd_error *err)
{
	int rc = free_drives(command, err);

	return rc < 0 ? rc : msd_gadget_restart(&command->config->gadget, &command->gadget_options, err);
}

/* Without -g these take the gadget that otgmsd takes. */
static int run_on_drives(struct command *command, struct msd_error *err,
			 int (*run)(const char *, const struct msd_gadget_options *,
				    struct msd_error *))
{
	char found[NAME_MAX + 1];
	const char *name = command->gadget ? command->gadget : found;
	int rc = msd_gadget_check_configfs(err);

	if (rc == 0 && !command->gadget)
		rc = msd_find_gadget(MSD_GADGETS_DIR, command->config->gadget.name, found, err);
	if (rc == 0)
		rc = msd_remote_free_gadget(name, true, &command->tool.log, err);
	return rc < 0 ? rc : run(name, &command->gadget_options, err);
}

static int run_replug(struct command *command, struct msd_error *err)
{
	return run_on_drives(command, err, msd_gadget_replug);
}

static int run_enable(struct command *command, struct msd_error *err)
{
	return run_on_drives(command, err, msd_gadget_enable);
}

static int run_disable(struct command *command, struct msd_error *err)
{
	return run_on_drives(command, err, msd_gadget_disable);
}

enum { COL_GADGET, COL_OWN, COL_CONTROLLER, COL_STATE, COL_SPEED, COL_DRIVES, COL_ENABLED,
       COL_FUNCTIONS, N_COLUMNS };

static const struct out_column columns[N_COLUMNS] = {
	[COL_GADGET] = { "GADGET", OUT_TEXT, "name in configfs" },
	[COL_OWN] = { "OWN", OUT_BOOL, "made by otgmsd-gadget" },
	[COL_CONTROLLER] = { "CONTROLLER", OUT_TEXT, "that it is bound to" },
	[COL_STATE] = { "STATE", OUT_TEXT, "what the host has made of it" },
	[COL_SPEED] = { "SPEED", OUT_TEXT, "of the link to the host" },
	[COL_DRIVES] = { "DRIVES", OUT_NUMBER, "drives that there are" },
	[COL_ENABLED] = { "ENABLED", OUT_NUMBER, "drives that the host is shown" },
	[COL_FUNCTIONS] = { "FUNCTIONS", OUT_TEXT, "functions that the host is shown" },
};

static int run_status(struct command *command, struct msd_error *err)
{
	_cleanup_free_ struct msd_gadget_status *status = NULL;
	bool bound = false;
	struct out *out;
	size_t n;
	int rc = msd_gadget_read_status(command->gadget, &status, &n, err);

	if (rc < 0)
		return rc;
	out = out_new(&command->tool, "gadgets", columns, N_COLUMNS, &command->out);
	for (size_t i = 0; i < n; i++) {
		const struct msd_gadget_status *s = &status[i];

		out_row(out, NULL, NULL);
		out_text(out, COL_GADGET, s->name);
		out_bool(out, COL_OWN, s->own);
		out_text(out, COL_CONTROLLER, s->controller);
		out_text(out, COL_STATE, s->state);
		out_text(out, COL_SPEED, s->speed);
		out_number(out, COL_DRIVES, s->n_drives);
		out_number(out, COL_ENABLED, s->n_enabled);
		out_text(out, COL_FUNCTIONS, s->functions);
		bound |= s->controller[0];
	}
	out_print(out);
	/* the list has said it */
	err->msg[0] = '\0';
	return bound ? 0 : -MSD_E_NO;
}

enum { CHECK_STATUS, CHECK_SUBJECT, CHECK_MESSAGE, CHECK_HINT, N_CHECK_COLUMNS };

static const struct out_column check_columns[N_CHECK_COLUMNS] = {
	[CHECK_STATUS] = { "STATUS", OUT_TEXT, "OK, WARN or FAIL" },
	[CHECK_SUBJECT] = { "CHECK", OUT_TEXT, "what was looked at" },
	[CHECK_MESSAGE] = { "MESSAGE", OUT_TEXT, "what is so" },
	[CHECK_HINT] = { "HINT", OUT_TEXT, "what to type or to change" },
};

static const char *const check_levels[] = { "OK", "WARN", "FAIL" };

/* For people: a hint would make the line of a table too long to read. */
static void print_checks(const struct tool *tool, const struct msd_check *checks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(stdout, "%-4s %-12s %s\n", check_levels[checks[i].level],
			checks[i].subject, checks[i].message);
		if (checks[i].hint) {
			fprintf(stdout, "%17s hint: ", "");
			tool_put_hint(tool, checks[i].hint, stdout);
		}
	}
}

static void list_checks(struct command *command, const struct msd_check *checks, size_t n)
{
	struct out *out = out_new(&command->tool, "checks", check_columns, N_CHECK_COLUMNS,
				  &command->out);

	for (size_t i = 0; i < n; i++) {
		out_row(out, NULL, NULL);
		out_text(out, CHECK_STATUS, check_levels[checks[i].level]);
		out_text(out, CHECK_SUBJECT, checks[i].subject);
		out_text(out, CHECK_MESSAGE, checks[i].message);
		out_text(out, CHECK_HINT, checks[i].hint);
	}
	out_print(out);
}

static int run_check(struct command *command, struct msd_error *err)
{
	const struct msd_check_options wanted = {
		.gadget = command->gadget ? command->gadget : command->config->gadget.name,
		.controller = command->gadget_options.controller,
		.storage_path = command->config->storage_path,
	};
	struct msd_check *checks;
	bool failed = false;
	size_t n;
	int rc = msd_checks_read(&wanted, &checks, &n, err);

	if (rc < 0)
		return rc;
	if (command->listed)
		list_checks(command, checks, n);
	else
		print_checks(&command->tool, checks, n);
	for (size_t i = 0; i < n; i++)
		failed |= checks[i].level == MSD_CHECK_FAIL;
	msd_checks_free(checks, n);
	/* the list has said it */
	err->msg[0] = '\0';
	return failed ? -MSD_E_NO : 0;
}

static const struct verb verbs[] = {
	{ "start", true, run_start },
	{ "stop", false, run_stop },
	{ "restart", true, run_restart },
	{ "status", false, run_status },
	{ "replug", false, run_replug },
	{ "enable", false, run_enable },
	{ "disable", false, run_disable },
	{ "check", false, run_check },
};

static const struct verb *find_verb(struct tool *tool)
{
	const char *name = tool_next_operand(tool);
	char known[128] = "";

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (name && !strcmp(verbs[i].name, name))
			return &verbs[i];
		msd_append(known, sizeof(known), ", ", "%s", verbs[i].name);
	}
	if (!name)
		tool_usage_error(tool, "what to do is missing: %s", known);
	tool_usage_error(tool, "%s: not one of %s", name, known);
}

static void parse_options(struct command *command)
{
	struct tool *tool = &command->tool;
	int option;

	while ((option = tool_next_option(tool))) {
		if (option == 'g')
			command->gadget = tool_option_value(tool);
		else if (option == OPT_CONTROLLER)
			command->controller = tool_option_value(tool);
		else if (option == OPT_DRIVES)
			command->drives = tool_option_value(tool);
		else if (option == OPT_SHAPE)
			command->shape = tool_option_value(tool);
		else if (option == OPT_TIMEOUT)
			command->timeout = tool_option_value(tool);
		else if (option == OPT_SOFT)
			command->gadget_options.soft = true;
		else if (option == OPT_DRY_RUN)
			command->gadget_options.dry_run = true;
		else
			command->listed |= out_option(tool, option, &command->out);
	}
	command->verb = find_verb(tool);
	tool_check_options(tool, command->verb->name);
	if (tool_next_operand(tool))
		tool_usage_error(tool, "%s: takes nothing behind it", command->verb->name);
}

/* What the options say goes before what the file says. */
static void apply_options(struct command *command)
{
	struct msd_gadget_spec *spec = &command->config->gadget;
	struct msd_gadget_options *o = &command->gadget_options;
	struct tool *tool = &command->tool;
	uint64_t n;

	if (command->drives) {
		n = tool_number(tool, "--drives", command->drives, MSD_DRIVES_MAX);
		if (n == 0)
			tool_usage_error(tool, "--drives: at least 1; '%s stop' removes all", tool->name);
		spec->n_drives = (unsigned)n;
	}
	if (command->shape && !strcmp(command->shape, "luns"))
		spec->shape = MSD_SHAPE_LUNS;
	else if (command->shape && !strcmp(command->shape, "functions"))
		spec->shape = MSD_SHAPE_FUNCTIONS;
	else if (command->shape)
		tool_usage_error(tool, "--shape: '%s' is not 'functions' or 'luns'", command->shape);
	o->controller = command->controller ? command->controller : spec->controller;
	o->host_timeout_ms = DEFAULT_HOST_TIMEOUT_MS;
	if (command->timeout)
		o->host_timeout_ms = o->controller_timeout_ms =
			tool_duration(tool, "--timeout", command->timeout);
	command->dry_log = (struct msd_log){ print_step, tool };
	o->log = o->dry_run ? &command->dry_log : &tool->log;
}

/* start, stop and restart know their gadget by name alone, it need not be there. */
static int name_gadget(struct command *command, struct msd_error *err)
{
	struct msd_gadget_spec *spec = &command->config->gadget;
	const char *name = command->gadget;

	if (!name && (spec->name || !(command->verb->builds || command->verb->run == run_stop)))
		return 0;
	free(spec->name);
	spec->name = strdup(name ? name : DEFAULT_GADGET);
	return spec->name ? 0 : msd_fail_errno(err, ENOMEM, "gadget");
}

static int run(struct command *command, struct msd_error *err)
{
	_cleanup_close_ int lock = -1;
	int rc = msd_config_read(command->tool.config, &command->config, err);

	if (rc < 0)
		return rc;
	apply_options(command);
	rc = name_gadget(command, err);
	if (rc == 0 && command->verb->run != run_status && command->verb->run != run_check &&
	    !command->gadget_options.dry_run)
		rc = msd_gadget_lock(MSD_GADGET_LOCK_MS, &lock, err);
	return rc < 0 ? rc : command->verb->run(command, err);
}

int main(int argc, char **argv)
{
	struct command command = { 0 };
	struct msd_error err = { 0 };
	int rc, status;

	tool_init(&command.tool, "otgmsd-gadget", argc, argv, options,
		  "[OPTION…]\n       start|stop|restart|status|replug|enable|disable|check");
	parse_options(&command);
	rc = run(&command, &err);
	status = tool_exit_status(rc);
	if (rc < 0 && err.msg[0])
		tool_report(&command.tool, rc, &err);
	msd_config_free(command.config);
	return tool_done(&command.tool, status);
}
