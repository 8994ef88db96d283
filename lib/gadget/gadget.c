/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The USB gadget: started, its mass storage switched on and off, plugged in anew. */
#include "gadget/gadget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "build-priv.h"
#include "gadget/controller.h"
#include "gadget/find.h"
#include "media-priv.h"
#include "plug-priv.h"
#include "tree-priv.h"

/* soft_connect that did not bring the host back by then will not. */
#define SOFT_TIMEOUT_MS 5000

/* One command at work on one gadget. */
struct work {
	struct tree tree;
	struct media media;
	struct tree_link *links;	/* as they were */
	size_t n_links;
	char controller[NAME_MAX + 1];	/* "" when it is not to be bound */
	bool was_bound;			/* or would be, had a command not been killed */
};

static void work_done(struct work *work)
{
	media_done(&work->media);
	free(work->links);
	tree_close(&work->tree);
}

#define _cleanup_work_ _cleanup_(work_done) struct work

/* Where the gadget is bound, or is to be: found and free before anything is changed. */
static int choose_controller(struct work *work, struct msd_error *err)
{
	const struct msd_gadget_options *options = work->tree.options;
	const char *udc = work->tree.udc;
	int rc;

	if (udc[0]) {
		if (options->controller && strcmp(options->controller, udc))
			msd_log(options->log, MSD_LOG_WARNING,
				"%s: stays on controller %s until it is stopped and started on %s",
				work->tree.name, udc, options->controller);
		strcpy(work->controller, udc);
		return 0;
	}
	rc = msd_controller_choose(options->controller, options->controller_timeout_ms,
				   work->controller, err);
	if (rc < 0)
		return rc;
	return msd_controller_check_free(work->controller, work->tree.name, err);
}

static int work_open(const char *name, const struct msd_gadget_options *options, struct work *ret,
		     struct msd_error *err)
{
	int rc;

	*ret = (struct work){ .tree.dirfd = -1 };
	rc = tree_open(name, options, &ret->tree, err);
	ret->was_bound = ret->tree.udc[0] || ret->tree.taken_out;
	return rc;
}

/* The same for a gadget that must be there and have drives. */
static int work_open_drives(const char *name, const struct msd_gadget_options *options,
			    struct work *ret, struct msd_error *err)
{
	int rc = work_open(name, options, ret, err);

	if (rc < 0)
		return rc;
	if (ret->tree.exists && tree_count_drives(&ret->tree) > 0)
		return plug_repair(&ret->tree, err);
	rc = msd_fail(err, MSD_E_NOTFOUND, "%s: %s", name,
		      ret->tree.exists ? "this gadget has no mass storage" : "there is no such gadget");
	msd_hint(err, "otgmsd-gadget -g %s start", name);
	return rc;
}

/* Everything out, and the media remembered. */
static int begin(struct work *work, struct msd_error *err)
{
	struct tree *tree = &work->tree;
	int rc = media_read(tree, &work->media, err);

	if (rc < 0)
		return rc;
	if (tree->n_links) {
		work->links = malloc(tree->n_links * sizeof(*work->links));
		if (!work->links)
			return msd_fail_on(err, ENOMEM, tree->name);
		memcpy(work->links, tree->links, tree->n_links * sizeof(*work->links));
		work->n_links = tree->n_links;
	}
	return plug_out(tree, err);
}

/* Links made anew where there was an unbind, and in again; a gadget without functions stays out. */
static int finish(struct work *work, struct msd_error *err)
{
	struct tree *tree = &work->tree;
	int rc = 0;

	if (tree->n_links > 0 && work->controller[0])
		rc = plug_in(tree, work->controller, work->was_bound, err);
	if (rc == 0)
		rc = media_put_back(tree, &work->media, err);
	return rc;
}

