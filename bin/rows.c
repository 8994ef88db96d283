/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists, row by row. */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>

#include "base/parse.h"

static void choose(struct rows *rows, const char *names)
{
	for (size_t len; ; names += len + 1) {
		unsigned i = 0;

		len = strcspn(names, ",");
		while (i < rows->n_columns && (strlen(rows->columns[i].name) != len ||
					       strncasecmp(rows->columns[i].name, names, len)))
			i++;
		if (i == rows->n_columns)
			tool_usage_error(rows->tool, "--output: there is no column '%.*s'", (int)len,
					 names);
		if (rows->n_order < ROWS_COLUMNS_MAX)
			rows->order[rows->n_order++] = i;
		if (!names[len])
			return;
	}
}

/* Rows are many: without printf and the locks of stdio a list takes half the time. */
static void print_blanks(size_t n)
{
	while (n-- > 0)
		putchar_unlocked(' ');
}

/* Columns of the terminal that UTF-8 takes, most times. */
static size_t count_columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void print_cell(const struct rows *rows, unsigned i, const char *text)
{
	const struct rows_column *column = &rows->columns[rows->order[i]];
	bool last = i + 1 == rows->n_order, right = column->type != OUT_TEXT;
	size_t len = strlen(text);
	size_t width = column->width || last ? (size_t)column->width :
					       rows->widest + len - count_columns(text);
	size_t blanks = len < width && !(last && !right) ? width - len : 0;

	if (i > 0)
		putchar_unlocked(' ');
	if (right)
		print_blanks(blanks);
	fwrite_unlocked(text, 1, len, stdout);
	if (!right)
		print_blanks(blanks);
}

/* Rows of a table wait where a column that is as wide as its cells is not the last one. */
static void print_or_hold(struct rows *rows, const char *const cells[])
{
	for (unsigned i = 0; i < rows->n_order; i++) {
		const struct rows_column *column = &rows->columns[rows->order[i]];
		const char *cell = cells[rows->order[i]] ? cells[rows->order[i]] : "";

		if (!rows->held)
			print_cell(rows, i, cell);
		else if (fwrite(cell, strlen(cell) + 1, 1, rows->held) && !column->width)
			rows->widest = MAX(rows->widest, count_columns(cell));
	}
	if (!rows->held)
		putchar_unlocked('\n');
}

void rows_begin(struct rows *rows, struct tool *tool, const char *name,
		const struct rows_column *columns, unsigned n_columns,
		const struct out_options *options)
{
	const char *names[ROWS_COLUMNS_MAX];

	memset(rows, 0, sizeof(*rows));
	rows->tool = tool;
	rows->columns = columns;
	rows->n_columns = n_columns;
	if (options->json && options->pairs)
		tool_usage_error(tool, "--json and --pairs exclude each other");
	rows->form = options->json ? ROWS_JSON : options->pairs ? ROWS_PAIRS : ROWS_TABLE;
	if (options->columns)
		choose(rows, options->columns);
	for (unsigned i = 0; !options->columns && i < n_columns; i++)
		if (!columns[i].hidden)
			rows->order[rows->n_order++] = i;
	if (rows->form == ROWS_JSON)
		printf("{\n   \"%s\": [", name);
	if (rows->form != ROWS_TABLE)
		return;
	for (unsigned i = 0; i < n_columns; i++)
		names[i] = columns[i].name;
	for (unsigned i = 0; i + 1 < rows->n_order && !rows->held; i++)
		if (!columns[rows->order[i]].width)
			rows->held = open_memstream(&rows->text, &rows->text_len);
	if (!options->noheadings)
		print_or_hold(rows, names);
}

void rows_text(struct rows *rows, unsigned column, const char *text)
{
	rows->cells[column] = text;
}

void rows_number(struct rows *rows, unsigned column, uint64_t number)
{
	char *cell = rows->numbers[column];

	if (rows->form == ROWS_TABLE && rows->columns[column].type == OUT_SIZE) {
		msd_format_size(number, cell, sizeof(rows->numbers[0]));
	} else {
		cell += sizeof(rows->numbers[0]) - 1;
		*cell = '\0';
		do {
			*--cell = (char)('0' + number % 10);
		} while ((number /= 10));
	}
	rows->cells[column] = cell;
}

static void print_quoted(const char *text)
{
	putchar_unlocked('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar_unlocked('\\');
		putchar_unlocked(*text);
	}
	putchar_unlocked('"');
}

static void print_key(const char *name)
{
	for (; *name; name++)
		putchar_unlocked(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
}

static void print_json(const struct rows *rows)
{
	fputs(rows->n_rows ? ",\n      {" : "\n      {", stdout);
	for (unsigned i = 0; i < rows->n_order; i++) {
		const char *cell = rows->cells[rows->order[i]];

		fputs(i ? ", \"" : "\"", stdout);
		print_key(rows->columns[rows->order[i]].name);
		fputs("\": ", stdout);
		if (!cell)
			fputs("null", stdout);
		else if (rows->columns[rows->order[i]].type == OUT_TEXT)
			print_quoted(cell);
		else
			fputs(cell, stdout);
	}
	putchar_unlocked('}');
}

static void print_pairs(const struct rows *rows)
{
	for (unsigned i = 0; i < rows->n_order; i++) {
		const char *cell = rows->cells[rows->order[i]];

		printf("%s%s=", i ? " " : "", rows->columns[rows->order[i]].name);
		print_quoted(cell ? cell : "");
	}
	putchar_unlocked('\n');
}

void rows_print(struct rows *rows)
{
	if (rows->form == ROWS_JSON) {
		print_json(rows);
	} else if (rows->form == ROWS_PAIRS) {
		print_pairs(rows);
	} else {
		print_or_hold(rows, rows->cells);
	}
	rows->n_rows++;
	memset(rows->cells, 0, sizeof(rows->cells));
}

void rows_end(struct rows *rows)
{
	const char *cell;

	if (rows->form == ROWS_JSON)
		fputs("\n   ]\n}\n", stdout);
	if (!rows->held)
		return;
	fclose(rows->held);
	cell = rows->text;
	for (unsigned i = 0; cell && cell < rows->text + rows->text_len; cell += strlen(cell) + 1) {
		print_cell(rows, i, cell);
		i = (i + 1) % rows->n_order;
		if (i == 0)
			putchar_unlocked('\n');
	}
	free(rows->text);
}
