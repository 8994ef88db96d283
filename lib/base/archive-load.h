/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libarchive, loaded when it is needed: with it come libxml2, ICU and a dozen others, which take
 * longer to load than most images take to make or to list.
 */
#ifndef MSD_BASE_ARCHIVE_LOAD_H
#define MSD_BASE_ARCHIVE_LOAD_H

#include "base/error.h"

/* A structure of pointers to functions, and their names, from a list F(name) F(name) … */
#define MSD_ARCHIVE_MEMBER(name) __typeof__(&name) name;
#define MSD_ARCHIVE_NAME(name) #name "\0"

/*
 * Looks the functions up: functions is such a structure. libarchive stays loaded. Returns 0 or
 * -MSD_E_UNSUPPORTED.
 */
int msd_archive_load(const char *names, void *functions, struct msd_error *reterr);

#endif
