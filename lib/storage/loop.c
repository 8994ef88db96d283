/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Loop devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "storage/window.h"

/* Between the answer which device is free and taking it, another program may be faster. */
#define TRIES 64

static void fill_config(struct loop_config *config, int fd, const char *path,
			const struct msd_window *window, bool readonly)
{
	memset(config, 0, sizeof(*config));
	config->fd = (__u32)fd;
	config->info.lo_offset = window->offset_bytes;
	config->info.lo_sizelimit = window->size_bytes;
	config->info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0);
	snprintf((char *)config->info.lo_file_name, LO_NAME_SIZE, "%s", path);
}

/* All at once, or on kernels before 5.8 in two steps. */
static int configure(int loopfd, int fd, struct loop_config *config)
{
	int saved;

	if (ioctl(loopfd, LOOP_CONFIGURE, config) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)
		return -errno;
	if (ioctl(loopfd, LOOP_SET_FD, fd) < 0)
		return -errno;
	if (ioctl(loopfd, LOOP_SET_STATUS64, &config->info) == 0)
		return 0;
	saved = errno;
	ioctl(loopfd, LOOP_CLR_FD, 0);
	return -saved;
}

int msd_loop_attach(int fd, const char *path, const struct msd_window *window, bool readonly,
		    char device[32], int *ret_fd, struct msd_error *reterr)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config;
	int rc = -EBUSY;

	if (control < 0) {
		rc = errno;
		if (rc != ENOENT && rc != ENODEV)
			return msd_fail_errno(reterr, rc, "/dev/loop-control");
		msd_fail(reterr, MSD_E_UNSUPPORTED, "this kernel has no loop devices");
		msd_hint(reterr, "modprobe loop");
		return -MSD_E_UNSUPPORTED;
	}
	fill_config(&config, fd, path, window, readonly);
	for (unsigned i = 0; i < TRIES && rc == -EBUSY; i++) {
		_cleanup_close_ int loopfd = -1;
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		if (number < 0)
			return msd_fail_errno(reterr, errno, "%s: no free loop device", path);
		snprintf(device, 32, "/dev/loop%d", number);
		loopfd = open(device, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		rc = loopfd < 0 ? -errno : configure(loopfd, fd, &config);
		if (rc == 0)
			*ret_fd = msd_steal_fd(&loopfd);
	}
	return rc < 0 ? msd_fail_errno(reterr, -rc, "%s: %s", path, device) : 0;
}
