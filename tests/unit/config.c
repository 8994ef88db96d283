/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration file: what it sets, what it refuses with which line, and who may write it. */
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

#include "config/config.h"

static char dir[] = "/tmp/otgmsd-config-XXXXXX";
static char path[64];
static struct msd_error err;

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/otgmsd.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static int read_text(const char *text, struct msd_config **ret)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return msd_config_read(path, ret, &err);
}

static struct msd_config *must_read(const char *text)
{
	struct msd_config *config = NULL;
	int rc = read_text(text, &config);

	if (rc < 0)
		print_message("# %s\n", err.msg);
	assert_int_equal(rc, 0);
	return config;
}

/* The message is "FILE" and then expected. */
static void must_fail(const char *text, const char *expected)
{
	struct msd_config *config = NULL;

	assert_int_equal(read_text(text, &config), -MSD_E_CONFIG);
	assert_null(config);
	assert_memory_equal(err.msg, path, strlen(path));
	assert_string_equal(err.msg + strlen(path), expected);
}

static void test_defaults(void **state)
{
	struct msd_config *config = must_read("");

	assert_null(config->gadget.name);
	assert_null(config->gadget.controller);
	assert_null(config->gadget.serial);
	assert_null(config->storage_path);
	assert_int_equal(config->gadget.shape, MSD_SHAPE_FUNCTIONS);
	assert_int_equal(config->gadget.n_drives, 1);
	assert_int_equal(config->gadget.vendor_id, 0x1d6b);
	assert_int_equal(config->gadget.product_id, 0x0104);
	assert_true(config->gadget.drives[0].cdrom && !config->gadget.drives[0].rw);
	assert_true(!config->gadget.drives[1].cdrom && config->gadget.drives[1].rw);
	assert_true(config->gadget.drives[7].removable && config->gadget.drives[7].fua);
	assert_int_equal(config->gadget.drives[0].uid, (uid_t)-1);
	msd_config_free(config);
}

static void test_missing(void **state)
{
	struct msd_config *config = NULL;

	assert_int_equal(msd_config_read("/nonexistent/otgmsd.conf", &config, &err), -MSD_E_CONFIG);
	assert_string_equal(err.msg, "/nonexistent/otgmsd.conf: there is no such file");
	assert_int_equal(msd_config_read("/tmp", &config, &err), -MSD_E_CONFIG);
	assert_string_equal(err.msg, "/tmp: not a regular file");
}

static void test_values(void **state)
{
	struct msd_config *config = must_read(
		"# comment\n#\n/* another\n one */ gadget = g0 # behind\n"
		"controller = \"fe980000.usb\"\nshape = luns\ndrives = 05\nmax_power = 100\n"
		"ids { vendor = 0x0525 product=0xA4A5 device=0x1 usb = 0x0210 }\n"
		"strings { manufacturer = 'A # ${B} \\'' product = \"Größe\" serial = X1 configuration = c }\n"
		"defaults { fua = no user = root vendor = V }\n"
		"drive 1 { cdrom = on product = 'P \"Q' }\n"
		"drive \"2\" { rw = no removable = FALSE group = root product_cdrom=abcdefghijklmnop }\n"
		"drive 0 { rw = yes }\n"
		"storage { path = /srv//msd }\n");

	assert_string_equal(config->gadget.name, "g0");
	assert_string_equal(config->gadget.controller, "fe980000.usb");
	assert_int_equal(config->gadget.shape, MSD_SHAPE_LUNS);
	assert_int_equal(config->gadget.n_drives, 5);
	assert_int_equal(config->gadget.max_power_ma, 100);
	assert_int_equal(config->gadget.vendor_id, 0x0525);
	assert_int_equal(config->gadget.product_id, 0xa4a5);
	assert_int_equal(config->gadget.bcd_device, 1);
	assert_int_equal(config->gadget.bcd_usb, 0x0210);
	assert_string_equal(config->gadget.manufacturer, "A # ${B} '");
	assert_string_equal(config->gadget.product, "Größe");
	assert_string_equal(config->gadget.serial, "X1");
	assert_string_equal(config->gadget.drives[1].product, "P \"Q");
	assert_string_equal(config->gadget.drives[1].vendor, "V");
	assert_string_equal(config->gadget.drives[1].revision, "1.00");
	assert_true(config->gadget.drives[1].cdrom && !config->gadget.drives[1].rw && !config->gadget.drives[1].fua);
	assert_true(!config->gadget.drives[2].cdrom && !config->gadget.drives[2].rw && !config->gadget.drives[2].removable);
	assert_true(!config->gadget.drives[0].cdrom && config->gadget.drives[0].rw);
	assert_int_equal(config->gadget.drives[7].uid, 0);
	assert_int_equal(config->gadget.drives[2].gid, 0);
	assert_int_equal(config->gadget.drives[3].gid, (gid_t)-1);
	assert_string_equal(config->gadget.drives[2].product_cdrom, "abcdefghijklmnop");
	assert_string_equal(config->storage_path, "/srv//msd");
	msd_config_free(config);
}

