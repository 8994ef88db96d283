/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The image storage writable or read-only, or writable just while a command runs. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "out.h"
#include "storage/hold.h"
#include "storage/layout.h"
#include "storage/remount.h"
#include "storage/root.h"
#include "storage/writers.h"
#include "tool.h"

#define NAME "otgmsd-remount"
#define KVMD_NAME "kvmd-helper-otgmsd-remount"

enum { OPT_WAIT = 1000 };

static const struct poptOption options[] = {
	{ "wait", 0, POPT_ARG_STRING, NULL, OPT_WAIT, "Wait so long for who keeps it from becoming ro", "SECONDS" },
	OUT_OPTIONS,
	POPT_TABLEEND
};

enum column { KIND, MODE, PID, WHO, PATH, MOUNTPOINT };

static const struct out_column columns[] = {
	[KIND] = { "KIND", OUT_TEXT, "storage, holder, drive, loop or process" },
	[MODE] = { "MODE", OUT_TEXT, "rw or ro" },
	[PID] = { "PID", OUT_NUMBER, "process id" },
	[WHO] = { "NAME", OUT_TEXT, "of the process, drive or loop device" },
	[PATH] = { "PATH", OUT_TEXT, "the storage, or the file that is written" },
	[MOUNTPOINT] = { "MOUNTPOINT", OUT_TEXT, "of the storage" },
};

struct remount {
	struct tool tool;
	struct out_options out;
	char **environ;		/* for the command only */
	bool as_kvmd;		/* called by the name of kvmd's helper */
	uint64_t wait_ms;
	const char *verb;
	char **command;		/* NULL: none */
	struct msd_root root;
	struct msd_owner owner;
};

