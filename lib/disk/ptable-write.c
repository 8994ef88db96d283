/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A new partition table. */
#include "disk/ptable-write.h"

#include <string.h>

#include "base/ptable-disk.h"
#include "disk/ptable-priv.h"

#define GPT_ENTRIES 128u
#define GPT_ENTRIES_BYTES (GPT_ENTRIES * sizeof(struct gpt_entry))
#define SECTOR_BYTES_MAX 4096u
#define FIRST_BYTES (1u << 20)

#define GPT_LEGACY_BOOT (UINT64_C(1) << 2)
#define GPT_NO_LETTER (UINT64_C(1) << 63)

/* What BIOSes translate to: a disk has these, whatever it is made of. */
#define HEADS 255u
#define SECTORS 63u

/*
 * For a BIOS that boots from here: INT 18h asks it for the next device. (Zeros would be run as
 * instructions, and hang it.) int 0x18; 1: hlt; jmp 1
 */
static const uint8_t boot_code[] = { 0xCD, 0x18, 0xF4, 0xEB, 0xFD };

/* EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, as a GUID lies on a disk */
static const uint8_t basic_data[16] = {
	0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7
};

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

/* A random GUID as RFC 4122 has it: version 4. Its first three numbers are little-endian. */
static void make_guid(const uint8_t seed[16], uint64_t purpose, uint8_t guid[16])
{
	uint64_t high = mix(seed, purpose), low = mix(seed, purpose + 1);
	le32 first = le32_make((uint32_t)(high >> 32));
	le16 second = le16_make((uint16_t)(high >> 16)), third = le16_make(0x4000 | (high & 0xFFF));

	memcpy(guid, &first, 4);
	memcpy(guid + 4, &second, 2);
	memcpy(guid + 6, &third, 2);
	low = (low & 0x3FFFFFFFFFFFFFFFu) | 0x8000000000000000u;
	for (unsigned i = 0; i < 8; i++)
		guid[8 + i] = (uint8_t)(low >> (56 - 8 * i));
}

static void set_chs(uint8_t chs[3], uint64_t lba)
{
	uint64_t cylinder = lba / (HEADS * SECTORS), in_cylinder = lba % (HEADS * SECTORS);

	if (cylinder > 1023) {
		cylinder = 1023;
		in_cylinder = HEADS * SECTORS - 1;
	}
	chs[0] = (uint8_t)(in_cylinder / SECTORS);
	chs[1] = (uint8_t)((in_cylinder % SECTORS + 1) | (cylinder >> 8 << 6));
	chs[2] = (uint8_t)cylinder;
}

static struct mbr_entry mbr_entry(uint8_t type, bool active, uint64_t start, uint64_t n_sectors)
{
	struct mbr_entry entry = {
		.status = active ? 0x80 : 0, .type = type, .start = le32_make((uint32_t)start),
		.n_sectors = le32_make(n_sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)n_sectors),
	};

	set_chs(entry.first_chs, start);
	set_chs(entry.last_chs, start + n_sectors - 1);
	return entry;
}

static void make_mbr(const struct msd_ptable_make_params *params, uint64_t n_sectors, uint8_t *to)
{
	struct mbr mbr = { .signature = { 0x55, 0xaa } };

	memcpy(mbr.code, boot_code, sizeof(boot_code));
	if (params->kind == MSD_PTABLE_MAKE_GPT) {
		mbr.entries[0] = mbr_entry(MBR_TYPE_GPT, false, 1, n_sectors - 1);
		/* as others make it, whatever the size */
		memset(mbr.entries[0].last_chs, 0xff, 3);
	} else {
		mbr.disk_id = le32_make((uint32_t)mix(params->seed, 5) | 1);
		for (unsigned n = 0; n < params->n_partitions; n++) {
			const struct msd_ptable_make_partition *make = &params->partitions[n];

			mbr.entries[n] = mbr_entry(make->mbr_type, make->active,
						   make->start_bytes / params->sector_bytes,
						   make->size_bytes / params->sector_bytes);
		}
	}
	memcpy(to, &mbr, sizeof(mbr));
}

