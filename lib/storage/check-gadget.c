/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wrong with this board: kernel, controller, gadget and drives. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "gadget/controller.h"
#include "gadget/find.h"
#include "gadget/gadget.h"
#include "gadget/lun.h"
#include "storage/check-priv.h"
#include "storage/remote.h"

static void check_module(struct check *check, const struct utsname *kernel, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	if (faccessat(AT_FDCWD, path, F_OK, 0) == 0) {
		check_add(check, MSD_CHECK_OK, "modules", "%s is loaded", name);
	} else if (msd_gadget_has_module(name)) {
		check_add(check, MSD_CHECK_OK, "modules", "%s can be loaded", name);
	} else {
		check_add(check, MSD_CHECK_FAIL, "modules", "%s is neither loaded nor in /lib/modules/%s", name,
			  kernel->release);
		check_hint(check, "install the modules of kernel %s, or reboot when the kernel was updated",
			   kernel->release);
	}
}

static void check_configfs(struct check *check)
{
	struct msd_error err;

	if (msd_gadget_check_configfs(&err) == 0) {
		check_add(check, MSD_CHECK_OK, "configfs", "mounted, with USB gadgets");
		return;
	}
	check_add(check, MSD_CHECK_FAIL, "configfs", "%s", err.msg);
	check_hint(check, "%s", err.hint);
}

/*
 * A kernel that shows images over 2,359,293,952 bytes as a DVD cannot be told from one that cuts
 * them, but those known to do it (PiKVM's, Sipeed's) have this attribute too.
 */
static void check_lun(struct check *check, int dirfd)
{
	struct utsname kernel;

	if (faccessat(dirfd, "inquiry_string_cdrom", F_OK, 0) == 0) {
		check_add(check, MSD_CHECK_OK, "cdrom", "CD images over 2.2 GiB should become DVDs");
	} else {
		check_add(check, MSD_CHECK_WARN, "cdrom", "this kernel cuts CD images after 2359293952 bytes");
		check_hint(check, "larger ones as flash drives (otgmsd --set-cdrom=0), or a kernel with DVD"
			   " support");
	}
	if (faccessat(dirfd, "forced_eject", F_OK, 0) == 0) {
		check_add(check, MSD_CHECK_OK, "forced_eject", "there");
		return;
	}
	uname(&kernel);
	check_add(check, MSD_CHECK_WARN, "forced_eject", "not in kernel %s", kernel.release);
	check_hint(check, "eject interrupts all drives when the host has locked one; kernel 6.0 and later"
		   " do not need that");
}

void check_kernel(struct check *check)
{
	struct utsname kernel;

	uname(&kernel);
	check_module(check, &kernel, "libcomposite");
	check_module(check, &kernel, "usb_f_mass_storage");
	check_configfs(check);
}

static void check_controller(struct check *check, const char *bound_to)
{
	char name[NAME_MAX + 1], state[32];
	struct msd_error err;

	if (!bound_to[0]) {
		if (msd_controller_choose(check->options->controller, 0, name, &err) < 0)
			check_add_error(check, MSD_CHECK_FAIL, "controller", &err);
		else
			check_add(check, MSD_CHECK_OK, "controller", "%s", name);
		return;
	}
	if (msd_controller_read_state(bound_to, state, sizeof(state), &err) < 0) {
		check_add_error(check, MSD_CHECK_FAIL, "controller", &err);
	} else if (!strcmp(state, "configured") || !strcmp(state, "suspended")) {
		check_add(check, MSD_CHECK_OK, "controller", "%s: %s", bound_to, state);
	} else {
		check_add(check, MSD_CHECK_WARN, "controller", "%s: %s: no host has taken the device",
			  bound_to, state);
		check_hint(check, "plug the cable into the host and switch it on, or otgmsd-gadget replug");
	}
}

