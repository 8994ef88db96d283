/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new partition table, by libfdisk. */
#include "disk/ptable-write.h"

#include <errno.h>
#include <libfdisk/libfdisk.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

#define GPT_ENTRIES_BYTES 16384u
#define SECTOR_BYTES_MAX 4096u
#define BASIC_DATA "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"

/*
 * For a BIOS that boots from here: INT 18h asks it for the next device. (Zeros would be run as
 * instructions, and hang it.) int 0x18; 1: hlt; jmp 1
 */
static const uint8_t boot_code[] = { 0xCD, 0x18, 0xF4, 0xEB, 0xFD };

/* 64 bits out of the seed, others for every purpose: the finalizer of MurmurHash3. */
static uint64_t mix(const uint8_t seed[16], uint64_t purpose)
{
	uint64_t n = purpose * 0x9E3779B97F4A7C15u;

	for (unsigned i = 0; i < 16; i++) {
		n = (n ^ seed[i]) * 0xFF51AFD7ED558CCDu;
		n ^= n >> 33;
	}
	return n;
}

/* A random GUID as RFC 4122 has it: version 4. */
static void make_guid(const uint8_t seed[16], uint64_t purpose, char text[37])
{
	uint64_t high = mix(seed, purpose), low = mix(seed, purpose + 1);

	snprintf(text, 37, "%08X-%04X-4%03X-%04X-%012llX", (unsigned)(high >> 32),
		 (unsigned)(high >> 16 & 0xFFFF), (unsigned)(high & 0xFFF),
		 (unsigned)(0x8000 | (low >> 48 & 0x3FFF)),
		 (unsigned long long)(low & 0xFFFFFFFFFFFFu));
}

static int set_first_lba(struct fdisk_context *cxt, const char *first_lba)
{
	struct fdisk_script *script;
	int rc;

	if (!first_lba)
		return 0;
	script = fdisk_new_script(cxt);
	if (!script)
		return -ENOMEM;
	rc = fdisk_script_set_header(script, "first-lba", first_lba);
	if (rc == 0)
		rc = fdisk_set_script(cxt, script);
	fdisk_unref_script(script);
	return rc;
}

static int make_table(struct fdisk_context *cxt, const struct msd_ptable_make_params *params)
{
	bool gpt = params->kind == MSD_PTABLE_MAKE_GPT;
	char id[37];
	int rc = set_first_lba(cxt, params->first_lba);

	if (gpt)
		make_guid(params->seed, 1, id);
	else
		snprintf(id, sizeof(id), "0x%08x", (unsigned)mix(params->seed, 5) | 1);
	if (rc == 0)
		rc = fdisk_create_disklabel(cxt, gpt ? "gpt" : "dos");
	if (rc == 0)
		rc = fdisk_set_disklabel_id_from_string(cxt, id);
	return rc;
}

static int set_gpt_partition(struct fdisk_partition *partition, struct fdisk_parttype *type,
			     const struct msd_ptable_make_params *params, unsigned n)
{
	const struct msd_ptable_make_partition *make = &params->partitions[n];
	char guid[37];
	int rc = fdisk_parttype_set_typestr(type, BASIC_DATA);

	make_guid(params->seed, n ? 5 + 2 * n : 3, guid);
	if (rc == 0)
		rc = fdisk_partition_set_uuid(partition, guid);
	if (rc == 0 && make->name)
		rc = fdisk_partition_set_name(partition, make->name);
	if (rc == 0 && make->no_letter)
		rc = fdisk_partition_set_attrs(partition, "GUID:63");
	return rc;
}

static int add_partition(struct fdisk_context *cxt, struct fdisk_partition *partition,
			 struct fdisk_parttype *type, const struct msd_ptable_make_params *params,
			 unsigned n)
{
	const struct msd_ptable_make_partition *make = &params->partitions[n];
	bool gpt = params->kind == MSD_PTABLE_MAKE_GPT;
	int rc = gpt ? set_gpt_partition(partition, type, params, n) :
		       fdisk_parttype_set_code(type, make->mbr_type);

	if (rc == 0)
		rc = fdisk_partition_set_type(partition, type);
	if (rc == 0)
		rc = fdisk_partition_set_partno(partition, n);
	if (rc == 0)
		rc = fdisk_partition_set_start(partition, make->start_bytes / params->sector_bytes);
	if (rc == 0)
		rc = fdisk_partition_set_size(partition, make->size_bytes / params->sector_bytes);
	/* else libfdisk makes it whole MiB, and the volume no longer fits */
	if (rc == 0)
		rc = fdisk_partition_size_explicit(partition, 1);
	if (rc == 0)
		rc = fdisk_add_partition(cxt, partition, NULL);
	if (rc == 0 && make->active)
		rc = fdisk_toggle_partition_flag(cxt, n, gpt ? GPT_FLAG_LEGACYBOOT : DOS_FLAG_ACTIVE);
	return rc;
}

