/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: the content of a file, and its entries. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "change-priv.h"

/* Less is read straight into the buffer, together with the files before and after it. */
#define LARGE_BYTES CHANGE_BUF_BYTES
#define STEP_BYTES (16u << 20)	/* between looks at the progress */

/* A file's content on its way. */
struct content {
	const struct msd_source *source;
	uint64_t pos;			/* in the file */
	uint64_t offset, room;		/* in the volume */
	bool in_kernel;
};

static size_t smallest(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t less = a < b ? a : b;

	return (size_t)(less < c ? less : c);
}

/* Up to wanted bytes. Returns how many, less than *ret_len at the file's end, or -errno. */
static ssize_t copy_step(struct msd_change *change, struct content *content, uint64_t wanted,
			 size_t *ret_len)
{
	const struct msd_source *source = content->source;
	uint8_t *to;
	size_t got;
	int rc;

	if (content->in_kernel) {
		size_t len = smallest(wanted, content->room, STEP_BYTES);
		ssize_t n = commit_copy(change, source->fd, len, content->offset);

		/* it may do it in parts */
		*ret_len = n > 0 ? (size_t)n : len;
		if (n != -EOPNOTSUPP)
			return n;
		content->in_kernel = false;
	}
	rc = commit_reserve(change, content->offset, &to, ret_len);
	if (rc < 0)
		return rc;
	*ret_len = smallest(wanted, content->room, *ret_len);
	rc = source->read(source->data, to, *ret_len, &got, change->err);
	if (rc < 0)
		return rc;
	change->buf_used += got;
	return (ssize_t)got;
}

static int copy_content(struct msd_change *change, const char *path, const struct msd_source *source,
			struct chain *chain, uint64_t *ret_size)
{
	bool known = source->size_bytes != UINT64_MAX;
	struct content content = {
		.source = source,
		.in_kernel = source->has_fd && known && source->size_bytes >= LARGE_BYTES,
	};
	uint64_t cluster = change->fs->info.cluster_bytes;
	struct run run = { 0, 0 };
	uint32_t unused, last = 0;

	while (!known || content.pos < source->size_bytes) {
		uint64_t wanted = known ? source->size_bytes - content.pos : CHANGE_BUF_BYTES;
		size_t len = 0;
		ssize_t got;

		if (content.room == 0) {
			int64_t n;

			last = chain->last;
			n = alloc_extend(change, chain, (wanted + cluster - 1) / cluster, &run);
			if (n < 0)
				return (int)n;
			content.room = (uint64_t)n * cluster;
			content.offset = fs_cluster_offset(change->fs, run.start);
		}
		got = copy_step(change, &content, wanted, &len);
		if (got < 0)
			return (int)got;
		change->done_bytes += (uint64_t)got;
		content.pos += (uint64_t)got;
		content.offset += (uint64_t)got;
		content.room -= (uint64_t)got;
		if ((size_t)got < len && known)
			return msd_fail(change->err, MSD_E_FAILED, "%s: became shorter while it was "
					"read", path);
		if ((size_t)got < len)
			break;
		if (!is_exfat(change) && content.pos > UINT32_MAX)
			return msd_fail(change->err, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot "
					"hold", path);
		if (msd_progress(change->params.progress, change->done_bytes, 0))
			return msd_fail(change->err, MSD_E_CANCELLED, "%s: stopped", path);
	}
	*ret_size = content.pos;
	unused = (uint32_t)(content.room / cluster);
	return !unused ? 0 : alloc_give_back(change, chain, unused,
					     unused == run.n ? last : chain->last - unused);
}

/* New content for a file that is there: its entries are written over in one piece. */
static int replace_content(struct msd_change *change, struct place *place, struct facts *facts)
{
	union {
		struct fat_dirent fat[FAT_RECORDS_MAX];
		union exfat_entry exfat[256];
	} records;
	uint32_t slot = place->node.slot, n = place->node.n_slots;
	int rc;

	if (!is_exfat(change)) {
		slot += n - 1;
		n = 1;
	}
	rc = folder_read_slots(change, place->folder, slot, n, &records);
	if (rc < 0)
		return rc;
	facts->attributes |= place->node.attributes & (FAT_ATTR_HIDDEN | FAT_ATTR_SYSTEM);
	if (is_exfat(change)) {
		entry_fill_set(facts, records.exfat, false);
		rc = folder_write_set(change, place->folder, slot, n, records.exfat, false);
	} else {
		entry_fill_dirent(facts, records.fat, false);
		rc = folder_write_slots(change, place->folder, slot, 1, &records, STEP_ADD);
	}
	if (rc < 0)
		return rc;
	place_set_pending(change, place->folder, &place->node);
	return change_doom_node(change, &place->node);
}

int msd_change_put(struct msd_change *change, const char *path, const struct msd_source *source,
		   struct msd_error *reterr)
{
	_cleanup_free_ struct place *place = malloc(sizeof(*place));
	struct facts facts = {
		.attributes = source->attributes | FAT_ATTR_ARCHIVE,
		.mtime_s = source->mtime_s, .mtime_ns = source->mtime_ns,
	};
	struct chain chain = { 0 };
	int rc;

	change->err = reterr;
	if (!place)
		return change_no_memory(change);
	rc = change_keep_small(change);
	if (rc == 0)
		rc = place_find(change, path, false, place);
	if (rc == 0 && (place->n == 0 || (place->name && place->node.is_dir)))
		return msd_fail_errno(reterr, EISDIR, "%s: '%s'", change_image(change), path);
	if (rc == 0)
		rc = place_check_name(change, path);
	if (rc == 0 && !is_exfat(change) && source->size_bytes != UINT64_MAX &&
	    source->size_bytes > UINT32_MAX) {
		msd_fail(reterr, MSD_E_TOOBIG, "%s: 4 GiB or more, which FAT cannot hold", path);
		msd_hint(reterr, "use an exFAT image: msd-mkimage -t exfat");
		return -MSD_E_TOOBIG;
	}
	if (rc == 0)
		rc = copy_content(change, path, source, &chain, &facts.size_bytes);
	if (rc < 0)
		return rc;
	facts.first_cluster = chain.first;
	facts.contiguous = chain.contiguous;
	change_tell(change, path, "");
	if (place->name)
		return replace_content(change, place, &facts);
	return entry_add(change, place->folder, place->units, place->n, NULL, 0, &facts, NULL);
}
