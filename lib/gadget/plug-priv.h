/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget taken out of its controller, its functions linked, and put in again. */
#ifndef MSD_GADGET_PLUG_PRIV_H
#define MSD_GADGET_PLUG_PRIV_H

#include "tree-priv.h"

/* Binds it not any more, and marks it as taken out. Fine when it is not bound. */
int plug_out(struct tree *tree, struct msd_error *err);

/*
 * Binds it to the controller. With relink every link is made anew before, in the order that there
 * is: without that some controllers' functions stay dead after an unbind. Returns 0; -MSD_E_BUSY when another has it; -MSD_E_UNSUPPORTED
 * when the controller has not enough endpoints; -errno.
 */
int plug_in(struct tree *tree, const char *controller, bool relink, struct msd_error *err);

/* Links a function in the configuration that drives go to; fine when it is linked. */
int plug_link(struct tree *tree, const char *function, struct msd_error *err);

/* Makes the links again that a command took out and, being killed, did not; clears its marks. */
int plug_repair(struct tree *tree, struct msd_error *err);

#endif
