/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel attributes. */
#include "gadget/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ETOOSMALL of drivers/usb/gadget/function/storage_common.h; libc has no text for it. */
#define KERNEL_ETOOSMALL 525

int msd_attr_read(int dirfd, const char *path, char *buf, size_t len, struct msd_error *reterr)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return msd_fail_os(reterr, path);
	n = read(fd, buf, len);
	if (n < 0)
		return msd_fail_os(reterr, path);
	if ((size_t)n == len)
		return msd_fail_on(reterr, ERANGE, path);
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int msd_attr_read_bool(int dirfd, const char *path, bool *ret, struct msd_error *reterr)
{
	char text[32];
	int rc = msd_attr_read(dirfd, path, text, sizeof(text), reterr);

	if (rc < 0)
		return rc;
	if (!text[0] || text[strspn(text, "0123456789")])
		return msd_fail(reterr, EINVAL, "%s: the kernel gives '%s', no number", path, text);
	*ret = text[strspn(text, "0")];
	return 0;
}

int msd_attr_write(int dirfd, const char *path, const char *value, struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;
	char line[MSD_ATTR_MAX + 1];
	size_t len = strlen(value);
	ssize_t n;

	if (len > MSD_ATTR_MAX)
		return msd_fail(reterr, ENAMETOOLONG, "%s: %zu bytes, and the kernel takes %d", path,
				len, MSD_ATTR_MAX);
	memcpy(line, value, len);
	line[len++] = '\n';
	fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return msd_fail_os(reterr, path);
	n = write(fd, line, len);
	if (n < 0 && errno == KERNEL_ETOOSMALL)
		return msd_fail(reterr, MSD_E_TOOSMALL, "%s: smaller than a medium can be", path);
	if (n < 0)
		return msd_fail_os(reterr, path);
	if ((size_t)n != len)
		return msd_fail_errno(reterr, EIO, "%s: short write", path);
	return 0;
}

int msd_attr_write_bool(int dirfd, const char *path, bool value, struct msd_error *reterr)
{
	return msd_attr_write(dirfd, path, value ? "1" : "0", reterr);
}
