/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attributes on plain files, and the order of writes that a change of a drive needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/cleanup.h"
#include "gadget/attr.h"
#include "gadget/lun.h"
#include "tree.h"

static char root[] = "/tmp/msd-attr-XXXXXX";
static int dir = -1;

static int setup(void **state)
{
	if (!mkdtemp(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY);
	make_lun(root, "kvmd", "mass_storage.usb0", 0);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(dir);
	remove_tree(root);
	return 0;
}

static void read_strips_one_newline(void **state)
{
	char buf[MSD_ATTR_BUFSIZE];

	put_file(pathf("%s/a", root), "two\n\n");
	assert_int_equal(msd_attr_read(dir, "a", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "two\n");
	put_file(pathf("%s/a", root), "");
	assert_int_equal(msd_attr_read(dir, "a", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "");
}

static void read_tells_what_it_cannot_give(void **state)
{
	struct msd_error err;
	char buf[4];
	bool yes;

	put_file(pathf("%s/a", root), "long");
	assert_int_equal(msd_attr_read(dir, "a", buf, sizeof(buf), &err), -ERANGE);
	assert_int_equal(msd_attr_read(dir, "none", buf, sizeof(buf), &err), -ENOENT);
	assert_string_equal(err.msg, "none: No such file or directory");
	assert_int_equal(msd_attr_read_bool(dir, "a", &yes, &err), -EINVAL);
	put_file(pathf("%s/a", root), "\n");
	assert_int_equal(msd_attr_read_bool(dir, "a", &yes, &err), -EINVAL);
}

static void bools(void **state)
{
	static const struct { const char *text; bool yes; } cases[] = {
		{ "0\n", false }, { "1\n", true }, { "1", true }, { "00", false }, { "10", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool yes = !cases[i].yes;

		put_file(pathf("%s/a", root), cases[i].text);
		assert_int_equal(msd_attr_read_bool(dir, "a", &yes, NULL), 0);
		assert_int_equal(yes, cases[i].yes);
	}
}

static void write_is_one_line_and_makes_no_file(void **state)
{
	_cleanup_free_ char *longest = malloc(MSD_ATTR_MAX + 2);

	put_file(pathf("%s/a", root), "");
	assert_int_equal(msd_attr_write(dir, "a", "value", NULL), 0);
	assert_string_equal(get_file(pathf("%s/a", root)), "value\n");
	assert_int_equal(msd_attr_write(dir, "missing", "x", NULL), -ENOENT);
	assert_int_not_equal(access(pathf("%s/missing", root), F_OK), 0);

	memset(longest, 'x', MSD_ATTR_MAX + 1);
	longest[MSD_ATTR_MAX + 1] = '\0';
	assert_int_equal(msd_attr_write(dir, "a", longest, NULL), -ENAMETOOLONG);
	assert_string_equal(get_file(pathf("%s/a", root)), "value\n");
	longest[MSD_ATTR_MAX] = '\0';
	assert_int_equal(msd_attr_write(dir, "a", longest, NULL), 0);
	assert_int_equal(strlen(get_file(pathf("%s/a", root))), MSD_ATTR_MAX + 1);
}

/* "cdrom=1 ro=1 file=/x", the plan as text */
static const char *plan(const char *file, bool cdrom, bool ro, const char *to_file, bool to_cdrom,
			bool to_ro)
{
	struct msd_lun_state from = { .cdrom = cdrom, .ro = ro };
	static struct msd_lun_state to;
	struct msd_lun_step steps[MSD_LUN_STEPS_MAX];
	static char text[256];
	unsigned n;

	to = (struct msd_lun_state){ .cdrom = to_cdrom, .ro = to_ro };
	strcpy(from.file, file);
	strcpy(to.file, to_file);
	n = msd_lun_plan(&from, &to, MSD_EJECT_PLAIN, steps);
	text[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", i ? " " : "",
			 steps[i].attr, steps[i].value);
	return text;
}

static void plans(void **state)
{
	assert_string_equal(plan("", 0, 0, "", 0, 0), "");
	assert_string_equal(plan("/a", 0, 1, "/a", 0, 1), "");
	assert_string_equal(plan("", 0, 0, "/a", 0, 0), "file=/a");
	assert_string_equal(plan("/a", 0, 0, "", 0, 0), "file= ro=0");
	/* ro of a medium is the effective value, so it is written whatever it was */
	assert_string_equal(plan("/a", 0, 1, "/b", 0, 1), "file= ro=1 file=/b");
	assert_string_equal(plan("/a", 0, 1, "/a", 0, 0), "file= ro=0 file=/a");
	/* cdrom=1 sets ro by itself, cdrom=0 does not take it back */
	assert_string_equal(plan("", 0, 0, "/a", 1, 1), "cdrom=1 file=/a");
	assert_string_equal(plan("", 1, 1, "/a", 0, 0), "cdrom=0 ro=0 file=/a");
	assert_string_equal(plan("/a", 1, 1, "/b", 0, 1), "file= cdrom=0 ro=1 file=/b");
	assert_string_equal(plan("/a", 0, 0, "/a", 1, 1), "file= cdrom=1 file=/a");
}

static void a_deleted_medium_is_not_the_same(void **state)
{
	struct msd_lun_state from = { .file = "/a", .deleted = true }, to = { .file = "/a" };
	struct msd_lun_step steps[MSD_LUN_STEPS_MAX];

	assert_int_equal(msd_lun_plan(&from, &to, MSD_EJECT_PLAIN, steps), 3);
}

static void lun_states(void **state)
{
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	const char *file = pathf("%s/kvmd/functions/mass_storage.usb0/lun.0/file", root);
	_cleanup_close_ int gadget = open(pathf("%s/kvmd", root), O_RDONLY | O_DIRECTORY);
	struct msd_lun_state now;
	struct msd_error err;

	assert_int_equal(msd_lun_open(gadget, "mass_storage.usb0", 1, &lun, &err),
			 -MSD_E_NOTFOUND);
	assert_int_equal(msd_lun_open(gadget, "mass_storage.usb0", 0, &lun, &err), 0);
	assert_string_equal(msd_lun_get_name(lun), "mass_storage.usb0/lun.0");

	/* the kernel's mark, and a file whose name only looks so */
	put_file(file, "/nowhere/x.img (deleted)\n");
	assert_int_equal(msd_lun_read_state(lun, &now, &err), 0);
	assert_string_equal(now.file, "/nowhere/x.img");
	assert_true(now.deleted);
	put_file(pathf("%s/x (deleted)", root), "");
	put_file(file, pathf("%s/x (deleted)\n", root));
	assert_int_equal(msd_lun_read_state(lun, &now, &err), 0);
	assert_string_equal(now.file, pathf("%s/x (deleted)", root));
	assert_false(now.deleted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_strips_one_newline),
		cmocka_unit_test(read_tells_what_it_cannot_give),
		cmocka_unit_test(bools),
		cmocka_unit_test(write_is_one_line_and_makes_no_file),
		cmocka_unit_test(plans),
		cmocka_unit_test(a_deleted_medium_is_not_the_same),
		cmocka_unit_test(lun_states),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
