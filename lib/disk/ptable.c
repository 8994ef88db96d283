/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading MBR and GPT, out of images that nobody vouches for. */
#include "disk/ptable.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/ptable-disk.h"

/* The specification asks for 128 entries or more; nobody makes many more of them. */
enum { GPT_ENTRIES_MAX_BYTES = 1 << 20 };

static const uint8_t efi_system_type[16] = {
	0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b
};

struct reader {
	struct msd_io *io;
	const struct msd_damage *damage;
	struct msd_ptable *table;
	struct msd_error *err;
};

static uint32_t crc32_le(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	while (len-- > 0) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/*
 * Takes a partition in, cut to the image; NULL when there is nothing to take. table_offset is
 * where its entry lies.
 */
static struct msd_partition *add(struct reader *r, unsigned number, uint64_t start_lba,
				 uint64_t n_sectors, uint64_t table_offset)
{
	struct msd_ptable *table = r->table;
	uint64_t image = msd_io_get_size(r->io), offset, size;
	struct msd_partition *part;

	if (__builtin_mul_overflow(start_lba, table->sector_bytes, &offset) || offset >= image) {
		msd_damage(r->damage, table_offset, "partition %u begins beyond the end", number);
		return NULL;
	}
	if (__builtin_mul_overflow(n_sectors, table->sector_bytes, &size) || size > image - offset) {
		msd_damage(r->damage, table_offset, "partition %u ends beyond the end", number);
		size = image - offset;
	}
	for (unsigned i = 0; i < table->n_partitions; i++) {
		part = &table->partitions[i];
		if (offset < part->offset_bytes + part->size_bytes &&
		    part->offset_bytes < offset + size)
			msd_damage(r->damage, table_offset, "partitions %u and %u overlap",
				   part->number, number);
	}
	if (table->n_partitions == MSD_PARTITIONS_MAX) {
		msd_damage(r->damage, table_offset, "partition %u and those behind it left out",
			   number);
		return NULL;
	}
	part = &table->partitions[table->n_partitions++];
	memset(part, 0, sizeof(*part));
	part->number = number;
	part->offset_bytes = offset;
	part->size_bytes = size;
	return part;
}

static bool has(const struct reader *r, uint64_t offset, uint64_t len)
{
	uint64_t size = msd_io_get_size(r->io);

	return offset <= size && len <= size - offset;
}

static bool is_extended(const struct mbr_entry *entry)
{
	return entry->type == MBR_TYPE_EXTENDED || entry->type == MBR_TYPE_EXTENDED_LBA ||
	       entry->type == MBR_TYPE_EXTENDED_LINUX;
}

static bool is_used(const struct mbr_entry *entry)
{
	return entry->type != 0 && le32_get(entry->n_sectors) != 0;
}

static bool has_signature(const struct mbr *mbr)
{
	return mbr->signature[0] == 0x55 && mbr->signature[1] == 0xaa;
}

/* Boot sectors of file systems bear the same signature; their code does not look like a table. */
static bool is_mbr(const struct mbr *mbr, uint64_t image_bytes)
{
	bool any = false;

	if (!has_signature(mbr))
		return false;
	for (int i = 0; i < 4; i++) {
		const struct mbr_entry *entry = &mbr->entries[i];

		if (entry->status & 0x7f)
			return false;
		if (!is_used(entry))
			continue;
		if (le32_get(entry->start) == 0)
			return false;
		any |= le32_get(entry->start) < image_bytes / 512;
	}
	return any;
}

static void add_mbr(struct reader *r, unsigned number, uint64_t start_lba,
		    const struct mbr_entry *entry, uint64_t table_offset)
{
	struct msd_partition *part = add(r, number, start_lba, le32_get(entry->n_sectors),
					 table_offset);

	if (!part)
		return;
	part->active = entry->status & 0x80;
	part->mbr_type = entry->type;
	part->efi = entry->type == MBR_TYPE_EFI;
}

/*
 * Extended boot records: each has a logical partition, counted from itself, and the place of
 * the next one, counted from the extended partition. Their number is limited, so a loop ends.
 */
static int read_logical(struct reader *r, uint64_t extended_lba)
{
	uint64_t lba = extended_lba, previous = 0;

	for (unsigned number = 5; number < 5 + MSD_PARTITIONS_MAX; number++) {
		const struct mbr_entry *next = NULL;
		uint64_t offset = lba * r->table->sector_bytes;
		struct mbr ebr;
		int rc;

		if (!has(r, offset, sizeof(ebr)) || (previous && lba <= previous)) {
			msd_damage(r->damage, previous * r->table->sector_bytes,
				   "chain of logical partitions leads astray");
			return 0;
		}
		rc = msd_io_pread(r->io, &ebr, sizeof(ebr), offset, r->err);
		if (rc < 0)
			return rc;
		if (!has_signature(&ebr)) {
			msd_damage(r->damage, offset, "extended boot record has no signature");
			return 0;
		}
		for (int i = 0; i < 4; i++) {
			const struct mbr_entry *entry = &ebr.entries[i];

			if (!is_used(entry))
				continue;
			if (is_extended(entry))
				next = next ? next : entry;
			else if (i < 2)
				add_mbr(r, number, lba + le32_get(entry->start), entry, offset);
		}
		if (!next)
			return 0;
		previous = lba;
		lba = extended_lba + le32_get(next->start);
	}
	msd_damage(r->damage, lba * r->table->sector_bytes, "too many logical partitions");
	return 0;
}

/*
 * The table itself does not say how large a sector is: what the partitions begin with does,
 * since every boot sector of a file system and every EBR is signed.
 */
static int guess_sector_size(struct reader *r, const struct mbr *mbr)
{
	static const unsigned sizes[] = { 512, 4096 };

	for (int s = 0; s < 2; s++) {
		for (int i = 0; i < 4; i++) {
			uint64_t offset = (uint64_t)le32_get(mbr->entries[i].start) * sizes[s] + 510;
			uint8_t signature[2];
			int rc;

			if (!is_used(&mbr->entries[i]) || !has(r, offset, 2))
				continue;
			rc = msd_io_pread(r->io, signature, 2, offset, r->err);
			if (rc < 0)
				return rc;
			if (signature[0] == 0x55 && signature[1] == 0xaa)
				return (int)sizes[s];
		}
	}
	return 512;
}

static int read_mbr(struct reader *r, const struct mbr *mbr)
{
	int rc = guess_sector_size(r, mbr);

	if (rc < 0)
		return rc;
	r->table->kind = MSD_PTABLE_MBR;
	r->table->sector_bytes = (unsigned)rc;
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *entry = &mbr->entries[i];

		if (is_used(entry) && !is_extended(entry))
			add_mbr(r, i + 1, le32_get(entry->start), entry, 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		const struct mbr_entry *entry = &mbr->entries[i];

		/* one extended partition is all that there can be */
		if (is_used(entry) && is_extended(entry))
			return read_logical(r, le32_get(entry->start));
	}
	return 0;
}

/* Reads and checks the header at lba. Returns 1 when it is good, 0 when not, <0 on errors. */
static int read_gpt_header(struct reader *r, unsigned sector_bytes, uint64_t lba,
			   struct gpt_header *ret)
{
	uint64_t offset = lba * sector_bytes;
	uint8_t sector[4096];
	uint32_t header_bytes, crc;
	int rc;

	if (!has(r, offset, sector_bytes))
		return 0;
	rc = msd_io_pread(r->io, sector, sector_bytes, offset, r->err);
	if (rc < 0)
		return rc;
	memcpy(ret, sector, sizeof(*ret));
	if (memcmp(ret->signature, "EFI PART", 8))
		return 0;
	header_bytes = le32_get(ret->header_bytes);
	if (header_bytes < sizeof(*ret) || header_bytes > sector_bytes)
		return 0;
	crc = le32_get(ret->header_crc);
	memset(sector + offsetof(struct gpt_header, header_crc), 0, 4);
	return crc32_le(0, sector, header_bytes) == crc && le64_get(ret->my_lba) == lba;
}

/* Takes the entries of a good header in. Returns 1, 0 when they are not good, <0 on errors. */
static int read_gpt_entries(struct reader *r, unsigned sector_bytes, const struct gpt_header *header)
{
	uint32_t n = le32_get(header->n_entries), entry_bytes = le32_get(header->entry_bytes);
	_cleanup_free_ uint8_t *entries = NULL;
	uint64_t offset, size = (uint64_t)n * entry_bytes;
	int rc;

	if (entry_bytes < sizeof(struct gpt_entry) || size > GPT_ENTRIES_MAX_BYTES ||
	    __builtin_mul_overflow(le64_get(header->entries_lba), sector_bytes, &offset) ||
	    !has(r, offset, size))
		return 0;
	entries = malloc(size ? size : 1);
	if (!entries)
		return msd_fail_on(r->err, ENOMEM, msd_io_get_name(r->io));
	rc = msd_io_pread(r->io, entries, size, offset, r->err);
	if (rc < 0)
		return rc;
	if (crc32_le(0, entries, size) != le32_get(header->entries_crc))
		return 0;
	r->table->kind = MSD_PTABLE_GPT;
	r->table->sector_bytes = sector_bytes;
	for (uint32_t i = 0; i < n; i++) {
		static const uint8_t unused[16];
		uint64_t at = offset + (uint64_t)i * entry_bytes, first, last;
		struct msd_partition *part;
		struct gpt_entry entry;

		memcpy(&entry, entries + (uint64_t)i * entry_bytes, sizeof(entry));
		first = le64_get(entry.first_lba);
		last = le64_get(entry.last_lba);
		if (!memcmp(entry.type, unused, 16))
			continue;
		if (last < first || last == UINT64_MAX) {
			msd_damage(r->damage, at, "partition %u ends before it begins", i + 1);
			continue;
		}
		part = add(r, i + 1, first, last - first + 1, at);
		if (!part)
			continue;
		memcpy(part->gpt_type, entry.type, 16);
		part->gpt_attributes = le64_get(entry.attributes);
		part->efi = !memcmp(entry.type, efi_system_type, 16);
	}
	return 1;
}

/* Returns 1 when the header at lba and its entries were good and are taken in, 0, or <0. */
static int read_gpt_at(struct reader *r, unsigned sector_bytes, uint64_t lba)
{
	struct gpt_header header;
	int rc = read_gpt_header(r, sector_bytes, lba, &header);

	return rc <= 0 ? rc : read_gpt_entries(r, sector_bytes, &header);
}

/* Returns 1 when there is a GPT that can be read, 0, or <0. */
static int read_gpt(struct reader *r)
{
	static const unsigned sizes[] = { 512, 4096 };
	int rc;

	for (int i = 0; i < 2; i++) {
		rc = read_gpt_at(r, sizes[i], 1);
		if (rc)
			return rc;
	}
	for (int i = 0; i < 2; i++) {
		uint64_t n = msd_io_get_size(r->io) / sizes[i];

		rc = n > 2 ? read_gpt_at(r, sizes[i], n - 1) : 0;
		if (rc > 0)
			msd_damage(r->damage, sizes[i], "first GPT header or its entries damaged, "
				   "the ones at the end used");
		if (rc)
			return rc;
	}
	return 0;
}

int msd_ptable_read(struct msd_io *io, const struct msd_damage *damage, struct msd_ptable *ret,
		    struct msd_error *reterr)
{
	struct reader r = { io, damage, ret, reterr };
	bool protective = false;
	struct mbr mbr;
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->sector_bytes = 512;
	if (msd_io_get_size(io) < 2 * sizeof(mbr))
		return 0;
	rc = msd_io_pread(io, &mbr, sizeof(mbr), 0, reterr);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 4; i++)
		protective |= mbr.entries[i].type == MBR_TYPE_GPT;
	if (has_signature(&mbr) && protective) {
		rc = read_gpt(&r);
		if (rc < 0)
			return rc;
		if (rc > 0)
			return 0;
		msd_damage(damage, 0, "protective MBR, but neither GPT can be read");
		return 0;
	}
	return is_mbr(&mbr, msd_io_get_size(io)) ? read_mbr(&r, &mbr) : 0;
}

const char *msd_ptable_get_kind_name(enum msd_ptable_kind kind)
{
	static const char *const names[] = { "none", "mbr", "gpt" };

	return names[kind];
}
