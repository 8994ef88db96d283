/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: the order in which they reach the disk; change.h has the steps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "change-priv.h"

/* A gap between two files that is cheaper to fill with zeros than to seek over. */
enum { GAP_BYTES_MAX = 4096 };

static int barrier(struct msd_change *change)
{
	return change->params.no_sync ? 0 : msd_io_sync(change->fs->io, change->err);
}

/* ---- the mark ---- */

static uint64_t mark_offset(const struct msd_change *change)
{
	switch (change->fs->info.type) {
	case MSD_FS_TYPE_EXFAT:
		return offsetof(struct exfat_boot_sector, flags);
	case MSD_FS_TYPE_FAT32:
		return offsetof(struct fat_boot_sector, u.fat32.reserved1);
	default:
		return offsetof(struct fat_boot_sector, u.fat16.reserved1);
	}
}

/* Linux looks at the boot sector, Windows at the second entry of the FAT. */
static int set_mark(struct msd_change *change, bool set)
{
	struct msd_fs *fs = change->fs;
	uint8_t bit = is_exfat(change) ? EXFAT_FLAG_DIRTY : FAT_FLAG_DIRTY, byte;
	uint32_t clean = fs->info.type == MSD_FS_TYPE_FAT32 ? FAT32_CLEAN_SHUTDOWN :
			 fs->info.type == MSD_FS_TYPE_FAT16 ? FAT16_CLEAN_SHUTDOWN : 0;
	uint64_t offset = mark_offset(change);
	int rc = msd_io_pread(fs->io, &byte, 1, offset, change->err);

	byte = set ? byte | bit : byte & (uint8_t)~bit;
	if (rc == 0)
		rc = msd_io_pwrite(fs->io, &byte, 1, offset, change->err);
	if (rc == 0 && clean)
		rc = msd_fat_write_entry(fs, 1, (fs->info.type == MSD_FS_TYPE_FAT32 ? FAT32_EOC :
					 FAT16_EOC) & ~(set ? clean : 0), change->err);
	if (rc == 0 && clean)
		rc = msd_area_flush(fs->fat, change->err);
	return rc;
}

static int mark(struct msd_change *change)
{
	int rc;

	/* one that was there before stays */
	if (change->dirty_set || change->fs->info.dirty)
		return 0;
	rc = set_mark(change, true);
	change->dirty_set = true;
	return rc < 0 ? rc : barrier(change);
}

int commit_unmark(struct msd_change *change)
{
	int rc;

	if (!change->dirty_set)
		return 0;
	rc = barrier(change);
	if (rc == 0)
		rc = set_mark(change, false);
	change->dirty_set = false;
	return rc < 0 ? rc : barrier(change);
}

/* ---- content ---- */

static int flush_content(struct msd_change *change)
{
	int rc = 0;

	if (change->buf_used)
		rc = mark(change);
	if (rc == 0 && change->buf_used)
		rc = msd_io_pwrite(change->fs->io, change->buf, change->buf_used, change->buf_offset,
				   change->err);
	change->copied |= change->buf_used > 0;
	change->buf_used = 0;
	return rc;
}

int commit_reserve(struct msd_change *change, uint64_t offset, uint8_t **ret, size_t *ret_len)
{
	uint64_t end = change->buf_offset + change->buf_used, bytes = change->fs->info.cluster_bytes;
	uint64_t slack = (bytes - (end - change->fs->info.heap_offset_bytes) % bytes) % bytes;
	int rc = 0;

	if (change->buf_used && slack && offset == end + slack && slack <= GAP_BYTES_MAX &&
	    change->buf_used + slack < CHANGE_BUF_BYTES) {
		/* the unused end of the last cluster of the file before */
		memset(change->buf + change->buf_used, 0, (size_t)(offset - end));
		change->buf_used += (size_t)(offset - end);
	} else if (offset != end || change->buf_used == CHANGE_BUF_BYTES) {
		rc = flush_content(change);
	}
	if (change->buf_used == 0)
		change->buf_offset = offset;
	*ret = change->buf + change->buf_used;
	*ret_len = CHANGE_BUF_BYTES - change->buf_used;
	return rc;
}

int commit_write_new(struct msd_change *change, const void *data, size_t len, uint64_t offset)
{
	int rc = mark(change);

	change->copied = true;
	return rc < 0 ? rc : msd_io_pwrite(change->fs->io, data, len, offset, change->err);
}

ssize_t commit_copy(struct msd_change *change, int fd, size_t len, uint64_t offset)
{
	ssize_t n;
	int rc = flush_content(change);

	if (rc == 0)
		rc = mark(change);
	if (rc < 0)
		return rc;
	change->copied = true;
	do
		n = msd_io_copy_from(change->fs->io, fd, NULL, len, offset);
	while (n == -EINTR);
	return n == -EOPNOTSUPP || n >= 0 ? n : msd_fail_on(change->err, (int)-n, change_image(change));
}

