/* SPDX-License-Identifier: GPL-3.0-or-later */
/* msd-mkimage: Ventoy disks, new and updated. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/shell.h"
#include "mkimage.h"
#include "storage/usage.h"

bool mkimage_ventoy_option(struct mkimage *mk, int option, const char *value)
{
	struct mkimage_ventoy *ventoy = &mk->ventoy;

	switch (option) {
	case MKIMAGE_VENTOY:
		ventoy->path = value;
		break;
	case MKIMAGE_SECURE_BOOT:
		ventoy->secure = tool_bool(&mk->tool, "--secure-boot", value) ?
				 MSD_VENTOY_SECURE_ON : MSD_VENTOY_SECURE_OFF;
		break;
	case MKIMAGE_RESERVE:
		ventoy->params.reserve_bytes = tool_size(&mk->tool, "--reserve", value);
		ventoy->has_reserve = true;
		break;
	case MKIMAGE_DATA_TYPE:
		ventoy->data_type = value;
		break;
	case MKIMAGE_UPDATE:
		ventoy->update = true;
		break;
	default:
		return false;
	}
	return true;
}

static void check_update(struct mkimage *mk)
{
	if (!mk->ventoy.path)
		tool_usage_error(&mk->tool, "--update needs --ventoy");
	if (mk->ventoy.type || mk->has_type || mk->has_size || mk->has_free || mk->has_min ||
	    mk->n_sources || mk->has_partition || mk->image.format.label || mk->has_serial ||
	    mk->image.format.cluster_bytes || mk->has_sector || mk->ventoy.has_reserve ||
	    mk->ventoy.data_type || mk->image.active || mk->no_sync || mk->target.file.has_mode ||
	    mk->target.file.has_owner)
		tool_usage_error(&mk->tool, "--update keeps all but the boot parts: beside --ventoy there "
				 "is only --secure-boot, --dry-run, --json, --force and --progress");
}

void mkimage_ventoy_check(struct mkimage *mk)
{
	struct mkimage_ventoy *ventoy = &mk->ventoy;

	if (ventoy->update) {
		check_update(mk);
		return;
	}
	if (!ventoy->type && (ventoy->path || ventoy->secure || ventoy->has_reserve || ventoy->data_type))
		tool_usage_error(&mk->tool, "--ventoy, --secure-boot, --reserve and --data-type are for "
				 "--type=ventoy");
	if (!ventoy->type)
		return;
	if (!ventoy->path && ventoy->secure)
		tool_usage_error(&mk->tool, "--secure-boot needs --ventoy");
	if (mk->image.partition == MSD_PTABLE_MAKE_NONE)
		tool_usage_error(&mk->tool, "--type=ventoy needs partitions: --partition=mbr or gpt");
	mk->image.format.kind = MSD_FS_EXFAT;
	if (ventoy->data_type && !strcmp(ventoy->data_type, "fat32"))
		mk->image.format.kind = MSD_FS_FAT32;
	else if (ventoy->data_type && strcmp(ventoy->data_type, "exfat"))
		tool_usage_error(&mk->tool, "--data-type: '%s' is none of exfat, fat32",
				 ventoy->data_type);
	mk->image.active = mk->image.partition == MSD_PTABLE_MAKE_MBR;
	ventoy->params.insecure = ventoy->secure == MSD_VENTOY_SECURE_OFF;
}

int mkimage_ventoy_open(struct mkimage *mk)
{
	if (!mk->ventoy.path)
		return 0;
	return msd_ventoy_release_open(mk->ventoy.path, &mk->ventoy.params.release, &mk->err);
}

/* Opens the image for the update and keeps other commands from it. */
static int open_image(struct mkimage *mk, struct msd_io **ret)
{
	struct stat st;
	int rc;

	if (stat(mk->path, &st) < 0) {
		rc = msd_fail_os(&mk->err, mk->path);
		return errno == ENOENT ? -(mk->err.code = MSD_E_NOTFOUND) : rc;
	}
	if (S_ISBLK(st.st_mode) && !mk->target.device && !mk->dry_run) {
		msd_fail(&mk->err, MSD_E_UNSAFE, "%s: a block device", mk->path);
		msd_hint(&mk->err, "--force");
		return -MSD_E_UNSAFE;
	}
	rc = msd_usage_check(mk->path, !mk->dry_run, &mk->err);
	if (rc == 0)
		rc = msd_io_open(AT_FDCWD, mk->path, mk->dry_run ? O_RDONLY : O_RDWR, ret, &mk->err);
	if (rc == 0 && !mk->dry_run && flock(msd_io_get_fd(*ret, NULL), LOCK_EX | LOCK_NB) < 0)
		rc = msd_fail(&mk->err, MSD_E_BUSY, "%s: another command is at it", mk->path);
	return rc;
}

