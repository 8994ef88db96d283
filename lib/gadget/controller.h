/* SPDX-License-Identifier: GPL-3.0-or-later */
/* USB device controllers (UDC): which one to use, who has it, and what the host does with it. */
#ifndef MSD_GADGET_CONTROLLER_H
#define MSD_GADGET_CONTROLLER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MSD_CONTROLLERS_DIR "/sys/class/udc"

/*
 * The controller to use: wanted where it is not NULL, else the only one that there is; never one
 * of several by chance. It may come up to timeout_ms later, as at boot.
 *
 * Returns 0; -MSD_E_UNSUPPORTED when there is none or not the wanted one; -MSD_E_CONFIG when
 * there are several and none is wanted.
 */
int msd_controller_choose(const char *wanted, uint64_t timeout_ms, char ret[NAME_MAX + 1],
			  struct msd_error *reterr);

/*
 * Whether the gadget (its configfs name) may be bound to the controller. Returns 0;
 * -MSD_E_BUSY with who has it; -MSD_E_UNSUPPORTED when it is not there; -errno.
 */
int msd_controller_check_free(const char *controller, const char *gadget,
			      struct msd_error *reterr);

/*
 * What the host has made of the device: "not attached", "attached", "powered", "default",
 * "addressed", "configured", "suspended". To be believed only while a gadget is bound: the
 * kernel leaves the old text there. Returns 0 or -errno.
 */
int msd_controller_read_state(const char *controller, char *buf, size_t len,
			      struct msd_error *reterr);

/* "high-speed", "UNKNOWN" without a host. Returns 0 or -errno. */
int msd_controller_read_speed(const char *controller, char *buf, size_t len,
			      struct msd_error *reterr);

/* A look at the state that sees changes, also one from a state to the very same. */
struct msd_controller_watch {
	int fd;
	bool configured;	/* as of the last look */
	bool changed;		/* something happened since msd_controller_watch_reset */
};

/* Opens and looks. Returns 0 or -errno. The descriptor in it is the caller's to close. */
int msd_controller_watch_open(const char *controller, struct msd_controller_watch *ret,
			      struct msd_error *reterr);

/* Forgets what happened until now. */
void msd_controller_watch_reset(struct msd_controller_watch *watch);

/*
 * Waits until the device is configured; with anew, until it is so after a change since the
 * reset. A suspended device counts: the host sleeps. Returns whether it came about in time.
 */
bool msd_controller_watch_configured(struct msd_controller_watch *watch, bool anew,
				     uint64_t timeout_ms);

/*
 * Unplugs and plugs in again by the controller's soft_connect, with all functions left bound.
 * Returns 0 when the kernel took it, which does not say that the host came back; -errno.
 */
int msd_controller_soft_replug(const char *controller, struct msd_error *reterr);

#endif