/* ---- entries ---- */

static int compare(const void *a, const void *b)
{
	const struct write *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* Writes that touch each other go out as one. */
static int write_step(struct msd_change *change, enum step step)
{
	size_t i = 0;

	while (i < change->n_writes && change->writes[i].step < step)
		i++;
	while (i < change->n_writes && change->writes[i].step == step) {
		const struct write *first = &change->writes[i];
		size_t len = 0;
		int rc;

		for (; i < change->n_writes && change->writes[i].step == step &&
		       change->writes[i].offset == first->offset + len &&
		       len + change->writes[i].len <= CHANGE_BUF_BYTES; i++) {
			memcpy(change->buf + len, change->data + change->writes[i].data,
			       change->writes[i].len);
			len += change->writes[i].len;
		}
		rc = msd_io_pwrite(change->fs->io, change->buf, len, first->offset, change->err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool has_step(const struct msd_change *change, enum step step)
{
	for (size_t i = 0; i < change->n_writes; i++)
		if (change->writes[i].step == step)
			return true;
	return false;
}

/* ---- numbers ---- */

static int write_fsinfo(struct msd_change *change)
{
	struct msd_fs *fs = change->fs;
	uint32_t next = change->n_extents ? change->extents[change->current].start :
					    FAT_FSINFO_UNKNOWN;
	struct fat_fsinfo info;
	int rc;

	if (!fs->fsinfo_offset)
		return 0;
	rc = msd_io_pread(fs->io, &info, sizeof(info), fs->fsinfo_offset, change->err);
	if (rc < 0 || le32_get(info.lead_signature) != FAT_FSINFO_LEAD ||
	    le32_get(info.struct_signature) != FAT_FSINFO_STRUCT)
		return rc;
	info.free_clusters = le32_make(change->n_free);
	info.next_free = le32_make(next);
	return msd_io_pwrite(fs->io, &info.free_clusters, 8,
			     fs->fsinfo_offset + offsetof(struct fat_fsinfo, free_clusters),
			     change->err);
}

static int write_percent(struct msd_change *change)
{
	struct msd_fs *fs = change->fs;
	uint64_t at = offsetof(struct exfat_boot_sector, percent_in_use);
	uint64_t used = fs->info.n_clusters - change->n_free;
	uint8_t percent;
	int rc = msd_io_pread(fs->io, &percent, 1, at, change->err);

	if (rc < 0 || percent == EXFAT_PERCENT_UNKNOWN || !fs->info.n_clusters)
		return rc;
	percent = (uint8_t)(used * 100 / fs->info.n_clusters);
	return msd_io_pwrite(fs->io, &percent, 1, at, change->err);
}

/* ---- the steps ---- */

static int free_all(struct msd_change *change)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < change->n_cuts; i++)
		rc = alloc_set_next(change, change->cuts[i], EXFAT_EOC);
	if (rc == 0 && change->n_cuts)
		rc = msd_area_flush(change->fs->fat, change->err);
	for (size_t i = 0; rc == 0 && i < change->n_doomed; i++)
		rc = alloc_free_chain(change, &change->doomed[i]);
	if (rc == 0)
		rc = alloc_flush(change);
	return rc;
}

int commit_steps(struct msd_change *change)
{
	bool written = false;
	int rc = 0;

	for (size_t i = change->n_folders; rc == 0 && i > 0; i--)
		rc = folder_settle(change, change->folders[i - 1]);
	if (rc < 0)
		return rc;
	rc = flush_content(change);
	if (rc < 0 || (change->n_writes == 0 && change->n_taken == 0))
		return rc;
	rc = mark(change);
	if (rc == 0)
		rc = alloc_flush(change);
	if (rc == 0 && (change->copied || change->n_taken))
		rc = barrier(change);
	if (rc < 0)
		return rc;
	/* from here on something leads to what was taken */
	change->n_taken = 0;
	change->copied = false;
	for (size_t i = 0; rc == 0 && i < change->n_links; i++)
		rc = alloc_set_next(change, change->links[i].start, change->links[i].n);
	if (rc == 0)
		rc = msd_area_flush(change->fs->fat, change->err);
	if (change->n_writes)
		qsort(change->writes, change->n_writes, sizeof(*change->writes), compare);
	for (enum step step = 0; rc == 0 && step < N_STEPS; step++) {
		if (!has_step(change, step))
			continue;
		rc = written ? barrier(change) : 0;
		if (rc == 0)
			rc = write_step(change, step);
		written = true;
	}
	if (rc == 0 && (change->n_doomed || change->n_cuts)) {
		rc = barrier(change);
		if (rc == 0)
			rc = free_all(change);
	}
	if (rc < 0)
		return rc;
	return is_exfat(change) ? write_percent(change) : write_fsinfo(change);
}
