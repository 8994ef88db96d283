/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the Ventoy code share. */
#ifndef MSD_DISK_VENTOY_PRIV_H
#define MSD_DISK_VENTOY_PRIV_H

#include "base/cleanup.h"
#include "disk/ventoy-disk.h"
#include "disk/ventoy.h"

/* Copies the version that text begins with. Returns its length, 0 when there is none. */
size_t ventoy_version_take(const uint8_t *text, size_t len, char version[MSD_VENTOY_VERSION_MAX]);

/* Whether head and mark are those of every Ventoy disk. */
bool ventoy_sector0_is_ventoy(const struct ventoy_sector0 *sector0);

/* Whether an update was cut, and what secure boot was to become. */
bool ventoy_sector0_is_cut(const struct ventoy_sector0 *sector0, bool *ret_secure_boot);
void ventoy_sector0_set_cut(struct ventoy_sector0 *sector0, bool secure_boot);

/* Takes the boot code of from, and fills in what belongs to this disk and its kind of table. */
void ventoy_sector0_fill(struct ventoy_sector0 *sector0, const struct ventoy_sector0 *from,
			 const struct msd_ventoy_ids *ids, bool gpt);

/* Makes partition 1 of an MBR active, unless the user has made a third one so. */
void ventoy_sector0_move_active(struct ventoy_sector0 *sector0);

const char *ventoy_release_path(const struct msd_ventoy_release *release);
/* Its small parts: boot.img; core.img unpacked, VENTOY_CORE_BYTES_MAX, zeros behind its end. */
const struct ventoy_sector0 *ventoy_release_boot(const struct msd_ventoy_release *release);
const uint8_t *ventoy_release_core(const struct msd_ventoy_release *release);

/*
 * The boot partition of a release. It has a window for the few KiB of file system structures
 * that are looked at and changed: what is read is unpacked up to there, what is written stays in
 * memory, and every block that was touched is kept, 4 MiB at most.
 */
struct ventoy_payload;

/* Reads nothing yet. The release must outlive it. Returns 0 or -ENOMEM. */
int ventoy_payload_open(const struct msd_ventoy_release *release, struct ventoy_payload **ret,
			struct msd_error *reterr);
struct ventoy_payload *ventoy_payload_close(struct ventoy_payload *payload);
void ventoy_payload_closep(struct ventoy_payload **payload);

struct msd_io *ventoy_payload_get_io(struct ventoy_payload *payload);

/*
 * After something failed with rc on that window: the damage of the release, if that was the
 * reason, in reterr. Returns its code, or else rc.
 */
int ventoy_payload_fail(const struct ventoy_payload *payload, int rc, struct msd_error *reterr);

/*
 * Sees that all of it can be unpacked to the right size. Returns 0, -MSD_E_FAILED,
 * -MSD_E_CANCELLED, -errno.
 */
int ventoy_payload_check(struct ventoy_payload *payload, const struct msd_progress *progress,
			 struct msd_error *reterr);

/*
 * Writes all of it, changes included, to offset_bytes of io; on a fresh image zeros are left
 * out. Returns 0, -MSD_E_FAILED (damaged release), -MSD_E_CANCELLED, -errno.
 */
int ventoy_payload_copy(struct ventoy_payload *payload, struct msd_io *io, uint64_t offset_bytes,
			bool fresh, const struct msd_progress *progress,
			struct msd_error *reterr);

/*
 * What the file system of a boot partition tells. Returns 0; -MSD_E_FORMAT with what is missing,
 * when it is not Ventoy's; -errno.
 */
int ventoy_bootfs_read(struct msd_io *boot, char version[MSD_VENTOY_VERSION_MAX],
		       bool *ret_secure_boot, struct msd_error *reterr);

/*
 * Turns secure boot off, as the installer does, on a boot partition where it is on. Returns 0,
 * -MSD_E_FORMAT, -errno.
 */
int ventoy_bootfs_set_insecure(struct msd_io *boot, struct msd_error *reterr);

#endif
