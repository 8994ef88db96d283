/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a volume; the corpus has those of fat. */
#include "volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size);
	return 0;
}
