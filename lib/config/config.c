/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration: the keys, and what their values may be. */
#include "config/config.h"

#include <confuse.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/text.h"
#include "text-priv.h"

/* The kernel's USB_MAX_STRING_LEN. */
#define STRING_MAX 126

/* libconfuse's callbacks have no argument for their caller; set while it parses. */
static struct {
	const char *path;
	struct msd_error *err;
	bool failed;		/* the first message is the one that counts */
} parsing;

__attribute__((format(printf, 2, 0)))
static void fail_at(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[512];

	if (parsing.failed)
		return;
	parsing.failed = true;
	vsnprintf(text, sizeof(text), fmt, ap);
	msd_fail(parsing.err, MSD_E_CONFIG, "%s:%d: %s", parsing.path, cfg->line, text);
}

/* What libconfuse itself finds wrong. */
__attribute__((format(printf, 2, 0)))
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char known[512] = "";

	/* which is not a key at all, and the user needs those that are */
	if (!parsing.failed && !strncmp(fmt, "no such option", 14)) {
		for (cfg_opt_t *opt = cfg->opts; opt->name; opt++)
			msd_append(known, sizeof(known), ", ", "%s", opt->name);
		fail_at(cfg, fmt, ap);
		msd_hint(parsing.err, "here may stand: %s; see otgmsd.conf(5)", known);
		return;
	}
	fail_at(cfg, fmt, ap);
}

static int expected(cfg_t *cfg, const cfg_opt_t *opt, const char *value, const char *what)
{
	cfg_error(cfg, "%s: '%s' is not %s", opt->name, value, what);
	return -1;
}

static int parse_yes_no(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	bool yes;

	if (msd_parse_bool(value, &yes) < 0)
		return expected(cfg, opt, value, "yes or no");
	*(long *)result = yes;
	return 0;
}

static int parse_range(cfg_t *cfg, cfg_opt_t *opt, const char *value, unsigned min, unsigned max,
		       void *result)
{
	char what[48];
	uint64_t n;

	if (msd_parse_number(value, max, &n) < 0 || n < min) {
		snprintf(what, sizeof(what), "a number from %u to %u", min, max);
		return expected(cfg, opt, value, what);
	}
	*(long *)result = (long)n;
	return 0;
}

static int parse_drives(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return parse_range(cfg, opt, value, 1, MSD_DRIVES_MAX, result);
}

/* 900 mA is what USB 3 has to give. */
static int parse_power(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return parse_range(cfg, opt, value, 0, 900, result);
}

/* Always hexadecimal, as vendors write them: "0104" must not be 104 nor octal. */
static int parse_id(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	size_t digits;

	if (value[0] != '0' || (value[1] != 'x' && value[1] != 'X'))
		return expected(cfg, opt, value, "a number from 0x0000 to 0xffff");
	digits = strspn(value + 2, "0123456789abcdefABCDEF");
	if (digits == 0 || digits > 4 || value[2 + digits])
		return expected(cfg, opt, value, "a number from 0x0000 to 0xffff");
	*(long *)result = (long)strtoul(value, NULL, 16);
	return 0;
}

static int parse_shape(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (!strcmp(value, "functions"))
		*(long *)result = MSD_SHAPE_FUNCTIONS;
	else if (!strcmp(value, "luns"))
		*(long *)result = MSD_SHAPE_LUNS;
	else
		return expected(cfg, opt, value, "'functions' or 'luns'");
	return 0;
}

static int parse_user(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct passwd *user = getpwnam(value);

	if (!user)
		return expected(cfg, opt, value, "a user of this machine");
	*(long *)result = (long)user->pw_uid;
	return 0;
}

static int parse_group(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct group *group = getgrnam(value);

	if (!group)
		return expected(cfg, opt, value, "a group of this machine");
	*(long *)result = (long)group->gr_gid;
	return 0;
}

static int parse_name(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (!*value || *value == '.' || strlen(value) > 64 || value[strcspn(value, "/ \t\n")])
		return expected(cfg, opt, value, "a name: up to 64 characters, no '/', no blank, no dot first");
	*(const char **)result = value;
	return 0;
}

