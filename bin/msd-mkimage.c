/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes disk images: partition table, file system and files, without root and without a mount. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"
#include "mkimage.h"
#include "storage/usage.h"

enum {
	FREE = 1000, MIN_SIZE, PARTITION, ACTIVE, SERIAL, CLUSTER_SIZE, SECTOR_SIZE, DEREFERENCE, MANGLE,
	PREALLOCATE, SPARSE, FORCE, NO_SYNC, MODE, OWNER, EPOCH, DRY_RUN,
};

static const struct poptOption options[] = {
	{ "type", 't', POPT_ARG_STRING, NULL, 't', "fat, fat12, fat16, fat32, exfat, raw or ventoy", "TYPE" },
	{ "size", 's', POPT_ARG_STRING, NULL, 's', "Size of the image", "SIZE" },
	{ "source", 'd', POPT_ARG_STRING, NULL, 'd', "Put this folder's content, file or archive (-) in", "PATH" },
	{ "free", 0, POPT_ARG_STRING, NULL, FREE, "Without --size: room beside the files", "SIZE" },
	{ "min-size", 0, POPT_ARG_STRING, NULL, MIN_SIZE, "Without --size: at least this, or with a quarter of it free", "SIZE" },
	{ "label", 'L', POPT_ARG_STRING, NULL, 'L', "Name of the volume", "LABEL" },
	{ "serial", 0, POPT_ARG_STRING, NULL, SERIAL, "Serial number, such as 1234-ABCD", "HEX" },
	{ "partition", 0, POPT_ARG_STRING, NULL, PARTITION, "mbr, gpt or none", "KIND" },
	{ "active", 0, POPT_ARG_NONE, NULL, ACTIVE, "Mark the partition for booting", NULL },
	{ "cluster-size", 0, POPT_ARG_STRING, NULL, CLUSTER_SIZE, "Bytes in a cluster", "SIZE" },
	{ "sector-size", 0, POPT_ARG_STRING, NULL, SECTOR_SIZE, "512 (default) or 4096", "SIZE" },
	{ "dereference", 0, POPT_ARG_NONE, NULL, DEREFERENCE, "Follow symbolic links", NULL },
	{ "mangle", 0, POPT_ARG_NONE, NULL, MANGLE, "Change names that do not fit, and list them", NULL },
	{ "preallocate", 0, POPT_ARG_NONE, NULL, PREALLOCATE, "Take all the room now (default)", NULL },
	{ "sparse", 0, POPT_ARG_NONE, NULL, SPARSE, "Take room only when it is written", NULL },
	{ "mode", 0, POPT_ARG_STRING, NULL, MODE, "Permissions of the image, octal", "MODE" },
	{ "owner", 0, POPT_ARG_STRING, NULL, OWNER, "Owner of the image", "USER[:GROUP]" },
	{ "source-date-epoch", 0, POPT_ARG_STRING, NULL, EPOCH, "No time after this; same input, same bytes", "SECONDS" },
	{ "no-sync", 0, POPT_ARG_NONE, NULL, NO_SYNC, "Do not wait for the disk", NULL },
	{ "force", 0, POPT_ARG_NONE, NULL, FORCE, "Write to a block device", NULL },
	{ "dry-run", 0, POPT_ARG_NONE, NULL, DRY_RUN, "Print the plan, write nothing", NULL },
	{ "ventoy", 0, POPT_ARG_STRING, NULL, MKIMAGE_VENTOY, "Release of Ventoy: folder or .tar.gz", "PATH" },
	{ "secure-boot", 0, POPT_ARG_STRING, NULL, MKIMAGE_SECURE_BOOT, "Ventoy: yes (default) or no", "BOOL" },
	{ "reserve", 0, POPT_ARG_STRING, NULL, MKIMAGE_RESERVE, "Ventoy: leave this free at the end", "SIZE" },
	{ "data-type", 0, POPT_ARG_STRING, NULL, MKIMAGE_DATA_TYPE, "Ventoy: exfat (default) or fat32", "TYPE" },
	{ "update", 0, POPT_ARG_NONE, NULL, MKIMAGE_UPDATE, "Renew the boot parts of a Ventoy disk", NULL },
	{ "json", 'J', POPT_ARG_NONE, NULL, 'J', "Print the plan as JSON", NULL },
	PROGRESS_OPTION,
	POPT_TABLEEND
};

