/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding the volume in an image. */
#include "disk/volume.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "base/text.h"

static void tell_with_offset(void *data, uint64_t offset_bytes, const char *what)
{
	const struct msd_volume *volume = data;

	volume->damage.fn(volume->damage.data, volume->offset_bytes + offset_bytes, what);
}

/* What blkid calls the file system at an offset; false when it knows none. */
static bool name_type(struct msd_io *io, uint64_t offset, uint64_t size, char *ret, size_t len)
{
	uint64_t base;
	int fd = msd_io_get_fd(io, &base);
	blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
	const char *type;
	bool found = false;

	if (!probe)
		return false;
	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)(base + offset),
				   (blkid_loff_t)size) == 0) {
		blkid_probe_enable_superblocks(probe, 1);
		blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
		found = blkid_do_safeprobe(probe) == 0 &&
			blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0;
	}
	if (found)
		snprintf(ret, len, "%s", type);
	blkid_free_probe(probe);
	return found;
}

static int fail_unknown(struct msd_io *io, unsigned partition, uint64_t offset, uint64_t size,
			struct msd_error *err)
{
	const char *name = msd_io_get_name(io);
	char type[64], place[32] = "";

	if (partition)
		snprintf(place, sizeof(place), " in partition %u", partition);
	if (!name_type(io, offset, size, type, sizeof(type)))
		return msd_fail(err, MSD_E_FORMAT, "%s: neither FAT nor exFAT%s", name, place);
	msd_fail(err, MSD_E_FORMAT, "%s: %s%s, neither FAT nor exFAT", name, type, place);
	if (!strcmp(type, "ntfs"))
		msd_hint(err, "mount -t msd %s /mnt (or, from a loop device, ntfs-3g)", msd_quoted(name));
	else if (!strcmp(type, "apfs"))
		msd_hint(err, "apfs-fuse %s /mnt", msd_quoted(name));
	else if (!strcmp(type, "iso9660") || !strcmp(type, "udf"))
		msd_hint(err, "mount -t msd %s /mnt, or: bsdtar -xf %s", msd_quoted(name),
			 msd_quoted(name));
	else if (!strcmp(type, "crypto_LUKS") || !strcmp(type, "BitLocker"))
		msd_hint(err, "it is encrypted: cryptsetup open --type %s",
			 type[0] == 'B' ? "bitlk" : "luks");
	else
		msd_hint(err, "mount -t msd %s /mnt", msd_quoted(name));
	return -MSD_E_FORMAT;
}

typedef int open_fn(struct msd_io *io, const uint16_t *codepage, const struct msd_damage *damage,
		    struct msd_fs **ret, struct msd_error *err);

/* Opens what lies in a part of the image. Returns as msd_fs_open. */
static int open_at(struct msd_volume *volume, struct msd_io *io, uint64_t offset, uint64_t size,
		   open_fn *open, const uint16_t *codepage, struct msd_error *err)
{
	struct msd_damage damage = { tell_with_offset, volume };
	int rc = msd_io_new_window(io, offset, size, &volume->io);

	if (rc < 0)
		return msd_fail_on(err, -rc, msd_io_get_name(io));
	volume->offset_bytes = offset;
	rc = open(volume->io, codepage, volume->damage.fn ? &damage : NULL, &volume->fs, err);
	if (rc < 0)
		volume->io = msd_io_close(volume->io);
	return rc;
}

/* The last resort, unless there is something else: a boot sector that only has its copy left. */
static int open_unknown(struct msd_volume *volume, struct msd_io *io, unsigned partition,
			uint64_t offset, uint64_t size, const uint16_t *codepage, struct msd_error *err)
{
	char type[64];
	int rc = -MSD_E_FORMAT;

	if (!name_type(io, offset, size, type, sizeof(type)))
		rc = open_at(volume, io, offset, size, msd_fs_open_backup, codepage, err);
	if (rc == -MSD_E_FORMAT)
		return fail_unknown(io, partition, offset, size, err);
	volume->partition = partition;
	return rc;
}

static int open_partition(struct msd_volume *volume, struct msd_io *io,
			  const struct msd_partition *part, const uint16_t *codepage,
			  struct msd_error *err)
{
	int rc = open_at(volume, io, part->offset_bytes, part->size_bytes, msd_fs_open, codepage,
			 err);

	if (rc == -MSD_E_FORMAT)
		return open_unknown(volume, io, part->number, part->offset_bytes, part->size_bytes,
				    codepage, err);
	volume->partition = part->number;
	return rc;
}

