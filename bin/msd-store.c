/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-store: lists, puts, gets, removes and verifies the images of the storage. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/replace.h"
#include "base/shell.h"
#include "config/config.h"
#include "out.h"
#include "progress.h"
#include "storage/root.h"
#include "storage/store-get.h"
#include "storage/store-list.h"
#include "storage/store-put.h"
#include "storage/store-verify.h"
#include "storage/sums.h"
#include "tool.h"

#define DEFAULT_TIMEOUT_MS 3000

enum { OPT_TIMEOUT = 1000, OPT_PARTITIONS, OPT_NAME, OPT_SHA256, OPT_SHA256SUMS, OPT_SIZE, OPT_AS_IS,
       OPT_RESUME, OPT_NO_CHECKSUM, OPT_COMPRESS, OPT_SNAPSHOT };

struct args {
	struct tool tool;
	struct out_options out;
	struct msd_config *config;
	struct msd_root root;
	struct msd_store *store;
	const char *operands[2];	/* the first of them */
	bool partitions;
	uint64_t timeout_ms;
	enum progress_when progress;
	const char *name, *sha256sums, *compress;
	bool snapshot;
	struct msd_put_params put;	/* what its options say */
};

enum { I_NAME, I_SIZE, I_USED, I_KIND, I_FSTYPE, I_LABEL, I_BIOS, I_UEFI, I_COMPLETE, I_WRITABLE,
       I_DRIVE, I_MODIFIED, I_HYBRID, I_PARTIAL, I_DRIVE_WRITABLE, I_PATH, I_COUNT };
static const struct out_column image_columns[I_COUNT] = {
	[I_NAME] = { "NAME", OUT_TEXT, "path below the storage" },
	[I_SIZE] = { "SIZE", OUT_SIZE, "size of the image" },
	[I_USED] = { "USED", OUT_SIZE, "room that it takes in the storage" },
	[I_KIND] = { "KIND", OUT_TEXT, "what drive it is for: cd or flash" },
	[I_FSTYPE] = { "FSTYPE", OUT_TEXT, "file system, of its largest partition" },
	[I_LABEL] = { "LABEL", OUT_TEXT, "label of that" },
	[I_BIOS] = { "BIOS", OUT_BOOL, "boots on a BIOS" },
	[I_UEFI] = { "UEFI", OUT_BOOL, "boots on UEFI" },
	[I_COMPLETE] = { "COMPLETE", OUT_BOOL, "all of it has arrived" },
	[I_WRITABLE] = { "WRITABLE", OUT_BOOL, "its file can be written" },
	[I_DRIVE] = { "DRIVE", OUT_TEXT, "drive that has it" },
	[I_MODIFIED] = { "MODIFIED", OUT_TEXT, "when it was last written" },
	[I_HYBRID] = { "HYBRID", OUT_BOOL, "a CD that is a flash disk too", true },
	[I_PARTIAL] = { "PARTIAL", OUT_SIZE, "what an interrupted put left", true },
	[I_DRIVE_WRITABLE] = { "DRIVE_WRITABLE", OUT_BOOL, "the target host can write it", true },
	[I_PATH] = { "PATH", OUT_TEXT, "absolute path", true },
};

enum { P_NAME, P_FSTYPE, P_SIZE, P_FREE, P_WRITABLE, P_STATE, P_SOURCE, P_PATH, P_COUNT };
static const struct out_column partition_columns[P_COUNT] = {
	[P_NAME] = { "NAME", OUT_TEXT, "folder below the storage, . for itself" },
	[P_FSTYPE] = { "FSTYPE", OUT_TEXT, "type of the file system" },
	[P_SIZE] = { "SIZE", OUT_SIZE, "its size" },
	[P_FREE] = { "FREE", OUT_SIZE, "room for further images" },
	[P_WRITABLE] = { "WRITABLE", OUT_BOOL, "images can be put there" },
	[P_STATE] = { "STATE", OUT_TEXT, "ok, timeout or failed" },
	[P_SOURCE] = { "SOURCE", OUT_TEXT, "device or server" },
	[P_PATH] = { "PATH", OUT_TEXT, "absolute path", true },
};

