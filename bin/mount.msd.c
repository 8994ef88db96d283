/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mount(8) helper: mount -t msd flash.img /mnt */
#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "gadget/find.h"
#include "storage/helper.h"
#include "storage/root.h"
#include "storage/usage.h"
#include "storage/window.h"
#include "tool.h"

#define NAME "mount.msd"
#define EX_FAIL 32		/* what mount(8) and all its helpers end with when a mount failed */

static const struct poptOption options[] = {
	{ "options", 'o', POPT_ARG_STRING, NULL, 'o', "Mount options: rw, msd.partition=N, those of the file system", "OPTIONS" },
	{ "fake", 'f', POPT_ARG_NONE, NULL, 'f', "Check all and mount nothing", NULL },
	{ "no-mtab", 'n', POPT_ARG_NONE, NULL, 'n', "Do not write /run/mount/utab", NULL },
	{ "sloppy", 's', POPT_ARG_NONE, NULL, 's', "Take options that the file system does not know", NULL },
	{ "namespace", 'N', POPT_ARG_STRING, NULL, 'N', "Mount in this mount namespace", "NS" },
	{ "types", 't', POPT_ARG_STRING, NULL, 't', "msd, or msd.TYPE: take the file system for a TYPE", "TYPE" },
	POPT_TABLEEND
};

struct job {
	struct tool tool;
	const char *options, *namespace, *type;
	bool fake, no_mtab, sloppy;
	const char *source, *target;	/* as given */
	bool for_user;			/* setuid: who called has no rights but those of fstab */
	struct msd_fstab_line line;
	bool rw;
	int partition;
	char image[PATH_MAX];		/* absolute, without links */
	char *fs_options;
	char user[64];			/* user=NAME of a mount that NAME may undo; or "" */
};

static void parse(struct job *job, int argc, char **argv)
{
	int option;

	tool_init(&job->tool, NAME, argc, argv, options, "[OPTION…] IMAGE FOLDER");
	setlocale(LC_CTYPE, "C.UTF-8");
	while ((option = tool_next_option(&job->tool))) {
		if (option == 'o')
			job->options = tool_option_value(&job->tool);
		else if (option == 'N')
			job->namespace = tool_option_value(&job->tool);
		else if (option == 't')
			job->type = tool_option_value(&job->tool);
		job->fake |= option == 'f';
		job->no_mtab |= option == 'n';
		job->sloppy |= option == 's';
	}
	job->source = tool_next_operand(&job->tool);
	job->target = tool_next_operand(&job->tool);
	if (!job->target || tool_next_operand(&job->tool))
		tool_usage_error(&job->tool, "an image and a folder are wanted, as mount(8) gives them");
	if (job->type && strcmp(job->type, "msd") && (strncmp(job->type, "msd.", 4) || !job->type[4]))
		tool_usage_error(&job->tool, "--types: '%s' is neither msd nor msd.TYPE", job->type);
}

/* 1, 0 or, when it cannot be told, -1: whether the command line of mount(8) above asks for rw. */
static int parent_asks_rw(void)
{
	_cleanup_close_ int fd = -1;
	char path[64], text[16384];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n != 6 || strncmp(text, "mount\n", 6))
		return -1;
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -1;
	text[n] = '\0';
	return msd_command_asks_rw(text, (size_t)n);
}

/*
 * Read-only unless rw is asked. mount(8) says rw to its helpers also when nobody asked, so what
 * counts then is its own command line and the line of fstab.
 */
static bool asks_rw(const struct job *job, bool has_line)
{
	int parent;

	if (job->for_user)
		return msd_options_ask_rw(job->line.options);
	if (!msd_options_ask_rw(job->options))
		return false;
	parent = parent_asks_rw();
	return parent != 0 || (has_line && msd_options_ask_rw(job->line.options));
}

/* In fstab a blank is \\040. */
static void hint_line(const struct job *job, struct msd_error *err)
{
	_cleanup_free_ char *source = mnt_mangle(job->source), *target = mnt_mangle(job->target);

	if (source && target)
		msd_hint(err, "add to " MSD_FSTAB ": %s %s msd noauto,user,ro 0 0", source, target);
}

/*
 * A user who is not root: everything from fstab, nothing from the command line, and then all
 * the way root, since mount(8) gives its helpers no rights of its own.
 */