static const struct out_column columns[N_COLUMNS] = {
	[COL_IMAGE] = { "IMAGE", OUT_TEXT, "path of the image", false },
	[COL_SIZE] = { "SIZE", OUT_SIZE, "its size", false },
	[COL_TYPE] = { "TYPE", OUT_TEXT, "fat12, fat16, fat32, exfat, raw or ventoy", false },
	[COL_PARTITION] = { "PARTITION", OUT_TEXT, "mbr, gpt or none", false },
	[COL_ACTIVE] = { "ACTIVE", OUT_BOOL, "the partition is marked for booting", false },
	[COL_START] = { "START", OUT_SIZE, "where the volume begins", false },
	[COL_VOLUME] = { "VOLUME_SIZE", OUT_SIZE, "size of the volume", false },
	[COL_SECTOR] = { "SECTOR_SIZE", OUT_NUMBER, "bytes in a sector", false },
	[COL_CLUSTER] = { "CLUSTER_SIZE", OUT_NUMBER, "bytes in a cluster", false },
	[COL_CLUSTERS] = { "CLUSTERS", OUT_NUMBER, "clusters of the volume", false },
	[COL_USED] = { "USED_CLUSTERS", OUT_NUMBER, "those that are taken", false },
	[COL_FREE] = { "FREE", OUT_SIZE, "room that is left", false },
	[COL_FILES] = { "FILES", OUT_NUMBER, "files that go in", false },
	[COL_FOLDERS] = { "FOLDERS", OUT_NUMBER, "folders that go in", false },
	[COL_CONTENT] = { "CONTENT", OUT_SIZE, "bytes of the files", false },
	[COL_LABEL] = { "LABEL", OUT_TEXT, "name of the volume", false },
	[COL_SERIAL] = { "SERIAL", OUT_TEXT, "serial number of the volume", false },
	[COL_VENTOY] = { "VENTOY", OUT_TEXT, "version of Ventoy", false },
	[COL_VENTOY_BEFORE] = { "VENTOY_BEFORE", OUT_TEXT, "its version before the update", false },
	[COL_SECURE_BOOT] = { "SECURE_BOOT", OUT_BOOL, "Ventoy: it is on", false },
	[COL_DATA_TYPE] = { "DATA_TYPE", OUT_TEXT, "Ventoy: exfat or fat32", false },
	[COL_RESERVE] = { "RESERVE", OUT_SIZE, "Ventoy: room left free at the end", false },
};

static const char *const partition_names[] = {
	[MSD_PTABLE_MAKE_NONE] = "none", [MSD_PTABLE_MAKE_MBR] = "mbr", [MSD_PTABLE_MAKE_GPT] = "gpt",
};

static void take_type(struct mkimage *mk, const char *value)
{
	mk->has_type = true;
	mk->ventoy.type = !strcmp(value, "ventoy");
	mk->image.raw = false;
	if (mk->ventoy.type)
		return;
	for (enum msd_fs_kind kind = MSD_FS_FAT; kind <= MSD_FS_EXFAT; kind++)
		if (!strcmp(value, msd_fs_kind_text(kind))) {
			mk->image.format.kind = kind;
			return;
		}
	if (strcmp(value, "raw"))
		tool_usage_error(&mk->tool, "--type: '%s' is none of fat, fat12, fat16, fat32, exfat, raw, "
				 "ventoy", value);
	mk->image.raw = true;
}