static void test_bad_values(void **state)
{
	must_fail("# a\n# b\n/* c */\ndrives = 9\n", ":4: drives: '9' is not a number from 1 to 8");
	must_fail("drives = 0x2", ":1: drives: '0x2' is not a number from 1 to 8");
	must_fail("\n\nshape = both\n", ":3: shape: 'both' is not 'functions' or 'luns'");
	must_fail("ids {\n vendor = 1d6b\n}",
		  ":2: vendor: '1d6b' is not a number from 0x0000 to 0xffff");
	must_fail("ids { usb = 0x10000 }", ":1: usb: '0x10000' is not a number from 0x0000 to 0xffff");
	must_fail("drive 1 {\n# c\n cdrom = maybe\n}", ":3: cdrom: 'maybe' is not yes or no");
	must_fail("drive 8 { }", ":1: drive: '8' is not a number from 0 to 7");
	must_fail("drive 1 { }\ndrive 1 { }", ":2: found duplicate title '1'");
	must_fail("drive 1 { vendor = 123456789 }",
		  ":1: vendor: '123456789' is not a text of at most 8 printable ASCII characters");
	must_fail("drive 1 { product = 'é' }",
		  ":1: product: 'é' is not a text of at most 16 printable ASCII characters");
	must_fail("drive 1 { cdrom=yes\nrw=yes }",
		  ":2: cdrom and rw: a CD is never writable, so one of the two must be no");
	must_fail("defaults { user = no-such-user }",
		  ":1: user: 'no-such-user' is not a user of this machine");
	must_fail("gadget = a/b", ":1: gadget: 'a/b' is not a name: up to 64 characters, no '/', "
				  "no blank, no dot first");
	must_fail("storage { path = msd }", ":1: path: 'msd' is not an absolute path");
	must_fail("strings { serial = '' }", ":1: serial: '' is not a text of 1 to 126 bytes");
	must_fail("max_power = 901", ":1: max_power: '901' is not a number from 0 to 900");
}

static void test_unknown_key(void **state)
{
	must_fail("gadget = x\n\ngadgett = kvmd\n", ":3: no such option 'gadgett'");
	assert_non_null(strstr(err.hint, "here may stand: gadget, controller, "));
	must_fail("storage { paths = /x }", ":1: no such option 'paths'");
	assert_string_equal(err.hint, "here may stand: path; see otgmsd.conf(5)");
	must_fail("include(\"/etc/passwd\")", ":1: no such option 'include'");
}