static int become_root(struct job *job, bool has_line, struct msd_error *err)
{
	const struct passwd *user;
	bool every;

	if (geteuid() != 0) {
		msd_fail(err, EPERM, "%s: only root can mount it", job->source);
		msd_hint(err, "sudo mount …; for lines with user in " MSD_FSTAB " chmod u+s %s",
			 "/sbin/" NAME);
		return -EPERM;
	}
	every = has_line && mnt_optstr_get_option(job->line.options, "users", NULL, NULL) == 0;
	if (!every && !(has_line && mnt_optstr_get_option(job->line.options, "user", NULL, NULL) == 0)) {
		msd_fail(err, EPERM, "%s on %s: only root can mount it", job->source, job->target);
		hint_line(job, err);
		return -EPERM;
	}
	user = every ? NULL : getpwuid(getuid());
	if (!every && !user)
		return msd_fail(err, EPERM, "%s: user %d has no name", job->source, (int)getuid());
	if (user)
		snprintf(job->user, sizeof(job->user), "user=%s", user->pw_name);
	else
		snprintf(job->user, sizeof(job->user), "users");
	job->source = job->line.source;
	job->target = job->line.target;
	job->options = job->line.options;
	job->namespace = job->type = NULL;
	if (setgid(0) < 0 || setuid(0) < 0)
		return msd_fail_os(err, job->source);
	return 0;
}

static int read_partition(struct job *job, struct msd_error *err)
{
	char text[16] = "";
	uint64_t number;
	char *value;
	size_t len;

	job->partition = MSD_WINDOW_ANY;
	if (!job->options || mnt_optstr_get_option(job->options, "msd.partition", &value, &len))
		return 0;
	if (value && len < sizeof(text))
		memcpy(text, value, len);
	if (msd_parse_number(text, 128, &number) < 0)
		return msd_fail(err, MSD_E_USAGE, "msd.partition=%.*s: not a number of at most 128 (0 is"
				" the whole image)", (int)len, value ? value : "");
	job->partition = (int)number;
	return 0;
}

static int prepare(struct job *job, struct msd_error *err)
{
	bool has_line;
	char *rest;
	int rc;

	job->for_user = getuid() != 0;
	has_line = msd_fstab_find(MSD_FSTAB, job->source, job->target, &job->line, NULL) == 0;
	rc = job->for_user ? become_root(job, has_line, err) : 0;
	if (rc == 0)
		rc = read_partition(job, err);
	if (rc < 0)
		return rc;
	job->rw = asks_rw(job, has_line);
	if (!realpath(job->source, job->image))
		return msd_fail_os(err, job->source);
	rc = msd_options_for_fs(job->options, &rest);
	if (rc < 0)
		return msd_fail_on(err, -rc, job->source);
	if (asprintf(&job->fs_options, "%s%s%s%s%s", job->rw ? "rw" : "ro",
				job->for_user ? ",nosuid,nodev,noexec," : "", job->user,
				rest[0] ? "," : "", rest) < 0)
		rc = msd_fail_on(err, ENOMEM, job->source);
	free(rest);
	return rc;
}

static int open_image(const struct job *job, int *ret, struct msd_error *err)
{
	/* a user may have put a link in the place of an image that fstab lets him mount */
	const char *path = job->for_user ? job->source : job->image;
	_cleanup_close_ int fd = open(path, (job->rw ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK |
				      (job->for_user ? O_NOFOLLOW : 0));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int saved = errno;

		msd_fail_on(err, saved, path);
		if (saved == EROFS)
			msd_hint(err, "otgmsd-remount rw, or mount it with ro");
		return -saved;
	}
	if (!S_ISREG(st.st_mode) && (job->for_user || !S_ISBLK(st.st_mode)))
		return msd_fail(err, MSD_E_REFUSED, "%s: not an image file", path);
	*ret = msd_steal_fd(&fd);
	return 0;
}

