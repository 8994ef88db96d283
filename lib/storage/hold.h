/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The storage writable just as long as someone needs it.
 *
 * Holders are counted by a lock that dies with its process. The first makes the storage rw, the
 * last makes it ro again, also when it was killed: each holder has a guardian process that
 * outlives it and then does what it could not do. A storage that was rw before the first holder
 * came stays rw. A drive that has an image with rw holds the storage too, though no process
 * lives: that is read from the kernel. Both guardian and holder killed: the next command that
 * calls any function here tidies up.
 *
 *	struct msd_hold *hold;
 *	rc = msd_hold_new(&root, MSD_HOLD_TIMEOUT_MS, &hold, &err);	// rw from here
 *	… write …
 *	rc = msd_hold_release(hold, &err);	// ro, when it was the last
 *
 * otgmsd with rw: hold, insert, release (the drive goes on holding); after an eject:
 * msd_hold_settle. A process that is forked without exec must not outlive the hold, since it
 * has the lock in common with its parent.
 */
#ifndef MSD_STORAGE_HOLD_H
#define MSD_STORAGE_HOLD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "storage/root.h"

/* How long another command may need to make the storage ro: it syncs what was written. */
#define MSD_HOLD_TIMEOUT_MS 60000

struct msd_hold;

/*
 * Makes the storage rw and holds it so. On a storage that is no mount of its own only looks
 * whether it can be written. Waits up to timeout_ms for a command that is just remounting.
 * Returns 0; -MSD_E_BUSY; what msd_mount_set_readonly returns; -EROFS; -errno. After a failure
 * the storage is as it was.
 */
int msd_hold_new(const struct msd_root *root, uint64_t timeout_ms, struct msd_hold **ret,
		 struct msd_error *reterr);

/*
 * Gives it back and frees hold in any case; the last one makes the storage ro. NULL is fine.
 * Returns 0, also when others hold it or a drive has an image with rw; -MSD_E_BUSY naming who
 * writes: the storage becomes ro by itself once they are through; -errno.
 */
int msd_hold_release(struct msd_hold *hold, struct msd_error *reterr);

/* The same without a word, for _cleanup_. */
void msd_hold_releasep(struct msd_hold **hold);

/*
 * Makes the storage ro if it is rw for holders only, and none is left, neither process nor
 * drive: after an eject, and for what a killed guardian left. Returns 0 also when there is
 * nothing to do; -MSD_E_BUSY naming who writes; -errno.
 */
int msd_hold_settle(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr);

/* rw until msd_hold_set_ro, holders or not. Returns as msd_hold_new. */
int msd_hold_set_rw(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr);

/*
 * ro, whoever made it rw. Waits up to timeout_ms for holders and writers. Returns 0;
 * -MSD_E_BUSY naming the holders, or the drives and processes that write; -errno.
 */
int msd_hold_set_ro(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr);

/*
 * The processes that hold the storage now; needs no rights. Gives an array of *ret_n to be
 * freed. Returns 0 or -errno.
 */
int msd_hold_read_holders(const struct msd_root *root, pid_t **ret, size_t *ret_n,
			  struct msd_error *reterr);

/* The command line of a process, "?" where it cannot be read; cut to len. Returns buf. */
char *msd_hold_format_holder(pid_t pid, char *buf, size_t len);

#endif
