/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel says in its log and nowhere else. */
#ifndef MSD_GADGET_KMSG_H
#define MSD_GADGET_KMSG_H

#include <stdbool.h>

#include "base/error.h"

/*
 * The kernel's log from now on: what is logged after this call is what msd_kmsg_find sees.
 * Returns 0 with a descriptor that the caller closes; -EPERM, -ENOENT and so on where it may
 * not be read.
 */
int msd_kmsg_open(int *ret_fd, struct msd_error *reterr);

/*
 * Whether a message that has come since holds both texts; reads on from where it stopped the
 * last time and never waits.
 */
bool msd_kmsg_find(int fd, const char *text, const char *other_text);

#endif
