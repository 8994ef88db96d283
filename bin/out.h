/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists, as findmnt and lsblk print them: a table, JSON or KEY="value" pairs. */
#ifndef MSD_BIN_OUT_H
#define MSD_BIN_OUT_H

#include <libsmartcols.h>
#include <stdbool.h>
#include <stdint.h>

#include "tool.h"

enum out_type { OUT_TEXT, OUT_NUMBER, OUT_BOOL, OUT_SIZE };

/* One column: its name is the heading and, in lower case, the JSON key. */
struct out_column {
	const char *name;	/* capitals, digits and _ only */
	enum out_type type;	/* OUT_SIZE: readable in a table, a byte number elsewhere */
	const char *help;
	bool hidden;		/* only with --output */
};

/*
 * The options that every list takes; the program copies this into its table. _FOR names the
 * commands that print lists.
 */
#define OUT_OPTIONS OUT_OPTIONS_FOR("Print")
#define OUT_OPTIONS_FOR(print)                                                                    \
	{ "json", 'J', POPT_ARG_NONE, NULL, 'J', print " JSON", NULL },                           \
	{ "pairs", 'P', POPT_ARG_NONE, NULL, 'P', print " KEY=\"value\" pairs", NULL },           \
	{ "noheadings", 'n', POPT_ARG_NONE, NULL, 'n', print " no heading line", NULL },          \
	{ "output", 'o', POPT_ARG_STRING, NULL, 'o', print " these columns", "COLUMNS" }

struct out_options {
	bool json, pairs, noheadings;
	const char *columns;	/* comma separated, any case; NULL for the default */
};

/* Takes in J, P, n and o. Returns whether option was one of them. */
bool out_option(struct tool *tool, int option, struct out_options *options);

struct out;

/*
 * A list called name (the JSON key of the array). Columns that do not exist end the program
 * with status 2 and the names that do.
 */
struct out *out_new(struct tool *tool, const char *name, const struct out_column *columns,
		    unsigned n_columns, const struct out_options *options);

/* A new row; parent may be NULL. The setters below fill the one made last. */
void out_row(struct out *out, struct libscols_line *parent, struct libscols_line **ret);

/* By column index; a column that was not asked for is passed over, and one not set is null. */
void out_text(struct out *out, unsigned column, const char *text);
void out_number(struct out *out, unsigned column, uint64_t number);
void out_bool(struct out *out, unsigned column, bool yes);
void out_size(struct out *out, unsigned column, uint64_t bytes);

/* Prints and frees. */
void out_print(struct out *out);

/* Two lists of the same options: one JSON object, or one below the other. */
void out_print_both(struct out *first, struct out *second);

#endif