/* As it was before: what was made is removed, the media are put back. Returns rc. */
static int roll_back(struct work *work, int rc, struct msd_error *err)
{
	struct msd_error second;
	struct tree *tree = &work->tree;
	int back = 0;

	if (tree->udc[0] && !work->was_bound)
		tree_write(tree, tree_path(tree, "/UDC"), "", NULL);
	else if (tree->udc[0] && tree->undo)
		plug_out(tree, NULL);
	tree_roll_back(tree);
	if (work->was_bound && !tree->udc[0] && work->n_links) {
		/* in their order, which is that of the interfaces */
		free(tree->links);
		tree->links = work->links;
		tree->n_links = work->n_links;
		work->links = NULL;
		back = plug_in(tree, work->controller, true, &second);
	}
	if (back == 0)
		back = media_put_back(tree, &work->media, &second);
	if (back < 0 && err)
		msd_append(err->msg, sizeof(err->msg), "; ", "and it could not be put back: %s", second.msg);
	return rc;
}

/* Functions of ours that no configuration links. */
static bool has_unlinked(struct tree *tree)
{
	for (size_t i = 0; i < tree->n_functions; i++)
		if (tree->functions[i].own && !tree_find_link(tree, tree->functions[i].name))
			return true;
	return false;
}

static int link_own(struct tree *tree, struct msd_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < tree->n_functions; i++)
		if (tree->functions[i].own)
			rc = plug_link(tree, tree->functions[i].name, err);
	return rc;
}

/* LUNs are only taken by a function that is not linked. */
static int unlink_own(struct tree *tree, struct msd_error *err)
{
	int rc = 0;

	for (size_t i = tree->n_links; rc == 0 && i-- > 0; ) {
		const struct tree_function *function =
			tree_find_function(tree, tree->links[i].function);

		if (function && function->own)
			rc = tree_unlink(tree, &tree->links[i], err);
	}
	return rc;
}

static int make(struct work *work, const struct msd_gadget_spec *spec, enum growth growth,
		struct msd_error *err)
{
	struct tree *tree = &work->tree;
	int rc = 0;

	/* bound, it is whole: binding is the last step */
	if ((tree->own || !tree->exists) && !work->was_bound)
		rc = build_gadget(tree, spec, err);
	if (rc == 0 && growth == GROW_LUNS)
		rc = unlink_own(tree, err);
	if (rc == 0)
		rc = build_drives(tree, spec, growth, err);
	if (rc == 0)
		rc = link_own(tree, err);
	return rc;
}

/* Whether another program's gadget is so far that drives can be added to it. */
static int check_foreign(const struct tree *tree, struct msd_error *err)
{
	int rc;

	if (!tree->has_config) {
		rc = msd_fail(err, MSD_E_BUSY, "%s: another program is making this gadget, it has no configuration yet",
			      tree->name);
		msd_hint(err, "wait for it, or choose another name with -g");
		return rc;
	}
	if (!tree->udc[0] && !tree->taken_out)
		msd_log(tree->options->log, MSD_LOG_WARNING,
			"%s: the host sees the drives once the program that made this gadget binds it",
			tree->name);
	return 0;
}

static void forget(struct work *work)
{
	work->was_bound = work->tree.exists = work->tree.taken_out = work->tree.has_config = false;
	work->tree.n_functions = work->tree.n_links = 0;
	work->tree.udc[0] = '\0';
}

/* from_nothing: of a dry run, in which nothing was removed before. */
static int start(const struct msd_gadget_spec *spec, const struct msd_gadget_options *options,
		 bool from_nothing, struct msd_error *reterr)
{
	_cleanup_work_ work;
	struct tree *tree = &work.tree;
	bool foreign;
	enum growth growth;
	int rc = work_open(spec->name, options, &work, reterr);

	if (rc == 0 && from_nothing)
		forget(&work);
	if (rc == 0)
		rc = plug_repair(tree, reterr);
	foreign = tree->exists && !tree->own;
	if (rc == 0 && foreign)
		rc = check_foreign(tree, reterr);
	if (rc == 0 && (!foreign || tree->udc[0] || tree->taken_out))
		rc = choose_controller(&work, reterr);
	if (rc == 0)
		rc = build_plan(tree, spec, &growth, reterr);
	if (rc < 0)
		return rc;
	if (tree->udc[0] && growth == GROW_NOTHING && !has_unlinked(tree))
		return 0;
	rc = begin(&work, reterr);
	if (rc == 0)
		rc = make(&work, spec, growth, reterr);
	if (rc == 0)
		rc = finish(&work, reterr);
	return rc < 0 ? roll_back(&work, rc, reterr) : 0;
}