static void take_partition(struct mkimage *mk, const char *value)
{
	mk->has_partition = true;
	for (unsigned i = 0; i < sizeof(partition_names) / sizeof(*partition_names); i++)
		if (!strcmp(value, partition_names[i])) {
			mk->image.partition = (enum msd_ptable_make)i;
			return;
		}
	tool_usage_error(&mk->tool, "--partition: '%s' is none of mbr, gpt, none", value);
}

/* "1234-ABCD" as file managers show it, or plain. */
static void take_serial(struct mkimage *mk, const char *value)
{
	uint32_t serial = 0;
	unsigned digits = 0;

	for (const char *p = value; *p; p++) {
		static const char hex[] = "0123456789abcdef0123456789ABCDEF";
		const char *found = strchr(hex, *p);

		if (*p == '-' && p == value + 4)
			continue;
		if (!found || ++digits > 8)
			tool_usage_error(&mk->tool, "--serial: '%s' is not eight hexadecimal digits", value);
		serial = serial << 4 | ((uint32_t)(found - hex) & 15);
	}
	if (digits != 8)
		tool_usage_error(&mk->tool, "--serial: '%s' is not eight hexadecimal digits", value);
	mk->image.format.serial = serial;
	mk->has_serial = true;
}

static void take_mode(struct mkimage *mk, const char *value)
{
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (end == value || *end || mode > 0777 || *value == '-' || *value == '+')
		tool_usage_error(&mk->tool, "--mode: '%s' is not octal permissions such as 0644", value);
	mk->target.file.has_mode = true;
	mk->target.file.mode = (mode_t)mode;
}

static uint32_t id_of(struct mkimage *mk, const char *value, const char *name, bool is_group)
{
	const struct passwd *user = is_group ? NULL : getpwnam(name);
	const struct group *group = is_group ? getgrnam(name) : NULL;
	uint64_t id;

	if (user)
		return user->pw_uid;
	if (group)
		return group->gr_gid;
	if (msd_parse_number(name, UINT32_MAX - 1, &id) < 0)
		tool_usage_error(&mk->tool, "--owner: '%s': there is no %s '%s'", value,
				 is_group ? "group" : "user", name);
	return (uint32_t)id;
}

static void take_owner(struct mkimage *mk, const char *value)
{
	_cleanup_free_ char *user = strdup(value);
	char *group = user ? strchr(user, ':') : NULL;

	if (group)
		*group++ = '\0';
	if (!user || (!*user && (!group || !*group)))
		tool_usage_error(&mk->tool, "--owner: '%s' is not USER, USER:GROUP or :GROUP", value);
	mk->target.file.has_owner = true;
	mk->target.file.uid = *user ? id_of(mk, value, user, false) : (uid_t)-1;
	mk->target.file.gid = group && *group ? id_of(mk, value, group, true) : (gid_t)-1;
}

static void take_epoch(struct mkimage *mk, const char *name, const char *value)
{
	/* the year 9999: what time_t and calendars can do */
	mk->tree.epoch_s = (int64_t)tool_number(&mk->tool, name, value, 253402300799);
	mk->tree.has_epoch = true;
}

static uint32_t take_power(struct mkimage *mk, const char *option, const char *value)
{
	uint64_t size = tool_size(&mk->tool, option, value);

	if (size == 0 || size > 1u << 30)
		tool_usage_error(&mk->tool, "%s: '%s' is out of range", option, value);
	return (uint32_t)size;
}

static void add_source(struct mkimage *mk, const char *value)
{
	const char **sources = realloc(mk->sources, (mk->n_sources + 1) * sizeof(*sources));

	if (!sources)
		exit(TOOL_FAILED);
	mk->sources = sources;
	sources[mk->n_sources++] = value;
}

