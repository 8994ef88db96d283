/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel threads file-storage, one for each mass-storage function that is linked. */
#ifndef MSD_GADGET_THREADS_H
#define MSD_GADGET_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Takes away the locks that hosts hold on media, by SIGUSR1 to each thread: the way of kernels
 * that have no forced_eject. The threads act on it a little later. Returns 0 or -errno.
 */
int msd_threads_unlock(struct msd_error *reterr);

/*
 * The bytes that all of them have written so far on behalf of hosts: two readings tell whether
 * a host is writing. Returns 0 or -errno.
 */
int msd_threads_read_written(uint64_t *ret_bytes, struct msd_error *reterr);

/* Whether one of them waits in the kernel for a file that does not answer, and goes on waiting. */
bool msd_threads_are_stuck(void);

#endif