static int parse_path(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (*value != '/' || strlen(value) >= PATH_MAX || strchr(value, '\n'))
		return expected(cfg, opt, value, "an absolute path");
	*(const char **)result = value;
	return 0;
}

static int parse_text(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ')
			return expected(cfg, opt, value, "one line without control characters");
	if (!*value || strlen(value) > STRING_MAX)
		return expected(cfg, opt, value, "a text of 1 to 126 bytes");
	*(const char **)result = value;
	return 0;
}

/* SPC-4, 6.4.2: fields of 8, 16 and 4 characters from 0x20 to 0x7e. */
static int parse_inquiry(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	size_t max = !strcmp(opt->name, "vendor") ? 8 : !strcmp(opt->name, "revision") ? 4 : 16;
	char what[64];

	snprintf(what, sizeof(what), "a text of at most %zu printable ASCII characters", max);
	if (strlen(value) > max)
		return expected(cfg, opt, value, what);
	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~')
			return expected(cfg, opt, value, what);
	*(const char **)result = value;
	return 0;
}

/* A key, and where its value goes. */
struct key {
	const char *name;
	cfg_callback_t parse;
	enum { KEY_NUMBER, KEY_FIELD, KEY_TEXT } kind;	/* integer or bool, char[], char * */
	uint16_t at, size;				/* in the structure that the table is for */
};

#define KEY(kind, name, parse, type, field) \
	{ name, parse, kind, offsetof(type, field), sizeof(((type *)NULL)->field) }
#define NUMBER(name, parse, field) KEY(KEY_NUMBER, name, parse, struct msd_config, field)
#define TEXT(name, parse, field) KEY(KEY_TEXT, name, parse, struct msd_config, field)
#define DRIVE_NUMBER(name, parse, field) KEY(KEY_NUMBER, name, parse, struct msd_drive_spec, field)
#define DRIVE_TEXT(name, field) KEY(KEY_FIELD, name, parse_inquiry, struct msd_drive_spec, field)

static const struct key gadget_keys[] = {
	TEXT("gadget", parse_name, gadget.name),
	TEXT("controller", parse_name, gadget.controller),
	NUMBER("shape", parse_shape, gadget.shape),
	NUMBER("drives", parse_drives, gadget.n_drives),
	NUMBER("max_power", parse_power, gadget.max_power_ma),
	{ 0 }
};

static const struct key id_keys[] = {
	NUMBER("vendor", parse_id, gadget.vendor_id),
	NUMBER("product", parse_id, gadget.product_id),
	NUMBER("device", parse_id, gadget.bcd_device),
	NUMBER("usb", parse_id, gadget.bcd_usb),
	{ 0 }
};

static const struct key string_keys[] = {
	TEXT("manufacturer", parse_text, gadget.manufacturer),
	TEXT("product", parse_text, gadget.product),
	TEXT("serial", parse_text, gadget.serial),
	TEXT("configuration", parse_text, gadget.configuration),
	{ 0 }
};

static const struct key drive_keys[] = {
	DRIVE_NUMBER("cdrom", parse_yes_no, cdrom),
	DRIVE_NUMBER("rw", parse_yes_no, rw),
	DRIVE_NUMBER("removable", parse_yes_no, removable),
	DRIVE_NUMBER("fua", parse_yes_no, fua),
	DRIVE_TEXT("vendor", vendor),
	DRIVE_TEXT("product", product),
	DRIVE_TEXT("product_cdrom", product_cdrom),
	DRIVE_TEXT("revision", revision),
	DRIVE_NUMBER("user", parse_user, uid),
	DRIVE_NUMBER("group", parse_group, gid),
	{ 0 }
};

static const struct key storage_keys[] = { TEXT("path", parse_path, storage_path), { 0 } };

static const struct section {
	const char *name;
	const struct key *keys;
	cfg_flag_t flags;
} sections[] = {
	{ "ids", id_keys, CFGF_NONE },
	{ "strings", string_keys, CFGF_NONE },
	{ "defaults", drive_keys, CFGF_NONE },
	{ "drive", drive_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES },
	{ "storage", storage_keys, CFGF_NONE },
};

