/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an image holds. */
#include "storage/content.h"

#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/ptable-disk.h"
#include "fs/read.h"
#include "storage/content-disk.h"

#define CD_BLOCK 2048u
#define VOLUME_OFFSET (16 * CD_BLOCK)	/* ECMA-119 6.2.1: 16 blocks are the system's */
#define RECORD_OFFSET (17 * CD_BLOCK)	/* El Torito 2.0: always the second descriptor */
#define HEAD_SIZE (18 * CD_BLOCK)
#define GPT_MAX_ENTRIES 128u
#define GPT_LEGACY_BOOT 4u		/* attribute bit 2, UEFI 2.10 table 5.8 */

/* An image as it is looked at: its head is read once, everything else as it is needed. */
struct probe {
	int fd;
	uint64_t size;
	struct msd_content *out;
	uint64_t largest_start, largest_size;	/* of the partitions, in bytes */
	uint8_t head[HEAD_SIZE];		/* zeros beyond the end of the image */
};

static const uint8_t guid_esp[16] = {
	0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
};

/* What lies beyond the end reads as zeros. Returns 0 or -errno. */
static int read_at(const struct probe *probe, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = offset <= INT64_MAX ? pread(probe->fd, buf, len, (off_t)offset) : 0;

	if (n < 0)
		return -errno;
	memset((char *)buf + n, 0, len - (size_t)n);
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && !memcmp(p, p + 1, len - 1);
}

static void claim(struct probe *probe, const char *claimant, uint64_t end_bytes)
{
	if (end_bytes <= probe->out->claims_bytes)
		return;
	probe->out->claims_bytes = end_bytes;
	snprintf(probe->out->claimant, sizeof(probe->out->claimant), "%s", claimant);
}

static void copy_value(blkid_probe pr, const char *key, char *buf, size_t len)
{
	const char *value;

	if (blkid_probe_lookup_value(pr, key, &value, NULL) == 0)
		snprintf(buf, len, "%s", value);
}

/*
 * What a medium for a PC may hold, and where each shows itself. libblkid decides, but it is
 * asked only for what may be there: all that it knows would cost 40 times as much.
 */
static const struct {
	const char *type;
	uint32_t offset;
	const char *magic;
	size_t len;
} signs[] = {
	{ "udf", 32769, "", 0 },	/* one of several: see find_candidates() */
	{ "iso9660", 32769, "CD001", 5 },
	{ "exfat", 3, "EXFAT   ", 8 },
	{ "ntfs", 3, "NTFS    ", 8 },
	{ "vfat", 510, "\x55\xaa", 2 },
	{ "ext4", 1080, "\x53\xef", 2 },
	{ "ext3", 1080, "\x53\xef", 2 },
	{ "ext2", 1080, "\x53\xef", 2 },
	{ "xfs", 0, "XFSB", 4 },
	{ "f2fs", 1024, "\x10\x20\xf5\xf2", 4 },
	{ "hfsplus", 1024, "H+", 2 },
	{ "hfsplus", 1024, "HX", 2 },
	{ "squashfs", 0, "hsqs", 4 },
	{ "swap", 4086, "SWAPSPACE2", 10 },
	{ "crypto_LUKS", 0, "LUKS\xba\xbe", 6 },
	{ "ReFS", 3, "ReFS", 4 },
	{ "apfs", 32, "NXSB", 4 },
	{ "LVM2_member", 512, "LABELONE", 8 },
};
#define N_SIGNS (sizeof(signs) / sizeof(signs[0]))

/* Types that may be there, ended by NULL. An Apple hybrid is a CD first, and only that. */
static void find_candidates(const uint8_t *head, char *types[N_SIGNS + 1])
{
	static const char *const descriptors[] = { "CD001", "BEA01", "NSR02", "NSR03", NULL };
	const uint8_t *volume = head + VOLUME_OFFSET + 1;
	unsigned n = 0;
	bool cd = false;

	for (const char *const *d = descriptors; *d; d++)
		cd |= !memcmp(volume, *d, 5);
	for (unsigned i = 0; i < N_SIGNS && !(cd && i > 1); i++)
		if ((i > 0 || cd) && !memcmp(head + signs[i].offset, signs[i].magic, signs[i].len))
			types[n++] = (char *)signs[i].type;
	if (!n)
		types[n++] = (char *)"btrfs";	/* shows itself further on only */
	types[n] = NULL;
}

