/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every program does the same way. */
#include "tool.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/shell.h"

enum { OPT_USAGE = 0x10000 };

static const struct poptOption common_options[] = {
	{ "config", 'C', POPT_ARG_STRING, NULL, 'C', "Read FILE instead of " MSD_SYSCONFDIR "/otgmsd.conf", "FILE" },
	{ "quiet", 'q', POPT_ARG_NONE, NULL, 'q', "Print no warnings", NULL },
	{ "verbose", 'v', POPT_ARG_NONE, NULL, 'v', "Say what is done; twice for more", NULL },
	{ "help", 'h', POPT_ARG_NONE, NULL, 'h', "Print this help and exit", NULL },
	{ "usage", 0, POPT_ARG_NONE, NULL, OPT_USAGE, "Print the options in short and exit", NULL },
	{ "version", 'V', POPT_ARG_NONE, NULL, 'V', "Print the version and exit", NULL },
	POPT_TABLEEND
};

static void print_message(const struct tool *tool, const char *label, const char *text)
{
	fprintf(stderr, "%s: %s%s\n", tool->name, label, text);
}

/* The programs that read the configuration and that a hint may tell to run. */
static bool reads_config(const char *word, size_t len)
{
	return (!strncmp(word, "otgmsd", 6) && (len == 6 || word[6] == '-')) ||
	       (len == 9 && !strncmp(word, "msd-store", 9));
}

void tool_put_hint(const struct tool *tool, const char *hint, FILE *file)
{
	do {
		size_t len = strcspn(hint, " ");
		bool last = !hint[len], is_one = tool->config && !last && reads_config(hint, len);

		fprintf(file, "%.*s%s%s%s", (int)len, hint, is_one ? " -C " : "",
			is_one ? msd_quoted(tool->config) : "", last ? "\n" : " ");
		hint += len + !last;
	} while (*hint);
}

static void print_hint(const struct tool *tool, const char *hint)
{
	fprintf(stderr, "%s: hint: ", tool->name);
	tool_put_hint(tool, hint, stderr);
}

static void log_message(void *data, enum msd_log_level level, const char *msg)
{
	const struct tool *tool = data;

	if (level == MSD_LOG_STEP ? !tool->verbose : tool->quiet)
		return;
	if (level == MSD_LOG_HINT)
		print_hint(tool, msg);
	else
		print_message(tool, level == MSD_LOG_WARNING ? "warning: " : "", msg);
}

static void *grow(const struct tool *tool, void *array, size_t bytes)
{
	array = realloc(array, bytes);
	if (!array) {
		print_message(tool, "", strerror(ENOMEM));
		exit(TOOL_FAILED);
	}
	return array;
}

/* Remembers a string to be freed by tool_done. */
static const char *keep(struct tool *tool, char *text)
{
	char **kept;

	if (!text)
		return NULL;
	kept = tool->kept = grow(tool, tool->kept, (tool->n_kept + 1) * sizeof(*kept));
	kept[tool->n_kept++] = text;
	return text;
}

void tool_set_locale(void)
{
	/* not over what the program has chosen itself */
	if (!strcmp(setlocale(LC_CTYPE, NULL), "C"))
		setlocale(LC_CTYPE, "");
}

void tool_init(struct tool *tool, const char *name, int argc, char **argv,
	       const struct poptOption *options, const char *operands)
{
	memset(tool, 0, sizeof(*tool));
	tool->name = name;
	tool->log.fn = log_message;
	tool->log.data = tool;
	tool->options = options;
	tool->tables[0].argInfo = tool->tables[1].argInfo = POPT_ARG_INCLUDE_TABLE;
	tool->tables[0].arg = (void *)options;
	tool->tables[1].arg = (void *)common_options;
	tool->tables[1].descrip = "Common options:";
	tool->popt = poptGetContext(name, argc, (const char **)argv, tool->tables, 0);
	if (!tool->popt) {
		print_message(tool, "", strerror(ENOMEM));
		exit(TOOL_FAILED);
	}
	poptSetOtherOptionHelp(tool->popt, operands);
}

static void print_and_exit(struct tool *tool, int option)
{
	tool_set_locale();
	if (option == 'h')
		poptPrintHelp(tool->popt, stdout, 0);
	else if (option == OPT_USAGE)
		poptPrintUsage(tool->popt, stdout, 0);
	else
		fprintf(stdout, "%s (otgmsd) %s\n", tool->name, MSD_VERSION);
	exit(tool_done(tool, TOOL_OK));
}

