/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The storage writable just as long as someone needs it. */
#include "storage/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/proc.h"
#include "base/shell.h"
#include "base/text.h"
#include "gadget/attr.h"
#include "storage/remount.h"
#include "storage/writers.h"

#define NAME_SIZE 224		/* with ".holders.lock" behind it within NAME_MAX */
#define POLL_MS 100		/* between two tries of who waits for a writer */
#define GUARD_NAME "otgmsd-guard"

/*
 * In MSD_RUN_DIR, for each storage:
 * NAME.lock is held while one remounts, NAME.holders.lock is shared by all holders, and
 * NAME.rw tells that the storage is rw for holders only; in it is the id of the mount, so that
 * it counts no longer after an umount.
 */
struct names {
	char change[NAME_SIZE];
	char holders[NAME_SIZE + 16];
	char mark[sizeof(MSD_RUN_DIR) + NAME_SIZE + 16];
};

struct msd_hold {
	char *target;		/* NULL: no mount of its own, nothing to do */
	int lock_fd;
	int pipe_fd;		/* the guardian sees it close */
	pid_t guard;
};

static void make_names(const char *target, struct names *names)
{
	size_t len = strlen(target);

	/* the end of a very long path tells more storages apart than its beginning */
	if (len > NAME_SIZE - 10)
		target += len - (NAME_SIZE - 10);
	snprintf(names->change, sizeof(names->change), "storage%s", target);
	for (char *p = names->change; *p; p++)
		if (*p == '/')
			*p = '-';
	snprintf(names->holders, sizeof(names->holders), "%s.holders", names->change);
	snprintf(names->mark, sizeof(names->mark), MSD_RUN_DIR "/%s.rw", names->change);
}

/* Only who remounts, or looks whether to, has this lock. */
static int lock_change(const char *target, const struct names *names, uint64_t timeout_ms, int *ret,
		       struct msd_error *err)
{
	int rc = msd_lock_take(MSD_RUN_DIR, names->change, false, timeout_ms, target, ret, err);

	if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
		msd_prefix(err, "only root can change it");
		msd_prefix(err, target);
		msd_hint(err, "type sudo in front of the command");
	}
	return rc;
}

/* Whether a holder lives; the caller is none itself, or no more. */
static bool is_held(const struct names *names)
{
	_cleanup_close_ int fd = -1;

	return msd_lock_take(MSD_RUN_DIR, names->holders, false, 0, "", &fd, NULL) == -MSD_E_BUSY;
}

static bool is_marked(const struct names *names, const struct msd_mount *mount)
{
	_cleanup_close_ int fd = open(names->mark, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[16];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return (int)strtoul(text, NULL, 10) == mount->id;
}

static int set_mark(const struct names *names, const struct msd_mount *mount, struct msd_error *err)
{
	_cleanup_close_ int fd = open(names->mark, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
				      0644);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", mount->id);

	if (fd < 0 || write(fd, text, (size_t)len) < 0)
		return msd_fail_os(err, names->mark);
	return 0;
}

static void remove_mark(const struct names *names)
{
	unlinkat(AT_FDCWD, names->mark, 0);
}

/* who: find out who is in the way, which costs a look at every process. */
static int set_ro(const char *target, const struct names *names, bool who, struct msd_error *err)
{
	int rc = msd_mount_set_readonly(target, true, err);

	if (rc == -MSD_E_BUSY && who)
		return msd_writers_fail(target, err);
	if (rc == 0)
		remove_mark(names);
	return rc;
}

/* ro if nobody wants it rw any more. */
static int settle(const char *target, uint64_t timeout_ms, struct msd_error *err)
{
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };
	_cleanup_close_ int change = -1;
	struct names names;
	int rc;

	make_names(target, &names);
	/* not rw for holders; whoever just becomes one will come here, too */
	if (faccessat(AT_FDCWD, names.mark, F_OK, 0) < 0)
		return 0;
	rc = lock_change(target, &names, timeout_ms, &change, err);
	if (rc < 0 || is_held(&names))
		return rc;
	rc = msd_mount_read(target, &mount, err);
	if (rc == -MSD_E_NOTFOUND) {
		remove_mark(&names);
		return 0;
	}
	if (rc < 0 || !is_marked(&names, &mount))
		return rc;
	rc = set_ro(target, &names, err != NULL, err);
	return rc == -MSD_E_BUSY && msd_writers_has_drive(target) ? 0 : rc;
}

