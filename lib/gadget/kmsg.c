/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the kernel says in its log and nowhere else. */
#include "gadget/kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* One read(2) gives one record; the kernel refuses a buffer that does not hold it (8 KiB). */
#define RECORD_MAX 8192

int msd_kmsg_open(int *ret_fd, struct msd_error *reterr)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return msd_fail_errno(reterr, errno, "/dev/kmsg");
	*ret_fd = msd_steal_fd(&fd);
	return 0;
}

bool msd_kmsg_find(int fd, const char *text, const char *other_text)
{
	char record[RECORD_MAX + 1];

	for (;;) {
		ssize_t n = read(fd, record, RECORD_MAX);

		/* EPIPE: records were lost before they were read; the next read goes on behind them */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		record[n] = '\0';
		if (strstr(record, text) && strstr(record, other_text))
			return true;
	}
}
