/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the gadgets stand. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/text.h"
#include "gadget/controller.h"
#include "gadget/gadget.h"
#include "tree-priv.h"

static void fill(struct tree *tree, struct msd_gadget_status *status)
{
	*status = (struct msd_gadget_status){ .own = tree->own };
	strcpy(status->name, tree->name);
	strcpy(status->controller, tree->udc);
	status->n_drives = tree_count_drives(tree);
	for (size_t i = 0; i < tree->n_links; i++) {
		const struct tree_function *function =
			tree_find_function(tree, tree->links[i].function);

		msd_append(status->functions, sizeof(status->functions), " ", "%s", tree->links[i].function);
		if (function)
			status->n_enabled += function->n_luns;
	}
	if (!tree->udc[0])
		return;
	msd_controller_read_state(tree->udc, status->state, sizeof(status->state), NULL);
	msd_controller_read_speed(tree->udc, status->speed, sizeof(status->speed), NULL);
	if (!strcmp(status->speed, "UNKNOWN"))
		status->speed[0] = '\0';
}

static int read_one(const char *name, struct msd_gadget_status **v, size_t *n,
		    struct msd_error *err)
{
	static const struct msd_gadget_options none;
	_cleanup_(tree_close) struct tree tree = { .dirfd = -1 };
	struct msd_gadget_status *status;
	int rc = tree_open(name, &none, &tree, err);

	if (rc < 0 || !tree.exists)
		return rc;
	status = realloc(*v, (*n + 1) * sizeof(*status));
	if (!status)
		return msd_fail_on(err, ENOMEM, name);
	*v = status;
	fill(&tree, &status[(*n)++]);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct msd_gadget_status *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

static int read_all(struct msd_gadget_status **v, size_t *n, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	int fd, rc = tree_open_gadgets(&fd, err);

	if (rc < 0)
		return rc;
	msd_dir_take(&dir, fd);
	while (rc == 0 && (entry = msd_dir_next(&dir)))
		rc = read_one(entry->d_name, v, n, err);
	if (*n)
		qsort(*v, *n, sizeof(**v), compare);
	return rc;
}

int msd_gadget_read_status(const char *name, struct msd_gadget_status **ret, size_t *ret_n,
			   struct msd_error *reterr)
{
	int rc;

	*ret = NULL;
	*ret_n = 0;
	rc = name ? read_one(name, ret, ret_n, reterr) : read_all(ret, ret_n, reterr);
	if (rc == 0 && name && *ret_n == 0) {
		rc = msd_fail(reterr, MSD_E_NOTFOUND, "%s: there is no such gadget", name);
		msd_hint(reterr, "otgmsd-gadget -g %s start", name);
	}
	if (rc < 0) {
		free(*ret);
		*ret = NULL;
	}
	return rc;
}
