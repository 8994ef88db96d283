/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a Ventoy release, one after the other, from a folder or a .tar.gz. */
#ifndef MSD_DISK_VENTOY_SOURCE_PRIV_H
#define MSD_DISK_VENTOY_SOURCE_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum ventoy_member {
	VENTOY_MEMBER_BOOT,
	VENTOY_MEMBER_CORE,
	VENTOY_MEMBER_DISK,
	VENTOY_MEMBER_VERSION,
	VENTOY_MEMBERS,
};

/* "boot/boot.img" and so on */
const char *ventoy_member_name(enum ventoy_member member);

struct ventoy_source;

/* path must outlive the source. Returns 0, -MSD_E_FAILED for a foreign file, -errno. */
int ventoy_source_open(const char *path, struct ventoy_source **ret, struct msd_error *reterr);
struct ventoy_source *ventoy_source_close(struct ventoy_source *source);
void ventoy_source_closep(struct ventoy_source **source);

/*
 * The next member, in the order of the folder's names above or of the archive. Returns 1, 0 at
 * the end, -MSD_E_FAILED for one that the folder lacks or a damaged archive, -errno.
 */
int ventoy_source_next(struct ventoy_source *source, enum ventoy_member *ret,
		       struct msd_error *reterr);

/* Bytes of the current member: len of them, fewer only at its end. Returns 0, -errno. */
int ventoy_source_read(struct ventoy_source *source, void *buf, size_t len, size_t *ret_len,
		       struct msd_error *reterr);

/* "PATH: MEMBER: why" and what to do about it. Returns -MSD_E_FAILED. */
int ventoy_source_fail(const struct ventoy_source *source, struct msd_error *err,
		       const char *why);

/* The current member, which is an .xz file, unpacked. The source must outlive it. */
struct ventoy_xz;

int ventoy_xz_open(struct ventoy_source *source, struct ventoy_xz **ret,
		   struct msd_error *reterr);
struct ventoy_xz *ventoy_xz_close(struct ventoy_xz *xz);
void ventoy_xz_closep(struct ventoy_xz **xz);

/*
 * As ventoy_source_read; a read that is short has seen the end and the checksums. Returns 0,
 * -MSD_E_FAILED for damage and for a file that needs too much memory, -errno.
 */
int ventoy_xz_read(struct ventoy_xz *xz, void *buf, size_t len, size_t *ret_len,
		   struct msd_error *reterr);

#endif
