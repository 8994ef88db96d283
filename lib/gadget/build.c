/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A gadget and its drives made from what they are to be like. */
#include "build-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gadget/attr.h"
#include "serial-priv.h"

/* The language of the strings: English (United States), the one that every host asks for. */
#define LANGUAGE "0x409"

/* The mass-storage functions: how many, and the only one. */
static unsigned count_storage(const struct tree *tree, const struct tree_function **ret_only)
{
	unsigned n = 0;

	for (size_t i = 0; i < tree->n_functions; i++)
		if (tree->functions[i].mass_storage) {
			*ret_only = &tree->functions[i];
			n++;
		}
	return n;
}

static int fail_shape(const struct tree *tree, const struct msd_gadget_spec *spec,
		      const struct tree_function *function, struct msd_error *err)
{
	const char *shape = spec->shape == MSD_SHAPE_LUNS ? "luns" : "functions";

	msd_fail(err, MSD_E_REFUSED, "%s: %u drives in the shape '%s' do not go with %s that is there",
		 tree->name, spec->n_drives, shape, function->name);
	if (tree->own)
		msd_hint(err, "otgmsd-gadget -g %s restart --drives=%u --shape=%s", tree->name,
			 spec->n_drives, shape);
	else
		msd_hint(err, "another program made %s: let that one make more drives", function->name);
	return -MSD_E_REFUSED;
}

int build_plan(const struct tree *tree, const struct msd_gadget_spec *spec, enum growth *ret,
	       struct msd_error *err)
{
	const struct tree_function *only = NULL;
	unsigned drives = tree_count_drives(tree), functions = count_storage(tree, &only);

	*ret = GROW_NOTHING;
	if (drives >= spec->n_drives)
		return 0;
	if (spec->shape == MSD_SHAPE_FUNCTIONS) {
		/* further functions would change the numbers of the LUNs that there are */
		if (drives > functions)
			return fail_shape(tree, spec, only, err);
		*ret = GROW_FUNCTIONS;
		return 0;
	}
	if (functions > 1 || (functions == 1 && !only->own))
		return fail_shape(tree, spec, only, err);
	*ret = GROW_LUNS;
	return 0;
}

static int write_number(struct tree *tree, const char *attr, unsigned value, struct msd_error *err)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%04x", value);
	return tree_write(tree, tree_path(tree, "/%s", attr), text, err);
}

static int build_strings(struct tree *tree, const struct msd_gadget_spec *spec,
			 struct msd_error *err)
{
	char made[MSD_SERIAL_LEN];
	const struct { const char *attr, *value; } strings[] = {
		{ "manufacturer", spec->manufacturer }, { "product", spec->product },
		{ "serialnumber", spec->serial ? spec->serial : made },
	};
	int rc = tree_mkdir(tree, tree_path(tree, "/strings/" LANGUAGE), err);

	if (!spec->serial)
		msd_serial_make(tree->name, made);
	for (unsigned i = 0; rc == 0 && i < 3; i++)
		rc = tree_write(tree, tree_path(tree, "/strings/" LANGUAGE "/%s", strings[i].attr),
				strings[i].value, err);
	return rc;
}

static int build_config(struct tree *tree, const struct msd_gadget_spec *spec,
			struct msd_error *err)
{
	char power[16];
	int rc;

	snprintf(power, sizeof(power), "%u", spec->max_power_ma);
	rc = tree_mkdir(tree, tree_path(tree, "/configs/%s", tree->config), err);
	if (rc == 0)
		rc = tree_mkdir(tree, tree_path(tree, "/configs/%s/strings/" LANGUAGE, tree->config), err);
	if (rc == 0)
		rc = tree_write(tree, tree_path(tree, "/configs/%s/strings/" LANGUAGE "/configuration",
						tree->config), spec->configuration, err);
	if (rc == 0)
		rc = tree_write(tree, tree_path(tree, "/configs/%s/MaxPower", tree->config), power, err);
	return rc;
}

int build_gadget(struct tree *tree, const struct msd_gadget_spec *spec, struct msd_error *err)
{
	const struct { const char *attr; unsigned value; } ids[] = {
		{ "idVendor", spec->vendor_id }, { "idProduct", spec->product_id },
		{ "bcdDevice", spec->bcd_device }, { "bcdUSB", spec->bcd_usb },
	};
	int rc;

	rc = tree_mkdir(tree, tree->name, err);
	if (rc == 0)
		rc = tree_mark(tree, tree->name, TREE_OWN, true, err);
	for (unsigned i = 0; rc == 0 && i < 4; i++)
		rc = write_number(tree, ids[i].attr, ids[i].value, err);
	if (rc == 0)
		rc = build_strings(tree, spec, err);
	if (rc == 0)
		rc = build_config(tree, spec, err);
	return rc;
}

/* One attribute of a LUN that some kernels do not have. */
static int write_if_there(struct tree *tree, const char *value, const char *function, unsigned lun,
			  const char *attr, struct msd_error *err)
{
	int rc = tree_write(tree, tree_path(tree, "/functions/%s/lun.%u/%s", function, lun, attr), value,
			    err);

	return rc == -ENOENT ? 0 : rc;
}

static int build_inquiry(struct tree *tree, const char *function, unsigned lun,
			 const struct msd_drive_spec *drive, struct msd_error *err)
{
	char text[8 + 16 + 4 + 1];
	int rc;

	snprintf(text, sizeof(text), "%-8s%-16s%-4s", drive->vendor, drive->product, drive->revision);
	rc = write_if_there(tree, text, function, lun, "inquiry_string", err);
	if (rc < 0)
		return rc;
	snprintf(text, sizeof(text), "%-8s%-16s%-4s", drive->vendor, drive->product_cdrom,
		 drive->revision);
	return write_if_there(tree, text, function, lun, "inquiry_string_cdrom", err);
}