/* Says what kvmd's helper says, so that who reads its messages finds them. */
MSD_PRINTF(2, 3) static void say(const struct remount *r, const char *fmt, ...)
{
	char msg[PATH_MAX + 256];
	va_list ap;

	if (r->tool.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s%s%s\n", r->as_kvmd ? "" : r->tool.name, r->as_kvmd ? "" : ": ", msg);
}

static void print_storage(const struct remount *r, struct out *out)
{
	struct msd_mount mount;
	int rc = r->root.target ? msd_mount_read(r->root.target, &mount, NULL) :
				  msd_mount_find(r->root.path, &mount, NULL);

	out_row(out, NULL, NULL);
	out_text(out, KIND, "storage");
	out_text(out, PATH, r->root.path);
	out_text(out, MOUNTPOINT, r->root.target);
	if (rc < 0)
		return;
	out_text(out, MODE, mount.readonly ? "ro" : "rw");
	msd_mount_done(&mount);
}

static void print_holders(const struct remount *r, struct out *out)
{
	_cleanup_free_ pid_t *pids = NULL;
	char command[80];
	size_t n;

	if (msd_hold_read_holders(&r->root, &pids, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		out_row(out, NULL, NULL);
		out_text(out, KIND, "holder");
		out_text(out, MODE, "rw");
		out_number(out, PID, (uint64_t)pids[i]);
		out_text(out, WHO, msd_hold_format_holder(pids[i], command, sizeof(command)));
		out_text(out, PATH, r->root.path);
	}
}

static void print_writers(const struct remount *r, struct out *out)
{
	static const char *const kinds[] = {
		[MSD_WRITER_DRIVE] = "drive",
		[MSD_WRITER_LOOP] = "loop",
		[MSD_WRITER_PROCESS] = "process",
	};
	_cleanup_free_ char *folder = r->root.target ? NULL : realpath(r->root.path, NULL);
	struct msd_writer *writers = NULL;
	size_t n = 0;

	if (r->root.target)
		msd_writers_read(r->root.target, &writers, &n, NULL);
	else if (folder)
		msd_writers_read_below(folder, &writers, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		out_row(out, NULL, NULL);
		out_text(out, KIND, kinds[writers[i].kind]);
		out_text(out, MODE, "rw");
		if (writers[i].pid)
			out_number(out, PID, (uint64_t)writers[i].pid);
		out_text(out, WHO, writers[i].name);
		out_text(out, PATH, writers[i].path);
	}
	msd_writers_free(writers, n);
}

static void print_status(struct remount *r)
{
	struct out *out = out_new(&r->tool, "storage", columns, sizeof(columns) / sizeof(columns[0]),
				  &r->out);

	print_storage(r, out);
	print_holders(r, out);
	print_writers(r, out);
	out_print(out);
}

static int run_status(struct remount *r, struct msd_error *err)
{
	struct msd_mount mount;
	int rc;

	print_status(r);
	rc = r->root.target ? msd_mount_read(r->root.target, &mount, err) :
			      msd_mount_find(r->root.path, &mount, err);
	if (rc < 0)
		return tool_report(&r->tool, rc, err);
	rc = mount.readonly ? TOOL_NO : TOOL_OK;
	msd_mount_done(&mount);
	return rc;
}

static int run_change(struct remount *r, bool rw, struct msd_error *err)
{
	int rc;

	if (!r->root.target)
		say(r, "%s: no mount of its own, so there is nothing to remount", r->root.path);
	else
		say(r, "Remounting %s to %s-mode ...", r->root.target, rw ? "RW" : "RO");
	if (rw)
		rc = msd_hold_set_rw(&r->root, MSD_HOLD_TIMEOUT_MS + r->wait_ms, err);
	else
		rc = msd_hold_set_ro(&r->root, r->wait_ms, err);
	if (rc == 0 && rw)
		rc = msd_layout_update(&r->root, &r->owner, &r->tool.log, err);
	if (r->out.json || r->out.pairs)
		print_status(r);
	if (rc < 0)
		return tool_report(&r->tool, rc, err);
	if (r->root.target)
		say(r, "Storage in the %s-mode now", rw ? "RW" : "RO");
	return TOOL_OK;
}

static void __attribute__((noreturn)) exec_command(const struct remount *r, const sigset_t *mask,
						   pid_t parent)
{
	int saved;

	/* whoever kills the holder means the command too: it must not write to a storage that
	   is about to become ro */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(TOOL_FAILED);
	sigprocmask(SIG_SETMASK, mask, NULL);
	environ = r->environ;
	execvp(r->command[0], r->command);
	saved = errno;
	fprintf(stderr, "%s: %s: %s\n", r->tool.name, r->command[0], strerror(saved));
	_exit(saved == ENOENT ? 127 : 126);
}

/* Its exit status as the shell has it. What is sent to us alone is passed on. */
static int wait_for_command(pid_t pid, const sigset_t *signals)
{
	siginfo_t info;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		int signal = sigwaitinfo(signals, &info);

		/* the terminal's go to the whole process group, so the command has them already */
		if (signal > 0 && signal != SIGCHLD && info.si_code <= 0)
			kill(pid, signal);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_command(struct remount *r, struct msd_error *err)
{
	static const int numbers[] = { SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct msd_hold *hold;
	sigset_t signals, before;
	pid_t pid, self = getpid();
	int rc, status;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	rc = msd_hold_new(&r->root, MSD_HOLD_TIMEOUT_MS + r->wait_ms, &hold, err);
	if (rc < 0)
		return tool_report(&r->tool, rc, err);
	rc = msd_layout_update(&r->root, &r->owner, &r->tool.log, err);
	pid = rc < 0 ? -1 : fork();
	if (pid == 0)
		exec_command(r, &before, self);
	if (rc == 0 && pid < 0)
		rc = msd_fail_os(err, r->command[0]);
	status = rc < 0 ? tool_report(&r->tool, rc, err) : wait_for_command(pid, &signals);
	rc = msd_hold_release(hold, err);
	if (rc < 0) {
		tool_warn(&r->tool, "%s", err->msg);
		if (rc == -MSD_E_BUSY)
			tool_hint(&r->tool, "the storage becomes ro by itself once they are through");
	}
	return status;
}

/*
 * Set by sudo, doas and pkexec, and not to be unset by who calls them: someone else's rights
 * are at work, who gave them for this storage and not for any that a file names.
 */
static bool for_other_user(char **env)
{
	static const char *const names[] = { "SUDO_UID=", "DOAS_USER=", "PKEXEC_UID=" };

	for (; *env; env++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strncmp(*env, names[i], strlen(names[i])))
				return true;
	return getuid() != geteuid();
}

static void parse_operands(struct remount *r, int argc, char **argv)
{
	const char *more;

	r->verb = tool_next_operand(&r->tool);
	if (!r->verb)
		tool_usage_error(&r->tool, "rw, ro or status is missing");
	if (strcmp(r->verb, "rw") && strcmp(r->verb, "ro") && strcmp(r->verb, "status"))
		tool_usage_error(&r->tool, "'%s' is neither rw nor ro nor status", r->verb);
	for (int i = 1; i < argc && !r->command; i++)
		if (!strcmp(argv[i], "--"))
			r->command = argv + i + 1;
	if (r->command) {
		if (strcmp(r->verb, "rw") || !r->command[0])
			tool_usage_error(&r->tool, "-- is for rw, and a command follows it");
		if (r->as_kvmd)
			tool_usage_error(&r->tool, "runs no command: use " NAME " rw -- COMMAND");
		return;
	}
	more = tool_next_operand(&r->tool);
	if (more)
		tool_usage_error(&r->tool, "'%s' is too much%s", more,
				 strcmp(r->verb, "rw") ? "" : ": a command comes after rw --");
}

static void parse(struct remount *r, int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	int option;

	name = name ? name + 1 : argv[0];
	r->as_kvmd = !strcmp(name, KVMD_NAME);
	tool_init(&r->tool, r->as_kvmd ? KVMD_NAME : NAME, argc, argv, options,
		  "[OPTION…] rw|ro|status | rw -- COMMAND…");
	/* the locale would have come from the environment; names of files are UTF-8 */
	setlocale(LC_CTYPE, "C.UTF-8");
	while ((option = tool_next_option(&r->tool))) {
		if (option == OPT_WAIT)
			r->wait_ms = tool_duration(&r->tool, "--wait", tool_option_value(&r->tool));
		else
			out_option(&r->tool, option, &r->out);
	}
	parse_operands(r, argc, argv);
	if (r->tool.config && (r->as_kvmd || for_other_user(r->environ)))
		tool_usage_error(&r->tool, "--config is not for who runs this through sudo: it could"
				 " name another storage");
}

static int find_storage(struct remount *r, struct msd_error *err)
{
	_cleanup_(msd_config_freep) struct msd_config *config = NULL;
	int rc = msd_config_read(r->tool.config, &config, err);

	if (rc == 0)
		rc = msd_root_read(MSD_FSTAB, config->storage_path, NULL, &r->root, err);
	if (rc == 0 && !strcmp(r->verb, "rw"))
		rc = msd_owner_read(&r->root, &r->owner, err);
	return rc;
}

int main(int argc, char **argv)
{
	static char *no_environ[] = { NULL };
	struct remount r = { .environ = environ };
	struct msd_error err;
	int rc, status;

	/* run by sudo it must not matter what the caller's environment makes of libraries */
	environ = no_environ;
	parse(&r, argc, argv);
	rc = find_storage(&r, &err);
	if (rc < 0)
		status = tool_report(&r.tool, rc, &err);
	else if (r.command)
		status = run_command(&r, &err);
	else if (!strcmp(r.verb, "status"))
		status = run_status(&r, &err);
	else
		status = run_change(&r, !strcmp(r.verb, "rw"), &err);
	msd_root_done(&r.root);
	return tool_done(&r.tool, status);
}
