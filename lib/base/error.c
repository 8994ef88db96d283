/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Error reports. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int msd_fail(struct msd_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;

	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -code;
}

int msd_fail_errno(struct msd_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -errnum;

	err->code = errnum;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	msd_append(err->msg, sizeof(err->msg), ": ", "%s", strerror(errnum));
	return -errnum;
}

int msd_fail_on(struct msd_error *err, int errnum, const char *subject)
{
	return msd_fail_errno(err, errnum, "%s", subject);
}

int msd_fail_os(struct msd_error *err, const char *subject)
{
	return msd_fail_on(err, errno, subject);
}

void msd_hint(struct msd_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

void msd_prefix(struct msd_error *err, const char *subject)
{
	char text[sizeof(err->msg)];

	if (!err)
		return;

	strcpy(text, err->msg);
	snprintf(err->msg, sizeof(err->msg), "%s: %s", subject, text);
}