static void take_flag(struct mkimage *mk, int option)
{
	switch (option) {
	case ACTIVE:
		mk->image.active = true;
		break;
	case DEREFERENCE:
		mk->tree.dereference = true;
		break;
	case MANGLE:
		mk->tree.mangle = true;
		break;
	case PREALLOCATE:
		mk->preallocate = true;
		break;
	case SPARSE:
		mk->target.sparse = true;
		break;
	case FORCE:
		mk->target.device = true;
		break;
	case NO_SYNC:
		mk->no_sync = true;
		break;
	case DRY_RUN:
		mk->dry_run = true;
		break;
	case 'J':
		mk->json = true;
		break;
	}
}

static void take_option(struct mkimage *mk, int option)
{
	struct tool *tool = &mk->tool;
	const char *value = tool_option_value(tool);

	switch (option) {
	case 't':
		take_type(mk, value);
		break;
	case 's':
		mk->image.size_bytes = tool_size(tool, "--size", value);
		mk->has_size = true;
		break;
	case 'd':
		add_source(mk, value);
		break;
	case 'L':
		mk->image.format.label = value;
		break;
	case FREE:
		mk->image.format.free_bytes = tool_size(tool, "--free", value);
		mk->has_free = true;
		break;
	case MIN_SIZE:
		mk->min_bytes = tool_size(tool, "--min-size", value);
		mk->has_min = true;
		break;
	case SERIAL:
		take_serial(mk, value);
		break;
	case PARTITION:
		take_partition(mk, value);
		break;
	case CLUSTER_SIZE:
		mk->image.format.cluster_bytes = take_power(mk, "--cluster-size", value);
		break;
	case SECTOR_SIZE:
		mk->image.format.sector_bytes = take_power(mk, "--sector-size", value);
		mk->has_sector = true;
		break;
	case MODE:
		take_mode(mk, value);
		break;
	case OWNER:
		take_owner(mk, value);
		break;
	case EPOCH:
		take_epoch(mk, "--source-date-epoch", value);
		break;
	case PROGRESS_OPTION_VAL:
		mk->progress_when = progress_option(tool, value);
		break;
	default:
		if (!mkimage_ventoy_option(mk, option, value))
			take_flag(mk, option);
	}
}

static void take_environment(struct mkimage *mk)
{
	const char *epoch = secure_getenv("SOURCE_DATE_EPOCH");

	if (!mk->tree.has_epoch && epoch && *epoch)
		take_epoch(mk, "SOURCE_DATE_EPOCH", epoch);
	/* the same bytes on every machine, unless a time zone is asked for */
	mk->image.format.utc = mk->tree.has_epoch && !secure_getenv("TZ");
	mk->image.format.log = mk->tool.verbose ? &mk->tool.log : NULL;
	mk->image.format.now_s = mk->tree.has_epoch ? mk->tree.epoch_s : (int64_t)time(NULL);
}

static void check_options(struct mkimage *mk)
{
	struct tool *tool = &mk->tool;

	mk->path = tool_next_operand(tool);
	if (!mk->path || !*mk->path)
		tool_usage_error(tool, "no image is named");
	if (tool_next_operand(tool))
		tool_usage_error(tool, "more than one image is named");
	if (!strcmp(mk->path, "-"))
		tool_usage_error(tool, "an image cannot go to standard output; ./- is a file of that name");
	if (mk->target.sparse && mk->preallocate)
		tool_usage_error(tool, "--sparse and --preallocate exclude each other");
	if (mk->has_size + mk->has_free + mk->has_min > 1)
		tool_usage_error(tool, "--size, --free and --min-size exclude each other");
	if (mk->has_size && mk->image.size_bytes < 512)
		tool_usage_error(tool, "--size: less than one sector of 512 bytes");
	if (mk->image.raw && (mk->n_sources || mk->has_partition || mk->has_free || mk->has_serial ||
			      mk->has_sector || mk->has_min || mk->image.format.cluster_bytes ||
			      mk->image.format.label))
		tool_usage_error(tool, "--type=raw is empty: no --source, --partition, --free, --min-size, "
				 "--label, --serial, --cluster-size or --sector-size");
	if (mk->image.active && mk->image.partition == MSD_PTABLE_MAKE_NONE)
		tool_usage_error(tool, "--active needs a partition");
	mkimage_ventoy_check(mk);
}

