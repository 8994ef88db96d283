/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a helper of mount(8) has to find out by itself. */
#include "storage/helper.h"

#include <errno.h>
#include <libmount.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static bool is_same(const char *line, const char *given)
{
	_cleanup_free_ char *real = NULL;

	if (!line)
		return false;
	if (!strcmp(line, given))
		return true;
	real = realpath(line, NULL);
	return real && !strcmp(real, given);
}

static int copy_line(struct libmnt_fs *fs, struct msd_fstab_line *ret)
{
	struct msd_fstab_line line = {
		.source = strdup(mnt_fs_get_source(fs)),
		.target = strdup(mnt_fs_get_target(fs)),
		.options = strdup(mnt_fs_get_options(fs) ? mnt_fs_get_options(fs) : ""),
	};

	if (line.source && line.target && line.options) {
		*ret = line;
		return 0;
	}
	msd_fstab_line_done(&line);
	return -ENOMEM;
}

int msd_fstab_find(const char *fstab, const char *source, const char *target,
		   struct msd_fstab_line *ret, struct msd_error *reterr)
{
	struct libmnt_table *table = mnt_new_table();
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int rc = table && iter ? mnt_table_parse_file(table, fstab) : -ENOMEM;
	bool found = false;

	while (rc == 0 && !found && mnt_table_next_fs(table, iter, &fs) == 0) {
		found = is_same(mnt_fs_get_target(fs), target) &&
			is_same(mnt_fs_get_source(fs), source);
		if (found)
			rc = copy_line(fs, ret);
	}
	mnt_free_iter(iter);
	mnt_unref_table(table);
	if (rc < 0 && rc != -ENOENT)
		return msd_fail_on(reterr, -rc, fstab);
	if (found)
		return 0;
	return msd_fail(reterr, MSD_E_NOTFOUND, "%s: no line for %s on %s", fstab, source, target);
}

void msd_fstab_line_done(struct msd_fstab_line *line)
{
	free(line->source);
	free(line->target);
	free(line->options);
	memset(line, 0, sizeof(*line));
}

bool msd_options_ask_rw(const char *options)
{
	char *walk = (char *)options, *name;
	size_t len;
	bool rw = false;

	while (walk && mnt_optstr_next_option(&walk, &name, &len, NULL, NULL) == 0)
		if (len == 2 && name[0] == 'r' && (name[1] == 'w' || name[1] == 'o'))
			rw = name[1] == 'w';
	return rw;
}

/*
 * One argument with short options: 1 asks for rw, -1 asks for ro, 0 neither. *next becomes true
 * when its -o has the next argument for its value.
 */
static int read_letters(const char *arg, bool *next)
{
	static const char with_value[] = "tLUOTN";
	int asked = 0;

	while (*++arg) {
		if (*arg == 'w')
			asked = 1;
		else if (*arg == 'r')
			asked = -1;
		else if (*arg == 'o' && arg[1])
			return msd_options_ask_rw(arg + 1) ? 1 : asked;
		else if (*arg == 'o')
			*next = true;
		if (*arg == 'o' || strchr(with_value, *arg))
			break;
	}
	return asked;
}

bool msd_command_asks_rw(const char *cmdline, size_t len)
{
	const char *end = cmdline + len;
	bool rw = false, next = false;

	for (const char *arg = cmdline; arg < end; arg += strnlen(arg, (size_t)(end - arg)) + 1) {
		int asked = 0;

		if (next) {
			asked = msd_options_ask_rw(arg);
			next = false;
		} else if (!strcmp(arg, "--")) {
			break;
		} else if (!strncmp(arg, "--options=", 10)) {
			asked = msd_options_ask_rw(arg + 10);
		} else if (!strcmp(arg, "--options")) {
			next = true;
		} else if (!strcmp(arg, "--rw") || !strcmp(arg, "--read-write")) {
			asked = 1;
		} else if (arg[0] == '-' && arg[1] != '-') {
			asked = read_letters(arg, &next);
		}
		if (asked)
			rw = asked > 0;
	}
	return rw;
}

int msd_options_for_fs(const char *options, char **ret)
{
	static const char *const not_ours[] = {
		"ro", "rw", "loop", "user", "users", "owner", "group", "auto", "noauto", "nofail",
		"_netdev", "defaults",
	};
	char *walk = (char *)options, *name, *value, *left = strdup("");
	size_t len, value_len;
	int rc = left ? 0 : -ENOMEM;

	while (rc == 0 && walk &&
	       mnt_optstr_next_option(&walk, &name, &len, &value, &value_len) == 0) {
		_cleanup_free_ char *one = strndup(name, len), *text = NULL;
		bool drop = !strncmp(name, "msd.", 4);

		if (value)
			text = strndup(value, value_len);
		if (!one || (value && !text)) {
			rc = -ENOMEM;
			break;
		}
		for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
			drop = drop || !strcmp(one, not_ours[i]);
		if (!drop)
			rc = mnt_optstr_append_option(&left, one, text);
	}
	if (rc < 0)
		free(left);
	else
		*ret = left;
	return rc;
}
