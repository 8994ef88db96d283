/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files on a file server, which may be dead. */
#include "storage/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/shell.h"
#include "gadget/find.h"
#include "gadget/threads.h"
#include "storage/remount.h"

#define KILL_TIMEOUT_MS 500
#define GIVE_UP_AFTER_MS 200

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

static bool is_remote(struct libmnt_table *known, const char *path)
{
	struct libmnt_table *mounts = known;
	dev_t dev;
	bool remote;

	/* a device, most times */
	if (!strncmp(path, "/dev/", 5) || (!known && msd_mounts_read(&mounts, NULL) < 0))
		return false;
	remote = msd_remote_find(mounts, path, &dev);
	if (!known)
		mnt_unref_table(mounts);
	return remote;
}

struct answer {
	int rc;
	struct statx st;
};

/* What a server remembers says nothing about whether it lives. */
static struct answer ask(const void *path)
{
	struct answer answer = { 0 };

	if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &answer.st) < 0)
		answer.rc = -errno;
	return answer;
}

static bool is_ready(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&poll_fd, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/*
 * Reads what the child says; -ETIMEDOUT when it said nothing, -EBUSY when it could not even be
 * killed. Then it is left behind: what hangs in the kernel cannot be called off.
 */
static struct answer listen_to(int fd, pid_t pid, int timeout_ms)
{
	struct answer answer = { .rc = -ETIMEDOUT };

	if (is_ready(fd, timeout_ms)) {
		if (read(fd, &answer, sizeof(answer)) != sizeof(answer))
			answer.rc = -EIO;
	} else {
		kill(pid, SIGKILL);
		/* its end of the pipe is closed when it is gone */
		if (!is_ready(fd, KILL_TIMEOUT_MS))
			answer.rc = -EBUSY;
	}
	waitpid(pid, NULL, answer.rc == -EBUSY ? WNOHANG : 0);
	return answer;
}

/*
 * Has a process of its own ask, which is given so much time. give_up: a mount point; what waits
 * for its server once the question is put gets an error. (It is in use, so it stays mounted.)
 */
static struct answer ask_in_child(struct answer (*ask_what)(const void *), const void *what,
				  int timeout_ms, const char *give_up)
{
	struct answer answer = { 0 };
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return (struct answer){ .rc = -errno };
	pid = fork();
	if (pid == 0) {
		/* whoever reads our output must not wait for it as well */
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		answer = ask_what(what);
		_exit(write(fds[1], &answer, sizeof(answer)) != sizeof(answer));
	}
	answer.rc = -errno;
	close(fds[1]);
	if (pid > 0 && give_up) {
		msd_clock_sleep(GIVE_UP_AFTER_MS);
		umount2(give_up, MNT_FORCE);
	}
	if (pid > 0)
		answer = listen_to(fds[0], pid, timeout_ms);
	close(fds[0]);
	return answer;
}

int msd_remote_ask(const char *path, int timeout_ms, struct statx *ret)
{
	struct answer answer = ask_in_child(ask, path, timeout_ms, NULL);

	if (ret)
		*ret = answer.st;
	return answer.rc == -EBUSY ? -ETIMEDOUT : answer.rc;
}

int msd_remote_stat(const char *path, int timeout_ms, struct statx *ret)
{
	if (is_remote(NULL, path))
		return msd_remote_ask(path, timeout_ms, ret);
	return statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, ret) < 0 ? -errno : 0;
}

int msd_remote_check(struct libmnt_table *mounts, const char *path, struct msd_error *reterr)
{
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };

	if (!is_remote(mounts, path) || msd_remote_ask(path, MSD_REMOTE_TIMEOUT_MS, NULL) != -ETIMEDOUT)
		return 0;
	msd_fail(reterr, MSD_E_FAILED, "%s: its file server does not answer", path);
	if (msd_mount_find(path, &mount, NULL) == 0)
		msd_hint(reterr, "umount -l %s", msd_quoted(mount.target));
	return -MSD_E_FAILED;
}

static struct answer eject(const void *lun)
{
	return (struct answer){ .rc = msd_lun_eject((struct msd_lun *)lun, MSD_EJECT_FORCE, NULL, NULL) };
}

static int fail_stuck(const struct msd_drive_id *id, const char *path, struct msd_error *err)
{
	char name[2 * NAME_MAX], options[2 * NAME_MAX];

	msd_fail(err, MSD_E_UNSAFE, "%s: the host waits for %s, whose file server does not answer, and the kernel with it",
		 msd_drive_id_format(id, name, sizeof(name)), path);
	msd_hint(err, "otgmsd %s --eject --force: then whatever waits for that server gets an error",
		 msd_drive_id_options(id, options, sizeof(options)));
	return -MSD_E_UNSAFE;
}

int msd_remote_eject(struct msd_lun *lun, const struct msd_drive_id *id, const char *path,
		     bool force, const struct msd_log *log, struct msd_error *reterr)
{
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };
	/* the host's command holds what the kernel must lock to change the drive */
	bool stuck = msd_threads_are_stuck();
	int rc;

	if (stuck && !force)
		return fail_stuck(id, path, reterr);
	msd_mount_find(path, &mount, NULL);
	rc = ask_in_child(eject, lun, MSD_REMOTE_EJECT_MS, stuck ? mount.target : NULL).rc;
	/* the medium is out at once; only the closing of the file waits, and goes on in the kernel */
	if (rc < 0 && rc != -ETIMEDOUT)
		return msd_fail_on(reterr, -rc, msd_lun_get_name(lun));
	msd_log(log, MSD_LOG_WARNING, "%s: is out; its file server does not answer, and what the host wrote last may be lost",
		path);
	return 0;
}

int msd_remote_free_gadget(const char *gadget, bool stays, const struct msd_log *log,
			   struct msd_error *reterr)
{
	_cleanup_free_ struct msd_drive_id *ids = NULL;
	size_t n = 0;
	int rc = msd_find_all(MSD_GADGETS_DIR, NULL, &ids, &n, reterr);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
		struct msd_lun_state state;

		if (strcmp(ids[i].gadget, gadget) ||
		    msd_lun_open_drive(MSD_GADGETS_DIR, &ids[i], &lun, NULL) < 0 ||
		    msd_lun_read_state(lun, &state, NULL) < 0 || !state.file[0] ||
		    msd_remote_check(NULL, state.file, NULL) == 0)
			continue;
		if (!stays)
			rc = msd_remote_eject(lun, &ids[i], state.file, false, log, reterr);
		else if (msd_threads_are_stuck())
			rc = fail_stuck(&ids[i], state.file, reterr);
	}
	return rc;
}
