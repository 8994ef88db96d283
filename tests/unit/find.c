/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which drive a number or a name means, in gadgets as PiKVM, One-KVM and NanoKVM build them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gadget/find.h"
#include "tree.h"

static char root[] = "/tmp/msd-find-XXXXXX";

static int setup(void **state)
{
	strcpy(root, "/tmp/msd-find-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	remove_tree(root);
	return 0;
}

/* "GADGET FUNCTION LUN: OPTIONS" of what is found, or the message. */
static const char *find(const char *gadget, const char *preferred, unsigned number, unsigned lun)
{
	static char text[4096];
	struct msd_drive_id id;
	struct msd_error err;
	char options[512];

	if (msd_find_drive(root, gadget, preferred, number, lun, &id, NULL, &err) < 0) {
		assert_int_equal(err.code, MSD_E_NOTFOUND);
		return strcpy(text, err.msg);
	}
	snprintf(text, sizeof(text), "%s %s %u: %s", id.gadget, id.function, id.lun,
		 msd_drive_id_options(&id, options, sizeof(options)));
	return text;
}

static void pikvm(void **state)
{
	make_lun(root, "kvmd", "mass_storage.usb0", 0);
	make_lun(root, "kvmd", "mass_storage.usb1", 0);
	make_lun(root, "kvmd", "mass_storage.usb10", 0);
	make_dirs(pathf("%s/kvmd/functions/hid.usb0", root));
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY), "kvmd mass_storage.usb0 0: -i 0");
	assert_string_equal(find(NULL, NULL, 10, MSD_FIND_ANY), "kvmd mass_storage.usb10 0: -i 10");
	assert_string_equal(find("kvmd", NULL, 1, MSD_FIND_ANY),
			    "kvmd mass_storage.usb1 0: -g kvmd -i 1");
	assert_string_equal(find(NULL, NULL, 2, MSD_FIND_ANY),
			    "gadget kvmd has no drive 2, only drives 0, 1, 10");
	assert_string_equal(find("kvmd/mass_storage.usb1", NULL, 0, MSD_FIND_ANY),
			    "kvmd mass_storage.usb1 0: -g kvmd -i 1");
	assert_string_equal(find("kvmd/mass_storage.usb2", NULL, 0, MSD_FIND_ANY),
			    "kvmd/mass_storage.usb2: there is no such gadget with drives");
	assert_string_equal(find(NULL, NULL, 1, 3),
			    "gadget kvmd has no LUN 3 at drive 1, only drives 0, 1, 10");
	make_lun(root, "kvmd", "mass_storage.usb1", 3);
	assert_string_equal(find(NULL, NULL, 1, 3), "kvmd mass_storage.usb1 3: -i 1 -l 3");
}

static void one_kvm(void **state)
{
	for (unsigned lun = 0; lun < 3; lun++)
		make_lun(root, "one-kvm", "mass_storage.usb0", lun);
	assert_string_equal(find(NULL, NULL, 2, MSD_FIND_ANY), "one-kvm mass_storage.usb0 2: -i 2");
	assert_string_equal(find(NULL, NULL, 0, 2), "one-kvm mass_storage.usb0 2: -i 2");
	assert_string_equal(find(NULL, NULL, 3, MSD_FIND_ANY),
			    "gadget one-kvm has no drive 3, only drives 0, 1, 2");
	assert_string_equal(find(NULL, NULL, 1, 2),
			    "gadget one-kvm has no LUN 2 at drive 1, only drives 0, 1, 2");
}

static void nanokvm(void **state)
{
	make_lun(root, "g0", "mass_storage.disk0", 0);
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY), "g0 mass_storage.disk0 0: -i 0");
	assert_string_equal(find(NULL, NULL, 1, MSD_FIND_ANY),
			    "gadget g0 has no drive 1, only drive 0");
}

static void any_gadget_when_it_is_the_only_one(void **state)
{
	make_dirs(pathf("%s/serial/functions/acm.usb0", root));
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY),
			    "no USB gadget with mass storage: none has been built");
	make_lun(root, "alpha", "mass_storage.a", 0);
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY), "alpha mass_storage.a 0: -i 0");
	make_lun(root, "beta", "mass_storage.b", 0);
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY),
			    "several gadgets have drives: alpha, beta");
	assert_string_equal(find(NULL, "beta", 0, MSD_FIND_ANY), "beta mass_storage.b 0: -i 0");
	assert_string_equal(find("beta", NULL, 0, MSD_FIND_ANY), "beta mass_storage.b 0: -g beta -i 0");
	/* a known gadget without drives does not win */
	make_dirs(pathf("%s/kvmd/functions/hid.usb0", root));
	make_lun(root, "g0", "mass_storage.disk0", 0);
	assert_string_equal(find(NULL, NULL, 0, MSD_FIND_ANY), "g0 mass_storage.disk0 0: -i 0");
}

static void functions_without_numbers_are_counted(void **state)
{
	make_lun(root, "kvmd", "mass_storage.b", 0);
	make_lun(root, "kvmd", "mass_storage.a", 0);
	assert_string_equal(find(NULL, NULL, 1, MSD_FIND_ANY), "kvmd mass_storage.b 0: -i 1");
}

static void names_that_lead_elsewhere(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../kvmd", "/", "kvmd/hid.usb0",
					   "kvmd/mass_storage.usb0/lun.0", "a/../b" };

	make_lun(root, "kvmd", "mass_storage.usb0", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_string_equal(find(bad[i], NULL, 0, MSD_FIND_ANY),
				    pathf("%s: there is no such gadget with drives", bad[i]));
}

static void all_drives_in_order(void **state)
{
	struct msd_drive_id *all = NULL;
	char text[256];
	size_t n = 0;

	assert_int_equal(msd_find_all(pathf("%s/none", root), NULL, &all, &n, NULL), 0);
	assert_int_equal(n, 0);
	make_lun(root, "kvmd", "mass_storage.usb10", 0);
	make_lun(root, "kvmd", "mass_storage.usb2", 1);
	make_lun(root, "kvmd", "mass_storage.usb2", 0);
	make_lun(root, "g0", "mass_storage.disk0", 0);
	assert_int_equal(msd_find_all(root, NULL, &all, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_string_equal(msd_drive_id_format(&all[0], text, sizeof(text)), "drive 0 of gadget g0");
	assert_string_equal(msd_drive_id_format(&all[1], text, sizeof(text)), "drive 2 of gadget kvmd");
	assert_string_equal(msd_drive_id_format(&all[2], text, sizeof(text)),
			    "drive 2, LUN 1 of gadget kvmd");
	assert_string_equal(msd_drive_id_format(&all[3], text, sizeof(text)), "drive 10 of gadget kvmd");
	free(all);
	assert_int_equal(msd_find_all(root, "kvmd/mass_storage.usb2", &all, &n, NULL), 0);
	assert_int_equal(n, 2);
	free(all);
	assert_int_equal(msd_find_all(root, "none", &all, &n, NULL), -MSD_E_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pikvm, setup, teardown),
		cmocka_unit_test_setup_teardown(one_kvm, setup, teardown),
		cmocka_unit_test_setup_teardown(nanokvm, setup, teardown),
		cmocka_unit_test_setup_teardown(any_gadget_when_it_is_the_only_one, setup, teardown),
		cmocka_unit_test_setup_teardown(functions_without_numbers_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_lead_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(all_drives_in_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
