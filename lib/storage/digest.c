/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256 of a stream, computed in a thread of its own: it costs a slow board no writing time. */
#include "storage/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define N_BUFFERS 4u

struct msd_digest {
	bool hashing;		/* the thread is there */
	pthread_t thread;
	sem_t empty, full;	/* how many buffers are */
	unsigned fill, hash;	/* the next for the caller, for the thread */
	bool taken;		/* the caller has got buffer fill */
	size_t len[N_BUFFERS];	/* 0: the end */
	uint8_t *buffers;
	struct sha256_ctx sha256;
};

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) < 0 && errno == EINTR)
		;
}

static void *hash(void *arg)
{
	struct msd_digest *digest = arg;

	for (;;) {
		unsigned i = digest->hash;

		wait_for(&digest->full);
		if (!digest->len[i])
			return NULL;
		sha256_update(&digest->sha256, digest->len[i],
			      digest->buffers + (size_t)i * MSD_DIGEST_BLOCK);
		digest->hash = (i + 1) % N_BUFFERS;
		sem_post(&digest->empty);
	}
}

/* Signals are for the thread that reads and writes: they must end its waiting. */
static int start_thread(struct msd_digest *digest)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&digest->thread, NULL, hash, digest);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	digest->hashing = rc == 0;
	return -rc;
}

int msd_digest_new(bool hashing, struct msd_digest **ret)
{
	struct msd_digest *digest = calloc(1, sizeof(*digest));
	int rc = 0;

	if (!digest)
		return -ENOMEM;
	/* the kernel copies to and from whole pages faster */
	digest->buffers = aligned_alloc(4096, (size_t)(hashing ? N_BUFFERS : 1) * MSD_DIGEST_BLOCK);
	sha256_init(&digest->sha256);
	sem_init(&digest->empty, 0, N_BUFFERS);
	sem_init(&digest->full, 0, 0);
	if (!digest->buffers)
		rc = -ENOMEM;
	else if (hashing)
		rc = start_thread(digest);
	if (rc < 0)
		msd_digest_free(digest);
	else
		*ret = digest;
	return rc;
}

void *msd_digest_get_buffer(struct msd_digest *digest)
{
	if (digest->hashing && !digest->taken)
		wait_for(&digest->empty);
	digest->taken = true;
	return digest->buffers + (size_t)digest->fill * MSD_DIGEST_BLOCK;
}

void msd_digest_add(struct msd_digest *digest, size_t len)
{
	if (!digest->hashing || !len)
		return;
	digest->len[digest->fill] = len;
	digest->fill = (digest->fill + 1) % N_BUFFERS;
	digest->taken = false;
	sem_post(&digest->full);
}

static void stop_thread(struct msd_digest *digest)
{
	if (!digest->hashing)
		return;
	msd_digest_get_buffer(digest);
	digest->len[digest->fill] = 0;
	sem_post(&digest->full);
	pthread_join(digest->thread, NULL);
	digest->hashing = false;
}

void msd_digest_end(struct msd_digest *digest, uint8_t ret[MSD_SHA256_SIZE])
{
	stop_thread(digest);
	sha256_digest(&digest->sha256, MSD_SHA256_SIZE, ret);
}

struct msd_digest *msd_digest_free(struct msd_digest *digest)
{
	if (!digest)
		return NULL;
	stop_thread(digest);
	sem_destroy(&digest->empty);
	sem_destroy(&digest->full);
	free(digest->buffers);
	free(digest);
	return NULL;
}

void msd_digest_freep(struct msd_digest **digest)
{
	msd_digest_free(*digest);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int msd_sha256_parse(const char *hex, uint8_t ret[MSD_SHA256_SIZE])
{
	for (unsigned i = 0; i < MSD_SHA256_SIZE; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);

		if (low < 0)
			return -EINVAL;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * MSD_SHA256_SIZE] ? -EINVAL : 0;
}

char *msd_sha256_format(const uint8_t sha256[MSD_SHA256_SIZE], char hex[MSD_SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < MSD_SHA256_SIZE; i++) {
		hex[2 * i] = digits[sha256[i] >> 4];
		hex[2 * i + 1] = digits[sha256[i] & 15];
	}
	hex[2 * MSD_SHA256_SIZE] = '\0';
	return hex;
}
