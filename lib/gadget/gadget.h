/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The USB gadget: built, torn down, plugged in anew; its mass storage switched on and off. */
#ifndef MSD_GADGET_GADGET_H
#define MSD_GADGET_GADGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "gadget/spec.h"

/*
 * What is ours stands in configfs itself: the directory of each gadget and function that
 * msd_gadget_start made has the sticky bit. Gadgets and functions without it belong to other
 * programs: they are linked, unlinked and bound again where a command needs that, and are never
 * removed or changed. The set-group-id bit marks what a command took out for a moment (a gadget
 * unbound, a function unlinked), the set-user-id bit a function whose attributes are not all
 * written; where a command was killed in between, the next one goes on from there. A gadget with
 * nothing in it, and a mass-storage function that nothing links and that is as mkdir makes it,
 * are what is left of a command that was killed before it could mark them, and count as ours.
 *
 * Every function here wants the caller to hold msd_gadget_lock, and undoes what it has done when
 * it fails, unless it says otherwise. Media that were in stay in. Unbinding takes all of the
 * gadget's devices away for a moment, /dev/hidgN too: who holds one open must open it again.
 */
struct msd_gadget_options {
	const char *controller;		/* NULL: the one it is bound to, or the only one */
	uint64_t controller_timeout_ms;	/* how long to wait for one to appear */
	uint64_t host_timeout_ms;	/* how long to wait for the host to come back */
	bool soft;			/* replug: try soft_connect first */
	bool dry_run;			/* tell the steps to log, and take none */
	const struct msd_log *log;	/* may be NULL */
};

/*
 * Makes spec->name what spec wants: at least spec->n_drives drives, all linked, and the gadget
 * bound. A gadget of another program is given the drives that it has not; it is bound again when
 * it was bound before.
 *
 * Returns 0; -MSD_E_UNSUPPORTED: no configfs, no controller, not enough endpoints, or the
 * kernel's module is missing; -MSD_E_CONFIG: several controllers; -MSD_E_BUSY: the controller
 * is taken; -MSD_E_REFUSED: what is there has another shape; -errno.
 */
int msd_gadget_start(const struct msd_gadget_spec *spec, const struct msd_gadget_options *options,
		     struct msd_error *reterr);

/*
 * Removes what msd_gadget_start made; nothing of it is left in configfs. Fine when there is
 * nothing. What cannot be removed stays, the same call goes on from there. Returns 0 or as start.
 */
int msd_gadget_stop(const char *name, const struct msd_gadget_options *options,
		    struct msd_error *reterr);

/*
 * Stop and start, with the media that were in. When the new one cannot be started, the old
 * number of drives in the old shape is.
 */
int msd_gadget_restart(const struct msd_gadget_spec *spec,
		       const struct msd_gadget_options *options, struct msd_error *reterr);

/*
 * Links or unlinks every mass-storage function of the gadget, also another program's; the
 * functions and their media stay. Returns as start, or -MSD_E_NOTFOUND when there is no such
 * gadget or it has no mass storage.
 */
int msd_gadget_enable(const char *name, const struct msd_gadget_options *options,
		      struct msd_error *reterr);
int msd_gadget_disable(const char *name, const struct msd_gadget_options *options,
		       struct msd_error *reterr);

/*
 * Unplugs the gadget and plugs it in anew: unbound, all links made anew, bound; then waits until
 * the host is back, if it was there before. Returns as start; -MSD_E_NO when it is not plugged
 * in; -MSD_E_TIMEOUT when the host does not come back in time, the gadget stays bound then.
 */
int msd_gadget_replug(const char *name, const struct msd_gadget_options *options,
		      struct msd_error *reterr);

/* Whether the kernel has a place for gadgets: 0, -MSD_E_UNSUPPORTED with what to do, or -errno. */
int msd_gadget_check_configfs(struct msd_error *reterr);

/* Whether the kernel could load a module, or has it built in. */
bool msd_gadget_has_module(const char *name);

struct msd_gadget_status {
	char name[NAME_MAX + 1];
	bool own;			/* made by msd_gadget_start */
	char controller[NAME_MAX + 1];	/* "" while it is not bound */
	char state[32];			/* as in gadget/controller.h, "" while it is not bound */
	char speed[32];			/* "" without a host */
	unsigned n_drives;
	unsigned n_enabled;		/* of these, in functions that are linked */
	char functions[1024];		/* all that are linked, in order, with a blank between */
};

/*
 * All gadgets, sorted by name, or the one called name. Gives an array of *ret_n, freed by the
 * caller. Returns 0; -MSD_E_NOTFOUND when there is no such gadget; -MSD_E_UNSUPPORTED without
 * configfs; -errno.
 */
int msd_gadget_read_status(const char *name, struct msd_gadget_status **ret, size_t *ret_n,
			   struct msd_error *reterr);

#endif
