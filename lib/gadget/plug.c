/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget taken out of its controller, its functions linked, and put in again. */
#include "plug-priv.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "gadget/controller.h"
#include "gadget/kmsg.h"

int plug_out(struct tree *tree, struct msd_error *err)
{
	int rc;

	if (!tree->udc[0])
		return 0;
	rc = tree_mark(tree, tree->name, TREE_TAKEN_OUT, true, err);
	if (rc < 0)
		return rc;
	rc = tree_write(tree, tree_path(tree, "/UDC"), "", err);
	/* the controller went away by itself */
	if (rc < 0 && rc != -ENODEV)
		return rc;
	tree->udc[0] = '\0';
	tree->taken_out = true;
	return 0;
}

/* Why the kernel did not bind: it says EBUSY for every reason, and the right one in its log. */
static int fail_bind(const struct tree *tree, const char *controller, int errnum, int kmsg,
		     struct msd_error *err)
{
	int rc;

	/* -ENOTSUPP of usb_ep_autoconfig() */
	if (kmsg >= 0 && msd_kmsg_find(kmsg, controller, "-524")) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED,
			      "%s: controller %s has not enough endpoints for %zu functions",
			      tree->name, controller, tree->n_links);
		msd_hint(err, "fewer --drives, or --shape=luns: then all drives together need two endpoints");
		return rc;
	}
	rc = msd_fail(err, errnum, "%s: the kernel does not bind it to controller %s: %s", tree->name,
		      controller, strerror(errnum));
	msd_hint(err, "most often a controller has not enough endpoints; the kernel says more: dmesg | tail");
	return rc;
}

static int mark_function(struct tree *tree, const char *function, bool set, struct msd_error *err)
{
	return tree_mark(tree, tree_path(tree, "/functions/%s", function), TREE_TAKEN_OUT, set, err);
}

static int relink_all(struct tree *tree, struct msd_error *err)
{
	for (size_t left = tree->n_links; left > 0; left--) {
		/* the new one goes to the end */
		struct tree_link link = tree->links[0];
		const struct tree_undo *mark = tree->undo;
		int rc = mark_function(tree, link.function, true, err);

		if (rc == 0)
			rc = tree_unlink(tree, &tree->links[0], err);
		if (rc == 0)
			rc = tree_link(tree, link.config, link.name, link.function, err);
		if (rc == 0)
			rc = mark_function(tree, link.function, false, err);
		if (rc < 0)
			return rc;
		tree_keep(tree, mark);
	}
	return 0;
}

/* Who holds a device of the gadget open has lost it by the unbind. */
static void warn_of_devices(const struct tree *tree)
{
	for (size_t i = 0; i < tree->n_links && !tree->options->dry_run; i++)
		if (!strncmp(tree->links[i].function, "hid.", 4)) {
			msd_log(tree->options->log, MSD_LOG_WARNING,
				"%s: its devices /dev/hidgN were removed and made anew: programs that hold one open must open it again",
				tree->name);
			return;
		}
}

int plug_in(struct tree *tree, const char *controller, bool relink, struct msd_error *err)
{
	_cleanup_close_ int kmsg = -1;
	int rc = msd_controller_check_free(controller, tree->name, err);

	if (rc == 0 && relink)
		rc = relink_all(tree, err);
	if (rc < 0)
		return rc;
	if (!tree->options->dry_run)
		msd_kmsg_open(&kmsg, NULL);
	rc = tree_write(tree, tree_path(tree, "/UDC"), controller, err);
	if (rc < 0)
		return fail_bind(tree, controller, -rc, kmsg, err);
	strcpy(tree->udc, controller);
	if (relink)
		warn_of_devices(tree);
	if (!tree->taken_out)
		return 0;
	tree->taken_out = false;
	return tree_mark(tree, tree->name, TREE_TAKEN_OUT, false, err);
}

int plug_link(struct tree *tree, const char *function, struct msd_error *err)
{
	if (tree_find_link(tree, function))
		return 0;
	return tree_link(tree, tree->config, function, function, err);
}

int plug_repair(struct tree *tree, struct msd_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < tree->n_functions; i++) {
		struct tree_function *function = &tree->functions[i];

		if (!function->taken_out)
			continue;
		if (tree->has_config && !tree->udc[0])
			rc = plug_link(tree, function->name, err);
		if (rc == 0)
			rc = mark_function(tree, function->name, false, err);
		function->taken_out = false;
	}
	if (rc == 0 && tree->taken_out && tree->udc[0]) {
		rc = tree_mark(tree, tree->name, TREE_TAKEN_OUT, false, err);
		tree->taken_out = false;
	}
	/* not to be undone when what comes after it fails */
	tree_keep(tree, NULL);
	return rc;
}