/* ps shows what it is, and no pattern that ends its holder ends it too. */
static void rename_guard(const char *target)
{
	unsigned long start = 0, end = 0;
	char line[2048], *p = NULL;

	prctl(PR_SET_NAME, GUARD_NAME);
	if (msd_attr_read(AT_FDCWD, "/proc/self/stat", line, sizeof(line), NULL) == 0)
		p = strrchr(line, ')');
	/* proc(5): arg_start and arg_end are the fields 48 and 49, the name is field 2 */
	for (int field = 3; p && field <= 49; field++) {
		p = strchr(p + 1, ' ');
		if (p && field == 48)
			start = strtoul(p, NULL, 10);
		else if (p && field == 49)
			end = strtoul(p, NULL, 10);
	}
	if (start == 0 || end <= start)
		return;
	memset((char *)start, 0, end - start);
	snprintf((char *)start, end - start, GUARD_NAME " %s", target);
}

/* Keeps nothing of the program that it was forked from: descriptors, signals, session. */
static void become_guard(int *pipe_fd, const char *target)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2,
				       SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU };
	const sigset_t none = { 0 };
	int null;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (*pipe_fd != 3)
		*pipe_fd = dup2(*pipe_fd, 3);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || (null != fd && dup2(null, fd) < 0))
			close(fd);
	closefrom(4);		/* not close_range(2), which is younger than some boards' kernels */
	rename_guard(target);
}

static void __attribute__((noreturn)) guard(int pipe_fd, const char *target)
{
	unsigned pause_ms = POLL_MS;
	char byte;

	become_guard(&pipe_fd, target);
	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
	while (settle(target, MSD_HOLD_TIMEOUT_MS, NULL) == -MSD_E_BUSY) {
		msd_clock_sleep(pause_ms);
		pause_ms = pause_ms < 800 ? 2 * pause_ms : 800;
	}
	_exit(0);
}

/* Before any lock is taken, so that the guardian has no part in one. */
static int start_guard(struct msd_hold *hold, struct msd_error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return msd_fail_os(err, hold->target);
	hold->guard = fork();
	if (hold->guard < 0) {
		int saved = errno;

		close(fds[0]);
		close(fds[1]);
		return msd_fail_errno(err, saved, "%s: no guardian process", hold->target);
	}
	if (hold->guard == 0) {
		close(fds[1]);
		guard(fds[0], hold->target);
	}
	close(fds[0]);
	hold->pipe_fd = fds[1];
	return 0;
}

static void stop_guard(struct msd_hold *hold)
{
	if (hold->guard <= 0)
		return;
	kill(hold->guard, SIGKILL);
	while (waitpid(hold->guard, NULL, 0) < 0 && errno == EINTR)
		;
	hold->guard = 0;
}

static void hold_free(struct msd_hold *hold)
{
	msd_closep(&hold->lock_fd);
	msd_closep(&hold->pipe_fd);
	free(hold->target);
	free(hold);
}

/* Under the lock of changes: counts itself in and makes the storage rw. */
static int enter(struct msd_hold *hold, const struct names *names, struct msd_error *err)
{
	_cleanup_(msd_mount_done) struct msd_mount mount = { 0 };
	int rc = msd_lock_take(MSD_RUN_DIR, names->holders, true, MSD_HOLD_TIMEOUT_MS, hold->target,
			       &hold->lock_fd, err);

	if (rc == 0)
		rc = msd_mount_read(hold->target, &mount, err);
	if (rc < 0 || !mount.readonly)
		return rc;
	/* the mark first: whoever dies in between leaves a mark too many, not one too few */
	rc = set_mark(names, &mount, err);
	if (rc == 0)
		rc = msd_mount_set_readonly(hold->target, false, err);
	if (rc < 0)
		remove_mark(names);
	return rc;
}

static int check_writable(const char *path, struct msd_error *err)
{
	struct statfs st;

	if (statfs(path, &st) < 0)
		return msd_fail_os(err, path);
	if (!(st.f_flags & ST_RDONLY))
		return 0;
	msd_fail(err, EROFS, "%s: its file system is read-only, and not the storage's own to"
		 " remount", path);
	msd_hint(err, "mount -o remount,rw $(findmnt -no TARGET -T %s)", msd_quoted(path));
	return -EROFS;
}

int msd_hold_new(const struct msd_root *root, uint64_t timeout_ms, struct msd_hold **ret,
		 struct msd_error *reterr)
{
	struct msd_hold *hold = malloc(sizeof(*hold));
	_cleanup_close_ int change = -1;
	struct names names;
	int rc = 0;

	if (!hold)
		return msd_fail_on(reterr, ENOMEM, root->path);
	*hold = (struct msd_hold){ .lock_fd = -1, .pipe_fd = -1 };
	if (!root->target) {
		rc = check_writable(root->path, reterr);
	} else {
		hold->target = strdup(root->target);
		make_names(root->target, &names);
		rc = hold->target ? start_guard(hold, reterr) : msd_fail_on(reterr, ENOMEM, root->path);
		if (rc == 0)
			rc = lock_change(hold->target, &names, timeout_ms, &change, reterr);
		if (rc == 0)
			rc = enter(hold, &names, reterr);
	}
	if (rc < 0) {
		stop_guard(hold);
		hold_free(hold);
		return rc;
	}
	*ret = hold;
	return 0;
}