/* Words for what mount(2) answered. */
static int explain(const struct job *job, const struct msd_window *window, int code,
		   struct msd_error *err)
{
	switch (code) {
	case ENODEV:
		msd_fail(err, ENODEV, "%s: this kernel has no driver for %s", job->image, window->fstype);
		msd_hint(err, "modprobe %s", window->fstype);
		break;
	case EINVAL:
	case EUCLEAN:
	case EBADMSG:
		msd_fail(err, code, "%s: its %s is damaged, or does not know an option of '%s'", job->image,
			 window->fstype, job->fs_options);
		msd_hint(err, "dmesg | tail tells what the kernel found");
		break;
	case EROFS:
		msd_fail(err, EROFS, "%s: its %s must be repaired before it can be read, and it is to be"
			 " mounted read-only", job->image, window->fstype);
		msd_hint(err, "mount -o rw, or for ext3 and ext4 -o noload");
		break;
	default:
		return msd_fail_errno(err, code, "%s on %s", job->image, job->target);
	}
	return -code;
}

static int call_mount(const struct job *job, const char *device, const struct msd_window *window,
		      struct msd_error *err)
{
	struct libmnt_context *cxt = mnt_new_context();
	const char *fstype = window->fstype;
	int rc;

	if (!cxt)
		return msd_fail_on(err, ENOMEM, job->image);
	if (job->type && job->type[3])
		fstype = job->type + 4;
	else if (!strcmp(fstype, "ntfs"))
		fstype = "ntfs3";
	mnt_context_disable_helpers(cxt, 1);
	mnt_context_disable_mtab(cxt, job->no_mtab);
	mnt_context_enable_sloppy(cxt, job->sloppy);
	mnt_context_set_optsmode(cxt, MNT_OMODE_IGNORE);
	rc = job->namespace ? mnt_context_set_target_ns(cxt, job->namespace) : 0;
	if (rc == 0)
		rc = mnt_context_set_source(cxt, device);
	if (rc == 0)
		rc = mnt_context_set_target(cxt, job->target);
	if (rc == 0)
		rc = mnt_context_set_fstype(cxt, fstype);
	if (rc == 0)
		rc = mnt_context_set_options(cxt, job->fs_options);
	if (rc == 0) {
		rc = mnt_context_mount(cxt);
		if (mnt_context_syscall_called(cxt))
			rc = -mnt_context_get_syscall_errno(cxt);
	}
	mnt_free_context(cxt);
	return rc ? explain(job, window, rc < 0 && rc > -4096 ? -rc : EINVAL, err) : 0;
}

static int mount_image(struct job *job, struct msd_error *err)
{
	_cleanup_close_ int lock = -1, fd = -1, loop = -1;
	struct msd_window window;
	char device[32];
	struct stat st;
	int rc = open_image(job, &fd, err);

	/* with the lock no drive takes the image between the check and the mount */
	if (rc == 0)
		rc = msd_gadget_lock(MSD_GADGET_LOCK_MS, &lock, err);
	if (rc == 0)
		rc = msd_usage_check(job->image, job->rw, err);
	if (rc == 0)
		rc = msd_window_find(fd, job->image, job->partition, &window, err);
	if (rc == 0 && !job->namespace && stat(job->target, &st) < 0)
		rc = msd_fail_os(err, job->target);
	else if (rc == 0 && !job->namespace && !S_ISDIR(st.st_mode))
		rc = msd_fail_on(err, ENOTDIR, job->target);
	if (rc < 0 || job->fake)
		return rc;
	rc = msd_loop_attach(fd, job->image, &window, !job->rw, device, &loop, err);
	if (rc < 0)
		return rc;
	msd_log(&job->tool.log, MSD_LOG_STEP, "%s: partition %d, %s, by %s on %s, %s", job->image,
		window.partition, window.fstype, device, job->target, job->fs_options);
	return call_mount(job, device, &window, err);
}

int main(int argc, char **argv)
{
	static char *no_environ[] = { NULL };
	struct job job = { 0 };
	struct msd_error err;
	int rc, status = TOOL_OK;

	/* may run with more rights than who called it */
	environ = no_environ;
	parse(&job, argc, argv);
	rc = prepare(&job, &err);
	if (rc == 0)
		rc = mount_image(&job, &err);
	if (rc < 0) {
		status = tool_report(&job.tool, rc, &err);
		if (status != TOOL_USAGE)
			status = EX_FAIL;
	}
	msd_fstab_line_done(&job.line);
	free(job.fs_options);
	return tool_done(&job.tool, status);
}
