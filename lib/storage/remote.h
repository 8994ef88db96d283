/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files on a file server, which may be dead: whoever asks it then waits for ever. */
#ifndef MSD_STORAGE_REMOTE_H
#define MSD_STORAGE_REMOTE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gadget/lun.h"

#define MSD_REMOTE_TIMEOUT_MS 3000
#define MSD_REMOTE_EJECT_MS 1000

struct libmnt_table;

/*
 * Whether path (absolute, without links) lies on a file server, and on which file system, by the
 * table of mounts alone.
 */
bool msd_remote_find(struct libmnt_table *mounts, const char *path, dev_t *ret_dev);

/*
 * stat(2), on a file server by a process of its own that is given so much time, and not from what
 * is remembered of it. Returns 0, -ETIMEDOUT, or -errno. The second one asks so in any case, and
 * takes NULL.
 */
int msd_remote_stat(const char *path, int timeout_ms, struct statx *ret);
int msd_remote_ask(const char *path, int timeout_ms, struct statx *ret);

/*
 * -MSD_E_FAILED with what to do when path lies on a server that says nothing; else 0. mounts may
 * be NULL.
 */
int msd_remote_check(struct libmnt_table *mounts, const char *path, struct msd_error *reterr);

/*
 * Takes the medium path out although its server says nothing: the kernel does it at once and then
 * has whoever asked wait for the server, to close the file, which is left to a process of its own.
 * While a command of the host waits for the server, the kernel does nothing: -MSD_E_UNSAFE, unless
 * force, which makes everything fail that waits for that server. Returns 0; -errno.
 */
int msd_remote_eject(struct msd_lun *lun, const struct msd_drive_id *id, const char *path,
		     bool force, const struct msd_log *log, struct msd_error *reterr);

/*
 * Before a gadget is taken down, unplugged or (stays) just plugged in anew: its media whose servers
 * say nothing would make that hang. They are taken out, unless the drives stay. Returns as above.
 */
int msd_remote_free_gadget(const char *gadget, bool stays, const struct msd_log *log,
			   struct msd_error *reterr);

#endif
