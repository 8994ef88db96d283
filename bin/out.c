/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists: a table, JSON or pairs. */
#include "out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/text.h"

struct out {
	struct tool *tool;
	const struct out_column *columns;
	unsigned n_columns;
	int *place;			/* of a column in the table, -1: not asked for */
	int n_places;
	bool machine;			/* JSON or pairs: plain numbers */
	bool json;
	struct libscols_table *table;
	struct libscols_line *line;
};

static void check(struct out *out, int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s\n", out->tool->name, strerror(-rc));
	exit(TOOL_FAILED);
}

static void *check_memory(struct out *out, void *p)
{
	check(out, p ? 0 : -ENOMEM);
	return p;
}

bool out_option(struct tool *tool, int option, struct out_options *options)
{
	switch (option) {
	case 'J':
		options->json = true;
		return true;
	case 'P':
		options->pairs = true;
		return true;
	case 'n':
		options->noheadings = true;
		return true;
	case 'o':
		options->columns = tool_option_value(tool);
		return true;
	default:
		return false;
	}
}

static int find_column(const struct out *out, const char *name, size_t len)
{
	for (unsigned i = 0; i < out->n_columns; i++)
		if (strlen(out->columns[i].name) == len &&
		    !strncasecmp(out->columns[i].name, name, len))
			return (int)i;
	return -1;
}

static void unknown_column(struct out *out, const char *name, size_t len)
{
	char known[1024] = "";

	for (unsigned i = 0; i < out->n_columns; i++)
		msd_append(known, sizeof(known), ",", "%s", out->columns[i].name);
	tool_usage_error(out->tool, "--output: there is no column '%.*s', only %s", (int)len, name,
			 known);
}

static void add_column(struct out *out, unsigned i)
{
	static const int json_types[] = {
		[OUT_TEXT] = SCOLS_JSON_STRING,
		[OUT_NUMBER] = SCOLS_JSON_NUMBER,
		/* 2.38 prints an unset BOOLEAN as false; a NUMBER is printed as it is, or null */
		[OUT_BOOL] = SCOLS_JSON_NUMBER,
		[OUT_SIZE] = SCOLS_JSON_NUMBER,
	};
	const struct out_column *column = &out->columns[i];
	int flags = column->type == OUT_NUMBER || column->type == OUT_SIZE ? SCOLS_FL_RIGHT : 0;
	struct libscols_column *cl;

	if (out->place[i] >= 0)
		return;
	cl = check_memory(out, scols_table_new_column(out->table, column->name, 0, flags));
	check(out, scols_column_set_json_type(cl, json_types[column->type]));
	out->place[i] = out->n_places++;
}

static void add_columns(struct out *out, const char *names)
{
	if (!names) {
		for (unsigned i = 0; i < out->n_columns; i++)
			if (!out->columns[i].hidden)
				add_column(out, i);
		return;
	}
	for (size_t len; ; names += len + 1) {
		int i;

		len = strcspn(names, ",");
		i = find_column(out, names, len);
		if (i < 0)
			unknown_column(out, names, len);
		add_column(out, (unsigned)i);
		if (!names[len])
			return;
	}
}

struct out *out_new(struct tool *tool, const char *name, const struct out_column *columns,
		    unsigned n_columns, const struct out_options *options)
{
	struct out *out = calloc(1, sizeof(*out));

	if (!out || !(out->place = malloc(n_columns * sizeof(*out->place)))) {
		fprintf(stderr, "%s: %s\n", tool->name, strerror(ENOMEM));
		exit(TOOL_FAILED);
	}
	if (options->json && options->pairs)
		tool_usage_error(tool, "--json and --pairs exclude each other");
	out->tool = tool;
	out->columns = columns;
	out->n_columns = n_columns;
	out->json = options->json;
	out->machine = options->json || options->pairs;
	for (unsigned i = 0; i < n_columns; i++)
		out->place[i] = -1;
	tool_set_locale();
	out->table = check_memory(out, scols_new_table());
	check(out, scols_table_set_name(out->table, name));
	check(out, scols_table_enable_json(out->table, options->json));
	check(out, scols_table_enable_export(out->table, options->pairs));
	check(out, scols_table_enable_noheadings(out->table, options->noheadings));
	add_columns(out, options->columns);
	return out;
}

void out_row(struct out *out, struct libscols_line *parent, struct libscols_line **ret)
{
	out->line = check_memory(out, scols_table_new_line(out->table, parent));
	if (ret)
		*ret = out->line;
}

/* libsmartcols 2.38 makes JSON that no program reads of what is not UTF-8: \xNN stands for it. */
static char *escape(const char *text)
{
	char *escaped = malloc(4 * strlen(text) + 1), *p = escaped;
	mbstate_t state = { 0 };
	size_t left = strlen(text);

	if (!escaped)
		return NULL;
	while (left > 0) {
		wchar_t wc;
		size_t n = mbrtowc(&wc, text, left, &state);

		if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
			memset(&state, 0, sizeof(state));
			p += snprintf(p, 5, "\\x%02x", (unsigned char)*text);
			n = 1;
		} else {
			p = mempcpy(p, text, n);
		}
		text += n;
		left -= n;
	}
	*p = '\0';
	return escaped;
}

static void set_cell(struct out *out, unsigned column, const char *text)
{
	if (out->place[column] >= 0)
		check(out, scols_line_set_data(out->line, (size_t)out->place[column], text));
}

void out_text(struct out *out, unsigned column, const char *text)
{
	_cleanup_free_ char *escaped = NULL;

	if (!text || !text[0])
		return;
	if (!out->json) {
		set_cell(out, column, text);
		return;
	}
	escaped = check_memory(out, escape(text));
	set_cell(out, column, escaped);
}

void out_number(struct out *out, unsigned column, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	set_cell(out, column, text);
}

void out_bool(struct out *out, unsigned column, bool yes)
{
	if (out->json)
		set_cell(out, column, yes ? "true" : "false");
	else
		set_cell(out, column, yes ? "yes" : "no");
}

void out_size(struct out *out, unsigned column, uint64_t bytes)
{
	char text[24];

	if (out->machine)
		out_number(out, column, bytes);
	else
		set_cell(out, column, msd_format_size(bytes, text, sizeof(text)));
}

static void out_free(struct out *out)
{
	scols_unref_table(out->table);
	free(out->place);
	free(out);
}

void out_print(struct out *out)
{
	check(out, scols_print_table(out->table));
	out_free(out);
}

/* libsmartcols makes an object of each table: the first one's end and the second's begin go. */
static void print_joined(struct out *first, struct out *second)
{
	_cleanup_free_ char *a = NULL, *b = NULL;
	const char *end, *begin;

	check(first, scols_print_table_to_string(first->table, &a));
	check(second, scols_print_table_to_string(second->table, &b));
	end = strrchr(a, '}');
	begin = strchr(b, '{');
	if (!end || !begin)
		check(first, -EINVAL);
	while (end > a && end[-1] == '\n')
		end--;
	fprintf(stdout, "%.*s,%s", (int)(end - a), a, begin + 1);
}

void out_print_both(struct out *first, struct out *second)
{
	if (first->json) {
		print_joined(first, second);
		out_free(first);
		out_free(second);
		return;
	}
	out_print(first);
	putchar('\n');
	out_print(second);
}
