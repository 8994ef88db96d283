/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel threads file-storage. */
#include "gadget/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/dir.h"

/* A thread that waits each time that it is looked at waits for more than a slow disk. */
#define STUCK_SAMPLES 4
#define STUCK_SAMPLE_MS 100

/* The letter of its state if /proc/PID is one of them, else 0. */
static char read_state(int proc_fd, const char *pid)
{
	_cleanup_close_ int fd = -1;
	char path[NAME_MAX + 8], line[128], *rest;
	char state;
	int ppid;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	if (n <= 0)
		return 0;
	line[n] = '\0';
	rest = strstr(line, " (file-storage) ");
	/* a program may take the name, but only kthreadd's children have 2 for a parent */
	return rest && sscanf(rest, " (file-storage) %c %d", &state, &ppid) == 2 && ppid == 2 ? state : 0;
}

static int for_each(int (*fn)(int proc_fd, int pid, char state, void *data, struct msd_error *err),
		    void *data, struct msd_error *err)
{
	_cleanup_dir_ struct msd_dir proc;
	const struct dirent64 *entry;
	int rc = 0;

	if (msd_dir_open(&proc, AT_FDCWD, "/proc") < 0)
		return msd_fail_errno(err, errno, "/proc");
	while (rc == 0 && (entry = msd_dir_next(&proc))) {
		int pid = (int)strtoul(entry->d_name, NULL, 10);
		char state = pid > 0 ? read_state(proc.fd, entry->d_name) : 0;

		if (state)
			rc = fn(proc.fd, pid, state, data, err);
	}
	return rc;
}

static int unlock(int proc_fd, int pid, char state, void *data, struct msd_error *err)
{
	if (kill(pid, SIGUSR1) < 0 && errno != ESRCH)
		return msd_fail_errno(err, errno, "kernel thread file-storage, %d", pid);
	return 0;
}

int msd_threads_unlock(struct msd_error *reterr)
{
	return for_each(unlock, NULL, reterr);
}

/* wchar counts every write; write_bytes leaves out what rewrites a page that is dirty already. */
static int add_written(int proc_fd, int pid, char state, void *data, struct msd_error *err)
{
	_cleanup_close_ int fd = -1;
	uint64_t *sum = data;
	unsigned long long bytes;
	char path[32], text[512], *line;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/io", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return errno == ENOENT || errno == ESRCH ?
			       0 : msd_fail_errno(err, errno, "/proc/%s", path);
	text[n] = '\0';
	line = strstr(text, "wchar:");
	if (line && sscanf(line, "wchar: %llu", &bytes) == 1)
		*sum += bytes;
	return 0;
}

int msd_threads_read_written(uint64_t *ret_bytes, struct msd_error *reterr)
{
	uint64_t sum = 0;
	int rc = for_each(add_written, &sum, reterr);

	if (rc == 0)
		*ret_bytes = sum;
	return rc;
}

static int is_waiting(int proc_fd, int pid, char state, void *data, struct msd_error *err)
{
	/* of what cannot be interrupted */
	return state == 'D';
}

bool msd_threads_are_stuck(void)
{
	int i;

	for (i = 0; i < STUCK_SAMPLES && for_each(is_waiting, NULL, NULL) == 1; i++)
		msd_clock_sleep(STUCK_SAMPLE_MS);
	return i == STUCK_SAMPLES;
}
