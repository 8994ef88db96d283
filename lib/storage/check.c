/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wrong with this board: the list of rows. */
#include "storage/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "storage/check-priv.h"

__attribute__((format(printf, 2, 0)))
static char *format(struct check *check, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) >= 0)
		return text;
	check->no_memory = true;
	return NULL;
}

void check_add(struct check *check, enum msd_check_level level, const char *subject,
	       const char *fmt, ...)
{
	struct msd_check *rows = realloc(check->rows, (check->n + 1) * sizeof(*rows));
	va_list ap;

	if (!rows) {
		check->no_memory = true;
		return;
	}
	check->rows = rows;
	va_start(ap, fmt);
	rows[check->n++] = (struct msd_check){ level, subject, format(check, fmt, ap), NULL };
	va_end(ap);
}

void check_hint(struct check *check, const char *fmt, ...)
{
	va_list ap;

	if (check->no_memory)
		return;
	va_start(ap, fmt);
	check->rows[check->n - 1].hint = format(check, fmt, ap);
	va_end(ap);
}

void check_add_error(struct check *check, enum msd_check_level level, const char *subject,
		     const struct msd_error *err)
{
	check_add(check, level, subject, "%s", err->msg);
	if (err->hint[0])
		check_hint(check, "%s", err->hint);
}

int msd_checks_read(const struct msd_check_options *options, struct msd_check **ret, size_t *ret_n,
		    struct msd_error *reterr)
{
	struct check check = { .options = options };

	check_kernel(&check);
	check_gadget(&check);
	check_storage(&check);
	if (check.no_memory) {
		msd_checks_free(check.rows, check.n);
		return msd_fail_errno(reterr, ENOMEM, "check");
	}
	*ret = check.rows;
	*ret_n = check.n;
	return 0;
}

void msd_checks_free(struct msd_check *checks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(checks[i].message);
		free(checks[i].hint);
	}
	free(checks);
}
