/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Releases, whole and damaged in every way, as a folder and as an archive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "disk/ventoy-priv.h"
#include "ventoy-sh.h"

static int setup(void **state)
{
	if (!mkdtemp(root))
		return -1;
	sh("$MSD_SOURCE/tests/ventoy/make-payload --tar good 1.1.07");
	sh("xz -dc good/ventoy/ventoy.disk.img.xz >disk");
	sh("xz -dc good/boot/core.img.xz >core");
	return 0;
}

static int teardown(void **state)
{
	remove_tree(root);
	return 0;
}

/* Opens the release and reads all of its boot partition. */
static int read_all(const char *name, struct msd_error *err)
{
	_cleanup_(msd_ventoy_release_closep) struct msd_ventoy_release *release = NULL;
	_cleanup_(ventoy_payload_closep) struct ventoy_payload *payload = NULL;
	int rc = msd_ventoy_release_open(in_root(name), &release, err);

	if (rc == 0)
		rc = ventoy_payload_open(release, &payload, err);
	return rc < 0 ? rc : ventoy_payload_check(payload, NULL, err);
}

static void reads_folder_and_archive(void **state)
{
	static const char *const names[] = { "good", "good.tar.gz", "flat.tar.gz" };

	sh("cd good && tar -czf ../flat.tar.gz ./ventoy ./boot");
	for (unsigned i = 0; i < 3; i++) {
		_cleanup_(msd_ventoy_release_closep) struct msd_ventoy_release *release = NULL;
		struct msd_error err;

		assert_int_equal(msd_ventoy_release_open(in_root(names[i]), &release, &err), 0);
		assert_string_equal(msd_ventoy_release_get_version(release), "1.1.07");
		assert_memory_equal(ventoy_release_boot(release), "\xeb\x63\x90", 3);
		assert_int_equal(read_all(names[i], &err), 0);
	}
}

/* A copy of the good one, changed by a command run in it, is refused and the file is named. */
static void refuse(const char *change, const char *file, const char *why)
{
	struct msd_error err = { 0 };
	int rc;

	sh("rm -rf bad bad.tar.gz && cp -r good bad && cd bad && %s", change);
	rc = read_all("bad", &err);
	print_message("%s\n", err.msg);
	assert_true(rc < 0 && rc > -MSD_E_USAGE);
	assert_non_null(strstr(err.msg, file));
	assert_non_null(strstr(err.msg, why));

	sh("tar -czf bad.tar.gz bad");
	rc = read_all("bad.tar.gz", &err);
	print_message("%s\n", err.msg);
	assert_true(rc < 0 && rc > -MSD_E_USAGE);
	assert_non_null(strstr(err.msg, file));
}

static void names_the_file_that_is_missing(void **state)
{
	refuse("rm boot/boot.img", "boot/boot.img", "No such file");
	refuse("rm boot/core.img.xz", "boot/core.img.xz", "No such file");
	refuse("rm ventoy/ventoy.disk.img.xz", "ventoy/ventoy.disk.img.xz", "No such file");
	refuse("rm ventoy/version", "ventoy/version", "No such file");
	refuse("rm ventoy/version && mkfifo ventoy/version", "ventoy/version", "regular file");
}

static void refuses_wrong_sizes(void **state)
{
	refuse("truncate -s 511 boot/boot.img", "boot/boot.img", "512");
	refuse("truncate -s 513 boot/boot.img", "boot/boot.img", "512");
	refuse("cp ../disk boot/boot.img && truncate -s 512 boot/boot.img", "boot/boot.img",
	       "boot code");
	refuse("{ cat ../core; printf x; } | xz -1 >boot/core.img.xz", "boot/core.img.xz",
	       "1048064");
	refuse("head -c 512 ../core | xz -1 >boot/core.img.xz", "boot/core.img.xz", "two sectors");
	refuse("{ cat ../disk; printf x; } | xz -0 >ventoy/ventoy.disk.img.xz",
	       "ventoy/ventoy.disk.img.xz", "32 MiB");
	refuse("head -c 33554431 ../disk | xz -0 >ventoy/ventoy.disk.img.xz",
	       "ventoy/ventoy.disk.img.xz", "32 MiB");
	refuse("xz -0 </dev/null >ventoy/ventoy.disk.img.xz", "ventoy/ventoy.disk.img.xz",
	       "32 MiB");
}