static void fill_content(struct out *out, const struct msd_content *content)
{
	out_text(out, I_KIND, content->cd ? "cd" : "flash");
	out_text(out, I_FSTYPE, content->fstype[0] ? content->fstype : NULL);
	out_text(out, I_LABEL, content->label[0] ? content->label : NULL);
	out_bool(out, I_BIOS, content->bios);
	out_bool(out, I_UEFI, content->uefi);
	out_bool(out, I_HYBRID, content->hybrid);
}

static void fill_image(struct args *args, struct out *out, const struct msd_store_image *image)
{
	char text[PATH_MAX];
	time_t when = (time_t)image->mtime;
	struct tm tm;

	out_row(out, NULL, NULL);
	out_text(out, I_NAME, image->name);
	out_size(out, I_SIZE, image->size_bytes);
	out_size(out, I_USED, image->used_bytes);
	if (image->readable)
		fill_content(out, &image->content);
	out_bool(out, I_COMPLETE, image->complete);
	out_bool(out, I_WRITABLE, image->writable);
	if (image->drive)
		out_bool(out, I_DRIVE_WRITABLE, image->drive_writable);
	out_text(out, I_DRIVE, image->drive);
	if (localtime_r(&when, &tm) && strftime(text, sizeof(text), "%FT%T%z", &tm))
		out_text(out, I_MODIFIED, text);
	if (image->partial_bytes)
		out_size(out, I_PARTIAL, image->partial_bytes);
	snprintf(text, sizeof(text), "%s/%s", args->root.path, image->name);
	out_text(out, I_PATH, text);
}

static void part_path(const struct args *args, const struct msd_store_part *part, char *buf,
		      size_t len)
{
	snprintf(buf, len, "%s%s%s", args->root.path, part->name[0] ? "/" : "", part->name);
}

static void warn_part(struct args *args, const struct msd_store_part *part)
{
	char path[PATH_MAX];

	part_path(args, part, path, sizeof(path));
	if (part->state == MSD_PART_TIMEOUT) {
		tool_warn(&args->tool, "%s: %s did not answer in %g s, its images are left out",
			  path, part->source, (double)args->timeout_ms / 1000);
		tool_hint(&args->tool, "--timeout=30s waits longer; or: umount -l %s", msd_quoted(path));
	} else if (part->state == MSD_PART_FAILED) {
		tool_warn(&args->tool, "%s: %s", path, strerror(part->error));
	}
}

static void fill_part(struct args *args, struct out *out, const struct msd_store_part *part)
{
	static const char *const states[] = {
		[MSD_PART_OK] = "ok", [MSD_PART_TIMEOUT] = "timeout", [MSD_PART_FAILED] = "failed",
	};
	char path[PATH_MAX];

	part_path(args, part, path, sizeof(path));
	warn_part(args, part);
	out_row(out, NULL, NULL);
	out_text(out, P_NAME, part->name[0] ? part->name : ".");
	out_text(out, P_FSTYPE, part->fstype);
	out_text(out, P_SOURCE, part->source);
	out_text(out, P_PATH, path);
	out_text(out, P_STATE, states[part->state]);
	if (part->state != MSD_PART_OK)
		return;
	out_size(out, P_SIZE, part->size_bytes);
	out_size(out, P_FREE, part->free_bytes);
	out_bool(out, P_WRITABLE, part->writable);
}

