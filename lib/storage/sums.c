/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of SHA-256 checksums. */
#include "storage/sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define HEX_LEN ((size_t)2 * MSD_SHA256_SIZE)

/* sha256sum writes a newline, a carriage return and a backslash as \n, \r and \\. */
static void unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++) {
		if (*from == '\\' && from[1]) {
			from++;
			*to++ = *from == 'n' ? '\n' : *from == 'r' ? '\r' : *from;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

static int parse_hex(char *hex, uint8_t ret[MSD_SHA256_SIZE])
{
	char after = hex[HEX_LEN];
	int rc;

	hex[HEX_LEN] = '\0';
	rc = msd_sha256_parse(hex, ret);
	hex[HEX_LEN] = after;
	return rc;
}

/* Takes a line apart, which it changes. Returns the name, NULL for a line of another kind. */
static const char *parse_line(char *line, uint8_t ret[MSD_SHA256_SIZE])
{
	size_t len = strcspn(line, "\r\n");
	bool escaped = *line == '\\';
	char *name = NULL;

	line[len] = '\0';
	if (!strncmp(line, "SHA256 (", 8) && len > 8 + HEX_LEN + 4 &&
	    !strncmp(line + len - HEX_LEN - 4, ") = ", 4)) {
		line[len - HEX_LEN - 4] = '\0';
		return parse_hex(line + len - HEX_LEN, ret) == 0 ? line + 8 : NULL;
	}
	line += escaped;
	len -= escaped;
	if (len < HEX_LEN + 3 || line[HEX_LEN] != ' ' ||
	    (line[HEX_LEN + 1] != ' ' && line[HEX_LEN + 1] != '*') || parse_hex(line, ret) < 0)
		return NULL;
	name = line + HEX_LEN + 2;
	if (escaped)
		unescape(name);
	return name;
}

int msd_sums_find(int dirfd, const char *path, const char *name, uint8_t ret[MSD_SHA256_SIZE],
		  struct msd_error *reterr)
{
	int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	uint8_t sum[MSD_SHA256_SIZE];
	bool found = false;
	size_t room = 0;

	if (!file)
		return msd_fail_os(reterr, path);
	while (getline(&line, &room, file) >= 0) {
		const char *entry = parse_line(line, sum), *slash;

		if (!entry)
			continue;
		slash = strrchr(entry, '/');
		if (strcmp(slash ? slash + 1 : entry, name))
			continue;
		if (found && memcmp(sum, ret, sizeof(sum)))
			return msd_fail(reterr, MSD_E_DAMAGED, "%s: has two different checksums of %s",
					path, name);
		memcpy(ret, sum, sizeof(sum));
		found = true;
	}
	if (ferror(file))
		return msd_fail_on(reterr, EIO, path);
	if (!found)
		return msd_fail(reterr, MSD_E_NOTFOUND, "%s: has no SHA-256 checksum of %s", path, name);
	return 0;
}

char *msd_sums_format(const uint8_t sha256[MSD_SHA256_SIZE], const char *name)
{
	bool escaped = name[strcspn(name, "\\\n\r")];
	char *line = malloc(1 + HEX_LEN + 2 + 2 * strlen(name) + 2), *p = line;

	if (!line)
		return NULL;
	if (escaped)
		*p++ = '\\';
	msd_sha256_format(sha256, p);
	p += HEX_LEN;
	*p++ = ' ';
	*p++ = ' ';
	for (; *name; name++) {
		if (*name == '\\' || *name == '\n' || *name == '\r')
			*p++ = '\\';
		*p++ = *name == '\n' ? 'n' : *name == '\r' ? 'r' : *name;
	}
	*p++ = '\n';
	*p = '\0';
	return line;
}