static int build_owner(struct tree *tree, const char *function, unsigned lun,
		       const struct msd_drive_spec *drive, struct msd_error *err)
{
	static const char *const attrs[] = { "cdrom", "ro", "file", "forced_eject" };
	int rc = 0;

	if (drive->uid == (uid_t)-1 && drive->gid == (gid_t)-1)
		return 0;
	for (unsigned i = 0; rc == 0 && i < 4; i++) {
		rc = tree_chown(tree, tree_path(tree, "/functions/%s/lun.%u/%s", function, lun, attrs[i]),
				drive->uid, drive->gid, err);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

static int build_lun(struct tree *tree, const char *function, unsigned lun,
		     const struct msd_drive_spec *drive, struct msd_error *err)
{
	/* cdrom first: it sets ro */
	const struct { const char *attr; bool value; } flags[] = {
		{ "cdrom", drive->cdrom }, { "ro", !drive->rw },
		{ "removable", drive->removable }, { "nofua", !drive->fua },
	};
	char medium[MSD_ATTR_BUFSIZE];
	int rc = 0;

	/* then it was whole before, and the kernel would refuse */
	if (msd_attr_read(tree->dirfd, tree_path(tree, "/functions/%s/lun.%u/file", function, lun), medium,
			  sizeof(medium), NULL) == 0 && medium[0])
		return 0;
	for (unsigned i = 0; rc == 0 && i < 4; i++)
		rc = write_if_there(tree, flags[i].value ? "1" : "0", function, lun, flags[i].attr, err);
	if (rc == 0)
		rc = build_inquiry(tree, function, lun, drive, err);
	if (rc == 0)
		rc = build_owner(tree, function, lun, drive, err);
	return rc;
}

static int mark_half_built(struct tree *tree, struct tree_function *function, bool half_built,
			   struct msd_error *err)
{
	function->half_built = half_built;
	return tree_mark(tree, tree_path(tree, "/functions/%s", function->name), TREE_HALF_BUILT,
			 half_built, err);
}

/* All of a function that is not linked; its first drive has this number. */
static int build_function(struct tree *tree, const char *name, unsigned n_luns, unsigned drive,
			  const struct msd_gadget_spec *spec, struct msd_error *err)
{
	struct tree_function *function;
	int rc = tree_add_function(tree, name, err);

	/* hosts misbehave with stall on dwc2; it cannot be written once the function is linked */
	if (rc == 0)
		rc = tree_write(tree, tree_path(tree, "/functions/%s/stall", name), "0", err);
	if (rc < 0)
		return rc;
	function = tree_find_function(tree, name);
	while (rc == 0 && function->n_luns < n_luns)
		rc = tree_add_lun(tree, function, err);
	for (unsigned i = 0; rc == 0 && i < function->n_luns; i++)
		rc = build_lun(tree, name, i, &spec->drives[(drive + i) % MSD_DRIVES_MAX], err);
	return rc < 0 ? rc : mark_half_built(tree, function, false, err);
}

static int add_luns(struct tree *tree, const struct msd_gadget_spec *spec, struct msd_error *err)
{
	const struct tree_function *only = NULL;
	struct tree_function *function;
	int rc;

	if (count_storage(tree, &only) == 0)
		return build_function(tree, TREE_FUNCTION_PREFIX "usb0", spec->n_drives, 0, spec, err);
	function = tree_find_function(tree, only->name);
	rc = mark_half_built(tree, function, true, err);
	while (rc == 0 && function->n_luns < spec->n_drives) {
		unsigned lun = function->n_luns;

		rc = tree_add_lun(tree, function, err);
		if (rc == 0)
			rc = build_lun(tree, function->name, lun, &spec->drives[lun], err);
	}
	return rc < 0 ? rc : mark_half_built(tree, function, false, err);
}

/* Whether a function's name already stands for that drive, as in gadget/find.h. */
static bool number_is_taken(const struct tree *tree, unsigned number)
{
	for (size_t i = 0; i < tree->n_functions; i++) {
		const char *name = tree->functions[i].name, *end = name + strlen(name);

		while (end > name && end[-1] >= '0' && end[-1] <= '9')
			end--;
		if (tree->functions[i].mass_storage && *end && strtoul(end, NULL, 10) == number)
			return true;
	}
	return false;
}

static int add_functions(struct tree *tree, const struct msd_gadget_spec *spec,
			 struct msd_error *err)
{
	char name[sizeof(TREE_FUNCTION_PREFIX) + 16];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && tree_count_drives(tree) < spec->n_drives; i++) {
		if (number_is_taken(tree, i))
			continue;
		snprintf(name, sizeof(name), TREE_FUNCTION_PREFIX "usb%u", i);
		rc = build_function(tree, name, 1, i, spec, err);
	}
	return rc;
}

/* Killed between a function's directory and its last attribute. */
static int finish_half_built(struct tree *tree, const struct msd_gadget_spec *spec,
			     struct msd_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < tree->n_functions; i++) {
		struct tree_function *function = &tree->functions[i];
		unsigned long drive;

		if (!function->half_built || tree_find_link(tree, function->name))
			continue;
		drive = strtoul(function->name + strcspn(function->name, "0123456789"), NULL, 10);
		rc = build_function(tree, function->name, 1, drive % MSD_DRIVES_MAX, spec, err);
	}
	return rc;
}

int build_drives(struct tree *tree, const struct msd_gadget_spec *spec, enum growth growth,
		 struct msd_error *err)
{
	int rc = finish_half_built(tree, spec, err);

	if (rc < 0 || growth == GROW_NOTHING)
		return rc;
	return growth == GROW_LUNS ? add_luns(tree, spec, err) : add_functions(tree, spec, err);
}
