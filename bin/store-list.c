/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-store: what is in the storage, and in what state, as tables. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "store.h"
#include "storage/store-list.h"
#include "storage/store-verify.h"

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
	out_text(out, I_FSTYPE, content->fstype);
	out_text(out, I_LABEL, content->label);
	out_bool(out, I_BIOS, content->bios);
	out_bool(out, I_UEFI, content->uefi);
	out_bool(out, I_HYBRID, content->hybrid);
}

static void fill_image(struct store_args *args, struct out *out, const struct msd_store_image *image)
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

static void part_path(const struct store_args *args, const struct msd_store_part *part, char *buf,
		      size_t len)
{
	snprintf(buf, len, "%s%s%s", args->root.path, part->name[0] ? "/" : "", part->name);
}

static void warn_part(struct store_args *args, const struct msd_store_part *part)
{
	char path[PATH_MAX], seconds[32];

	part_path(args, part, path, sizeof(path));
	if (part->state == MSD_PART_TIMEOUT) {
		/* no message takes a floating-point number */
		snprintf(seconds, sizeof(seconds), "%g", (double)args->timeout_ms / 1000);
		tool_warn(&args->tool, "%s: %s did not answer in %s s, its images are left out",
			  path, part->source, seconds);
		tool_hint(&args->tool, "--timeout=30s waits longer; or: umount -l %s", msd_quoted(path));
	} else if (part->state == MSD_PART_FAILED) {
		tool_warn(&args->tool, "%s: %s", path, strerror(part->error));
	}
}

static void fill_part(struct store_args *args, struct out *out, const struct msd_store_part *part)
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
int store_list(struct store_args *args)
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

enum { V_NAME, V_STATE, V_WHY, V_COUNT };
static const struct out_column verify_columns[V_COUNT] = {
	[V_NAME] = { "NAME", OUT_TEXT, "path below the storage" },
	[V_STATE] = { "STATE", OUT_TEXT, "ok, unchecked, writing, incomplete or damaged" },
	[V_WHY] = { "WHY", OUT_TEXT, "what is wrong, or why there was nothing to compare" },
};

/* A medium that cannot be read is a finding too, and the others are looked at all the same. */
static int verify_one(struct store_args *args, struct out *out, const char *name)
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
		return store_report(args, rc, &err);
	}
	out_row(out, NULL, NULL);
	out_text(out, V_NAME, name);
	out_text(out, V_STATE, states[verify.state]);
	if (verify.why[0])
		out_text(out, V_WHY, verify.why);
	return verify.state >= MSD_VERIFY_INCOMPLETE ? TOOL_FORMAT : TOOL_OK;
}

static int verify_all(struct store_args *args, struct out *out)
{
	_cleanup_(msd_store_list_done) struct msd_store_list list = { 0 };
	struct msd_error err;
	int status = TOOL_OK, rc;

	rc = msd_store_list_read(args->store, args->timeout_ms, &list, &err);
	if (rc < 0)
		return store_report(args, rc, &err);
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

int store_verify(struct store_args *args)
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