/* UEFI 2.10, 3.5.1.1: the loader of a removable medium, on any FAT that the firmware finds. */
static bool has_efi_loader(const struct probe *probe, uint64_t start, uint64_t size)
{
	static const char *const loaders[] = { "BOOTX64.EFI", "BOOTAA64.EFI", "BOOTIA32.EFI" };
	_cleanup_(msd_io_closep) struct msd_io *image = NULL, *window = NULL;
	_cleanup_(msd_fs_closep) struct msd_fs *fs = NULL;
	struct msd_fs_node node;
	char path[64];

	if (msd_io_open_fd(probe->fd, "", &image, NULL) < 0 ||
	    msd_io_new_window(image, start, size, &window) < 0 ||
	    msd_fs_open_fat(window, &fs, NULL) < 0)
		return false;
	for (unsigned i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++) {
		snprintf(path, sizeof(path), "EFI/BOOT/%s", loaders[i]);
		if (msd_fs_lookup(fs, path, &node, NULL) == 0 && !node.is_dir)
			return true;
	}
	return false;
}

/* File system and label of a part of the image, whose first bytes are head. */
static int probe_fs(struct probe *probe, const uint8_t *head, uint64_t start, uint64_t size)
{
	char *types[N_SIGNS + 1];
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		return -ENOMEM;
	find_candidates(head, types);
	if (size > 0 && blkid_probe_set_device(pr, probe->fd, (blkid_loff_t)start,
					       (blkid_loff_t)size) == 0) {
		blkid_probe_enable_superblocks(pr, 1);
		blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL);
		blkid_probe_filter_superblocks_type(pr, BLKID_FLTR_ONLYIN, types);
		if (blkid_do_probe(pr) == 0) {
			copy_value(pr, "TYPE", probe->out->fstype, sizeof(probe->out->fstype));
			copy_value(pr, "LABEL", probe->out->label, sizeof(probe->out->label));
		}
	}
	blkid_free_probe(pr);
	if (!strcmp(probe->out->fstype, "vfat") && has_efi_loader(probe, start, size))
		probe->out->uefi = true;
	return 0;
}

/* The same for the largest partition, or what of it lies within the image. */
static int probe_partition(struct probe *probe)
{
	uint8_t head[HEAD_SIZE];
	int rc;

	if (!probe->largest_size || probe->largest_start >= probe->size)
		return 0;
	if (probe->largest_size > probe->size - probe->largest_start)
		probe->largest_size = probe->size - probe->largest_start;
	rc = read_at(probe, head, sizeof(head), probe->largest_start);
	if (rc < 0)
		return rc;
	return probe_fs(probe, head, probe->largest_start, probe->largest_size);
}

static void add_partition(struct probe *probe, const char *table, uint64_t start, uint64_t size)
{
	claim(probe, table, start + size);
	if (size > probe->largest_size) {
		probe->largest_start = start;
		probe->largest_size = size;
	}
}

/* What a BIOS and a UEFI firmware find on the image as on a disk. */
struct disk_boot {
	bool table, bios, uefi;
};

static int read_gpt(struct probe *probe, uint32_t sector, struct disk_boot *ret)
{
	const struct gpt_header *gpt = (const void *)(probe->head + sector);
	static const size_t entry_size = sizeof(struct gpt_entry);
	uint64_t entries = le64_get(gpt->entries_lba);
	uint32_t n = le32_get(gpt->n_entries);
	struct gpt_entry table[GPT_MAX_ENTRIES];
	int rc;

	ret->table = true;
	/* the copy of the table is in the disk's last sector; absurd numbers would overflow */
	if (le64_get(gpt->alternate_lba) < UINT64_MAX / sector)
		claim(probe, "GPT", (le64_get(gpt->alternate_lba) + 1) * sector);
	if (le32_get(gpt->entry_bytes) != entry_size || entries >= INT64_MAX / sector)
		return 0;
	if (n > GPT_MAX_ENTRIES)
		n = GPT_MAX_ENTRIES;
	rc = read_at(probe, table, n * entry_size, entries * sector);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		uint64_t first = le64_get(table[i].first_lba), last = le64_get(table[i].last_lba);

		if (is_zero(table[i].type, sizeof(table[i].type)) || last < first ||
		    last >= INT64_MAX / sector)
			continue;
		add_partition(probe, "GPT", first * sector, (last - first + 1) * sector);
		if (!memcmp(table[i].type, guid_esp, sizeof(guid_esp)))
			ret->uefi = true;
		if (le64_get(table[i].attributes) & GPT_LEGACY_BOOT)
			ret->bios = true;
	}
	return rc;
}

