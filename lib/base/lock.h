/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Locks between commands: flock on a file in /run, gone when its holder is, however it ends. */
#ifndef MSD_BASE_LOCK_H
#define MSD_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define MSD_RUN_DIR "/run/otgmsd"

/*
 * Opens (makes) the lock file DIR/NAME.lock and locks it. dir is made with mode 0755 when it
 * is missing; neither it nor the file is followed when it is a symlink. Waits up to
 * timeout_ms. The file stays: removing it would let two commands lock two files.
 *
 * Returns 0 with the descriptor (close-on-exec) in *ret_fd, closing it unlocks;
 * -MSD_E_BUSY when the time is up, with what (a text such as "gadget kvmd") in the message;
 * -errno.
 */
int msd_lock_take(const char *dir, const char *name, bool shared, uint64_t timeout_ms,
		  const char *what, int *ret_fd, struct msd_error *reterr);

#endif
