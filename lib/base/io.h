/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A window on an image: every read and write of the format code goes through one. */
#ifndef MSD_BASE_IO_H
#define MSD_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * What a window stands on. Tests put their own in: memory, a disk that fails at the Nth
 * write, a record of all writes. Each returns 0 or -errno and handles all len bytes.
 */
struct msd_io_ops {
	int (*pread)(void *ctx, void *buf, size_t len, uint64_t offset_bytes);
	int (*pwrite)(void *ctx, const void *buf, size_t len, uint64_t offset_bytes);
	int (*sync)(void *ctx);
	void (*close)(void *ctx);	/* may be NULL */
};

struct msd_io;

/*
 * A window of size_bytes at offset_bytes of what ops and ctx stand for; name is for messages
 * and is copied. Takes ctx over on success. Returns 0 or -ENOMEM.
 */
int msd_io_new(const struct msd_io_ops *ops, void *ctx, const char *name, uint64_t offset_bytes,
	       uint64_t size_bytes, struct msd_io **ret);

/*
 * Opens a regular file or block device, O_RDONLY or O_RDWR in flags, all of it. Returns 0,
 * -MSD_E_FORMAT for any other kind of file, -errno.
 */
int msd_io_open(int dirfd, const char *path, int flags, struct msd_io **ret,
		struct msd_error *reterr);

/* The same on a descriptor, which stays the caller's. */
int msd_io_open_fd(int fd, const char *name, struct msd_io **ret, struct msd_error *reterr);

/*
 * A smaller window on the same image. The parent must outlive it. Returns 0, -ENOMEM, or
 * -ERANGE when it does not lie within the parent.
 */
int msd_io_new_window(struct msd_io *parent, uint64_t offset_bytes, uint64_t size_bytes,
		      struct msd_io **ret);

/* NULL is fine. Returns NULL. */
struct msd_io *msd_io_close(struct msd_io *io);
void msd_io_closep(struct msd_io **io);

uint64_t msd_io_get_size(const struct msd_io *io);
const char *msd_io_get_name(const struct msd_io *io);

/* The descriptor of a window on a file, -1 for any other; and where the window begins in it. */
int msd_io_get_fd(const struct msd_io *io, uint64_t *ret_offset_bytes);

/*
 * All of len or nothing that counts. Returns 0; -ERANGE beyond the window; -EIO for a file
 * that became shorter; -errno. The message names the image and the offset.
 */
int msd_io_pread(struct msd_io *io, void *buf, size_t len, uint64_t offset_bytes,
		 struct msd_error *reterr);
int msd_io_pwrite(struct msd_io *io, const void *buf, size_t len, uint64_t offset_bytes,
		  struct msd_error *reterr);

/*
 * Has the kernel copy up to len bytes from a descriptor into the window: from *offset, which moves on,
 * or from the descriptor's position when offset is NULL. Returns how many, 0 at its end; -EOPNOTSUPP
 * when this kind of copy has no chance, -errno of the source or the image.
 */
ssize_t msd_io_copy_from(struct msd_io *io, int fd, off_t *offset, size_t len, uint64_t to_bytes);
/* Is errnum of those with which the kernel says that it cannot copy or share between these files? */
bool msd_io_is_unable(int errnum);

/* Everything written so far is on the disk when it returns 0. */
int msd_io_sync(struct msd_io *io, struct msd_error *reterr);

#endif
