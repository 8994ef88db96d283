/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The USB gadget taken down, in the only order that the kernel takes. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "gadget/controller.h"
#include "gadget/gadget.h"
#include "media-priv.h"
#include "plug-priv.h"
#include "tree-priv.h"

static bool has_functions(const struct tree *tree, bool own)
{
	for (size_t i = 0; i < tree->n_functions; i++)
		if (tree->functions[i].own == own)
			return true;
	return false;
}

/* Links first: removing a function that is linked would unbind a gadget that is not ours. */
static int remove_own(struct tree *tree, struct msd_error *err)
{
	int rc = 0;

	for (size_t i = tree->n_functions; rc == 0 && i-- > 0; ) {
		struct tree_link *link;

		if (!tree->functions[i].own)
			continue;
		while (rc == 0 && (link = tree_find_link(tree, tree->functions[i].name)))
			rc = tree_unlink(tree, link, err);
		if (rc == 0)
			rc = tree_remove_function(tree, &tree->functions[i], err);
	}
	return rc;
}

/* The gadget is ours, and so is all that is left in it. */
static int remove_gadget(struct tree *tree, struct msd_error *err)
{
	int rc = tree_remove_below(tree, tree_path(tree, "/os_desc"), true, err);

	if (rc == 0)
		rc = remove_own(tree, err);
	if (rc == 0 && tree->has_config)
		rc = tree_remove_below(tree, tree_path(tree, "/configs/%s/strings", tree->config), false,
				       err);
	if (rc == 0)
		rc = tree_remove_below(tree, tree_path(tree, "/configs"), false, err);
	if (rc == 0)
		rc = tree_remove_below(tree, tree_path(tree, "/strings"), false, err);
	if (rc == 0)
		rc = tree_rmdir(tree, tree->name, err);
	return rc;
}

/* Takes our functions out of a gadget that stays, and binds it again where it was bound. */
static int remove_drives(struct tree *tree, struct msd_error *err)
{
	char controller[NAME_MAX + 1] = "";
	int rc = 0;

	if (tree->udc[0])
		strcpy(controller, tree->udc);
	else if (tree->taken_out)
		rc = msd_controller_choose(tree->options->controller,
					   tree->options->controller_timeout_ms, controller, err);
	if (rc == 0)
		rc = plug_out(tree, err);
	if (rc == 0)
		rc = remove_own(tree, err);
	if (rc == 0 && tree->own) {
		msd_log(tree->options->log, MSD_LOG_WARNING,
			"%s: another program has put functions into this gadget, so it stays", tree->name);
		rc = tree_mark(tree, tree->name, TREE_OWN, false, err);
	}
	if (controller[0] && !tree->udc[0] && tree->n_links > 0) {
		/* whatever failed before, the other functions are to work */
		int back = plug_in(tree, controller, true, rc < 0 ? NULL : err);

		rc = rc < 0 ? rc : back;
	}
	return rc;
}

int msd_gadget_stop(const char *name, const struct msd_gadget_options *options,
		    struct msd_error *reterr)
{
	_cleanup_(tree_close) struct tree tree = { .dirfd = -1 };
	_cleanup_(media_done) struct media media = { 0 };
	int rc = msd_gadget_check_configfs(reterr);

	/* no place for gadgets, no gadget */
	if (rc == -MSD_E_UNSUPPORTED)
		return 0;
	if (rc == 0)
		rc = tree_open(name, options, &tree, reterr);
	if (rc < 0 || !tree.exists)
		return rc;
	rc = media_read(&tree, &media, reterr);
	if (rc < 0)
		return rc;
	if (tree.own && !has_functions(&tree, false)) {
		/* not marked as taken out: it is not to come back */
		if (tree.udc[0])
			rc = tree_write(&tree, tree_path(&tree, "/UDC"), "", reterr);
		if (rc == 0 || rc == -ENODEV)
			rc = remove_gadget(&tree, reterr);
	} else if (has_functions(&tree, true) || tree.taken_out) {
		rc = plug_repair(&tree, reterr);
		if (rc == 0)
			rc = remove_drives(&tree, reterr);
		/* drives of another program, if the kernel dropped them */
		if (rc == 0)
			rc = media_put_back(&tree, &media, reterr);
	}
	if (rc == 0)
		media_sync(&tree, &media);
	return rc;
}
