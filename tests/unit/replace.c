/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lib/base/replace: the old file or the new one, and nothing else in the folder. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/replace.h"

static char dir[] = "/tmp/msd-replace-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void put(const char *file, const char *text, mode_t mode)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_is(const char *file, const char *text, mode_t mode)
{
	char buf[64] = "";
	struct stat st;
	int fd = open(file, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), strlen(text));
	assert_string_equal(buf, text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	close(fd);
}

static unsigned count_files(void)
{
	_cleanup_dir_ struct msd_dir d;
	unsigned n = 0;

	assert_int_equal(msd_dir_open(&d, AT_FDCWD, dir), 0);
	while (msd_dir_next(&d))
		n++;
	return n;
}

static void replace_with(const struct msd_replace_params *params, const char *text, bool commit)
{
	struct msd_replace *replace;
	struct msd_error err;

	assert_int_equal(msd_replace_open(path, params, &replace, &err), 0);
	assert_int_equal(write(msd_replace_get_fd(replace), text, strlen(text)), strlen(text));
	if (commit)
		assert_int_equal(msd_replace_commit(replace, true, &err), 0);
	msd_replace_close(replace);
}

static void new_file(void **state)
{
	mode_t mask = umask(027);

	replace_with(NULL, "aborted", false);
	assert_int_equal(count_files(), 0);
	replace_with(NULL, "new", true);
	assert_is(path, "new", 0640);
	assert_int_equal(count_files(), 1);
	umask(mask);
	unlink(path);
}

static void old_file(void **state)
{
	const struct msd_replace_params params = { .has_mode = true, .mode = 0666 };

	put(path, "old", 0604);
	replace_with(NULL, "aborted", false);
	assert_is(path, "old", 0604);
	replace_with(NULL, "new", true);
	assert_is(path, "new", 0604);
	replace_with(&params, "newer", true);
	assert_is(path, "newer", 0666);
	assert_int_equal(count_files(), 1);
	unlink(path);
}

/* Someone else made the file meanwhile: it is replaced all the same, in one step. */
static void race(void **state)
{
	struct msd_replace *replace;
	struct msd_error err;

	assert_int_equal(msd_replace_open(path, NULL, &replace, &err), 0);
	put(path, "other", 0600);
	assert_int_equal(write(msd_replace_get_fd(replace), "mine", 4), 4);
	assert_int_equal(msd_replace_commit(replace, false, &err), 0);
	msd_replace_close(replace);
	assert_int_equal(count_files(), 1);
	unlink(path);
}

static void symlinks_and_others(void **state)
{
	struct msd_replace *replace;
	struct msd_error err;
	char link[64], target[64];

	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(target, sizeof(target), "%s/missing/file", dir);
	put(path, "old", 0644);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(msd_replace_open(link, NULL, &replace, &err), 0);
	assert_string_equal(strrchr(msd_replace_get_path(replace), '/'), "/file");
	assert_int_equal(msd_replace_commit(replace, false, &err), 0);
	msd_replace_close(replace);
	assert_is(path, "", 0644);
	unlink(path);
	assert_int_equal(msd_replace_open(link, NULL, &replace, &err), -MSD_E_REFUSED);
	unlink(link);
	assert_int_equal(msd_replace_open(dir, NULL, &replace, &err), -MSD_E_REFUSED);
	assert_int_equal(msd_replace_open("/dev/null", NULL, &replace, &err), -MSD_E_REFUSED);
	assert_int_equal(msd_replace_open(target, NULL, &replace, &err), -ENOENT);
	assert_int_equal(count_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_file),
		cmocka_unit_test(old_file),
		cmocka_unit_test(race),
		cmocka_unit_test(symlinks_and_others),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