/* Is there a volume? Asked before one is chosen, so nothing is told. */
static int fits(struct msd_io *io, const struct msd_partition *part, struct msd_error *err)
{
	_cleanup_(msd_io_closep) struct msd_io *window = NULL;
	struct msd_fs *fs;
	int rc = msd_io_new_window(io, part->offset_bytes, part->size_bytes, &window);

	if (rc < 0)
		return msd_fail_on(err, -rc, msd_io_get_name(io));
	rc = msd_fs_open(window, NULL, NULL, &fs, err);
	if (rc == -MSD_E_FORMAT)
		return 0;
	if (rc < 0)
		return rc;
	msd_fs_close(fs);
	return 1;
}

static int choose(struct msd_volume *volume, struct msd_io *io, const struct msd_partition **ret,
		  struct msd_error *err)
{
	const struct msd_partition *found = NULL, *efi = NULL;
	char all[256] = "";
	unsigned n = 0;

	for (unsigned i = 0; i < volume->ptable.n_partitions; i++) {
		const struct msd_partition *part = &volume->ptable.partitions[i];
		int rc = fits(io, part, err);

		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		/* the highest attribute: Windows gives it no letter (Ventoy's boot partition) */
		if (part->efi || part->gpt_attributes >> 63) {
			efi = efi ? efi : part;
			continue;
		}
		found = found ? found : part;
		msd_append(all, sizeof(all), ", ", "%u", part->number);
		n++;
	}
	if (n > 1) {
		msd_fail(err, MSD_E_USAGE, "%s: several partitions fit: %s", msd_io_get_name(io), all);
		msd_hint(err, "add --partition=%u", found->number);
		return -MSD_E_USAGE;
	}
	*ret = found ? found : efi;
	return 0;
}

static int open_chosen(struct msd_volume *volume, struct msd_io *io, unsigned partition,
		       const uint16_t *codepage, struct msd_error *err)
{
	const struct msd_ptable *ptable = &volume->ptable;
	const struct msd_partition *part = NULL;
	int rc;

	for (unsigned i = 0; i < ptable->n_partitions; i++)
		if (ptable->partitions[i].number == partition)
			part = &ptable->partitions[i];
	if (partition && !part) {
		msd_fail(err, MSD_E_NOTFOUND, "%s: there is no partition %u", msd_io_get_name(io),
			 partition);
		return -MSD_E_NOTFOUND;
	}
	rc = part ? 0 : choose(volume, io, &part, err);
	if (rc < 0)
		return rc;
	if (part)
		return open_partition(volume, io, part, codepage, err);
	if (ptable->n_partitions == 1)
		return open_partition(volume, io, &ptable->partitions[0], codepage, err);
	if (ptable->n_partitions)
		return msd_fail(err, MSD_E_FORMAT, "%s: none of its %u partitions is FAT or exFAT",
				msd_io_get_name(io), ptable->n_partitions);
	return open_unknown(volume, io, 0, 0, msd_io_get_size(io), codepage, err);
}

int msd_volume_open(struct msd_io *io, unsigned partition, const uint16_t *codepage,
		    const struct msd_damage *damage, struct msd_volume **ret,
		    struct msd_error *reterr)
{
	_cleanup_(msd_volume_closep) struct msd_volume *volume = calloc(1, sizeof(*volume));
	int rc;

	if (!volume)
		return msd_fail_on(reterr, ENOMEM, msd_io_get_name(io));
	if (damage)
		volume->damage = *damage;
	/* a volume without a partition table bears the same signature where one would be */
	rc = partition ? -MSD_E_FORMAT :
	     open_at(volume, io, 0, msd_io_get_size(io), msd_fs_open, codepage, reterr);
	if (rc == -MSD_E_FORMAT) {
		rc = msd_ptable_read(io, damage, &volume->ptable, reterr);
		if (rc == 0)
			rc = open_chosen(volume, io, partition, codepage, reterr);
	}
	if (rc == 0)
		*ret = msd_steal(volume);
	return rc;
}

struct msd_volume *msd_volume_close(struct msd_volume *volume)
{
	if (!volume)
		return NULL;
	msd_fs_close(volume->fs);
	msd_io_close(volume->io);
	free(volume);
	return NULL;
}

void msd_volume_closep(struct msd_volume **volume)
{
	msd_volume_close(*volume);
}