int msd_gadget_start(const struct msd_gadget_spec *spec, const struct msd_gadget_options *options,
		     struct msd_error *reterr)
{
	return start(spec, options, false, reterr);
}

/* How many drives there are and in which shape, for a way back. */
static void read_shape(const struct tree *tree, struct msd_gadget_spec *spec)
{
	unsigned n = tree_count_drives(tree);

	spec->n_drives = n > MSD_DRIVES_MAX ? MSD_DRIVES_MAX : n;
	spec->shape = MSD_SHAPE_FUNCTIONS;
	for (size_t i = 0; i < tree->n_functions; i++)
		if (tree->functions[i].n_luns > 1)
			spec->shape = MSD_SHAPE_LUNS;
}

int msd_gadget_restart(const struct msd_gadget_spec *spec,
		       const struct msd_gadget_options *options, struct msd_error *reterr)
{
	_cleanup_work_ work;
	struct tree *tree = &work.tree;
	struct msd_gadget_spec old = *spec;
	struct msd_gadget_options there = *options;
	int rc = work_open(spec->name, options, &work, reterr);

	if (rc == 0)
		rc = media_read(tree, &work.media, reterr);
	if (rc < 0)
		return rc;
	if (!there.controller && tree->udc[0])
		there.controller = tree->udc;
	if (!tree->exists || tree->own) {
		/* what start would refuse is better known before stop */
		rc = msd_controller_choose(there.controller, there.controller_timeout_ms,
					   work.controller, reterr);
		if (rc == 0)
			rc = msd_controller_check_free(work.controller, spec->name, reterr);
		if (rc < 0)
			return rc;
	}
	read_shape(tree, &old);
	rc = msd_gadget_stop(spec->name, options, reterr);
	if (rc == 0)
		rc = start(spec, &there, options->dry_run && tree->own, reterr);
	if (rc == 0)
		return media_put_back(tree, &work.media, reterr);
	if (old.n_drives > 0 && start(&old, &there, false, NULL) == 0) {
		msd_log(options->log, MSD_LOG_WARNING, "%s: it is back with %u drives, as before",
			spec->name, old.n_drives);
		media_put_back(tree, &work.media, NULL);
	}
	return rc;
}

int msd_gadget_enable(const char *name, const struct msd_gadget_options *options,
		      struct msd_error *reterr)
{
	_cleanup_work_ work;
	struct tree *tree = &work.tree;
	bool all = true;
	int rc = work_open_drives(name, options, &work, reterr);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < tree->n_functions; i++)
		if (tree->functions[i].mass_storage &&
		    !tree_find_link(tree, tree->functions[i].name))
			all = false;
	if (all && (tree->udc[0] || !(tree->own || tree->taken_out)))
		return 0;
	if (!tree->own)
		rc = check_foreign(tree, reterr);
	if (rc == 0 && (tree->own || tree->udc[0] || tree->taken_out))
		rc = choose_controller(&work, reterr);
	if (rc == 0)
		rc = begin(&work, reterr);
	for (size_t i = 0; rc == 0 && i < tree->n_functions; i++)
		if (tree->functions[i].mass_storage)
			rc = plug_link(tree, tree->functions[i].name, reterr);
	if (rc == 0)
		rc = finish(&work, reterr);
	return rc < 0 ? roll_back(&work, rc, reterr) : 0;
}

static bool is_storage(const char *function)
{
	return !strncmp(function, TREE_FUNCTION_PREFIX, strlen(TREE_FUNCTION_PREFIX));
}

static bool has_linked_storage(const struct tree *tree)
{
	for (size_t i = 0; i < tree->n_links; i++)
		if (is_storage(tree->links[i].function))
			return true;
	return false;
}

int msd_gadget_disable(const char *name, const struct msd_gadget_options *options,
		       struct msd_error *reterr)
{
	_cleanup_work_ work;
	struct tree *tree = &work.tree;
	int rc = work_open_drives(name, options, &work, reterr);