/* Both tables; with chosen columns or as pairs only the one that was asked for. */
static int run_list(struct args *args)
{
	bool images = !args->partitions;
	bool parts = args->partitions || !(args->out.columns || args->out.pairs);
	_cleanup_(msd_store_list_done) struct msd_store_list list = { 0 };
	struct out *first = NULL, *second = NULL;
	struct msd_error err;
	int rc;

	if (images)
		first = out_new(&args->tool, "images", image_columns, I_COUNT, &args->out);
	if (parts)
		second = out_new(&args->tool, "partitions", partition_columns, P_COUNT, &args->out);
	rc = msd_store_list_read(args->store, args->timeout_ms, &list, &err);
	if (rc < 0)
		return tool_report(&args->tool, rc, &err);
	for (size_t i = 0; first && i < list.n_images; i++)
		fill_image(args, first, &list.images[i]);
	for (size_t i = 0; second && i < list.n_parts; i++)
		fill_part(args, second, &list.parts[i]);
	if (first && second)
		out_print_both(first, second);
	else
		out_print(first ? first : second);
	return TOOL_OK;
}

static int report(struct args *args, int rc, const struct msd_error *err)
{
	return rc < 0 ? tool_report(&args->tool, rc, err) : TOOL_OK;
}

static int find_sum(struct args *args, const char *name, struct msd_put_params *params,
		    struct msd_error *err)
{
	int rc;

	if (!args->sha256sums)
		return 0;
	rc = msd_sums_find(AT_FDCWD, args->sha256sums, name, params->sha256, err);
	params->has_sha256 = rc == 0;
	return rc;
}

static int put_one(struct args *args, const char *path)
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
		return report(args, rc == MSD_E_NOTFOUND ?
			      msd_fail(&err, rc, "%s: no such file", path) :
			      msd_fail_errno(&err, rc, "%s", path), &err);
	}
	params.fd = fd;
	params.source = input ? "standard input" : path;
	params.path = input ? NULL : path;
	params.name = args->name ? args->name : base;
	params.trim_suffix = !args->name;
	rc = find_sum(args, input ? args->name : base, &params, &err);
	if (rc < 0)
		return report(args, rc, &err);
	progress_begin(&progress, &args->tool, args->progress, params.name);
	rc = msd_store_put(args->store, &params, &progress.callback, &err);
	progress_end(&progress);
	return report(args, rc, &err);
}

static int run_put(struct args *args)
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
static int make_target(struct args *args, const char *name, char *buf, size_t len,
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
		return msd_fail_errno(err, ENAMETOOLONG, "%s", name);
	if (args->put.force || access(buf, F_OK) < 0)
		return 0;
	msd_fail(err, MSD_E_UNSAFE, "%s: is there already", buf);
	msd_hint(err, "--force replaces it");
	return -MSD_E_UNSAFE;
}

static int get_file(struct args *args, int in, const char *name, const struct msd_progress *progress,
		    struct msd_error *err)
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

static int run_get(struct args *args)
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
		return report(args, rc, &err);
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
	return report(args, rc, &err);
}

static int run_rm(struct args *args)
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
	return report(args, rc, &err);
}

static int run_mv(struct args *args)
{
	struct msd_error err;
	int rc;

	if (!args->operands[1] || tool_next_operand(&args->tool))
		tool_usage_error(&args->tool, "mv: the name of an image and its new one");
	rc = msd_store_rename(args->store, args->operands[0], args->operands[1], args->put.force, &err);
	return report(args, rc, &err);
}

enum { V_NAME, V_STATE, V_WHY, V_COUNT };
static const struct out_column verify_columns[V_COUNT] = {
	[V_NAME] = { "NAME", OUT_TEXT, "path below the storage" },
	[V_STATE] = { "STATE", OUT_TEXT, "ok, unchecked, writing, incomplete or damaged" },
	[V_WHY] = { "WHY", OUT_TEXT, "what is wrong, or why there was nothing to compare" },
};