static int add_partitions(struct fdisk_context *cxt, const struct msd_ptable_make_params *params)
{
	int rc = 0;

	for (unsigned n = 0; rc == 0 && n < params->n_partitions; n++) {
		struct fdisk_partition *partition = fdisk_new_partition();
		struct fdisk_parttype *type = fdisk_new_parttype();

		rc = partition && type ? add_partition(cxt, partition, type, params, n) : -ENOMEM;
		fdisk_unref_parttype(type);
		fdisk_unref_partition(partition);
	}
	return rc;
}

static int write_table(struct fdisk_context *cxt, int fd, const char *name,
		       const struct msd_ptable_make_params *params)
{
	int rc;

	fdisk_disable_dialogs(cxt, 1);
	/* of a file libfdisk cannot know it */
	rc = fdisk_save_user_sector_size(cxt, params->sector_bytes, params->sector_bytes);
	/* it need not look for what it would overwrite, which takes longer than all else: nothing is there */
	if (rc == 0)
		rc = fdisk_enable_listonly(cxt, 1);
	if (rc == 0)
		rc = fdisk_assign_device_by_fd(cxt, fd, name, 0);
	/* a new table looks once more; a GPT's then needs the size for its end */
	if (rc == 0 && params->kind == MSD_PTABLE_MAKE_MBR && ftruncate(fd, params->sector_bytes) < 0)
		rc = -errno;
	if (rc == 0)
		rc = make_table(cxt, params);
	if (rc == 0)
		rc = add_partitions(cxt, params);
	if (rc == 0)
		rc = fdisk_write_disklabel(cxt);
	/* without its sync of the whole machine */
	if (fdisk_get_devfd(cxt) >= 0)
		fdisk_deassign_device(cxt, 1);
	return rc;
}

static int make_on(int fd, const char *name, const struct msd_ptable_make_params *params)
{
	struct fdisk_context *cxt = fdisk_new_context();
	int rc = cxt ? write_table(cxt, fd, name, params) : -ENOMEM;

	/* context and script hold each other */
	if (cxt)
		fdisk_set_script(cxt, NULL);
	fdisk_unref_context(cxt);
	return rc > 0 ? -EIO : rc;
}

/* Copies what lies between offset and offset + len in fd. */
static int copy_out(int fd, struct msd_io *io, uint64_t offset, size_t len, struct msd_error *err)
{
	uint8_t buf[GPT_ENTRIES_BYTES + 2 * SECTOR_BYTES_MAX];

	if (pread(fd, buf, len, (off_t)offset) != (ssize_t)len)
		return msd_fail_errno(err, EIO, "%s: partition table", msd_io_get_name(io));
	if (offset == 0)
		memcpy(buf, boot_code, sizeof(boot_code));
	return msd_io_pwrite(io, buf, len, offset, err);
}

int msd_ptable_write(struct msd_io *io, const struct msd_ptable_make_params *params,
		     struct msd_error *reterr)
{
	/* libfdisk probes and syncs what it writes to: in memory that takes no time */
	_cleanup_close_ int fd = memfd_create("partition table", MFD_CLOEXEC);
	uint64_t size = msd_io_get_size(io);
	size_t tail = GPT_ENTRIES_BYTES + params->sector_bytes;
	int rc;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return msd_fail_errno(reterr, errno, "%s: partition table", msd_io_get_name(io));
	rc = make_on(fd, msd_io_get_name(io), params);
	if (rc < 0)
		return msd_fail_errno(reterr, -rc, "%s: partition table by libfdisk",
				      msd_io_get_name(io));
	if (params->kind == MSD_PTABLE_MAKE_MBR)
		return copy_out(fd, io, 0, params->sector_bytes, reterr);
	rc = copy_out(fd, io, 0, tail + params->sector_bytes, reterr);
	return rc < 0 ? rc : copy_out(fd, io, size - tail, tail, reterr);
}
