/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-store: puts, gets and removes images of the storage; store-list.c lists and verifies them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/replace.h"
#include "store.h"
#include "storage/store-get.h"
#include "storage/sums.h"

#define DEFAULT_TIMEOUT_MS 3000

enum { OPT_TIMEOUT = 1000, OPT_PARTITIONS, OPT_NAME, OPT_SHA256, OPT_SHA256SUMS, OPT_SIZE, OPT_AS_IS,
       OPT_RESUME, OPT_NO_CHECKSUM, OPT_COMPRESS, OPT_SNAPSHOT };

int store_report(struct store_args *args, int rc, const struct msd_error *err)
{
	return rc < 0 ? tool_report(&args->tool, rc, err) : TOOL_OK;
}

static int find_sum(struct store_args *args, const char *name, struct msd_put_params *params,
		    struct msd_error *err)
{
	int rc;

	if (!args->sha256sums)
		return 0;
	rc = msd_sums_find(AT_FDCWD, args->sha256sums, name, params->sha256, err);
	params->has_sha256 = rc == 0;
	return rc;
}

static int put_one(struct store_args *args, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct msd_put_params params = args->put;
	bool input = !strcmp(path, "-");
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	struct progress progress;
	struct msd_error err;
	int rc;

	fd = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = errno == ENOENT ? MSD_E_NOTFOUND : errno;
		return store_report(args, rc == MSD_E_NOTFOUND ?
			      msd_fail(&err, rc, "%s: no such file", path) :
			      msd_fail_on(&err, rc, path), &err);
	}
	params.fd = fd;
	params.source = input ? "standard input" : path;
	params.path = input ? NULL : path;
	params.name = args->name ? args->name : base;
	params.trim_suffix = !args->name;
	rc = find_sum(args, input ? args->name : base, &params, &err);
	if (rc < 0)
		return store_report(args, rc, &err);
	progress_begin(&progress, &args->tool, args->progress, params.name);
	rc = msd_store_put(args->store, &params, &progress.callback, &err);
	progress_end(&progress);
	return store_report(args, rc, &err);
}

static int run_put(struct store_args *args)
{
	const char *path = args->operands[0], *next = args->operands[1];
	int status = TOOL_OK;

	if (!path)
		tool_usage_error(&args->tool, "put: which file? - is standard input");
	if (next && (args->name || args->put.has_sha256 || args->put.size_bytes))
		tool_usage_error(&args->tool, "put: --name, --sha256 and --size are for one file");
	while (path && status == TOOL_OK) {
		if (!strcmp(path, "-") && !args->name)
			tool_usage_error(&args->tool, "put: standard input needs --name=NAME");
		status = put_one(args, path);
		path = next;
		next = next ? tool_next_operand(&args->tool) : NULL;
	}
	return status;
}

/* FILE, FILE/NAME when it is a folder, NAME here when it is not given; with the suffix then. */
static int make_target(struct store_args *args, const char *name, char *buf, size_t len,
		       struct msd_error *err)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	const char *suffix = args->compress ? msd_packing_get_suffix(args->compress) : "";
	const char *file = args->operands[1];
	struct stat st;
	int n;

	if (!file)
		n = snprintf(buf, len, "%s%s", base, suffix);
	else if (stat(file, &st) == 0 && S_ISDIR(st.st_mode))
		n = snprintf(buf, len, "%s/%s%s", file, base, suffix);
	else
		n = snprintf(buf, len, "%s", file);
	if (n >= (int)len)
		return msd_fail_on(err, ENAMETOOLONG, name);
	if (args->put.force || faccessat(AT_FDCWD, buf, F_OK, 0) < 0)
		return 0;
	msd_fail(err, MSD_E_UNSAFE, "%s: is there already", buf);
	msd_hint(err, "--force replaces it");
	return -MSD_E_UNSAFE;
}

static int get_file(struct store_args *args, int in, const char *name,
		    const struct msd_progress *progress, struct msd_error *err)
{
	_cleanup_(msd_replace_closep) struct msd_replace *replace = NULL;
	char path[PATH_MAX];
	int rc = make_target(args, name, path, sizeof(path), err);

	if (rc == 0)
		rc = msd_replace_open(path, NULL, &replace, err);
	if (rc == 0)
		rc = msd_store_copy_out(in, msd_replace_get_fd(replace), name, args->compress,
					progress, err);
	return rc < 0 ? rc : msd_replace_commit(replace, true, err);
}

