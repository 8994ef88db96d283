/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reports of damage. */
#include "base/damage.h"

#include <stdarg.h>
#include <stdio.h>

void msd_damage(const struct msd_damage *damage, uint64_t offset_bytes, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (!damage || !damage->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	damage->fn(damage->data, offset_bytes, what);
}