/* A path for a terminal: control bytes are escaped. */
static void print_path(FILE *to, const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < 0x20 || *path == 0x7F)
			fprintf(to, "\\x%02x", (unsigned char)*path);
		else
			putc(*path, to);
}

static void print_problem(void *data, const char *path, const char *why)
{
	struct mkimage *mk = data;

	progress_end(&mk->progress);
	fprintf(stderr, "%s: ", mk->tool.name);
	print_path(stderr, path);
	fputs(": ", stderr);
	print_path(stderr, why);
	putc('\n', stderr);
}

static void print_mangled(void *data, const char *path, const char *name)
{
	struct mkimage *mk = data;
	FILE *to = mk->json ? stderr : stdout;

	progress_end(&mk->progress);
	print_path(to, path);
	fprintf(to, " -> %s\n", name);
}

static int look_at_target(struct mkimage *mk)
{
	uint64_t size;
	uint32_t sector;
	struct stat st;
	int rc = msd_target_look(mk->path, &size, &sector, &mk->err);

	if (rc < 0)
		return rc;
	if (sector && !mk->has_sector)
		mk->image.format.sector_bytes = sector;
	if (size && mk->has_size)
		tool_usage_error(&mk->tool, "--size: a block device has its own size");
	if (size)
		mk->image.size_bytes = size;
	if (!mk->image.size_bytes && !mk->n_sources && !mk->has_free && !mk->has_min)
		tool_usage_error(&mk->tool, "neither --size nor --source is given");
	if (stat(mk->path, &st) < 0)
		return 0;
	return msd_usage_check(mk->path, true, &mk->err);
}

/* Where an archive's files wait: beside the image, which they will share their blocks with. */
static char *spool_dir(const struct mkimage *mk)
{
	const char *slash = strrchr(mk->path, '/');

	if (slash == mk->path)
		return strdup("/");
	return slash ? strndup(mk->path, (size_t)(slash - mk->path)) : strdup(".");
}

static int gather(struct mkimage *mk, struct msd_tree **ret)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	_cleanup_free_ char *spool = spool_dir(mk);
	int rc;

	mk->tree.problem = print_problem;
	mk->tree.mangled = print_mangled;
	mk->tree.data = mk;
	mk->tree.image = mk->path;
	rc = spool ? msd_tree_new(&mk->tree, &tree) : -ENOMEM;
	if (rc < 0)
		return msd_fail_on(&mk->err, -rc, mk->path);
	for (unsigned i = 0; rc == 0 && i < mk->n_sources; i++) {
		if (strcmp(mk->sources[i], "-")) {
			rc = msd_tree_add_path(tree, mk->sources[i], "", &mk->progress.callback, &mk->err);
			continue;
		}
		/* which libarchive asks what names of no known encoding are */
		tool_set_locale();
		rc = msd_tree_add_archive(tree, STDIN_FILENO, "standard input", spool,
					  &mk->progress.callback, &mk->err);
	}
	if (rc == 0)
		rc = msd_tree_seal(tree, &mk->err);
	if (rc < 0)
		return rc;
	*ret = msd_steal(tree);
	return 0;
}

struct out *mkimage_out(struct mkimage *mk)
{
	static const struct out_options json = { .json = true };

	return out_new(&mk->tool, "images", columns, N_COLUMNS, &json);
}