static int run_get(struct store_args *args)
{
	const char *name = args->operands[0], *file = args->operands[1];
	_cleanup_close_ int in = -1;
	struct progress progress;
	struct msd_error err;
	int rc;

	if (!name)
		tool_usage_error(&args->tool, "get: which image? msd-store list shows them");
	if (tool_next_operand(&args->tool))
		tool_usage_error(&args->tool, "get: one image and one file");
	rc = msd_store_open_image(args->store, name, args->snapshot, args->put.force, &in, &err);
	if (rc < 0)
		return store_report(args, rc, &err);
	progress_begin(&progress, &args->tool, args->progress, name);
	if (file && !strcmp(file, "-")) {
		/* there is nothing to be undone: it ends as cat would */
		signal(SIGPIPE, SIG_DFL);
		rc = msd_store_copy_out(in, STDOUT_FILENO, name, args->compress,
					&progress.callback, &err);
	} else {
		rc = get_file(args, in, name, &progress.callback, &err);
	}
	progress_end(&progress);
	return store_report(args, rc, &err);
}

static int run_rm(struct store_args *args)
{
	const char *name = args->operands[0], *next = args->operands[1];
	struct msd_error err;
	int rc = 0;

	if (!name)
		tool_usage_error(&args->tool, "rm: which image? msd-store list shows them");
	while (name && rc == 0) {
		rc = msd_store_remove(args->store, name, &err);
		name = next;
		next = next ? tool_next_operand(&args->tool) : NULL;
	}
	return store_report(args, rc, &err);
}

static int run_mv(struct store_args *args)
{
	struct msd_error err;
	int rc;

	if (!args->operands[1] || tool_next_operand(&args->tool))
		tool_usage_error(&args->tool, "mv: the name of an image and its new one");
	rc = msd_store_rename(args->store, args->operands[0], args->operands[1], args->put.force, &err);
	return store_report(args, rc, &err);
}

static const struct poptOption options[] = {
	OUT_OPTIONS_FOR("list, verify: print"),
	{ "partitions", 0, POPT_ARG_NONE, NULL, OPT_PARTITIONS, "list: only the file systems", NULL },
	{ "timeout", 0, POPT_ARG_STRING, NULL, OPT_TIMEOUT, "list, verify: wait so long for a server (3s)", "TIME" },
	{ "name", 0, POPT_ARG_STRING, NULL, OPT_NAME, "put: call the image NAME", "NAME" },
	{ "sha256", 0, POPT_ARG_STRING, NULL, OPT_SHA256, "put: what arrives must have this checksum", "HEX" },
	{ "sha256sums", 0, POPT_ARG_STRING, NULL, OPT_SHA256SUMS, "put: the same, from a SHA256SUMS file", "FILE" },
	{ "size", 0, POPT_ARG_STRING, NULL, OPT_SIZE, "put: so many bytes must arrive", "SIZE" },
	{ "as-is", 0, POPT_ARG_NONE, NULL, OPT_AS_IS, "put: do not unpack gzip, xz, zstd, bzip2", NULL },
	{ "resume", 0, POPT_ARG_NONE, NULL, OPT_RESUME, "put: go on where one was interrupted", NULL },
	{ "no-checksum", 0, POPT_ARG_NONE, NULL, OPT_NO_CHECKSUM, "put: record none for verify", NULL },
	{ "compress", 0, POPT_ARG_STRING, NULL, OPT_COMPRESS, "get: as gzip, xz, zstd or bzip2", "HOW" },
	{ "snapshot", 0, POPT_ARG_NONE, NULL, OPT_SNAPSHOT, "get: though a drive can write it", NULL },
	{ "force", 'f', POPT_ARG_NONE, NULL, 'f', "put, get, mv: replace what is there", NULL },
	PROGRESS_OPTION_FOR("put, get, verify: always, never or auto"),
	POPT_TABLEEND
};

static const struct command {
	const char *name;
	int (*run)(struct store_args *args);
} commands[] = {
	{ "list", store_list }, { "put", run_put }, { "get", run_get },
	{ "rm", run_rm }, { "mv", run_mv }, { "verify", store_verify },
};