static void check_links(struct check *check, const struct msd_gadget_status *status)
{
	const char *name = status->name;

	if (status->n_drives == 0) {
		check_add(check, MSD_CHECK_FAIL, "gadget", "%s: has no drive", name);
		check_hint(check, "otgmsd-gadget -g %s start", name);
	} else if (!status->controller[0]) {
		check_add(check, MSD_CHECK_FAIL, "gadget", "%s: not bound to a controller", name);
		check_hint(check, "otgmsd-gadget -g %s start", name);
	} else if (status->n_enabled < status->n_drives) {
		check_add(check, MSD_CHECK_WARN, "gadget", "%s: the host is shown %u of %u drives", name,
			  status->n_enabled, status->n_drives);
		check_hint(check, "otgmsd-gadget -g %s enable", name);
	} else {
		check_add(check, MSD_CHECK_OK, "gadget", "%s: bound, %u drives linked", name,
			  status->n_drives);
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static void check_medium(struct check *check, const struct msd_drive_id *id, const char *file)
{
	char name[2 * NAME_MAX], options[2 * NAME_MAX];
	int rc = msd_remote_ask(file, MSD_CHECK_TIMEOUT_MS, NULL);

	msd_drive_id_format(id, name, sizeof(name));
	msd_drive_id_options(id, options, sizeof(options));
	if (rc == 0) {
		check_add(check, MSD_CHECK_OK, "drive", "%s: %s", name, file);
	} else if (rc == -ENOENT && ends_with(file, " (deleted)")) {
		check_add(check, MSD_CHECK_WARN, "drive", "%s: %s: the host still has it, its room is not"
			  " free before the eject", name, file);
		check_hint(check, "otgmsd %s --eject", options);
	} else {
		check_add(check, MSD_CHECK_FAIL, "drive", "%s: %s: %s", name, file,
			  rc == -ETIMEDOUT ? "the server does not answer" : strerror(-rc));
		check_hint(check, "otgmsd %s --eject", options);
	}
}

/* Gives one of them, whose attributes all have in common, or NULL. */
static struct msd_lun *check_drives(struct check *check)
{
	_cleanup_free_ struct msd_drive_id *ids = NULL;
	struct msd_lun *one = NULL;
	struct msd_lun_state state;
	size_t n;

	if (msd_find_all(MSD_GADGETS_DIR, NULL, &ids, &n, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
		_cleanup_close_ int fd = -1;
		char dir[sizeof(MSD_GADGETS_DIR) + NAME_MAX + 1], name[2 * NAME_MAX];

		snprintf(dir, sizeof(dir), MSD_GADGETS_DIR "/%s", ids[i].gadget);
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || msd_lun_open(fd, ids[i].function, ids[i].lun, &lun, NULL) < 0 ||
		    msd_lun_read_state(lun, &state, NULL) < 0)
			continue;
		if (state.file[0] && state.deleted && !ends_with(state.file, " (deleted)"))
			strcpy(state.file + strlen(state.file), " (deleted)");
		if (state.file[0])
			check_medium(check, &ids[i], state.file);
		else
			check_add(check, MSD_CHECK_OK, "drive", "%s: empty",
				  msd_drive_id_format(&ids[i], name, sizeof(name)));
		if (!one)
			one = msd_steal(lun);
	}
	return one;
}

void check_gadget(struct check *check)
{
	_cleanup_free_ struct msd_gadget_status *status = NULL;
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	const struct msd_gadget_status *bound = NULL;
	struct msd_error err;
	char name[NAME_MAX + 1];
	size_t n = 0;

	if (msd_find_gadget(MSD_GADGETS_DIR, check->options->gadget, name, &err) == 0 &&
	    msd_gadget_read_status(name, &status, &n, &err) == 0)
		bound = &status[0];
	check_controller(check, bound ? bound->controller : "");
	if (bound) {
		check_links(check, bound);
	} else {
		check_add(check, MSD_CHECK_FAIL, "gadget", "%s", err.msg);
		/* without any place for gadgets the rows above say what to do */
		if (msd_gadget_check_configfs(NULL) == 0)
			check_hint(check, "%s", err.hint[0] ? err.hint : "otgmsd-gadget start");
	}
	lun = check_drives(check);
	if (lun)
		check_lun(check, msd_lun_get_dirfd(lun));
}
