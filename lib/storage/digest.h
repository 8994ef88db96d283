/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 of a stream, computed beside the reading and writing of it. */
#ifndef MSD_STORAGE_DIGEST_H
#define MSD_STORAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MSD_SHA256_SIZE 32
#define MSD_SHA256_HEX_SIZE (2 * MSD_SHA256_SIZE + 1)
#define MSD_DIGEST_BLOCK (1u << 20)

/*
 * A ring of four buffers between the caller, who fills and writes them, and a thread that
 * hashes them. Without hashing it is one buffer and no thread.
 *
 *	while ((n = read(fd, msd_digest_get_buffer(d), MSD_DIGEST_BLOCK)) > 0) {
 *		msd_digest_add(d, n);	// the buffer may still be read …
 *		write(…);		// … but not be changed
 *	}
 *	msd_digest_end(d, sha256);
 */
struct msd_digest;

/* Returns 0, -ENOMEM or the -errno of the thread. */
int msd_digest_new(bool hashing, struct msd_digest **ret);

/* Stops the thread. NULL is fine. Returns NULL. */
struct msd_digest *msd_digest_free(struct msd_digest *digest);
void msd_digest_freep(struct msd_digest **digest);

/* The next buffer of MSD_DIGEST_BLOCK bytes; waits until its last content is hashed. */
void *msd_digest_get_buffer(struct msd_digest *digest);

/* len bytes of that buffer are the next of the stream. */
void msd_digest_add(struct msd_digest *digest, size_t len);

/* Waits for the last byte. Once; nothing may be added after it. Only when hashing. */
void msd_digest_end(struct msd_digest *digest, uint8_t ret[MSD_SHA256_SIZE]);

/* "64 hex digits, either case" to bytes. Returns 0 or -EINVAL. */
int msd_sha256_parse(const char *hex, uint8_t ret[MSD_SHA256_SIZE]);

/* Returns hex. */
char *msd_sha256_format(const uint8_t sha256[MSD_SHA256_SIZE], char hex[MSD_SHA256_HEX_SIZE]);

#endif
