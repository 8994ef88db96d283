/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every program does the same way: options, messages, exit status. */
#ifndef MSD_BIN_TOOL_H
#define MSD_BIN_TOOL_H

#include <popt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"

/* Part of the interface: the same in every program and every man page. */
enum tool_exit {
	TOOL_OK = 0,		/* done, or yes */
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,		/* wrong usage or configuration */
	TOOL_NO = 3,		/* the answer is no */
	TOOL_BUSY = 4,
	TOOL_FORMAT = 5,	/* image not recognised or damaged */
	TOOL_REFUSED = 6,	/* refused as unsafe */
	TOOL_NOTFOUND = 7,	/* no such gadget, drive, image, storage, file or folder */
};

struct tool {
	const char *name;		/* the program's */
	bool quiet;			/* -q: no warnings */
	unsigned verbose;		/* -v: how often it was given */
	const char *config;		/* -C, or NULL */
	struct msd_log log;		/* prints warnings, and steps when verbose */
	poptContext popt;
	const struct poptOption *options;	/* the program's own */
	struct poptOption tables[3];	/* those and the common ones: popt keeps pointers to it */
	int *given;			/* what tool_next_option returned, freed by tool_done */
	unsigned n_given;
	char **kept;			/* option values, freed by tool_done */
	unsigned n_kept;
};

/*
 * Begins with popt's table of the program's own options (POPT_ARG_NONE or _STRING with a
 * val of 1000 or a letter, no arg pointer) and the text that --help prints after the name,
 * such as "[OPTION…] IMAGE". The common options are added.
 */
void tool_init(struct tool *tool, const char *name, int argc, char **argv,
	       const struct poptOption *options, const char *operands);

/*
 * The locale for characters, which costs reading some files: help and lists set it, and who has
 * another need of it.
 */
void tool_set_locale(void);

/*
 * The val of the next option, 0 when there is none left. --help, --usage and --version
 * print and exit; -q, -v and -C are taken in; a wrong option ends the program.
 */
int tool_next_option(struct tool *tool);

/*
 * Ends the program when an option was given that is for other commands than this one, as its help
 * text says, which then begins with their names: "put, get: …".
 */
void tool_check_options(struct tool *tool, const char *command);

/* The value of the option that tool_next_option returned; lives as long as tool. */
const char *tool_option_value(struct tool *tool);

/* The next operand, NULL when there is none left; lives as long as tool. */
const char *tool_next_operand(struct tool *tool);

/* Values of options. A bad one ends the program and names option (as in "--size") and value. */
uint64_t tool_size(struct tool *tool, const char *option, const char *value);
uint64_t tool_number(struct tool *tool, const char *option, const char *value, uint64_t max);
bool tool_bool(struct tool *tool, const char *option, const char *value);
uint64_t tool_duration(struct tool *tool, const char *option, const char *value);

/* Ends the program with status 2 and a line that points to --help. */
void tool_usage_error(struct tool *tool, const char *fmt, ...)
	__attribute__((noreturn)) MSD_PRINTF(2, 3);

/* The exit status that a code of the library stands for. */
int tool_exit_status(int rc);

/* "PROGRAM: message" and, if there is one, "PROGRAM: hint: …" on stderr. Returns the status. */
int tool_report(const struct tool *tool, int rc, const struct msd_error *err);

/* A warning, unless -q; a hint may follow with tool_hint. */
void tool_warn(const struct tool *tool, const char *fmt, ...) MSD_PRINTF(2, 3);
void tool_hint(const struct tool *tool, const char *fmt, ...) MSD_PRINTF(2, 3);

/*
 * The text of a hint and a newline; commands in it that read the configuration get the -C that
 * was given. For hints that are rows of a list; the functions above print theirs so.
 */
void tool_put_hint(const struct tool *tool, const char *hint, FILE *file);

/*
 * Frees what tool holds and flushes stdout: what could not be written turns a status of 0
 * into 1 with a message. Returns the status for main to return.
 */
int tool_done(struct tool *tool, int status);

#endif