	if (rc < 0 || !has_linked_storage(tree))
		return rc;
	if ((tree->udc[0] || tree->taken_out))
		rc = choose_controller(&work, reterr);
	if (rc == 0)
		rc = begin(&work, reterr);
	if (rc < 0)
		return rc;
	for (size_t i = tree->n_links; rc == 0 && i-- > 0; )
		if (is_storage(tree->links[i].function))
			rc = tree_unlink(tree, &tree->links[i], reterr);
	if (rc == 0)
		rc = finish(&work, reterr);
	return rc < 0 ? roll_back(&work, rc, reterr) : 0;
}

static int fail_host(const struct work *work, struct msd_error *err)
{
	int rc = msd_fail(err, MSD_E_TIMEOUT,
			  "%s: it is plugged in anew, and the host has not come back in time",
			  work->tree.name);

	msd_hint(err, "look at the cable and whether the host is on; then: otgmsd-gadget -g %s replug",
		 work->tree.name);
	return rc;
}

/* Returns 0 when the host is back, else why not; the gadget is as it was then. */
static int replug_soft(struct work *work, struct msd_controller_watch *watch)
{
	struct msd_error err;
	int rc;

	msd_log(work->tree.options->log, MSD_LOG_STEP, "echo disconnect, connect > %s/%s/soft_connect",
		MSD_CONTROLLERS_DIR, work->controller);
	msd_controller_watch_reset(watch);
	rc = msd_controller_soft_replug(work->controller, &err);
	if (rc < 0)
		msd_log(work->tree.options->log, MSD_LOG_STEP, "%s", err.msg);
	else if (!msd_controller_watch_configured(watch, true, SOFT_TIMEOUT_MS))
		rc = -MSD_E_TIMEOUT;
	if (rc < 0)
		msd_log(work->tree.options->log, MSD_LOG_STEP,
			"soft_connect did not bring the host back: unbind and bind");
	return rc;
}

static int replug(struct work *work, struct msd_error *err)
{
	const struct msd_gadget_options *options = work->tree.options;
	struct msd_controller_watch watch;
	_cleanup_close_ int fd = -1;
	bool had_host;
	int rc = msd_controller_watch_open(work->controller, &watch, err);

	if (rc < 0)
		return rc;
	fd = watch.fd;
	had_host = work->was_bound && watch.configured;
	if (options->soft && !options->dry_run && had_host && replug_soft(work, &watch) == 0)
		return 0;
	rc = begin(work, err);
	if (rc == 0) {
		msd_controller_watch_reset(&watch);
		rc = finish(work, err);
	}
	if (rc < 0)
		return roll_back(work, rc, err);
	if (!had_host || options->dry_run ||
	    msd_controller_watch_configured(&watch, true, options->host_timeout_ms))
		return 0;
	return fail_host(work, err);
}

int msd_gadget_replug(const char *name, const struct msd_gadget_options *options,
		      struct msd_error *reterr)
{
	_cleanup_work_ work;
	struct tree *tree = &work.tree;
	int rc = work_open(name, options, &work, reterr);

	if (rc == 0 && !tree->exists) {
		rc = msd_fail(reterr, MSD_E_NOTFOUND, "%s: there is no such gadget", name);
		msd_hint(reterr, "otgmsd-gadget -g %s start", name);
	}
	if (rc == 0)
		rc = plug_repair(tree, reterr);
	if (rc < 0)
		return rc;
	if (!tree->udc[0] && !tree->taken_out) {
		rc = msd_fail(reterr, MSD_E_NO, "%s: it is not bound to a controller, so there is nothing to unplug",
			      name);
		msd_hint(reterr, "otgmsd-gadget -g %s start", name);
		return rc;
	}
	if (tree->n_links == 0) {
		rc = msd_fail(reterr, MSD_E_NO, "%s: none of its functions is enabled", name);
		msd_hint(reterr, "otgmsd-gadget -g %s enable", name);
		return rc;
	}
	rc = choose_controller(&work, reterr);
	return rc < 0 ? rc : replug(&work, reterr);
}