static void print_json(struct mkimage *mk, const struct msd_image_plan *plan, struct msd_tree *tree)
{
	struct out *out = mkimage_out(mk);
	const struct msd_fs_layout *layout = &plan->layout;
	uint64_t files = 0, folders = 0, bytes = 0;
	char serial[16];

	if (tree)
		msd_tree_get_counts(tree, &files, &folders, &bytes);
	out_row(out, NULL, NULL);
	out_text(out, COL_IMAGE, mk->path);
	out_size(out, COL_SIZE, plan->size_bytes);
	out_text(out, COL_TYPE, mk->image.raw ? "raw" : mk->ventoy.type ? "ventoy" :
			msd_fs_kind_text(layout->kind));
	out_text(out, COL_PARTITION, partition_names[mk->image.partition]);
	out_bool(out, COL_ACTIVE, mk->image.active);
	out_size(out, COL_START, plan->volume_start_bytes);
	out_size(out, COL_VOLUME, plan->volume_bytes);
	out_number(out, COL_SECTOR, mk->image.format.sector_bytes);
	if (!mk->image.raw) {
		snprintf(serial, sizeof(serial), "%04X-%04X", mk->image.format.serial >> 16,
			 mk->image.format.serial & 0xFFFF);
		out_number(out, COL_CLUSTER, layout->cluster_bytes);
		out_number(out, COL_CLUSTERS, layout->clusters);
		out_number(out, COL_USED, layout->used_clusters);
		out_size(out, COL_FREE, (uint64_t)(layout->clusters - layout->used_clusters) *
					layout->cluster_bytes);
		out_number(out, COL_FILES, files);
		out_number(out, COL_FOLDERS, folders);
		out_size(out, COL_CONTENT, bytes);
		out_text(out, COL_LABEL, plan->format.label);
		out_text(out, COL_SERIAL, serial);
	}
	if (mk->ventoy.type)
		mkimage_ventoy_fill(mk, out);
	out_print(out);
}

static void print_plan(struct mkimage *mk, const struct msd_image_plan *plan, struct msd_tree *tree)
{
	const struct msd_fs_layout *layout = &plan->layout;
	uint64_t files = 0, folders = 0, bytes = 0;
	char text[24];

	printf("Image:       %s, %s (%llu bytes)\n", mk->path,
	       msd_format_size(plan->size_bytes, text, sizeof(text)),
	       (unsigned long long)plan->size_bytes);
	if (mk->image.partition != MSD_PTABLE_MAKE_NONE)
		printf("Partition:   %s%s, at byte %llu, %llu bytes\n",
		       partition_names[mk->image.partition], mk->image.active ? ", active" : "",
		       (unsigned long long)plan->volume_start_bytes,
		       (unsigned long long)plan->volume_bytes);
	if (mk->ventoy.type)
		mkimage_ventoy_print(mk);
	if (mk->image.raw)
		return;
	printf("File system: %s, serial %04X-%04X%s%s\n", msd_fs_kind_text(layout->kind),
	       mk->image.format.serial >> 16, mk->image.format.serial & 0xFFFF,
	       plan->format.label ? ", label " : "", plan->format.label ? plan->format.label : "");
	printf("Geometry:    %u clusters of %u bytes from byte %llu of it, sectors of %u\n",
	       layout->clusters, layout->cluster_bytes,
	       (unsigned long long)layout->heap_sector * layout->sector_bytes, layout->sector_bytes);
	if (tree)
		msd_tree_get_counts(tree, &files, &folders, &bytes);
	printf("Content:     %llu files, %llu folders, %s\n", (unsigned long long)files,
	       (unsigned long long)folders, msd_format_size(bytes, text, sizeof(text)));
	printf("Free:        %s\n",
	       msd_format_size((uint64_t)(layout->clusters - layout->used_clusters) *
			       layout->cluster_bytes, text, sizeof(text)));
}

