/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the storage is, and what a mount helper makes of its arguments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/helper.h"
#include "storage/remount.h"
#include "storage/root.h"

#define LINE "/dev/x %s ext4 ro,X-kvmd.otgmsd-%s 0 0\n"

/* An fstab with this text; its name, to be removed by done(). */
static char fstab[] = "/tmp/otgmsd-fstab-XXXXXX";

MSD_PRINTF(1, 2) static void write_fstab(const char *fmt, ...)
{
	va_list ap;
	FILE *file;

	strcpy(fstab + strlen(fstab) - 6, "XXXXXX");
	close(mkstemp(fstab));
	file = fopen(fstab, "w");
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fclose(file);
}

static int read_root(const char *path, struct msd_root *root, struct msd_error *err)
{
	int rc = msd_root_read(fstab, path, NULL, root, err);

	unlink(fstab);
	return rc;
}

static void test_marked(void **state)
{
	struct msd_error err;
	struct msd_root root;

	/* /proc is mounted everywhere */
	write_fstab("# comment\nbad\n/dev/y / ext4 rw 0 1\n" LINE, "//proc/./", "root=/proc//self/");
	assert_int_equal(read_root("/nowhere", &root, &err), 0);
	assert_string_equal(root.path, "/proc/self");
	assert_string_equal(root.target, "/proc");
	assert_null(root.user);
	msd_root_done(&root);

	write_fstab(LINE, "/proc", "user=kvmd,X-kvmd.otgmsd-group=staff");
	assert_int_equal(read_root(NULL, &root, &err), 0);
	assert_string_equal(root.path, "/proc");
	assert_string_equal(root.user, "kvmd");
	assert_string_equal(root.group, "staff");
	msd_root_done(&root);
}

static void test_marked_wrongly(void **state)
{
	struct msd_error err;
	struct msd_root root;

	write_fstab(LINE LINE, "/proc", "root", "/sys", "root");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	assert_non_null(strstr(err.msg, "both /proc and /sys are marked"));
	write_fstab(LINE, "/proc", "root=/proc/../etc");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	write_fstab(LINE, "/proc", "root=/process");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	write_fstab(LINE, "/proc", "root=relative");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	write_fstab(LINE, "/tmp/not mounted", "root");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	write_fstab(LINE, "none", "root");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	write_fstab(LINE, "/proc", "root=/proc/nowhere");
	assert_int_equal(read_root(NULL, &root, &err), -MSD_E_NOTFOUND);
	assert_non_null(strstr(err.hint, "mkdir -p /proc/nowhere"));
}

static void test_configured(void **state)
{
	struct msd_error err;
	struct msd_root root;

	write_fstab("%s", "");
	assert_int_equal(read_root("/proc/self/", &root, &err), 0);
	assert_string_equal(root.path, "/proc/self");
	assert_null(root.target);
	msd_root_done(&root);
	/* a mount of its own although nothing marks it; and no fstab at all */
	assert_int_equal(msd_root_read("/nowhere/fstab", "/proc", NULL, &root, &err), 0);
	assert_string_equal(root.target, "/proc");
	msd_root_done(&root);
	write_fstab("%s", "");
	assert_int_equal(read_root("/proc/nowhere", &root, &err), -MSD_E_NOTFOUND);
	write_fstab("%s", "");
	assert_int_equal(read_root("images", &root, &err), -MSD_E_CONFIG);
	write_fstab("%s", "");
	assert_int_equal(read_root("/proc/../etc", &root, &err), -MSD_E_CONFIG);
	write_fstab("/dev/x /proc/self/fd ext4 ro 0 0\n");
	assert_int_equal(read_root("/proc/self/fd/msd", &root, &err), -MSD_E_NOTFOUND);
	assert_non_null(strstr(err.hint, "mount /proc/self/fd"));
}

static void test_mount_find(void **state)
{
	struct msd_mount mount;

	assert_int_equal(msd_mount_find("/proc/self/nothing", &mount, NULL), 0);
	assert_string_equal(mount.target, "/proc");
	assert_string_equal(mount.fstype, "proc");
	msd_mount_done(&mount);
	assert_int_equal(msd_mount_find("/process", &mount, NULL), 0);
	assert_string_equal(mount.target, "/");
	msd_mount_done(&mount);
	assert_int_equal(msd_mount_read("/proc/self", &mount, NULL), -MSD_E_NOTFOUND);
}

/* Arguments of a literal, each with its 0 byte. */
#define ASKS(args) msd_command_asks_rw(args, sizeof(args))

static void test_asks_rw(void **state)
{
	assert_false(msd_options_ask_rw(NULL));
	assert_false(msd_options_ask_rw("user,rwx,norw"));
	assert_true(msd_options_ask_rw("ro,user,rw"));
	assert_false(msd_options_ask_rw("rw,ro"));

	assert_false(ASKS("mount\0-t\0msd\0/rw\0/mnt"));
	assert_true(ASKS("mount\0-t\0msd\0-o\0noexec,rw\0a\0b"));
	assert_true(ASKS("mount\0-orw\0a"));
	assert_true(ASKS("mount\0--options=rw\0a"));
	assert_true(ASKS("mount\0--options\0rw\0a"));
	assert_true(ASKS("mount\0-fvw\0a"));
	assert_true(ASKS("mount\0a\0b\0--rw"));
	assert_true(ASKS("mount\0--read-write\0a"));
	assert_false(ASKS("mount\0-L\0-w\0a") && ASKS("mount\0-Lw\0a"));
	assert_false(ASKS("mount\0-w\0-r\0a"));
	assert_false(ASKS("mount\0--\0-w"));
	assert_false(ASKS("mount\0-o"));
	assert_false(msd_command_asks_rw("", 0));
}

static void test_options_for_fs(void **state)
{
	char *left;

	assert_int_equal(msd_options_for_fs(NULL, &left), 0);
	assert_string_equal(left, "");
	free(left);
	assert_int_equal(msd_options_for_fs("rw,noexec,user,msd.partition=3,uid=5,nofail,_netdev", &left), 0);
	assert_string_equal(left, "noexec,uid=5");
	free(left);
}

static void test_fstab_find(void **state)
{
	struct msd_fstab_line line;

	write_fstab("/a/flash.img /mnt msd noauto,user 0 0\n/proc/self/../self/exe /usr msd users 0 0\n");
	assert_int_equal(msd_fstab_find(fstab, "/a/flash.img", "/mnt", &line, NULL), 0);
	assert_string_equal(line.options, "noauto,user");
	msd_fstab_line_done(&line);
	assert_int_equal(msd_fstab_find(fstab, "/a/flash.img", "/usr", &line, NULL), -MSD_E_NOTFOUND);
	/* the caller's own way to write a path is not resolved */
	assert_int_equal(msd_fstab_find(fstab, "/a/./flash.img", "/mnt", &line, NULL), -MSD_E_NOTFOUND);
	unlink(fstab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marked),
		cmocka_unit_test(test_marked_wrongly),
		cmocka_unit_test(test_configured),
		cmocka_unit_test(test_mount_find),
		cmocka_unit_test(test_asks_rw),
		cmocka_unit_test(test_options_for_fs),
		cmocka_unit_test(test_fstab_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
