/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget and its drives made from what they are to be like. */
#ifndef MSD_GADGET_BUILD_PRIV_H
#define MSD_GADGET_BUILD_PRIV_H

#include "tree-priv.h"

enum growth {
	GROW_NOTHING,
	GROW_FUNCTIONS,		/* a function for each drive that is missing */
	GROW_LUNS,		/* LUNs of one function of ours, made if there is none */
};

/*
 * How the gadget comes to spec->n_drives drives. Pure. Returns 0; -MSD_E_REFUSED when the
 * drives that are there have another shape.
 */
int build_plan(const struct tree *tree, const struct msd_gadget_spec *spec, enum growth *ret,
	       struct msd_error *err);

/* The gadget itself: ids, strings, its one configuration. Returns 0 or -errno. */
int build_gadget(struct tree *tree, const struct msd_gadget_spec *spec, struct msd_error *err);

/*
 * Makes the drives that build_plan found missing, and finishes those of ours that are half
 * built. The gadget must not be bound where a LUN is added. Returns 0; -MSD_E_UNSUPPORTED
 * without the kernel's module; -errno.
 */
int build_drives(struct tree *tree, const struct msd_gadget_spec *spec, enum growth growth,
		 struct msd_error *err);

#endif
