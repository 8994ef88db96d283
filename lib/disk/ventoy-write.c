/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes the boot parts of a Ventoy disk: all of a new one's, and an old one's anew. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "disk/ventoy-priv.h"

/* core.img up to, not including, end_lba, with zeros behind it. */
static int write_core(struct msd_io *io, const struct msd_ventoy_release *release, bool gpt,
		      uint64_t end_lba, struct msd_error *err)
{
	const uint8_t *core = ventoy_release_core(release);
	uint64_t lba = gpt ? VENTOY_CORE_LBA_GPT : VENTOY_CORE_LBA_MBR;
	uint8_t first[VENTOY_SECTOR];
	int rc;

	memcpy(first, core, sizeof(first));
	first[VENTOY_CORE_REST_OFFSET] = (uint8_t)(lba + 1);
	rc = msd_io_pwrite(io, first, sizeof(first), lba * VENTOY_SECTOR, err);
	if (rc < 0)
		return rc;
	lba++;
	return msd_io_pwrite(io, core + VENTOY_SECTOR, (end_lba - lba) * VENTOY_SECTOR,
			     lba * VENTOY_SECTOR, err);
}

/* Sees that boot, as the release has it, is one, and makes secure boot what it shall be. */
static int prepare_boot(struct msd_io *boot, bool secure_boot, struct msd_error *err)
{
	char version[MSD_VENTOY_VERSION_MAX];
	bool is_secure;
	int rc = ventoy_bootfs_read(boot, version, &is_secure, err);

	if (rc == 0 && is_secure && !secure_boot)
		rc = ventoy_bootfs_set_insecure(boot, err);
	return rc;
}

/* On a new disk this comes after the copy, so that nothing has to be unpacked twice. */
static int prepare_new_boot(struct msd_io *io, const struct msd_ventoy_layout *layout,
			    struct ventoy_payload *payload, bool secure_boot, struct msd_error *err)
{
	struct msd_io *boot;
	int rc = msd_io_new_window(io, layout->boot_lba * VENTOY_SECTOR, VENTOY_BOOT_BYTES, &boot);

	if (rc < 0)
		return msd_fail_on(err, -rc, msd_io_get_name(io));
	rc = prepare_boot(boot, secure_boot, err);
	msd_io_close(boot);
	if (rc < 0)
		msd_prefix(err, msd_io_get_name(ventoy_payload_get_io(payload)));
	return rc < 0 ? ventoy_payload_fail(payload, rc, err) : 0;
}

int msd_ventoy_format(struct msd_io *io, const struct msd_ventoy_layout *layout,
		      struct msd_ventoy_release *release, const struct msd_ventoy_ids *ids,
		      bool secure_boot, bool fresh, const struct msd_progress *progress,
		      struct msd_error *reterr)
{
	_cleanup_(ventoy_payload_closep) struct ventoy_payload *payload = NULL;
	struct ventoy_sector0 sector0;
	int rc = ventoy_payload_open(release, &payload, reterr);

	if (rc == 0)
		rc = ventoy_payload_copy(payload, io, layout->boot_lba * VENTOY_SECTOR, fresh,
					 progress, reterr);
	if (rc == 0)
		rc = prepare_new_boot(io, layout, payload, secure_boot, reterr);
	if (rc == 0)
		rc = write_core(io, release, layout->gpt, VENTOY_DATA_LBA, reterr);
	if (rc == 0)
		rc = msd_io_pread(io, &sector0, sizeof(sector0), 0, reterr);
	if (rc < 0)
		return rc;
	ventoy_sector0_fill(&sector0, ventoy_release_boot(release), ids, layout->gpt);
	return msd_io_pwrite(io, &sector0, sizeof(sector0), 0, reterr);
}

/*
 * Holes of a sparse image that the update will write: a full disk must be found before the
 * first write. Where the file system cannot tell, it is found out while writing.
 */
static int reserve_room(struct msd_io *io, uint64_t offset_bytes, uint64_t len,
			struct msd_error *err)
{
	uint64_t start;
	int fd = msd_io_get_fd(io, &start);