/* MBR and GPT. A boot sector of a file system in the same place has no valid entries. */
static int read_tables(struct probe *probe, struct disk_boot *ret)
{
	const struct mbr *mbr = (const void *)probe->head;
	bool code = !is_zero(mbr->code, sizeof(mbr->code)), active = false, protective = false;

	if (mbr->signature[0] != 0x55 || mbr->signature[1] != 0xaa)
		return 0;
	for (unsigned i = 0; i < 4; i++)
		if (mbr->entries[i].status & 0x7f)
			return 0;
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *entry = &mbr->entries[i];

		if (entry->type == 0xee)
			protective = true;
		if (entry->type == 0xef)
			ret->uefi = true;
		if (entry->status == 0x80)
			active = true;
	}
	/* GRUB's first sector starts without an active partition */
	ret->bios = code && (active || memmem(mbr->code, sizeof(mbr->code), "GRUB", 4));
	for (uint32_t sector = 512; protective && sector <= 4096; sector *= 8)
		if (!memcmp(probe->head + sector, "EFI PART", 8)) {
			int rc = read_gpt(probe, sector, ret);

			ret->bios = code && (ret->bios || active);
			return rc;
		}
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *entry = &mbr->entries[i];

		if (!entry->type || !le32_get(entry->n_sectors))
			continue;
		ret->table = true;
		add_partition(probe, "MBR", le32_get(entry->start) * 512ULL,
			      le32_get(entry->n_sectors) * 512ULL);
	}
	return 0;
}

static void boots_on(struct msd_content *out, uint8_t platform)
{
	if (platform == 0x00)
		out->bios = true;
	else if (platform == 0xef)
		out->uefi = true;
}

/* El Torito 1.0, section 2: a validation entry, the default entry, then sections. */
static int read_boot_catalog(struct probe *probe)
{
	const struct content_boot_record *record = (const void *)(probe->head + RECORD_OFFSET);
	uint8_t entries[CD_BLOCK / 32][32];
	const unsigned n = sizeof(entries) / sizeof(entries[0]);
	uint8_t platform;
	int rc;

	if (record->type != 0 || memcmp(record->id, "CD001", 5) ||
	    memcmp(record->system, "EL TORITO SPECIFICATION", 23))
		return 0;
	rc = read_at(probe, entries, sizeof(entries), le32_get(record->catalog_lba) * 2048ULL);
	if (rc < 0 || entries[0][0] != 1 || entries[0][30] != 0x55 || entries[0][31] != 0xaa)
		return rc;
	if (entries[1][0] == 0x88)
		boots_on(probe->out, entries[0][1]);
	for (unsigned i = 2; i < n; ) {
		unsigned left;
		uint8_t id = entries[i][0];

		if (id != 0x90 && id != 0x91)
			break;
		platform = entries[i][1];
		left = entries[i][2] | (unsigned)entries[i][3] << 8;
		for (i++; left > 0 && i < n; i++) {
			if (entries[i][0] == 0x44)	/* more of the entry before it */
				continue;
			if (entries[i][0] == 0x88)
				boots_on(probe->out, platform);
			left--;
		}
		if (id == 0x91)
			break;
	}
	return 0;
}

static int read_cd(struct probe *probe)
{
	const struct content_iso_volume *volume = (const void *)(probe->head + VOLUME_OFFSET);
	struct disk_boot disk = { 0 };
	int rc = read_tables(probe, &disk);

	probe->out->cd = true;
	probe->out->hybrid = disk.table;
	if (rc == 0 && volume->type == 1 && !memcmp(volume->id, "CD001", 5)) {
		claim(probe, "ISO volume",
		      (uint64_t)le32_get(volume->blocks) * le16_get(volume->block_size));
		rc = read_boot_catalog(probe);
	}
	return rc;
}

/*
 * FAT without a partition table, as on a floppy: its boot sector is the first thing that a
 * BIOS runs. mkfs.fat and its like put a notice there instead of a loader.
 */
static bool boots_superfloppy(const struct probe *probe)
{
	static const char notice[] = "not a bootable disk";
	const uint8_t *sector = probe->head;

	return !strcmp(probe->out->fstype, "vfat") && sector[510] == 0x55 && sector[511] == 0xaa &&
	       !is_zero(sector + 90, 420) && !memmem(sector, 512, notice, sizeof(notice) - 1);
}

int msd_content_read(int fd, uint64_t size_bytes, struct msd_content *ret)
{
	struct disk_boot disk = { 0 };
	struct probe probe;
	int rc;

	/* the head is filled below */
	memset(&probe, 0, offsetof(struct probe, head));
	memset(ret, 0, sizeof(*ret));
	probe.fd = fd;
	probe.size = size_bytes;
	probe.out = ret;
	rc = read_at(&probe, probe.head, sizeof(probe.head), 0);
	if (rc < 0)
		return rc;
	rc = probe_fs(&probe, probe.head, 0, size_bytes);
	if (rc < 0)
		return rc;
	if (!strcmp(ret->fstype, "iso9660") || !strcmp(ret->fstype, "udf"))
		return read_cd(&probe);
	if (ret->fstype[0]) {
		ret->bios = boots_superfloppy(&probe);
		return 0;
	}
	rc = read_tables(&probe, &disk);
	if (rc < 0)
		return rc;
	ret->bios = disk.bios;
	ret->uefi = disk.uefi;
	return probe_partition(&probe);
}
