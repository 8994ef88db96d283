/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lists of any length: as out.h prints them, but each row at once and none kept in memory, unless
 * a column of any width is asked for before others.
 */
#ifndef MSD_BIN_ROWS_H
#define MSD_BIN_ROWS_H

#include "out.h"

struct rows_column {
	const char *name;	/* as in struct out_column */
	enum out_type type;
	int width;		/* of the cell in a table; 0: as wide as the widest, or the last one */
	bool hidden;
};

#define ROWS_COLUMNS_MAX 16

struct rows {
	struct tool *tool;
	const struct rows_column *columns;
	unsigned n_columns;
	enum { ROWS_TABLE, ROWS_JSON, ROWS_PAIRS } form;
	unsigned order[ROWS_COLUMNS_MAX];	/* of the columns asked for */
	unsigned n_order;
	const char *cells[ROWS_COLUMNS_MAX];	/* of the row being filled, NULL: unknown */
	char numbers[ROWS_COLUMNS_MAX][24];
	uint64_t n_rows;
	FILE *held;		/* into text, cell by cell: what waits for the widest of them */
	char *text;
	size_t text_len;
	size_t widest;
};

/* Columns that do not exist end the program with status 2. Prints the heading. */
void rows_begin(struct rows *rows, struct tool *tool, const char *name,
		const struct rows_column *columns, unsigned n_columns,
		const struct out_options *options);

/* Cells of the row to come; text must live until rows_print and hold no control characters. */
void rows_text(struct rows *rows, unsigned column, const char *text);
void rows_number(struct rows *rows, unsigned column, uint64_t number);

void rows_print(struct rows *rows);
void rows_end(struct rows *rows);

#endif
