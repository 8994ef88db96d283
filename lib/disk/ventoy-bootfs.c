/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What lies in the file system of a Ventoy disk's boot partition. */
#include <errno.h>
#include <string.h>

#include "disk/ventoy-priv.h"
#include "fs/read.h"

#define GRUB_CFG "/grub/grub.cfg"
#define GRUB_CFG_BYTES_MAX (1u << 20)
#define VERSION_KEY "VENTOY_VERSION="

static int fail_format(struct msd_io *boot, const char *why, struct msd_error *err)
{
	return msd_fail(err, MSD_E_FORMAT, "%s: no boot partition of Ventoy: %s",
			msd_io_get_name(boot), why);
}

/* The bytes of a file, at most max of them. */
static int read_file(struct msd_fs *fs, const struct msd_fs_node *node, uint8_t *buf, size_t max,
		     size_t *ret_len, struct msd_error *err)
{
	struct msd_extent extent;
	struct msd_fs_map map;
	size_t len = 0;
	int rc;

	msd_fs_map_init(fs, node, &map);
	while ((rc = msd_fs_map_next(&map, &extent, err)) > 0 && len < max) {
		size_t part = extent.size_bytes < max - len ? (size_t)extent.size_bytes : max - len;

		rc = msd_io_pread(msd_fs_get_io(fs), buf + len, part, extent.offset_bytes, err);
		if (rc < 0)
			return rc;
		len += part;
	}
	*ret_len = len;
	return rc < 0 ? rc : 0;
}

static bool is_of_version(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '-';
}

size_t ventoy_version_take(const uint8_t *text, size_t len, char version[MSD_VENTOY_VERSION_MAX])
{
	size_t n = 0;

	while (n < len && n < MSD_VENTOY_VERSION_MAX - 1 && is_of_version(text[n])) {
		version[n] = (char)text[n];
		n++;
	}
	version[n] = '\0';
	return n;
}

/* The text behind VENTOY_VERSION=, with or without quotes. */
static bool take_version(const uint8_t *text, size_t len, char version[MSD_VENTOY_VERSION_MAX])
{
	const uint8_t *end = text + len, *p = memmem(text, len, VERSION_KEY, strlen(VERSION_KEY));

	if (!p)
		return false;
	p += strlen(VERSION_KEY);
	if (p < end && *p == '"')
		p++;
	return ventoy_version_take(p, (size_t)(end - p), version) > 0;
}

static int read_version(struct msd_fs *fs, char version[MSD_VENTOY_VERSION_MAX],
			struct msd_error *err)
{
	_cleanup_free_ uint8_t *text = NULL;
	struct msd_fs_node node;
	size_t len;
	int rc = msd_fs_lookup(fs, GRUB_CFG, &node, err);

	if (rc == -ENOENT || rc == -ENOTDIR || (rc == 0 && node.is_dir))
		return fail_format(msd_fs_get_io(fs), GRUB_CFG " is missing", err);
	if (rc < 0)
		return rc;
	text = malloc(GRUB_CFG_BYTES_MAX);
	if (!text)
		return msd_fail_errno(err, ENOMEM, GRUB_CFG);
	rc = read_file(fs, &node, text, GRUB_CFG_BYTES_MAX, &len, err);
	if (rc < 0)
		return rc;
	if (!take_version(text, len, version))
		return fail_format(msd_fs_get_io(fs), GRUB_CFG " names no version", err);
	return 0;
}

int ventoy_bootfs_read(struct msd_io *boot, char version[MSD_VENTOY_VERSION_MAX],
		       bool *ret_secure_boot, struct msd_error *reterr)
{
	_cleanup_(msd_fs_closep) struct msd_fs *fs = NULL;
	struct msd_fs_node node;
	char label[64];
	int rc = msd_fs_open_fat(boot, &fs, reterr);

	if (rc == 0)
		rc = msd_fs_read_label(fs, label, sizeof(label), reterr);
	if (rc < 0)
		return rc == -MSD_E_DAMAGED ? fail_format(boot, "damaged", reterr) : rc;
	if (strcmp(label, "VTOYEFI"))
		return fail_format(boot, "not labelled VTOYEFI", reterr);
	rc = read_version(fs, version, reterr);
	if (rc < 0)
		return rc;
	rc = msd_fs_lookup(fs, "/EFI/BOOT/grubx64_real.efi", &node, reterr);
	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR)
		return rc;
	*ret_secure_boot = rc == 0;
	return 0;
}