/* What was there, what is there now. */
static void print_update(struct mkimage *mk, const struct msd_ventoy_info *before)
{
	const char *version = msd_ventoy_release_get_version(mk->ventoy.params.release);
	bool secure = mk->ventoy.secure == MSD_VENTOY_SECURE_KEEP ? before->secure_boot :
		      mk->ventoy.secure == MSD_VENTOY_SECURE_ON;
	struct out *out;

	if (!mk->json && (mk->dry_run || mk->tool.verbose))
		printf("%s: Ventoy %s -> %s, %s, secure boot %s\n", mk->path,
		       before->interrupted ? "(an update that was cut short)" : before->version, version,
		       before->layout.gpt ? "GPT" : "MBR", secure ? "on" : "off");
	if (!mk->json)
		return;
	out = mkimage_out(mk);
	out_row(out, NULL, NULL);
	out_text(out, COL_IMAGE, mk->path);
	out_size(out, COL_SIZE, before->layout.size_bytes);
	out_text(out, COL_TYPE, "ventoy");
	out_text(out, COL_PARTITION, before->layout.gpt ? "gpt" : "mbr");
	out_text(out, COL_VENTOY, version);
	out_bool(out, COL_SECURE_BOOT, secure);
	if (!before->interrupted)
		out_text(out, COL_VENTOY_BEFORE, before->version);
	out_print(out);
}

int mkimage_ventoy_update(struct mkimage *mk)
{
	_cleanup_(msd_io_closep) struct msd_io *io = NULL;
	struct msd_ventoy_info before;
	int rc = mkimage_ventoy_open(mk);

	if (rc == 0)
		rc = open_image(mk, &io);
	if (rc < 0)
		return rc;
	if (mk->dry_run) {
		rc = msd_ventoy_probe(io, &before, &mk->err);
	} else {
		progress_begin(&mk->progress, &mk->tool, mk->progress_when, mk->path);
		rc = msd_ventoy_update(io, mk->ventoy.params.release, mk->ventoy.secure,
				       &mk->progress.callback, &before, &mk->err);
		progress_end(&mk->progress);
	}
	if (rc == -MSD_E_FORMAT && !mk->err.hint[0])
		msd_hint(&mk->err, "msd-mkimage -t ventoy --ventoy=%s makes a new one",
			 msd_quoted(mk->ventoy.path));
	if (rc == 0)
		print_update(mk, &before);
	return rc;
}

void mkimage_ventoy_print(struct mkimage *mk)
{
	const struct mkimage_ventoy *ventoy = &mk->ventoy;

	printf("Ventoy:      %s, boot partition at byte %llu\n",
	       ventoy->params.release ? msd_ventoy_release_get_version(ventoy->params.release) :
					"none, for its installer on the target",
	       (unsigned long long)ventoy->layout.boot_lba * 512);
	if (ventoy->params.release)
		printf("Secure boot: %s\n", ventoy->params.insecure ? "off" : "on");
}

void mkimage_ventoy_fill(struct mkimage *mk, struct out *out)
{
	const struct mkimage_ventoy *ventoy = &mk->ventoy;

	out_text(out, COL_DATA_TYPE, msd_fs_kind_text(mk->image.format.kind));
	out_size(out, COL_RESERVE, ventoy->params.reserve_bytes);
	if (!ventoy->params.release)
		return;
	out_text(out, COL_VENTOY, msd_ventoy_release_get_version(ventoy->params.release));
	out_bool(out, COL_SECURE_BOOT, !ventoy->params.insecure);
}