	if (fd < 0 || fallocate(fd, 0, (off_t)(start + offset_bytes), (off_t)len) == 0)
		return 0;
	if (errno != ENOSPC && errno != EDQUOT)
		return 0;
	return msd_fail_os(err, msd_io_get_name(io));
}

/* Checks, before the first write, all that can go wrong. */
static int prepare_update(struct msd_io *io, const struct msd_ventoy_info *info,
			  struct ventoy_payload *payload, bool secure_boot,
			  const struct msd_progress *progress, struct msd_error *err)
{
	struct msd_progress_part part = { progress, 0, 2 * VENTOY_BOOT_BYTES };
	struct msd_progress report = { msd_progress_in_part, &part };
	int rc = prepare_boot(ventoy_payload_get_io(payload), secure_boot, err);

	if (rc < 0)
		return ventoy_payload_fail(payload, rc, err);
	rc = ventoy_payload_check(payload, &report, err);
	if (rc == 0)
		rc = reserve_room(io, 0, VENTOY_SETTINGS_LBA * VENTOY_SECTOR, err);
	if (rc == 0)
		rc = reserve_room(io, info->layout.boot_lba * VENTOY_SECTOR, VENTOY_BOOT_BYTES, err);
	return rc;
}

/* The second half of the bar. Half a disk is no place to stop at. */
static int report_only(void *data, uint64_t done_bytes, uint64_t total_bytes)
{
	msd_progress_in_part(data, done_bytes, total_bytes);
	return 0;
}

/* Both parts that are longer than a sector, between two barriers. */
static int write_parts(struct msd_io *io, const struct msd_ventoy_info *info,
		       const struct msd_ventoy_release *release, struct ventoy_payload *payload,
		       const struct msd_progress *progress, struct msd_error *err)
{
	struct msd_progress_part part = { progress, VENTOY_BOOT_BYTES, 2 * VENTOY_BOOT_BYTES };
	struct msd_progress report = { report_only, &part };
	int rc = msd_io_sync(io, err);

	if (rc == 0)
		rc = write_core(io, release, info->layout.gpt, VENTOY_SETTINGS_LBA, err);
	if (rc == 0)
		rc = ventoy_payload_copy(payload, io, info->layout.boot_lba * VENTOY_SECTOR, false,
					 &report, err);
	return rc < 0 ? rc : msd_io_sync(io, err);
}

int msd_ventoy_update(struct msd_io *io, struct msd_ventoy_release *release,
		      enum msd_ventoy_secure secure, const struct msd_progress *progress,
		      struct msd_ventoy_info *ret, struct msd_error *reterr)
{
	_cleanup_(ventoy_payload_closep) struct ventoy_payload *payload = NULL;
	struct ventoy_sector0 sector0;
	struct msd_ventoy_info info;
	bool secure_boot;
	int rc = msd_ventoy_probe(io, &info, reterr);

	if (rc == 0)
		rc = ventoy_payload_open(release, &payload, reterr);
	if (rc < 0)
		return rc;
	secure_boot = secure == MSD_VENTOY_SECURE_KEEP ? info.secure_boot :
							 secure == MSD_VENTOY_SECURE_ON;
	rc = prepare_update(io, &info, payload, secure_boot, progress, reterr);
	if (rc == 0)
		rc = msd_io_pread(io, &sector0, sizeof(sector0), 0, reterr);
	if (rc < 0)
		return rc;

	ventoy_sector0_set_cut(&sector0, secure_boot);
	rc = msd_io_pwrite(io, &sector0, sizeof(sector0), 0, reterr);
	if (rc == 0)
		rc = write_parts(io, &info, release, payload, progress, reterr);
	ventoy_sector0_fill(&sector0, ventoy_release_boot(release), &info.ids, info.layout.gpt);
	if (!info.layout.gpt)
		ventoy_sector0_move_active(&sector0);
	if (rc == 0)
		rc = msd_io_pwrite(io, &sector0, sizeof(sector0), 0, reterr);
	if (rc == 0)
		rc = msd_io_sync(io, reterr);
	if (rc < 0)
		msd_hint(reterr, "run the same command again; until then the disk does not boot");
	else if (ret)
		*ret = info;
	return rc;
}