static void refuses_damaged_xz(void **state)
{
	refuse("truncate -s -20 ventoy/ventoy.disk.img.xz", "ventoy/ventoy.disk.img.xz",
	       "too early");
	refuse("truncate -s -20 boot/core.img.xz", "boot/core.img.xz", "too early");
	refuse("printf junk >>ventoy/ventoy.disk.img.xz", "ventoy/ventoy.disk.img.xz", "");
	refuse("printf '\\377\\0\\377' | dd of=ventoy/ventoy.disk.img.xz bs=1 seek=90000 conv=notrunc",
	       "ventoy/ventoy.disk.img.xz", "damaged");
	refuse("printf '\\377\\0\\377' | dd of=boot/core.img.xz bs=1 seek=90000 conv=notrunc",
	       "boot/core.img.xz", "");
	refuse("cp ../disk ventoy/ventoy.disk.img.xz", "ventoy/ventoy.disk.img.xz",
	       "not an .xz file");
	refuse(": >boot/core.img.xz", "boot/core.img.xz", "");
	refuse("xz -0 --lzma2=dict=512MiB <../core >boot/core.img.xz", "boot/core.img.xz",
	       "memory");
}

static void refuses_a_release_without_version(void **state)
{
	refuse(": >ventoy/version", "ventoy/version", "version");
	refuse("echo >ventoy/version", "ventoy/version", "version");
	refuse("printf '1.1;rm' >ventoy/version", "ventoy/version", "version");
	refuse("printf '1.1.07\\0' >ventoy/version", "ventoy/version", "version");
	refuse("yes 1 | tr -d '\\n' | head -c 4000 >ventoy/version", "ventoy/version", "version");
}

static void refuses_what_is_no_release(void **state)
{
	struct msd_error err;

	assert_int_equal(read_all("none", &err), -ENOENT);
	assert_non_null(strstr(err.hint, "tar.gz"));
	assert_int_equal(read_all("core", &err), -MSD_E_FAILED);
	sh("head -c 100000 good.tar.gz >cut.tar.gz");
	assert_int_equal(read_all("cut.tar.gz", &err), -MSD_E_FAILED);
	assert_int_equal(read_all("disk", &err), -MSD_E_FAILED);
	sh("mkfifo pipe");
	assert_int_equal(read_all("pipe", &err), -MSD_E_FAILED);
	sh("tar -czf twice.tar.gz good/ventoy/version good/ventoy/version");
	assert_int_equal(read_all("twice.tar.gz", &err), -MSD_E_FAILED);
}

/* The window gives what xz gives, in any order, and what is written stays and is copied. */
static void window_reads_and_remembers(void **state)
{
	_cleanup_(msd_ventoy_release_closep) struct msd_ventoy_release *release = NULL;
	_cleanup_(ventoy_payload_closep) struct ventoy_payload *payload = NULL;
	_cleanup_(msd_io_closep) struct msd_io *disk = NULL, *copy = NULL;
	static const uint64_t places[] = { 0, 510, 20000000, 4090, 40960, 33554432 - 8192, 4096 };
	static uint8_t a[8192], b[8192];
	struct msd_io *io;

	assert_int_equal(msd_ventoy_release_open(in_root("good"), &release, NULL), 0);
	assert_int_equal(ventoy_payload_open(release, &payload, NULL), 0);
	assert_int_equal(msd_io_open(AT_FDCWD, in_root("disk"), O_RDWR, &disk, NULL), 0);
	io = ventoy_payload_get_io(payload);
	assert_int_equal(msd_io_get_size(io), 33554432);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(msd_io_pread(io, a, sizeof(a), places[i], NULL), 0);
		assert_int_equal(msd_io_pread(disk, b, sizeof(b), places[i], NULL), 0);
		assert_memory_equal(a, b, sizeof(a));
	}
	assert_int_equal(msd_io_pread(io, a, 2, 33554431, NULL), -ERANGE);

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memset(a, 0x11 * (int)(i + 1), sizeof(a));
		assert_int_equal(msd_io_pwrite(io, a, 3000, places[i], NULL), 0);
		assert_int_equal(msd_io_pwrite(disk, a, 3000, places[i], NULL), 0);
	}
	assert_int_equal(ventoy_payload_check(payload, NULL, NULL), 0);
	sh("truncate -s 34603008 copy");
	assert_int_equal(msd_io_open(AT_FDCWD, in_root("copy"), O_RDWR, &copy, NULL), 0);
	assert_int_equal(ventoy_payload_copy(payload, copy, 1048576, true, NULL, NULL), 0);
	sh("tail -c +1048577 copy | cmp - disk");
	/* holes of the release stay holes of a fresh image */
	sh("[ $(stat -c %%b copy) -lt 4096 ]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_folder_and_archive),
		cmocka_unit_test(names_the_file_that_is_missing),
		cmocka_unit_test(refuses_wrong_sizes),
		cmocka_unit_test(refuses_damaged_xz),
		cmocka_unit_test(refuses_a_release_without_version),
		cmocka_unit_test(refuses_what_is_no_release),
		cmocka_unit_test(window_reads_and_remembers),
	};

	return cmocka_run_group_tests_name("ventoy-release", tests, setup, teardown);
}
