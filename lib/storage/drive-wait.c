/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for what a host or another program does to a drive. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "drive-priv.h"
#include "storage/remote.h"
#include "base/clock.h"

/* The kernel tells nobody of a host's eject: neither inotify nor an uevent. */
#define POLL_MS 100

/* Whether a host has configured the gadget. Returns 1, 0 or -errno. */
static int is_configured(const struct msd_drive *drive, struct msd_error *err)
{
	char udc[NAME_MAX + 1], path[2 * NAME_MAX], state[32];
	int rc = msd_drive_read_udc(drive, udc, sizeof(udc), err);

	/* a controller may go on saying "configured" after it has been unbound */
	if (rc < 0 || !udc[0])
		return rc;
	snprintf(path, sizeof(path), "/sys/class/udc/%s/state", udc);
	rc = msd_attr_read(AT_FDCWD, path, state, sizeof(state), err);
	return rc < 0 ? rc : !strcmp(state, "configured");
}

/* Returns 1, 0 or -errno; state is what was read of the drive. */
static int is_reached(struct msd_drive *drive, enum msd_wait what, struct msd_lun_state *state,
		      struct msd_error *err)
{
	int rc;

	if (what == MSD_WAIT_CONFIGURED)
		return is_configured(drive, err);
	rc = msd_lun_read_state(drive->lun, state, err);
	return rc < 0 ? rc : !state->file[0] == (what == MSD_WAIT_EJECTED);
}

static int timed_out(const struct msd_drive *drive, enum msd_wait what, uint64_t timeout_ms,
		     struct msd_error *err)
{
	static const char *const missing[] = {
		[MSD_WAIT_CONFIGURED] = "no host has configured it",
		[MSD_WAIT_EJECTED] = "the medium is still in",
		[MSD_WAIT_INSERTED] = "no medium came in",
	};

	return msd_fail(err, MSD_E_TIMEOUT, "%s: %s after %llu.%llu s", drive->name, missing[what],
			(unsigned long long)timeout_ms / 1000,
			(unsigned long long)timeout_ms % 1000 / 100);
}

int msd_drive_wait(struct msd_drive *drive, enum msd_wait what, uint64_t timeout_ms,
		   const char *storage_path, struct msd_error *reterr)
{
	struct msd_lun_state first = { 0 }, state = { 0 };
	uint64_t start = msd_clock_ms();
	int rc;

	rc = is_reached(drive, what, &first, reterr);
	while (rc == 0) {
		if (timeout_ms != MSD_WAIT_FOREVER && msd_clock_ms() - start >= timeout_ms)
			return timed_out(drive, what, timeout_ms, reterr);
		msd_clock_sleep(POLL_MS);
		rc = is_reached(drive, what, &state, reterr);
	}
	if (rc == -ENOENT || rc == -ENODEV)
		return msd_fail(reterr, MSD_E_NOTFOUND, "%s: was torn down meanwhile", drive->name);
	if (rc < 0)
		return rc;
	if (what != MSD_WAIT_EJECTED)
		return 0;
	drive->dead = first.file[0] && !first.ro && msd_remote_check(NULL, first.file, NULL) < 0;
	return msd_drive_settle(drive, &first, storage_path, reterr);
}
