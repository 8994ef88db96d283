/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: the entries of a file or folder, as they are made and put into a folder. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "change-priv.h"

uint32_t entry_stamp(int64_t time_s, uint32_t time_ns, bool utc, uint8_t *ret_cs)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	*ret_cs = 0;
	if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) || tm.tm_year < 80)
		return 1 << 21 | 1 << 16;
	if (tm.tm_year > 80 + 127)
		return 127u << 25 | 12 << 21 | 31 << 16 | 23 << 11 | 59 << 5 | 29;
	*ret_cs = (uint8_t)(tm.tm_sec % 2 * 100 + (int)(time_ns / 10000000));
	return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 |
	       (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 |
	       (uint32_t)tm.tm_min << 5 | (uint32_t)(tm.tm_sec > 59 ? 59 : tm.tm_sec) / 2;
}

void entry_fill_dirent(const struct facts *facts, struct fat_dirent *dirent, bool is_new)
{
	uint8_t cs;
	uint32_t stamp = entry_stamp(facts->mtime_s, facts->mtime_ns, false, &cs);

	dirent->attr = (uint8_t)facts->attributes;
	dirent->write_time = le16_make((uint16_t)stamp);
	dirent->write_date = le16_make((uint16_t)(stamp >> 16));
	dirent->access_date = dirent->write_date;
	if (is_new) {
		dirent->create_time_cs = cs;
		dirent->create_time = dirent->write_time;
		dirent->create_date = dirent->write_date;
	}
	dirent->cluster_low = le16_make((uint16_t)facts->first_cluster);
	dirent->cluster_high = le16_make((uint16_t)(facts->first_cluster >> 16));
	dirent->size_bytes = le32_make(facts->attributes & FAT_ATTR_DIRECTORY ?
				       0 : (uint32_t)facts->size_bytes);
}

void entry_fill_set(const struct facts *facts, union exfat_entry *set, bool is_new)
{
	struct exfat_file_entry *file = &set[0].file;
	struct exfat_stream_entry *stream = &set[1].stream;
	uint8_t cs;
	le32 stamp = le32_make(entry_stamp(facts->mtime_s, facts->mtime_ns, true, &cs));

	file->type = EXFAT_TYPE_FILE;
	file->attr = le16_make(facts->attributes);
	file->write_time = file->access_time = stamp;
	file->write_time_cs = cs;
	file->write_utc = file->access_utc = EXFAT_UTC_VALID;
	if (is_new) {
		file->create_time = stamp;
		file->create_time_cs = cs;
		file->create_utc = EXFAT_UTC_VALID;
	}
	stream->type = EXFAT_TYPE_STREAM;
	stream->flags = EXFAT_ALLOC_POSSIBLE | (facts->contiguous ? EXFAT_NO_FAT_CHAIN : 0);
	stream->first_cluster = le32_make(facts->first_cluster);
	stream->valid_bytes = stream->size_bytes = le64_make(facts->size_bytes);
}

/* A short name for the units; false in *ret_exact when long entries are needed as well. */
static int make_short(struct msd_change *change, struct folder *folder, const uint16_t *units,
		      size_t n, struct msd_short_name *ret, bool *ret_exact)
{
	int rc;

	*ret_exact = msd_short_name_is_exact(units, n, ret);
	rc = *ret_exact ? msd_short_set_add(folder->shorts, ret->name) :
			  msd_short_set_make(folder->shorts, units, n, ret);
	return rc == -ENOSPC ? msd_fail(change->err, MSD_E_TOOBIG, "%s: a folder has no short names "
					"left", change_image(change)) :
	       rc < 0 ? change_no_memory(change) : 0;
}

int entry_add(struct msd_change *change, struct folder *folder, const uint16_t *units, size_t n,
		     const void *raw, unsigned n_raw, const struct facts *facts,
		     struct folder *child)
{
	union {
		struct fat_dirent fat[FAT_RECORDS_MAX];
		union exfat_entry exfat[256];
	} records;
	struct msd_short_name short_name;
	struct fat_dirent dirent = { .attr = 0 };
	unsigned n_records, n_names;
	struct name *name;
	uint32_t slot;
	bool exact;
	int rc;

	if (is_exfat(change)) {
		memset(records.exfat, 0, 2 * 32);
		if (raw)
			memcpy(records.exfat, raw, 2 * 32);
		else
			entry_fill_set(facts, records.exfat, true);
		n_records = n_names = msd_exfat_make_records(units, n, records.exfat);
		/* vendors' entries come along */
		for (unsigned i = 2; raw && i < n_raw && n_records < EXFAT_ENTRIES_MAX; i++)
			if (((const union exfat_entry *)raw)[i].type != EXFAT_TYPE_NAME)
				records.exfat[n_records++] = ((const union exfat_entry *)raw)[i];
		msd_exfat_seal_records(records.exfat, n_records);
	} else {
		rc = make_short(change, folder, units, n, &short_name, &exact);
		if (rc < 0)
			return rc;
		if (raw)
			dirent = ((const struct fat_dirent *)raw)[n_raw - 1];
		else
			entry_fill_dirent(facts, &dirent, true);
		n_records = msd_fat_make_records(units, n, exact, &short_name, &dirent, records.fat);
	}
	rc = folder_take_slots(change, folder, n_records, &slot);
	if (rc == 0)
		rc = folder_add_name(change, folder, units, n, slot, true, &name);
	if (rc < 0)
		return rc;
	if (child) {
		name->child = child->number + 1;
		child->set_slot = slot;
		if (is_exfat(change)) {
			/* written with the size that it has in the end */
			memcpy(child->set, records.exfat, n_records * 32);
			child->n_set = n_records;
			change->has_adds = true;
			return 0;
		}
	}
	return folder_write_slots(change, folder, slot, n_records, &records, STEP_ADD);
}