static int write_image(struct mkimage *mk, const struct msd_image_plan *plan, struct msd_tree *tree)
{
	_cleanup_(msd_target_closep) struct msd_target *target = NULL;
	int rc;

	mk->target.may_be_sparse = !mk->preallocate;
	mk->target.content_bytes = plan->layout.content_bytes;
	rc = msd_target_open(mk->path, plan->size_bytes, &mk->target, &mk->tool.log, &target, &mk->err);
	if (rc < 0)
		return rc;
	if (mk->ventoy.type)
		rc = msd_ventoy_image_write(msd_target_get_io(target), &mk->image, &mk->ventoy.params,
					    plan, &mk->ventoy.layout, tree,
					    msd_target_is_fresh(target), &mk->progress.callback,
					    &mk->err);
	else
		rc = msd_image_write(msd_target_get_io(target), &mk->image, plan, tree,
				     msd_target_is_fresh(target), &mk->progress.callback, &mk->err);
	if (rc == 0)
		rc = msd_target_commit(target, !mk->no_sync, &mk->err);
	return rc;
}

static int plan_once(struct mkimage *mk, struct msd_tree *tree, struct msd_image_plan *ret)
{
	return mk->ventoy.type ?
	       msd_ventoy_image_plan(&mk->image, &mk->ventoy.params, tree, ret, &mk->ventoy.layout,
				     &mk->err) :
	       msd_image_plan(&mk->image, tree, ret, &mk->err);
}

static int plan_image(struct mkimage *mk, struct msd_tree *tree, struct msd_image_plan *ret)
{
	int rc;

	if (!mk->has_min || mk->image.size_bytes)
		return plan_once(mk, tree, ret);
	mk->image.size_bytes = mk->min_bytes;
	rc = plan_once(mk, tree, ret);
	if (rc != -MSD_E_TOOBIG)
		return rc;
	mk->image.size_bytes = 0;
	mk->image.format.free_bytes = mk->min_bytes / 4;
	return plan_once(mk, tree, ret);
}

static int make_image(struct mkimage *mk)
{
	_cleanup_(msd_tree_freep) struct msd_tree *tree = NULL;
	struct msd_image_plan plan;
	int rc = look_at_target(mk);

	if (rc == 0)
		rc = mkimage_ventoy_open(mk);
	if (rc < 0)
		return rc;
	progress_begin(&mk->progress, &mk->tool, mk->progress_when, mk->path);
	if (mk->n_sources)
		rc = gather(mk, &tree);
	if (rc == 0) {
		rc = msd_image_make_ids(&mk->image, mk->tree.has_epoch, mk->tree.epoch_s, mk->has_serial);
		if (rc < 0)
			msd_fail_errno(&mk->err, -rc, "serial number");
	}
	if (rc == 0)
		rc = plan_image(mk, tree, &plan);
	if (rc == 0 && !mk->dry_run)
		rc = write_image(mk, &plan, tree);
	progress_end(&mk->progress);
	if (rc == 0 && mk->json)
		print_json(mk, &plan, tree);
	else if (rc == 0 && mk->dry_run)
		print_plan(mk, &plan, tree);
	return rc;
}

int main(int argc, char **argv)
{
	struct mkimage mk = { .image = { .partition = MSD_PTABLE_MAKE_MBR } };
	int option, rc, status;

	mk.image.format.sector_bytes = 512;
	/* msd-normalfiles pack, too, calls it, by its own name */
	tool_init(&mk.tool, program_invocation_short_name, argc, argv, options, "[OPTION…] IMAGE");
	while ((option = tool_next_option(&mk.tool)))
		take_option(&mk, option);
	take_environment(&mk);
	if (mk.image.raw && !mk.has_partition)
		mk.image.partition = MSD_PTABLE_MAKE_NONE;
	check_options(&mk);
	rc = mk.ventoy.update ? mkimage_ventoy_update(&mk) : make_image(&mk);
	status = rc < 0 ? tool_report(&mk.tool, rc, &mk.err) : TOOL_OK;
	free(mk.sources);
	msd_ventoy_release_close(mk.ventoy.params.release);
	return progress_exit_status(tool_done(&mk.tool, status));
}
