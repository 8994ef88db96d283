/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Partition tables: what comes out lies within the image. */
#include "volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct msd_damage damage = { ignore_damage, NULL };
	struct msd_ptable table;
	struct msd_io *io;

	if (msd_io_new(&memory_ops, (void *)data, "input", 0, size, &io) < 0)
		return 0;
	if (msd_ptable_read(io, &damage, &table, NULL) == 0)
		for (unsigned i = 0; i < table.n_partitions; i++)
			if (table.partitions[i].offset_bytes > size ||
			    table.partitions[i].size_bytes > size - table.partitions[i].offset_bytes)
				abort();
	msd_io_close(io);
	read_all(data, size);
	return 0;
}
