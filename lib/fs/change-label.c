/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes in place: the label. */
#include <errno.h>
#include <string.h>

#include "change-priv.h"

static int make_fat_label(const char *label, uint8_t raw[11])
{
	size_t n = strlen(label);

	if (n > 11)
		return -EINVAL;
	memset(raw, ' ', 11);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)label[i];

		if (c < 0x20 || c > 0x7e || strchr("\"*+,./:;<=>?[\\]|", c) || (i == 0 && c == ' '))
			return -EINVAL;
		raw[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
	}
	return 0;
}

static int make_label_entry(struct msd_change *change, const char *label, void *ret)
{
	uint16_t units[EXFAT_LABEL_UNITS_MAX];
	struct exfat_label_entry exfat = { .type = EXFAT_TYPE_LABEL };
	struct fat_dirent fat = { .attr = FAT_ATTR_VOLUME_ID };
	uint8_t cs;
	uint32_t stamp = entry_stamp(change->params.now_s, 0, false, &cs);
	int n;

	if (!is_exfat(change)) {
		if (make_fat_label(label, fat.name) < 0)
			return msd_fail(change->err, MSD_E_USAGE, "'%s': a label of FAT has at most 11 "
					"of A-Z, 0-9, blank and !#$%%&'()-@^_`{}~", label);
		fat.write_time = le16_make((uint16_t)stamp);
		fat.write_date = le16_make((uint16_t)(stamp >> 16));
		memcpy(ret, &fat, 32);
		return 0;
	}
	n = msd_utf8_to_utf16(label, units, EXFAT_LABEL_UNITS_MAX);
	if (n < 0)
		return msd_fail(change->err, MSD_E_USAGE, "'%s': a label of exFAT has at most 11 "
				"characters", label);
	exfat.units = (uint8_t)n;
	for (int i = 0; i < n; i++)
		exfat.label[i] = le16_make(units[i]);
	memcpy(ret, &exfat, 32);
	return 0;
}

int msd_change_set_label(struct msd_change *change, const char *label, struct msd_error *reterr)
{
	struct folder *root;
	uint8_t raw[32], boot[11];
	uint64_t at = change->fs->info.type == MSD_FS_TYPE_FAT32 ?
			      offsetof(struct fat_boot_sector, u.fat32.volume_label) :
			      offsetof(struct fat_boot_sector, u.fat16.volume_label);
	int rc;

	change->err = reterr;
	rc = make_label_entry(change, label, raw);
	if (rc == 0)
		rc = folder_get_root(change, &root);
	if (rc < 0)
		return rc;
	if (!label[0] && root->label_slot != NO_SLOT)
		rc = folder_remove_slots(change, root, root->label_slot, 1);
	else if (label[0] && root->label_slot == NO_SLOT)
		rc = folder_take_slots(change, root, 1, &root->label_slot);
	if (rc == 0 && label[0])
		rc = folder_write_slots(change, root, root->label_slot, 1, raw, STEP_ADD);
	if (rc < 0 || is_exfat(change))
		return rc;
	/* the boot sector has one too, and its copy on FAT32 */
	memcpy(boot, label[0] ? (const char *)raw : "NO NAME    ", 11);
	rc = change_add_write(change, at, boot, 11, STEP_ADD);
	if (rc == 0 && change->fs->backup_offset)
		rc = change_add_write(change, change->fs->backup_offset + at, boot, 11, STEP_ADD);
	return rc;
}
