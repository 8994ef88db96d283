/* SPDX-License-Identifier: GPL-3.0-or-later */
/* USB device controllers. */
#include "gadget/controller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/text.h"
#include "gadget/attr.h"
#include "gadget/find.h"

/* sysfs cannot be watched for new entries. */
#define APPEAR_POLL_MS 100

/* Not every driver tells when the state changes (dwc2 misses an unplug): look now and then. */
#define STATE_POLL_MS 250

/* Long enough for a host's hub to see the unplug (USB 2.0, 7.1.7.3: 2 ms) and to debounce. */
#define SOFT_UNPLUG_MS 300

/* All controllers: their number, one of them, and a list for people. */
struct found {
	unsigned n;
	char name[NAME_MAX + 1];
	char list[512];
	bool wanted;
};

static void list_controllers(const char *wanted, struct found *found)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;

	*found = (struct found){ 0 };
	msd_dir_open(&dir, AT_FDCWD, MSD_CONTROLLERS_DIR);
	while ((entry = msd_dir_next(&dir))) {
		found->n++;
		msd_append(found->list, sizeof(found->list), ", ", "%s", entry->d_name);
		if (found->wanted)
			continue;
		snprintf(found->name, sizeof(found->name), "%s", entry->d_name);
		found->wanted = wanted && !strcmp(wanted, entry->d_name);
	}
}

static int fail_choice(const char *wanted, const struct found *found, struct msd_error *err)
{
	int rc;

	if (found->n == 0) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED,
			      "%s: this machine has no USB device controller, or its driver is not loaded%s%s",
			      MSD_CONTROLLERS_DIR, wanted ? ": waiting for " : "", wanted ? wanted : "");
		msd_hint(err, "Raspberry Pi: dtoverlay=dwc2 in /boot/firmware/config.txt, then reboot; others: "
			      "modprobe the driver, and dr_mode=\"peripheral\" or \"otg\" in the device tree; "
			      "without hardware: modprobe dummy_hcd");
		return rc;
	}
	if (wanted) {
		rc = msd_fail(err, MSD_E_UNSUPPORTED, "%s: there is no such controller, only: %s", wanted,
			      found->list);
		msd_hint(err, "controller = \"%s\" in %s/otgmsd.conf", found->name, MSD_SYSCONFDIR);
		return rc;
	}
	rc = msd_fail(err, MSD_E_CONFIG, "there are several controllers and none is chosen: %s",
		      found->list);
	msd_hint(err, "controller = \"%s\" in %s/otgmsd.conf, or --controller=%s", found->name,
		 MSD_SYSCONFDIR, found->name);
	return rc;
}

int msd_controller_choose(const char *wanted, uint64_t timeout_ms, char ret[NAME_MAX + 1],
			  struct msd_error *reterr)
{
	struct found found;

	for (uint64_t waited_ms = 0; ; waited_ms += APPEAR_POLL_MS) {
		list_controllers(wanted, &found);
		if (found.wanted || (!wanted && found.n == 1)) {
			strcpy(ret, found.name);
			return 0;
		}
		/* a second one does not go away by waiting */
		if (waited_ms >= timeout_ms || (!wanted && found.n > 1))
			return fail_choice(wanted, &found, reterr);
		msd_clock_sleep(APPEAR_POLL_MS);
	}
}

/* The gadget other than self that is bound to the controller. Returns whether there is one. */
static bool find_holder(const char *controller, const char *self, char ret[NAME_MAX + 1])
{
	_cleanup_dir_ struct msd_dir dir;
	char path[NAME_MAX + 8], udc[NAME_MAX + 2];
	const struct dirent64 *entry;

	msd_dir_open(&dir, AT_FDCWD, MSD_GADGETS_DIR);
	while ((entry = msd_dir_next(&dir))) {
		if (!strcmp(entry->d_name, self))
			continue;
		snprintf(path, sizeof(path), "%s/UDC", entry->d_name);
		if (msd_attr_read(dir.fd, path, udc, sizeof(udc), NULL) < 0 ||
		    strcmp(udc, controller))
			continue;
		snprintf(ret, NAME_MAX + 1, "%s", entry->d_name);
		return true;
	}
	return false;
}