int msd_hold_release(struct msd_hold *hold, struct msd_error *reterr)
{
	int rc = 0;

	if (!hold)
		return 0;
	if (hold->target) {
		msd_closep(&hold->lock_fd);
		hold->lock_fd = -1;
		rc = settle(hold->target, MSD_HOLD_TIMEOUT_MS, reterr);
		/* when a writer is left over, the guardian waits for it */
		if (rc != -MSD_E_BUSY)
			stop_guard(hold);
	}
	hold_free(hold);
	return rc;
}

void msd_hold_releasep(struct msd_hold **hold)
{
	msd_hold_release(*hold, NULL);
}

int msd_hold_settle(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr)
{
	return root->target ? settle(root->target, timeout_ms, reterr) : 0;
}

int msd_hold_set_rw(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr)
{
	_cleanup_close_ int change = -1;
	struct names names;
	int rc;

	if (!root->target)
		return check_writable(root->path, reterr);
	make_names(root->target, &names);
	rc = lock_change(root->target, &names, timeout_ms, &change, reterr);
	if (rc == 0)
		rc = msd_mount_set_readonly(root->target, false, reterr);
	if (rc == 0)
		remove_mark(&names);
	return rc;
}

char *msd_hold_format_holder(pid_t pid, char *buf, size_t len)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, len - 1);
	while (n > 0 && buf[n - 1] == '\0')
		n--;
	if (n <= 0)
		n = snprintf(buf, len, "?");
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0' || buf[i] == '\n')
			buf[i] = ' ';
	buf[n] = '\0';
	return buf;
}

static int fail_held(const struct msd_root *root, struct msd_error *err)
{
	_cleanup_free_ pid_t *pids = NULL;
	char who[PATH_MAX] = "", command[200];
	size_t n = 0;

	msd_hold_read_holders(root, &pids, &n, NULL);
	for (size_t i = 0; i < n; i++)
		msd_append(who, sizeof(who), ", ", "'%s' (pid %d)",
			   msd_hold_format_holder(pids[i], command, sizeof(command)), pids[i]);
	msd_fail(err, MSD_E_BUSY, "%s: held rw by %s", root->target, n ? who : "another command");
	if (n)
		msd_hint(err, "it becomes ro by itself when that ends; or kill %d, or wait with"
			 " --wait=SECONDS", pids[0]);
	return -MSD_E_BUSY;
}

int msd_hold_set_ro(const struct msd_root *root, uint64_t timeout_ms, struct msd_error *reterr)
{
	uint64_t deadline_ms = msd_clock_ms() + timeout_ms;
	struct names names;
	int rc;

	if (!root->target)
		return 0;
	make_names(root->target, &names);
	for (;;) {
		bool last = msd_clock_ms() >= deadline_ms;
		int change = -1;

		rc = lock_change(root->target, &names, MSD_HOLD_TIMEOUT_MS, &change, reterr);
		if (rc < 0)
			return rc;
		if (is_held(&names))
			rc = fail_held(root, reterr);
		else
			rc = set_ro(root->target, &names, last, reterr);
		close(change);
		if (rc != -MSD_E_BUSY || last)
			return rc;
		msd_clock_sleep(POLL_MS);
	}
}

int msd_hold_read_holders(const struct msd_root *root, pid_t **ret, size_t *ret_n,
			  struct msd_error *reterr)
{
	_cleanup_fclose_ FILE *locks = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	char path[sizeof(MSD_RUN_DIR) + NAME_SIZE + 32], line[256];
	struct names names;
	struct stat st;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	if (!root->target)
		return 0;
	make_names(root->target, &names);
	snprintf(path, sizeof(path), MSD_RUN_DIR "/%s.lock", names.holders);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : msd_fail_os(reterr, path);
	locks = msd_proc_open(AT_FDCWD, "/proc/locks");
	if (!locks)
		return msd_fail_errno(reterr, errno, "/proc/locks");
	while (fgets(line, sizeof(line), locks)) {
		unsigned long long inode;
		unsigned major, minor;
		pid_t pid, *more;

		if (sscanf(line, "%*s FLOCK %*s READ %d %x:%x:%llu", &pid, &major, &minor, &inode) != 4 ||
		    inode != st.st_ino || makedev(major, minor) != st.st_dev || pid <= 0)
			continue;
		more = realloc(pids, (n + 1) * sizeof(*pids));
		if (!more)
			return msd_fail_errno(reterr, ENOMEM, "/proc/locks");
		pids = more;
		pids[n++] = pid;
	}
	*ret = msd_steal(pids);
	*ret_n = n;
	return 0;
}