static void make_entry(const struct msd_ptable_make_params *params, unsigned n, uint8_t *to)
{
	const struct msd_ptable_make_partition *make = &params->partitions[n];
	uint64_t start = make->start_bytes / params->sector_bytes;
	struct gpt_entry entry = {
		.first_lba = le64_make(start),
		.last_lba = le64_make(start + make->size_bytes / params->sector_bytes - 1),
		.attributes = le64_make((make->active ? GPT_LEGACY_BOOT : 0) |
					(make->no_letter ? GPT_NO_LETTER : 0)),
	};

	memcpy(entry.type, basic_data, sizeof(entry.type));
	make_guid(params->seed, n ? 5 + 2 * n : 3, entry.guid);
	for (unsigned i = 0; make->name && make->name[i]; i++)
		entry.name[i] = le16_make((uint8_t)make->name[i]);
	memcpy(to + n * sizeof(entry), &entry, sizeof(entry));
}

/* The header at lba, and where its entries lie. */
static void make_header(const struct msd_ptable_make_params *params, uint64_t n_sectors,
			uint64_t lba, uint64_t entries_lba, uint32_t entries_crc, uint8_t *to)
{
	uint32_t first = params->first_lba ? params->first_lba : FIRST_BYTES / params->sector_bytes;
	struct gpt_header header = {
		.revision = le32_make(0x10000), .header_bytes = le32_make(sizeof(header)),
		.my_lba = le64_make(lba), .alternate_lba = le64_make(n_sectors - lba),
		.first_usable_lba = le64_make(first),
		.last_usable_lba = le64_make(n_sectors - 2 - GPT_ENTRIES_BYTES / params->sector_bytes),
		.entries_lba = le64_make(entries_lba), .n_entries = le32_make(GPT_ENTRIES),
		.entry_bytes = le32_make(sizeof(struct gpt_entry)),
		.entries_crc = le32_make(entries_crc),
	};

	memcpy(header.signature, "EFI PART", sizeof(header.signature));
	make_guid(params->seed, 1, header.disk_guid);
	header.header_crc = le32_make(ptable_crc32((const uint8_t *)&header, sizeof(header)));
	memcpy(to, &header, sizeof(header));
}

static int write_gpt(struct msd_io *io, const struct msd_ptable_make_params *params,
		     uint64_t n_sectors, struct msd_error *err)
{
	/* at the begin of the disk MBR, header and entries, at its end entries and header */
	uint8_t buf[GPT_ENTRIES_BYTES + 3 * SECTOR_BYTES_MAX] = { 0 };
	uint32_t sector = params->sector_bytes, crc;
	uint8_t *entries = buf + 2 * sector;
	uint64_t tail_lba = n_sectors - 1 - GPT_ENTRIES_BYTES / sector;
	int rc;

	for (unsigned n = 0; n < params->n_partitions; n++)
		make_entry(params, n, entries);
	crc = ptable_crc32(entries, GPT_ENTRIES_BYTES);
	make_mbr(params, n_sectors, buf);
	make_header(params, n_sectors, 1, 2, crc, buf + sector);
	make_header(params, n_sectors, n_sectors - 1, tail_lba, crc, entries + GPT_ENTRIES_BYTES);
	rc = msd_io_pwrite(io, buf, 2 * sector + GPT_ENTRIES_BYTES, 0, err);
	if (rc < 0)
		return rc;
	return msd_io_pwrite(io, entries, GPT_ENTRIES_BYTES + sector, tail_lba * sector, err);
}

int msd_ptable_write(struct msd_io *io, const struct msd_ptable_make_params *params,
		     struct msd_error *reterr)
{
	uint64_t n_sectors = msd_io_get_size(io) / params->sector_bytes;
	uint8_t sector[SECTOR_BYTES_MAX] = { 0 };

	if (params->kind == MSD_PTABLE_MAKE_GPT)
		return write_gpt(io, params, n_sectors, reterr);
	make_mbr(params, n_sectors, sector);
	return msd_io_pwrite(io, sector, params->sector_bytes, 0, reterr);
}