static const char *attr_path(const char *controller, const char *attr, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s/%s", MSD_CONTROLLERS_DIR, controller, attr);
	return path;
}

static int read_attr(const char *controller, const char *attr, char *buf, size_t len,
		     struct msd_error *err)
{
	char path[PATH_MAX];

	return msd_attr_read(AT_FDCWD, attr_path(controller, attr, path), buf, len, err);
}

int msd_controller_check_free(const char *controller, const char *gadget,
			      struct msd_error *reterr)
{
	char holder[NAME_MAX + 1], driver[NAME_MAX + 2];
	int rc;

	if (find_holder(controller, gadget, holder)) {
		rc = msd_fail(reterr, MSD_E_BUSY, "%s: the controller is taken by gadget '%s'", controller,
			      holder);
		msd_hint(reterr, "otgmsd-gadget -g %s start adds drives to that gadget; to free the controller: "
				 "echo > %s/%s/UDC", holder, MSD_GADGETS_DIR, holder);
		return rc;
	}
	rc = read_attr(controller, "function", driver, sizeof(driver), reterr);
	if (rc == -ENOENT)
		return msd_fail(reterr, MSD_E_UNSUPPORTED, "%s: the controller is gone", controller);
	if (rc < 0 || !driver[0] || !strcmp(driver, gadget))
		return rc;
	rc = msd_fail(reterr, MSD_E_BUSY, "%s: the controller is taken by the driver '%s'", controller,
		      driver);
	msd_hint(reterr, "modprobe -r %s", driver);
	return rc;
}

int msd_controller_read_state(const char *controller, char *buf, size_t len,
			      struct msd_error *reterr)
{
	return read_attr(controller, "state", buf, len, reterr);
}

int msd_controller_read_speed(const char *controller, char *buf, size_t len,
			      struct msd_error *reterr)
{
	return read_attr(controller, "current_speed", buf, len, reterr);
}

/* Reading is what arms poll(2) again. */
static void look(struct msd_controller_watch *watch)
{
	char state[32];
	ssize_t n = pread(watch->fd, state, sizeof(state) - 1, 0);

	state[n > 0 ? n : 0] = '\0';
	watch->configured = !strncmp(state, "configured", 10) || !strncmp(state, "suspended", 9);
	if (!watch->configured)
		watch->changed = true;
}

int msd_controller_watch_open(const char *controller, struct msd_controller_watch *ret,
			      struct msd_error *reterr)
{
	char path[PATH_MAX];

	ret->fd = open(attr_path(controller, "state", path), O_RDONLY | O_CLOEXEC);
	if (ret->fd < 0)
		return msd_fail_os(reterr, path);
	look(ret);
	return 0;
}

void msd_controller_watch_reset(struct msd_controller_watch *watch)
{
	watch->changed = false;
	look(watch);
}

bool msd_controller_watch_configured(struct msd_controller_watch *watch, bool anew,
				     uint64_t timeout_ms)
{
	struct pollfd poller = { .fd = watch->fd, .events = POLLPRI };
	uint64_t start = msd_clock_ms(), waited_ms, left_ms;

	while (!watch->configured || (anew && !watch->changed)) {
		waited_ms = msd_clock_ms() - start;
		if (waited_ms >= timeout_ms)
			return false;
		left_ms = timeout_ms - waited_ms;
		if (poll(&poller, 1, left_ms < STATE_POLL_MS ? (int)left_ms : STATE_POLL_MS) > 0)
			watch->changed = true;
		look(watch);
	}
	return true;
}

int msd_controller_soft_replug(const char *controller, struct msd_error *reterr)
{
	char path[PATH_MAX];
	int rc;

	rc = msd_attr_write(AT_FDCWD, attr_path(controller, "soft_connect", path), "disconnect", reterr);
	if (rc < 0)
		return rc;
	msd_clock_sleep(SOFT_UNPLUG_MS);
	return msd_attr_write(AT_FDCWD, path, "connect", reterr);
}