int tool_next_option(struct tool *tool)
{
	int option;

	while ((option = poptGetNextOpt(tool->popt)) > 0) {
		switch (option) {
		case 'q':
			tool->quiet = true;
			break;
		case 'v':
			tool->verbose++;
			break;
		case 'C':
			tool->config = tool_option_value(tool);
			break;
		case 'h':
		case 'V':
		case OPT_USAGE:
			print_and_exit(tool, option);
			break;
		default:
			tool->given = grow(tool, tool->given,
					   (tool->n_given + 1) * sizeof(*tool->given));
			tool->given[tool->n_given++] = option;
			return option;
		}
	}
	if (option < -1)
		tool_usage_error(tool, "%s: %s", poptBadOption(tool->popt, POPT_BADOPTION_NOALIAS),
				 poptStrerror(option));
	return 0;
}

/* Whether a help text begins with the names of commands, and this one is not among them. */
static bool is_for_others(const char *help, const char *command)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	size_t len = strspn(help, letters), wanted = strlen(command);
	bool found = false;

	for (;; help += len + 2, len = strspn(help, letters)) {
		found |= len == wanted && !strncmp(help, command, len);
		if (len == 0 || strncmp(help + len, ", ", 2))
			break;
	}
	return len && help[len] == ':' && !found;
}

void tool_check_options(struct tool *tool, const char *command)
{
	for (const struct poptOption *o = tool->options; o->longName; o++)
		for (unsigned i = 0; i < tool->n_given; i++)
			if (tool->given[i] == o->val && is_for_others(o->descrip, command))
				tool_usage_error(tool, "--%s is not for %s", o->longName, command);
}

const char *tool_option_value(struct tool *tool)
{
	return keep(tool, poptGetOptArg(tool->popt));
}

const char *tool_next_operand(struct tool *tool)
{
	return poptGetArg(tool->popt);
}

uint64_t tool_size(struct tool *tool, const char *option, const char *value)
{
	uint64_t n;

	if (msd_parse_size(value, &n) < 0)
		tool_usage_error(tool, "%s: '%s' is not a size: a number with K, M, G or T, or KB, MB …",
				 option, value);
	return n;
}

uint64_t tool_number(struct tool *tool, const char *option, const char *value, uint64_t max)
{
	uint64_t n;

	if (msd_parse_number(value, max, &n) < 0)
		tool_usage_error(tool, "%s: '%s' is not a number of at most %llu", option, value,
				 (unsigned long long)max);
	return n;
}

bool tool_bool(struct tool *tool, const char *option, const char *value)
{
	bool yes;

	if (msd_parse_bool(value, &yes) < 0)
		tool_usage_error(tool, "%s: '%s' is neither yes nor no: 1 0 yes no true false on off",
				 option, value);
	return yes;
}

uint64_t tool_duration(struct tool *tool, const char *option, const char *value)
{
	uint64_t ms;

	if (msd_parse_duration(value, &ms) < 0)
		tool_usage_error(tool, "%s: '%s' is not a time: a number of seconds, or with ms, s, m or h",
				 option, value);
	return ms;
}

void tool_usage_error(struct tool *tool, const char *fmt, ...)
{
	char msg[PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	print_message(tool, "", msg);
	fprintf(stderr, "%s: hint: %s --help\n", tool->name, tool->name);
	exit(tool_done(tool, TOOL_USAGE));
}

int tool_exit_status(int rc)
{
	if (rc == 0)
		return TOOL_OK;
	if (rc == -ENOENT)
		return TOOL_NOTFOUND;
	if (-rc < MSD_E_FAILED)
		return TOOL_FAILED;
	return (-rc - 5000) / 100;
}

int tool_report(const struct tool *tool, int rc, const struct msd_error *err)
{
	print_message(tool, "", err->msg);
	if (err->hint[0])
		print_hint(tool, err->hint);
	else if ((rc == -EACCES || rc == -EPERM) && geteuid() != 0)
		print_hint(tool, "type sudo in front of the command");
	return tool_exit_status(rc);
}

void tool_warn(const struct tool *tool, const char *fmt, ...)
{
	char msg[PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_message((void *)tool, MSD_LOG_WARNING, msg);
}

void tool_hint(const struct tool *tool, const char *fmt, ...)
{
	char msg[PATH_MAX + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_message((void *)tool, MSD_LOG_HINT, msg);
}

int tool_done(struct tool *tool, int status)
{
	int failed = ferror(stdout) ? EIO : 0;

	if (fflush(stdout) < 0)
		failed = errno;
	/* a reader that left early, as head does, has what it wanted */
	if (failed && failed != EPIPE) {
		print_message(tool, "standard output: ", strerror(failed));
		if (status == TOOL_OK)
			status = TOOL_FAILED;
	}
	poptFreeContext(tool->popt);
	tool->popt = NULL;
	for (unsigned i = 0; i < tool->n_kept; i++)
		free(tool->kept[i]);
	free(tool->kept);
	tool->kept = NULL;
	tool->n_kept = 0;
	free(tool->given);
	tool->given = NULL;
	tool->n_given = 0;
	return status;
}