static void read_sha256(struct store_args *args, const char *hex)
{
	if (msd_sha256_parse(hex, args->put.sha256) < 0)
		tool_usage_error(&args->tool, "--sha256: '%s' is not 64 hexadecimal digits", hex);
	args->put.has_sha256 = true;
}

static void read_option(struct store_args *args, int option)
{
	struct tool *tool = &args->tool;

	switch (option) {
	case OPT_TIMEOUT:
		args->timeout_ms = tool_duration(tool, "--timeout", tool_option_value(tool));
		break;
	case OPT_PARTITIONS:
		args->partitions = true;
		break;
	case OPT_NAME:
		args->name = tool_option_value(tool);
		break;
	case OPT_SHA256:
		read_sha256(args, tool_option_value(tool));
		break;
	case OPT_SHA256SUMS:
		args->sha256sums = tool_option_value(tool);
		break;
	case OPT_SIZE:
		args->put.size_bytes = tool_size(tool, "--size", tool_option_value(tool));
		break;
	case OPT_AS_IS:
		args->put.as_is = true;
		break;
	case OPT_RESUME:
		args->put.resume = true;
		break;
	case OPT_NO_CHECKSUM:
		args->put.no_checksum = true;
		break;
	case OPT_COMPRESS:
		args->compress = tool_option_value(tool);
		if (!msd_packing_get_suffix(args->compress))
			tool_usage_error(tool, "--compress: '%s' is none of gzip, xz, zstd and bzip2",
					 args->compress);
		break;
	case OPT_SNAPSHOT:
		args->snapshot = true;
		break;
	case 'f':
		args->put.force = true;
		break;
	case PROGRESS_OPTION_VAL:
		args->progress = progress_option(tool, tool_option_value(tool));
		break;
	default:
		break;
	}
}

static const struct command *find_command(struct store_args *args)
{
	const char *name = tool_next_operand(&args->tool);

	if (!name)
		tool_usage_error(&args->tool, "what to do? list, put, get, rm, mv or verify");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	tool_usage_error(&args->tool, "'%s' is no command: list, put, get, rm, mv or verify", name);
}

static const struct command *read_options(struct store_args *args)
{
	const struct command *command;
	int option;

	while ((option = tool_next_option(&args->tool)))
		if (!out_option(&args->tool, option, &args->out))
			read_option(args, option);
	command = find_command(args);
	tool_check_options(&args->tool, command->name);
	if (args->put.has_sha256 && args->sha256sums)
		tool_usage_error(&args->tool, "--sha256 and --sha256sums exclude each other");
	args->operands[0] = tool_next_operand(&args->tool);
	args->operands[1] = args->operands[0] ? tool_next_operand(&args->tool) : NULL;
	if (command->run == store_list && args->operands[0])
		tool_usage_error(&args->tool, "list: takes no names");
	return command;
}

static int open_store(struct store_args *args, struct msd_error *err)
{
	int rc = msd_config_read(args->tool.config, &args->config, err);

	if (rc == 0)
		rc = msd_root_read(MSD_FSTAB, args->config->storage_path, NULL, &args->root, err);
	if (rc == 0)
		rc = msd_store_open(&args->root, &args->tool.log, &args->store, err);
	return rc;
}

/* The storage is ro again; that it could not be made so does not undo what was done. */
static void release(struct store_args *args)
{
	struct msd_error err;

	if (!args->store || msd_store_release(args->store, &err) == 0)
		return;
	tool_warn(&args->tool, "%s", err.msg);
	if (err.hint[0])
		tool_hint(&args->tool, "%s", err.hint);
}

int main(int argc, char **argv)
{
	struct store_args args = { .timeout_ms = DEFAULT_TIMEOUT_MS };
	const struct command *command;
	struct msd_error err;
	int status, rc;

	tool_init(&args.tool, "msd-store", argc, argv, options,
		  "[OPTION…] list|put|get|rm|mv|verify [NAME…]");
	/* a reader that left early is a failed write, and what it was told of is undone */
	signal(SIGPIPE, SIG_IGN);
	command = read_options(&args);
	rc = open_store(&args, &err);
	status = rc < 0 ? tool_report(&args.tool, rc, &err) : command->run(&args);
	release(&args);
	msd_store_close(args.store);
	msd_root_done(&args.root);
	msd_config_free(args.config);
	return progress_exit_status(tool_done(&args.tool, status));
}
