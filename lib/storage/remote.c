/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files on a file server, which may be dead. */
#include "storage/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "storage/remount.h"

bool msd_remote_find(struct libmnt_table *mounts, const char *path, dev_t *ret_dev)
{
	static const char *const types[] = { "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs" };
	struct libmnt_fs *fs = msd_mounts_find(mounts, path);
	const char *type = fs ? mnt_fs_get_fstype(fs) : NULL;
	bool remote;

	if (!type)
		return false;
	remote = !strncmp(type, "fuse.", 5);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		remote = remote || !strcmp(type, types[i]);
	*ret_dev = mnt_fs_get_devno(fs);
	return remote;
}

static bool is_remote(const char *path)
{
	struct libmnt_table *mounts;
	dev_t dev;
	bool remote;

	/* a device, most times */
	if (!strncmp(path, "/dev/", 5) || msd_mounts_read(&mounts, NULL) < 0)
		return false;
	remote = msd_remote_find(mounts, path, &dev);
	mnt_unref_table(mounts);
	return remote;
}

struct answer {
	int rc;
	struct stat st;
};

static struct answer ask(const char *path)
{
	struct answer answer = { 0 };

	answer.rc = stat(path, &answer.st) < 0 ? -errno : 0;
	return answer;
}

/* Reads what the child says. It is not waited for when it says nothing: it could not even die. */
static struct answer listen_to(int fd, pid_t pid, int timeout_ms)
{
	struct answer answer = { .rc = -ETIMEDOUT };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&poll_fd, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n > 0 && read(fd, &answer, sizeof(answer)) != sizeof(answer))
		answer.rc = -EIO;
	if (n > 0)
		waitpid(pid, NULL, 0);
	else
		kill(pid, SIGKILL);
	return answer;
}

int msd_remote_stat(const char *path, int timeout_ms, struct stat *ret)
{
	struct answer answer;

	if (!is_remote(path)) {
		answer = ask(path);
	} else {
		int fds[2];
		pid_t pid;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		pid = fork();
		if (pid == 0) {
			/* whoever reads our output must not wait for it as well */
			close(STDOUT_FILENO);
			close(STDERR_FILENO);
			answer = ask(path);
			_exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer));
		}
		answer.rc = -errno;
		close(fds[1]);
		if (pid > 0)
			answer = listen_to(fds[0], pid, timeout_ms);
		close(fds[0]);
	}
	if (answer.rc == 0)
		*ret = answer.st;
	return answer.rc;
}

int msd_remote_check(const char *path, struct msd_error *reterr)
{
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };
	struct stat st;

	if (msd_remote_stat(path, MSD_REMOTE_TIMEOUT_MS, &st) != -ETIMEDOUT)
		return 0;
	msd_fail(reterr, MSD_E_FAILED, "%s: its file server does not answer", path);
	if (msd_mount_find(path, &mount, NULL) == 0)
		msd_hint(reterr, "umount -l %s", msd_quoted(mount.target));
	return -MSD_E_FAILED;
}