#define N_SECTIONS (sizeof(sections) / sizeof(*sections))
/* in one section */
#define KEYS_MAX (sizeof(drive_keys) / sizeof(*drive_keys))

static void set_number(long value, size_t size, void *to)
{
	if (size == sizeof(bool))
		*(bool *)to = value;
	else if (size == sizeof(uint16_t))
		*(uint16_t *)to = (uint16_t)value;
	else
		*(unsigned *)to = (unsigned)value;
}

/* What is not given stays as it is. */
static int get_keys(cfg_t *cfg, const struct key *key, void *to)
{
	for (; key->name; key++) {
		void *at = (char *)to + key->at;
		char **text = at, *copy;

		if (!cfg_size(cfg, key->name))
			continue;
		if (key->kind == KEY_NUMBER) {
			set_number(cfg_getint(cfg, key->name), key->size, at);
		} else if (key->kind == KEY_FIELD) {
			snprintf(at, key->size, "%s", cfg_getstr(cfg, key->name));
		} else {
			copy = strdup(cfg_getstr(cfg, key->name));
			if (!copy)
				return -ENOMEM;
			free(*text);
			*text = copy;
		}
	}
	return 0;
}

/* A CD is never writable; what only one of the two says decides the other. */
static int get_type(cfg_t *cfg, struct msd_drive_spec *drive)
{
	bool cdrom_given = cfg_size(cfg, "cdrom"), rw_given = cfg_size(cfg, "rw");

	if (!drive->cdrom || !drive->rw) {
		if (cdrom_given && !rw_given)
			drive->rw = !drive->cdrom;
		return 0;
	}
	if (cdrom_given && rw_given) {
		cfg_error(cfg, "cdrom and rw: a CD is never writable, so one of the two must be no");
		return -MSD_E_CONFIG;
	}
	if (rw_given)
		drive->cdrom = false;
	else
		drive->rw = false;
	return 0;
}

static int get_drive(cfg_t *cfg, struct msd_drive_spec *drive)
{
	get_keys(cfg, drive_keys, drive);
	return get_type(cfg, drive);
}

