/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The serial number by which a host knows this board again. */
#include "serial-priv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "gadget/attr.h"

/* FNV-1a: machine-id(5) is not to be shown to others, and 64 of its 128 bits cannot be undone. */
static uint64_t digest(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

void msd_serial_make(const char *gadget, char ret[MSD_SERIAL_LEN])
{
	/* the second is the board's own number, on machines with a device tree */
	static const char *const sources[] = {
		"/etc/machine-id", "/sys/firmware/devicetree/base/serial-number",
	};
	uint64_t hash = digest(0xcbf29ce484222325, gadget);
	char text[256];

	for (unsigned i = 0; i < 2; i++)
		if (msd_attr_read(AT_FDCWD, sources[i], text, sizeof(text), NULL) == 0 && text[0]) {
			hash = digest(hash, text);
			break;
		}
	snprintf(ret, MSD_SERIAL_LEN, "%016" PRIX64, hash);
}
