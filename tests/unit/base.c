/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/base: sizes and booleans, byte types, error reports, windows, locks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/parse.h"

static void sizes(void **state)
{
	static const struct { const char *text; int rc; uint64_t bytes; } cases[] = {
		{ "0", 0, 0 }, { "010", 0, 10 }, { "512", 0, 512 }, { "512B", 0, 512 },
		{ "4k", 0, 4096 }, { "4KiB", 0, 4096 }, { "4KB", 0, 4000 }, { "1.5G", 0, 1610612736 },
		{ "0.000000001E", 0, 1152921504 }, { "15E", 0, 17293822569102704640ULL },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 }, { "16E", -ERANGE, 0 },
		{ "15.9999999999E", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "-1", -EINVAL, 0 }, { " 1", -EINVAL, 0 }, { "4Kfoo", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "1.5", -EINVAL, 0 }, { "1.K", -EINVAL, 0 }, { "G", -EINVAL, 0 },
		{ "1Y", -EINVAL, 0 }, { "1 G", -EINVAL, 0 }, { "1i", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 0;

		if (msd_parse_size(cases[i].text, &bytes) != cases[i].rc || bytes != cases[i].bytes)
			fail_msg("'%s'", cases[i].text);
	}
}

static void formatted_sizes(void **state)
{
	static const struct { uint64_t bytes; const char *text; } cases[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1 KiB" }, { 1536, "1.5 KiB" },
		{ 1ULL << 32, "4 GiB" }, { UINT64_MAX, "16 EiB" },
	};
	char buf[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(msd_format_size(cases[i].bytes, buf, sizeof(buf)), cases[i].text);
}

static void booleans_and_durations(void **state)
{
	bool yes;
	uint64_t ms;

	assert_int_equal(msd_parse_bool("Yes", &yes), 0);
	assert_true(yes);
	assert_int_equal(msd_parse_bool("off", &yes), 0);
	assert_false(yes);
	assert_int_equal(msd_parse_bool("2", &yes), -EINVAL);
	assert_int_equal(msd_parse_duration("10m", &ms), 0);
	assert_int_equal(ms, 600000);
	assert_int_equal(msd_parse_duration("250ms", &ms), 0);
	assert_int_equal(ms, 250);
	assert_int_equal(msd_parse_duration("1d", &ms), -EINVAL);
	assert_int_equal(msd_parse_duration("18446744073709551615", &ms), -ERANGE);
}

static void bytes(void **state)
{
	const uint8_t disk[] = { 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01 };
	le64 v;

	memcpy(&v, disk, sizeof(v));
	assert_true(le64_get(v) == 0x0123456789abcdefULL);
	v = le64_make(le64_get(v));
	assert_memory_equal(&v, disk, sizeof(v));
	assert_true(le32_get(le32_make(0x89abcdef)) == 0x89abcdef);
	assert_int_equal(le16_make(0x1234).b[0], 0x34);
}

static void errors(void **state)
{
	static struct msd_error err;

	assert_int_equal(msd_fail_errno(&err, ENOENT, "%s", "/x"), -ENOENT);
	assert_string_equal(err.msg, "/x: No such file or directory");
	msd_hint(&err, "type %s", "this");
	msd_prefix(&err, "drive 1");
	assert_string_equal(err.msg, "drive 1: /x: No such file or directory");
	assert_string_equal(err.hint, "type this");
	assert_int_equal(msd_fail(&err, MSD_E_NO, "no"), -MSD_E_NO);
	assert_string_equal(err.hint, "");
	assert_int_equal(msd_fail(NULL, MSD_E_NO, "no"), -MSD_E_NO);
}

static void windows(void **state)
{
	char path[] = "/tmp/msd-io-XXXXXX", buf[8] = "";
	_cleanup_close_ int fd = mkstemp(path);
	_cleanup_(msd_io_closep) struct msd_io *io = NULL, *part = NULL, *wrong = NULL;
	struct msd_error err;
	uint64_t offset;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(msd_io_open(AT_FDCWD, path, O_RDWR, &io, &err), 0);
	unlink(path);
	assert_int_equal(msd_io_get_size(io), 4096);
	assert_int_equal(msd_io_new_window(io, 1024, 512, &part), 0);
	assert_int_equal(msd_io_pwrite(part, "hello", 5, 507, &err), 0);
	assert_int_equal(msd_io_pread(io, buf, 5, 1024 + 507, &err), 0);
	assert_string_equal(buf, "hello");
	assert_int_equal(msd_io_pwrite(part, "hello", 5, 508, &err), -ERANGE);
	assert_int_equal(msd_io_pread(part, buf, 1, UINT64_MAX, &err), -ERANGE);
	assert_int_equal(msd_io_new_window(part, 256, 257, &wrong), -ERANGE);
	assert_true(msd_io_get_fd(part, &offset) >= 0);
	assert_int_equal(offset, 1024);
	assert_int_equal(msd_io_sync(part, &err), 0);
	/* somebody else made the file shorter */
	assert_int_equal(ftruncate(fd, 1024), 0);
	assert_int_equal(msd_io_pread(part, buf, 1, 0, &err), -EIO);
}

static void not_an_image(void **state)
{
	char path[] = "/tmp/msd-fifo-XXXXXX";
	struct msd_io *io = NULL;
	struct msd_error err;

	assert_int_equal(msd_io_open(AT_FDCWD, "/dev/null", O_RDONLY, &io, &err), -MSD_E_FORMAT);
	assert_int_equal(msd_io_open(AT_FDCWD, "/", O_RDONLY, &io, &err), -MSD_E_FORMAT);
	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(msd_io_open(AT_FDCWD, path, O_RDONLY, &io, &err), -MSD_E_FORMAT);
	unlink(path);
	assert_null(io);
}

static void locks(void **state)
{
	char dir[] = "/tmp/msd-lock-XXXXXX", file[64];
	struct msd_error err;
	int first = -1, second = -1, status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	rmdir(dir); /* it is made */
	assert_int_equal(msd_lock_take(dir, "a", false, 0, "drive 0", &first, &err), 0);
	assert_int_equal(msd_lock_take(dir, "a", true, 30, "drive 0", &second, &err), -MSD_E_BUSY);
	assert_string_equal(err.msg, "drive 0: another command is at it");
	close(first);

	/* the lock of a killed process is free */
	pid = fork();
	if (pid == 0) {
		if (msd_lock_take(dir, "a", false, 0, "x", &first, NULL) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(msd_lock_take(dir, "a", true, 0, "x", &first, &err), 0);
	assert_int_equal(msd_lock_take(dir, "a", true, 0, "x", &second, &err), 0);
	close(first);
	close(second);

	/* a planted symlink is not followed */
	snprintf(file, sizeof(file), "%s/a.lock", dir);
	unlink(file);
	assert_int_equal(symlink("target", file), 0);
	assert_int_equal(msd_lock_take(dir, "a", false, 0, "x", &first, &err), -ELOOP);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(formatted_sizes),
		cmocka_unit_test(booleans_and_durations),
		cmocka_unit_test(bytes),
		cmocka_unit_test(errors),
		cmocka_unit_test(windows),
		cmocka_unit_test(not_an_image),
		cmocka_unit_test(locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