static int get_drives(cfg_t *cfg, struct msd_config *config)
{
	int rc;

	for (unsigned i = 0; i < MSD_DRIVES_MAX; i++) {
		rc = get_drive(cfg_getnsec(cfg, "defaults", 0), &config->gadget.drives[i]);
		if (rc < 0)
			return rc;
	}
	for (unsigned i = 0; i < cfg_size(cfg, "drive"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "drive", i);
		uint64_t n;

		if (msd_parse_number(cfg_title(section), MSD_DRIVES_MAX - 1, &n) < 0) {
			cfg_error(section, "drive: '%s' is not a number from 0 to %d",
				  cfg_title(section), MSD_DRIVES_MAX - 1);
			return -MSD_E_CONFIG;
		}
		rc = get_drive(section, &config->gadget.drives[n]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int get_all(cfg_t *cfg, struct msd_config *config)
{
	int rc = get_keys(cfg, gadget_keys, config);

	for (size_t i = 0; rc == 0 && i < N_SECTIONS; i++)
		if (sections[i].keys != drive_keys)
			rc = get_keys(cfg_getnsec(cfg, sections[i].name, 0), sections[i].keys, config);
	return rc < 0 ? rc : get_drives(cfg, config);
}

#define SEEN (1 << 30)		/* a flag of ours among those of libconfuse */

/* libconfuse lets the last one win, and the other is perhaps the one that was meant. */
static int check_once(cfg_t *cfg, cfg_opt_t *opt)
{
	if (opt->flags & SEEN) {
		cfg_error(cfg, "%s: is there twice", opt->name);
		return -1;
	}
	opt->flags |= SEEN;
	return 0;
}

/* The keys as libconfuse wants them. Returns the end of the table. */
static cfg_opt_t *add_keys(cfg_opt_t *opt, const struct key *key)
{
	for (; key->name; key++)
		*opt++ = (cfg_opt_t){
			.name = key->name, .type = key->kind == KEY_NUMBER ? CFGT_INT : CFGT_STR,
			.flags = CFGF_NODEFAULT, .parsecb = key->parse,
			.validcb = check_once,
		};
	*opt = (cfg_opt_t)CFG_END();
	return opt;
}

static int parse(const char *path, char *text, struct msd_config *config, struct msd_error *err)
{
	cfg_opt_t keys[N_SECTIONS][KEYS_MAX], all[KEYS_MAX + N_SECTIONS];
	cfg_opt_t *opt = add_keys(all, gadget_keys);
	_cleanup_fclose_ FILE *file = fmemopen(text, strlen(text), "r");
	cfg_t *cfg;
	int rc = -ENOMEM;

	for (size_t i = 0; i < N_SECTIONS; i++) {
		add_keys(keys[i], sections[i].keys);
		*opt++ = (cfg_opt_t){ .name = sections[i].name, .type = CFGT_SEC,
				      .flags = sections[i].flags, .subopts = keys[i] };
	}
	*opt = (cfg_opt_t)CFG_END();
	cfg = cfg_init(all, CFGF_NONE);
	if (!file || !cfg)
		goto out;
	cfg_set_error_function(cfg, on_error);
	parsing.path = path;
	parsing.err = err;
	parsing.failed = false;
	rc = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? get_all(cfg, config) : -MSD_E_CONFIG;
	if (rc == -MSD_E_CONFIG && !parsing.failed)
		rc = msd_fail(err, MSD_E_CONFIG, "%s:%d: cannot be read from here on", path, cfg->line);
out:
	if (cfg)
		cfg_free(cfg);
	return rc == -ENOMEM ? msd_fail_on(err, ENOMEM, path) : rc;
}

/* Drive 0 is the CD that one boots from, the others take files, as on PiKVM. */
static int set_defaults(struct msd_gadget_spec *gadget)
{
	gadget->vendor_id = 0x1d6b;	/* the Linux Foundation's Multifunction Composite Gadget */
	gadget->product_id = 0x0104;
	gadget->bcd_device = 0x0100;
	gadget->bcd_usb = 0x0200;
	gadget->max_power_ma = 250;
	gadget->n_drives = 1;
	for (unsigned i = 0; i < MSD_DRIVES_MAX; i++)
		gadget->drives[i] = (struct msd_drive_spec){
			.cdrom = i == 0, .rw = i != 0, .removable = true, .fua = true,
			.vendor = "otgmsd", .product = "Flash Drive",
			.product_cdrom = "Optical Drive", .revision = "1.00",
			.uid = (uid_t)-1, .gid = (gid_t)-1,
		};
	gadget->manufacturer = strdup("otgmsd");
	gadget->product = strdup("USB Drive");
	gadget->configuration = strdup("Mass Storage");
	return gadget->manufacturer && gadget->product && gadget->configuration ? 0 : -ENOMEM;
}

int msd_config_read(const char *path, struct msd_config **ret, struct msd_error *reterr)
{
	_cleanup_(msd_config_freep) struct msd_config *config = calloc(1, sizeof(*config));
	const char *file = path ? path : MSD_CONFIG_PATH;
	_cleanup_free_ char *text = NULL;
	int rc;

	if (!config || set_defaults(&config->gadget) < 0)
		return msd_fail_on(reterr, ENOMEM, file);
	rc = msd_config_text_read(file, &text, reterr);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == -ENOENT && path)
		return -MSD_E_CONFIG;
	if (rc == 0) {
		rc = msd_config_text_clean(file, text, reterr);
		if (rc < 0)
			return rc;
		/* fmemopen makes nothing of nothing */
		rc = *text ? parse(file, text, config, reterr) : 0;
		if (rc < 0)
			return rc;
	}
	*ret = msd_steal(config);
	return 0;
}

struct msd_config *msd_config_free(struct msd_config *config)
{
	if (!config)
		return NULL;
	free(config->gadget.name);
	free(config->gadget.controller);
	free(config->gadget.manufacturer);
	free(config->gadget.product);
	free(config->gadget.configuration);
	free(config->gadget.serial);
	free(config->storage_path);
	free(config);
	return NULL;
}

void msd_config_freep(struct msd_config **config)
{
	msd_config_free(*config);
}
