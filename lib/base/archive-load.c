/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loading libarchive. */
#include "base/archive-load.h"

#include <dlfcn.h>
#include <string.h>

int msd_archive_load(const char *names, void *functions, struct msd_error *reterr)
{
	void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
	char *to = functions;

	if (!library)
		return msd_fail(reterr, MSD_E_UNSUPPORTED, "libarchive: %s", dlerror());
	for (; *names; names += strlen(names) + 1) {
		void *function = dlsym(library, names);

		if (!function)
			return msd_fail(reterr, MSD_E_UNSUPPORTED, "libarchive: no %s", names);
		memcpy(to, &function, sizeof(function));
		to += sizeof(function);
	}
	return 0;
}