/* What bin/otgmsd.conf shows commented out is what holds without it. */
static void test_default_file(void **state)
{
	char text[8192] = "", line[256], source[PATH_MAX];
	struct msd_config *none = must_read(""), *all;
	FILE *f;

	snprintf(source, sizeof(source), "%s/bin/otgmsd.conf", getenv("MSD_SOURCE"));
	f = fopen(source, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (line[0] == '#' && line[1] != ' ' && !strstr(line, "user =") &&
		    !strstr(line, "group ="))
			strcat(text, line + 1);
	fclose(f);
	all = must_read(text);
	assert_string_equal(all->gadget.name, "kvmd");
	assert_int_equal(all->gadget.shape, none->gadget.shape);
	assert_int_equal(all->gadget.n_drives, none->gadget.n_drives);
	assert_int_equal(all->gadget.max_power_ma, none->gadget.max_power_ma);
	assert_int_equal(all->gadget.vendor_id, none->gadget.vendor_id);
	assert_int_equal(all->gadget.product_id, none->gadget.product_id);
	assert_int_equal(all->gadget.bcd_device, none->gadget.bcd_device);
	assert_int_equal(all->gadget.bcd_usb, none->gadget.bcd_usb);
	assert_string_equal(all->gadget.manufacturer, none->gadget.manufacturer);
	assert_string_equal(all->gadget.product, none->gadget.product);
	assert_string_equal(all->gadget.configuration, none->gadget.configuration);
	for (unsigned i = 0; i < MSD_DRIVES_MAX; i++) {
		const struct msd_drive_spec *a = &all->gadget.drives[i], *b = &none->gadget.drives[i];

		assert_int_equal(a->cdrom, b->cdrom);
		assert_int_equal(a->rw, b->rw);
		assert_int_equal(a->removable, b->removable);
		assert_int_equal(a->fua, b->fua);
		assert_string_equal(a->vendor, b->vendor);
		assert_string_equal(a->product, b->product);
		assert_string_equal(a->product_cdrom, b->product_cdrom);
		assert_string_equal(a->revision, b->revision);
	}
	msd_config_free(all);
	msd_config_free(none);
}

/* A file is taken whole or not at all, and the environment has no say in it. */
static void test_syntax(void **state)
{
	must_fail("ids {\n vendor = 0x1\n", ":1: the section that begins here is never closed");
	must_fail("ids { }\n}\n", ":2: '}' without a '{' before it");
	must_fail("gadget = \"abc\n\n", ":1: this quote is never closed");
	must_fail("\n/* abc\n\n", ":2: this comment is never closed");
	must_fail("\ngadget = \"${HOME}\"", ":2: '${' would be replaced from the environment, which "
					   "has no say here; write the value");
	must_fail("gadget = ${HOME}", ":1: '${' would be replaced from the environment, which "
				      "has no say here; write the value");
	must_fail("gadget\n", ":2: premature end of file");
	must_fail("gadget kvmd\n", ":1: missing equal sign after option 'gadget'");
	must_fail("drive { cdrom = 1 }", ":1: missing title for section 'drive'");
	msd_config_free(must_read("# ${HOME} { \" '\nstrings { serial = '${A}' }"));
}

static void test_writable_by_others(void **state)
{
	struct msd_config *config = NULL;

	msd_config_free(must_read("gadget = g0\n"));
	assert_int_equal(chmod(path, 0666), 0);
	if (geteuid() != 0) {	/* no one's commands but root's are worth a trap */
		assert_int_equal(msd_config_read(path, &config, &err), 0);
		msd_config_free(config);
		return;
	}
	assert_int_equal(msd_config_read(path, &config, &err), -MSD_E_CONFIG);
	assert_non_null(strstr(err.msg, "others than root can write it"));
	assert_non_null(strstr(err.hint, "chmod go-w"));
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(msd_config_read(path, &config, &err), -MSD_E_CONFIG);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(msd_config_read(path, &config, &err), -MSD_E_CONFIG);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chown(path, 1, 0), 0);
	assert_int_equal(msd_config_read(path, &config, &err), -MSD_E_CONFIG);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(msd_config_read(path, &config, &err), 0);
	msd_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_default_file),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_writable_by_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
