/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a local variable owns is given back when it goes out of scope. */
#ifndef MSD_BASE_CLEANUP_H
#define MSD_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void msd_freep(void *p)
{
	free(*(void **)p);
}

static inline void msd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void msd_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ _cleanup_(msd_freep)
#define _cleanup_close_ _cleanup_(msd_closep)
#define _cleanup_fclose_ _cleanup_(msd_fclosep)

/* Takes what a cleanup variable owns, so that it outlives the scope. */
static inline int msd_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define msd_steal(ptr)                          \
	({                                      \
		__typeof__(ptr) *p_ = &(ptr);   \
		__typeof__(ptr) taken_ = *p_;   \
		*p_ = NULL;                     \
		taken_;                         \
	})

#endif