/* A medium that cannot be read is a finding too, and the others are looked at all the same. */
static int verify_one(struct args *args, struct out *out, const char *name)
{
	static const char *const states[] = {
		[MSD_VERIFY_OK] = "ok", [MSD_VERIFY_UNCHECKED] = "unchecked",
		[MSD_VERIFY_WRITING] = "writing", [MSD_VERIFY_INCOMPLETE] = "incomplete",
		[MSD_VERIFY_DAMAGED] = "damaged",
	};
	struct msd_verify verify;
	struct progress progress;
	struct msd_error err;
	int rc;

	progress_begin(&progress, &args->tool, args->progress, name);
	rc = msd_store_verify(args->store, name, &progress.callback, &verify, &err);
	progress_end(&progress);
	if (rc == -EIO) {
		verify.state = MSD_VERIFY_DAMAGED;
		snprintf(verify.why, sizeof(verify.why), "%s", err.msg);
	} else if (rc < 0) {
		return report(args, rc, &err);
	}
	out_row(out, NULL, NULL);
	out_text(out, V_NAME, name);
	out_text(out, V_STATE, states[verify.state]);
	if (verify.why[0])
		out_text(out, V_WHY, verify.why);
	return verify.state >= MSD_VERIFY_INCOMPLETE ? TOOL_FORMAT : TOOL_OK;
}

static int verify_all(struct args *args, struct out *out)
{
	_cleanup_(msd_store_list_done) struct msd_store_list list = { 0 };
	struct msd_error err;
	int status = TOOL_OK, rc;

	rc = msd_store_list_read(args->store, args->timeout_ms, &list, &err);
	if (rc < 0)
		return report(args, rc, &err);
	for (size_t i = 0; i < list.n_parts; i++) {
		warn_part(args, &list.parts[i]);
		if (list.parts[i].state != MSD_PART_OK)
			status = TOOL_FAILED;
	}
	for (size_t i = 0; i < list.n_images; i++) {
		int one = verify_one(args, out, list.images[i].name);

		if (one != TOOL_OK && one != TOOL_FORMAT)
			return one;
		if (one == TOOL_FORMAT)
			status = TOOL_FORMAT;
	}
	return status;
}

static int run_verify(struct args *args)
{
	struct out *out = out_new(&args->tool, "images", verify_columns, V_COUNT, &args->out);
	const char *name = args->operands[0], *next = args->operands[1];
	int status = TOOL_OK;

	if (!name)
		status = verify_all(args, out);
	while (name && (status == TOOL_OK || status == TOOL_FORMAT)) {
		int one = verify_one(args, out, name);

		if (one != TOOL_OK)
			status = one;
		name = next;
		next = next ? tool_next_operand(&args->tool) : NULL;
	}
	out_print(out);
	return status;
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
	int (*run)(struct args *args);
} commands[] = {
	{ "list", run_list }, { "put", run_put }, { "get", run_get },
	{ "rm", run_rm }, { "mv", run_mv }, { "verify", run_verify },
};

static void read_sha256(struct args *args, const char *hex)
{
	if (msd_sha256_parse(hex, args->put.sha256) < 0)
		tool_usage_error(&args->tool, "--sha256: '%s' is not 64 hexadecimal digits", hex);
	args->put.has_sha256 = true;
}

static void read_option(struct args *args, int option)
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

static const struct command *find_command(struct args *args)
{
	const char *name = tool_next_operand(&args->tool);

	if (!name)
		tool_usage_error(&args->tool, "what to do? list, put, get, rm, mv or verify");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	tool_usage_error(&args->tool, "'%s' is no command: list, put, get, rm, mv or verify", name);
}

static const struct command *read_options(struct args *args)
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
	if (command->run == run_list && args->operands[0])
		tool_usage_error(&args->tool, "list: takes no names");
	return command;
}

static int open_store(struct args *args, struct msd_error *err)
{
	int rc = msd_config_read(args->tool.config, &args->config, err);

	if (rc == 0)
		rc = msd_root_read(MSD_FSTAB, args->config->storage_path, &args->root, err);
	if (rc == 0)
		rc = msd_store_open(&args->root, &args->tool.log, &args->store, err);
	return rc;
}

/* The storage is ro again; that it could not be made so does not undo what was done. */
static void release(struct args *args)
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
	struct args args = { .timeout_ms = DEFAULT_TIMEOUT_MS };
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
