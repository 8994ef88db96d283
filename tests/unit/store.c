/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/storage: checksums and their files, suffixes of packed names, what an image holds. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/ptable-disk.h"
#include "storage/content.h"
#include "storage/content-disk.h"
#include "storage/digest.h"
#include "storage/store-source.h"
#include "storage/sums.h"

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/* FIPS 180-2, appendix B: "abc", and a million times "a", in pieces that cross the buffers. */
static void digests(void **state)
{
	static const struct { const char *text; size_t times, step; const char *hex; } cases[] = {
		{ "abc", 3, 3, abc },
		{ "abc", 3, 1, abc },
		{ "", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ NULL, 1000000, 999, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
		{ NULL, 1000000, 1000000,
		  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(msd_digest_freep) struct msd_digest *digest = NULL;
		char hex[MSD_SHA256_HEX_SIZE];
		uint8_t sum[MSD_SHA256_SIZE];

		assert_int_equal(msd_digest_new(true, &digest), 0);
		for (size_t done = 0, n; done < cases[i].times; done += n) {
			char *buf = msd_digest_get_buffer(digest);

			n = cases[i].times - done < cases[i].step ? cases[i].times - done : cases[i].step;
			for (size_t k = 0; k < n; k++)
				buf[k] = cases[i].text ? cases[i].text[done + k] : 'a';
			msd_digest_add(digest, n);
		}
		msd_digest_end(digest, sum);
		assert_string_equal(msd_sha256_format(sum, hex), cases[i].hex);
	}
}

/* Ended early, or without hashing: no thread is left, nothing hangs. */
static void digests_given_up(void **state)
{
	struct msd_digest *digest;

	for (int hashing = 0; hashing < 2; hashing++)
		for (int adds = 0; adds < 6; adds++) {
			assert_int_equal(msd_digest_new(hashing, &digest), 0);
			for (int i = 0; i < adds; i++) {
				memset(msd_digest_get_buffer(digest), i, MSD_DIGEST_BLOCK);
				msd_digest_add(digest, MSD_DIGEST_BLOCK);
			}
			if (adds % 2)
				msd_digest_get_buffer(digest);
			assert_null(msd_digest_free(digest));
		}
}

static void hex(void **state)
{
	uint8_t sum[MSD_SHA256_SIZE];
	char text[80];

	assert_int_equal(msd_sha256_parse(abc, sum), 0);
	assert_int_equal(sum[0], 0xba);
	assert_int_equal(sum[31], 0xad);
	snprintf(text, sizeof(text), "%.63s", abc);
	assert_int_equal(msd_sha256_parse(text, sum), -EINVAL);
	snprintf(text, sizeof(text), "%s0", abc);
	assert_int_equal(msd_sha256_parse(text, sum), -EINVAL);
	snprintf(text, sizeof(text), "g%s", abc + 1);
	assert_int_equal(msd_sha256_parse(text, sum), -EINVAL);
	assert_int_equal(msd_sha256_parse("", sum), -EINVAL);
}

static int find(const char *content, const char *name, uint8_t sum[MSD_SHA256_SIZE])
{
	char path[] = "/tmp/sums.XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	rc = msd_sums_find(AT_FDCWD, path, name, sum, NULL);
	unlink(path);
	return rc;
}

#define A "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define B "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void sums_files(void **state)
{
	static const struct { const char *content; int rc; uint8_t first; } cases[] = {
		{ A "  x\n", 0, 0xba }, { A " *x\n", 0, 0xba }, { A "  ./dir/x\r\n", 0, 0xba },
		{ A "  x", 0, 0xba }, { "SHA256 (x) = " B "\n", 0, 0xe3 },
		{ B "  y\n" A "  x\n" B "  xx\n", 0, 0xba },
		{ "-----BEGIN PGP-----\nHash: SHA256\n\n" A "  x\n" A "  x\n", 0, 0xba },
		{ A "  x\n" B "  x\n", -MSD_E_DAMAGED, 0 },
		{ "", -MSD_E_NOTFOUND, 0 }, { A "  y\n", -MSD_E_NOTFOUND, 0 }, { A " x\n", -MSD_E_NOTFOUND, 0 },
		{ A "0  x\n", -MSD_E_NOTFOUND, 0 }, { "SHA256 (x) = 12\n", -MSD_E_NOTFOUND, 0 },
		{ "SHA512 (x) = " A "\n", -MSD_E_NOTFOUND, 0 }, { A, -MSD_E_NOTFOUND, 0 },
		{ "\\" A "  a\\nb\n", -MSD_E_NOTFOUND, 0 },
	};
	uint8_t sum[MSD_SHA256_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = find(cases[i].content, "x", sum);

		if (rc != cases[i].rc || (rc == 0 && sum[0] != cases[i].first))
			fail_msg("case %zu: %d", i, rc);
	}
	assert_int_equal(msd_sums_find(AT_FDCWD, "/nonexistent", "x", sum, NULL), -ENOENT);
}

static void sums_are_read_as_written(void **state)
{
	static const char *const names[] = { "x", "a b", "a\nb\\c\rd", "\\", "ü" };
	uint8_t sum[MSD_SHA256_SIZE], got[MSD_SHA256_SIZE];

	assert_int_equal(msd_sha256_parse(A, sum), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *line = msd_sums_format(sum, names[i]);

		assert_int_equal(find(line, names[i], got), 0);
		assert_memory_equal(sum, got, sizeof(sum));
	}
}

static void suffixes(void **state)
{
	assert_int_equal(msd_source_suffix_len("a.img.xz", "xz"), 3);
	assert_int_equal(msd_source_suffix_len("a.img.XZ", "xz"), 3);
	assert_int_equal(msd_source_suffix_len("a.img.zst", "zstd"), 4);
	assert_int_equal(msd_source_suffix_len("a.img.xz", "gzip"), 0);
	assert_int_equal(msd_source_suffix_len("a.img.xz", NULL), 0);
	assert_int_equal(msd_source_suffix_len(".xz", "xz"), 0);
}

/* An image of size bytes, all zero but for what is put at an offset. */
static int image(uint64_t size, uint64_t offset, const void *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (len)
		assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
	return fd;
}

/* Numbers that lie: nothing is read out of bounds, nothing overflows into a small claim. */
static void hostile_tables(void **state)
{
	struct { struct mbr mbr; struct gpt_header gpt; uint8_t rest[420]; } disk;
	struct msd_content content;
	int fd;

	memset(&disk, 0, sizeof(disk));
	disk.mbr.signature[0] = 0x55;
	disk.mbr.signature[1] = 0xaa;
	disk.mbr.entries[0].type = 0xee;
	memcpy(disk.gpt.signature, "EFI PART", 8);
	disk.gpt.alternate_lba = le64_make(UINT64_MAX);
	disk.gpt.entries_lba = le64_make(UINT64_MAX);
	disk.gpt.n_entries = le32_make(UINT32_MAX);
	disk.gpt.entry_bytes = le32_make(128);
	fd = image(1 << 20, 0, &disk, sizeof(disk));
	assert_int_equal(msd_content_read(fd, 1 << 20, &content), 0);
	assert_int_equal(content.claims_bytes, 0);
	close(fd);

	/* a table whose entries are itself */
	disk.gpt.entries_lba = le64_make(1);
	fd = image(1 << 20, 0, &disk, sizeof(disk));
	assert_int_equal(msd_content_read(fd, 1 << 20, &content), 0);
	close(fd);

	/* the last sectors that 32 bits can name */
	disk.mbr.entries[0].type = 0x0c;
	disk.mbr.entries[0].start = le32_make(UINT32_MAX);
	disk.mbr.entries[0].n_sectors = le32_make(UINT32_MAX);
	fd = image(1 << 20, 0, &disk, sizeof(disk));
	assert_int_equal(msd_content_read(fd, 1 << 20, &content), 0);
	assert_int_equal(content.claims_bytes, 2ULL * UINT32_MAX * 512);
	assert_string_equal(content.claimant, "MBR");
	close(fd);
}

static void small_and_empty(void **state)
{
	struct msd_content content;

	for (unsigned size = 0; size < 3; size++) {
		int fd = image(size, 0, NULL, 0);

		assert_int_equal(msd_content_read(fd, size, &content), 0);
		assert_false(content.cd);
		assert_string_equal(content.fstype, "");
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests),
		cmocka_unit_test(digests_given_up),
		cmocka_unit_test(hex),
		cmocka_unit_test(sums_files),
		cmocka_unit_test(sums_are_read_as_written),
		cmocka_unit_test(suffixes),
		cmocka_unit_test(hostile_tables),
		cmocka_unit_test(small_and_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
