/* SPDX-License-Identifier: GPL-3.0-or-later */
/* New Ventoy disks byte by byte, and updates that are cut at every write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "disk/ventoy-priv.h"
#include "ventoy-sh.h"

#define SIZE (65ull << 20)
#define BARRIER UINT64_MAX
#define BASIC_DATA "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
#define RECORDS 4096

/* A disk in memory that remembers what is written, and can be cut off. */
struct disk {
	uint8_t *bytes;
	struct record {
		uint64_t offset;	/* BARRIER for a sync */
		size_t len;
	} records[RECORDS];
	unsigned n_records;
	uint8_t first[512];		/* of the first write */
	unsigned writes_left;		/* then it fails, the write half done */
	struct msd_io *io;
};

static int disk_pread(void *ctx, void *buf, size_t len, uint64_t offset)
{
	memcpy(buf, ((struct disk *)ctx)->bytes + offset, len);
	return 0;
}

static void record(struct disk *disk, uint64_t offset, size_t len)
{
	assert_true(disk->n_records < RECORDS);
	disk->records[disk->n_records++] = (struct record){ offset, len };
}

static int disk_pwrite(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	struct disk *disk = ctx;

	if (disk->writes_left == 0) {
		/* a sector is written whole or not at all */
		memcpy(disk->bytes + offset, buf, len / 1024 * 512);
		return -EIO;
	}
	disk->writes_left--;
	if (disk->n_records == 0)
		memcpy(disk->first, buf, sizeof(disk->first));
	record(disk, offset, len);
	memcpy(disk->bytes + offset, buf, len);
	return 0;
}

static int disk_sync(void *ctx)
{
	record(ctx, BARRIER, 0);
	return 0;
}

static const struct msd_io_ops disk_ops = {
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.sync = disk_sync,
};

static struct disk disk;
static struct msd_ventoy_release *old_release, *new_release;
static const struct msd_ventoy_ids ids = { "0123456789abcdef", "SIGN" };
/* the disks before an update, mbr and gpt, secure boot off and on; and after it */
static uint8_t *before[2][2], *after[2][2];
/* the writes of that update, and the first one's bytes; the others' are those in after */
static struct record update_record[2][2][RECORDS];
static unsigned update_records;
static uint8_t update_begun[2][2][512];

static void disk_reset(const uint8_t *bytes)
{
	memcpy(disk.bytes, bytes, SIZE);
	disk.n_records = 0;
	disk.writes_left = UINT32_MAX;
}

static void load(const char *name, uint8_t *bytes)
{
	FILE *f = fopen(in_root(name), "r");

	assert_non_null(f);
	assert_int_equal(fread(bytes, 1, SIZE, f), SIZE);
	fclose(f);
}

static void save(const char *name, const uint8_t *bytes)
{
	FILE *f = fopen(in_root(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, SIZE, f), SIZE);
	fclose(f);
}

static struct msd_ventoy_layout layout_of(bool gpt)
{
	struct msd_ventoy_params params = { SIZE, 0, gpt };
	struct msd_ventoy_layout layout;

	assert_int_equal(msd_ventoy_plan(&params, &layout, NULL), 0);
	return layout;
}

/* A partitioned disk with something in partition 1, then Ventoy's parts. */
static uint8_t *make_disk(struct msd_ventoy_release *release, bool gpt, bool secure)
{
	struct msd_ventoy_layout layout = layout_of(gpt);
	uint8_t *bytes = malloc(SIZE);
	struct msd_error err;
	int rc;

	sh("rm -f table && truncate -s %llu table", SIZE);
	if (gpt)
		sh("printf 'label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n"
		   "first-lba: 34\nstart=2048, size=%u, type=" BASIC_DATA
		   ", uuid=22222222-2222-3333-4444-555555555555\n"
		   "start=%u, size=65536, type=" BASIC_DATA
		   ", uuid=33333333-2222-3333-4444-555555555555\n'"
		   " | sfdisk table",
		   (unsigned)layout.data_sectors, (unsigned)layout.boot_lba);
	else
		sh("printf '2048,%u,7,*\n%u,65536,ef\n' | sfdisk table",
		   (unsigned)layout.data_sectors, (unsigned)layout.boot_lba);
	load("table", disk.bytes);
	memset(disk.bytes + 1048576, 0x5a, layout.data_sectors * 512);
	disk.n_records = 0;
	disk.writes_left = UINT32_MAX;
	rc = msd_ventoy_format(disk.io, &layout, release, &ids, secure, true, NULL, &err);
	if (rc < 0)
		fail_msg("%s", err.msg);
	memcpy(bytes, disk.bytes, SIZE);
	return bytes;
}

static int open_release(const char *version, struct msd_ventoy_release **ret)
{
	sh("$MSD_SOURCE/tests/ventoy/make-payload %s %s", version, version);
	return msd_ventoy_release_open(in_root(version), ret, NULL);
}

static int setup(void **state)
{
	disk.bytes = malloc(SIZE);
	if (!mkdtemp(root) || !disk.bytes || open_release("1.1.07", &old_release) ||
	    open_release("1.1.08", &new_release) ||
	    msd_io_new(&disk_ops, &disk, "disk", 0, SIZE, &disk.io))
		return -1;
	for (int i = 0; i < 4; i++)
		before[i / 2][i % 2] = make_disk(old_release, i / 2, i % 2);
	return 0;
}

static int teardown(void **state)
{
	msd_io_close(disk.io);
	free(disk.bytes);
	for (int i = 0; i < 4; i++) {
		free(before[i / 2][i % 2]);
		free(after[i / 2][i % 2]);
	}
	msd_ventoy_release_close(old_release);
	msd_ventoy_release_close(new_release);
	remove_tree(root);
	return 0;
}

/* Sector 0 and core.img against the numbers that Ventoy's own installer has in it. */
static void new_disk_has_every_byte_in_place(void **state)
{
	sh("xz -dc 1.1.07/boot/core.img.xz >core && xz -dc 1.1.07/ventoy/ventoy.disk.img.xz >boot");
	for (int gpt = 0; gpt < 2; gpt++) {
		const uint8_t *bytes = before[gpt][1];
		unsigned core = gpt ? 34 : 1, boot_lba = (unsigned)layout_of(gpt).boot_lba;

		assert_memory_equal(bytes + 0x180, "0123456789abcdef", 16);
		assert_memory_equal(bytes + 0x190, "VT\0Ge\0HD\0Rd\0 Er\r", 16);
assert_memory_equal(bytes + 0x1b8, "SIGN", 4);
		assert_int_equal(bytes[0x5c], core);
		assert_int_equal(bytes[core * 512 + 500], core + 1);
		assert_int_equal(bytes[450], gpt ? 0xee : 0x07);
		assert_memory_equal(bytes + 510, "\x55\xaa", 2);
		save("disk", bytes);
		/* all other bytes of boot.img, and none of what lies behind them in it */
		sh("cmp -n 92 disk 1.1.07/boot/boot.img && cmp -i 93 -n 291 disk 1.1.07/boot/boot.img &&"
		   "cmp -i 400 -n 40 disk 1.1.07/boot/boot.img && ! cmp -i 446 -n 1 disk 1.1.07/boot/boot.img");
		sh("cmp -i %u:0 -n 500 disk core && cmp -i %u:501 -n %u disk core", core * 512,
		   core * 512 + 501, (2048 - core) * 512 - 501);
		sh("tail -c +%u disk | head -c 33554432 | cmp - boot", boot_lba * 512 + 1);
		sh("tail -c +1048577 disk | head -c %u | tr -d Z | cmp - /dev/null",
		   (boot_lba - 2048) * 512);
		sh("sfdisk --verify disk");
	}
}

static void probe_knows_its_own(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct msd_ventoy_info info;

		disk_reset(before[i / 2][i % 2]);
		assert_int_equal(msd_ventoy_probe(disk.io, &info, NULL), 0);
		assert_int_equal(info.layout.gpt, i / 2);
		assert_int_equal(info.secure_boot, i % 2);
		assert_false(info.interrupted);
		assert_string_equal(info.version, "1.1.07");
		assert_memory_equal(&info.ids, &ids, sizeof(ids));
		assert_int_equal(info.layout.boot_lba, layout_of(i / 2).boot_lba);
		assert_int_equal(disk.n_records, 0);
	}
}

/* What fsck and mtools say of a boot partition whose secure boot was turned off. */
static void secure_boot_off_is_what_the_installer_leaves(void **state)
{
	sh("xz -dc 1.1.07/ventoy/ventoy.disk.img.xz >on");
	for (int gpt = 0; gpt < 2; gpt++) {
		save("disk", before[gpt][0]);
		sh("tail -c +%u disk | head -c 33554432 >off",
		   (unsigned)layout_of(gpt).boot_lba * 512 + 1);
		sh("fsck.fat -nv off");
		sh("export MTOOLSRC=/dev/null; mtype -i on ::/EFI/BOOT/grubx64_real.efi >a &&"
		   "mtype -i off ::/EFI/BOOT/BOOTX64.EFI | cmp - a &&"
		   "mtype -i on ::/EFI/BOOT/grubia32_real.efi >a &&"
		   "mtype -i off ::/EFI/BOOT/BOOTIA32.EFI | cmp - a");
		sh("mdir -b -i off ::/EFI/BOOT ::/ | sort >names; "
		   "printf '::/EFI/\n::/EFI/BOOT/BOOTAA64.EFI\n::/EFI/BOOT/BOOTIA32.EFI\n"
		   "::/EFI/BOOT/BOOTX64.EFI\n::/grub/\n::/tool/\n::/ventoy/\n' | cmp - names");
	}
}

static void refuses_other_disks(void **state)
{
	static const struct { unsigned offset; uint8_t byte; const char *word; } changes[] = {
		{ 0x190, 'X', "boot code" },
		{ 0, 0, "boot code" },
		{ 0x2f, 1, "boot code" },
		{ 446 + 8, 1, "partitions" },		/* data not at 2048 */
		{ 462 + 8, 8, "partitions" },		/* a gap before the boot partition */
		{ 462 + 14, 1, "partitions" },		/* no second one: 0 sectors */
		{ 510, 0, "" },
	};
	struct msd_ventoy_info info;
	struct msd_error err;

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		disk_reset(before[0][1]);
		disk.bytes[changes[i].offset] ^= changes[i].byte ? changes[i].byte : 0xff;
		assert_int_equal(msd_ventoy_probe(disk.io, &info, &err), -MSD_E_FORMAT);
		assert_non_null(strstr(err.msg, changes[i].word));
		assert_int_equal(msd_ventoy_update(disk.io, new_release, MSD_VENTOY_SECURE_KEEP, NULL,
						   NULL, &err), -MSD_E_FORMAT);
		assert_int_equal(disk.n_records, 0);
	}
	disk_reset(before[0][1]);
	memset(disk.bytes + layout_of(false).boot_lba * 512, 0, 32 << 20);
	assert_int_equal(msd_ventoy_probe(disk.io, &info, &err), -MSD_E_FORMAT);
}

static void update(enum msd_ventoy_secure secure)
{
	struct msd_error err = { 0 };

	if (msd_ventoy_update(disk.io, new_release, secure, NULL, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A disk updated is a disk made new, with the same ids, settings and data. */
static void update_makes_what_a_new_disk_has(void **state)
{
	for (int i = 0; i < 4; i++) {
		int gpt = i / 2, secure = i % 2;
		uint8_t *want = make_disk(new_release, gpt, secure);
		struct msd_ventoy_info info;

		after[gpt][secure] = want;
		memcpy(want + 2040 * 512, before[gpt][secure] + 2040 * 512, 8 * 512);
		disk_reset(before[gpt][secure]);
		update(MSD_VENTOY_SECURE_KEEP);
		assert_memory_equal(disk.bytes, want, SIZE);
		memcpy(update_record[gpt][secure], disk.records, sizeof(disk.records));
		update_records = disk.n_records;
		memcpy(update_begun[gpt][secure], disk.first, 512);
		assert_int_equal(msd_ventoy_probe(disk.io, &info, NULL), 0);
		assert_string_equal(info.version, "1.1.08");

		disk_reset(before[gpt][!secure]);
		update(secure ? MSD_VENTOY_SECURE_ON : MSD_VENTOY_SECURE_OFF);
		assert_memory_equal(disk.bytes, want, SIZE);
	}
}

static void update_keeps_settings_and_moves_the_active_flag(void **state)
{
	disk_reset(before[0][1]);
	memset(disk.bytes + 2040 * 512, 0xc3, 8 * 512);
	disk.bytes[446] = 0;
	disk.bytes[462] = 0x80;
	update(MSD_VENTOY_SECURE_KEEP);
	assert_int_equal(disk.bytes[446], 0x80);
	assert_int_equal(disk.bytes[462], 0);
	for (unsigned i = 0; i < 8 * 512; i++)
		assert_int_equal(disk.bytes[2040 * 512 + i], 0xc3);

	/* a third partition that the user made active stays so */
	disk_reset(before[0][1]);
	disk.bytes[446] = 0;
	disk.bytes[478] = 0x80;
	update(MSD_VENTOY_SECURE_KEEP);
	assert_int_equal(disk.bytes[446], 0);
	assert_int_equal(disk.bytes[478], 0x80);
}

/*
 * The disk as a power cut leaves it in write number cut of an update: the writes before it done, and
 * the first half of it. Returns false when there are fewer writes.
 */
static bool cut_update(int gpt, int secure, unsigned cut)
{
	unsigned writes = 0;

	for (unsigned i = 0; i < update_records; i++) {
		struct record *r = &update_record[gpt][secure][i];
		const uint8_t *from = after[gpt][secure] + r->offset;
		size_t len = r->len;

		if (r->offset == BARRIER)
			continue;
		/* a sector is written whole or not at all */
		if (writes == cut)
			len = len / 1024 * 512;
		memcpy(disk.bytes + r->offset, writes ? from : update_begun[gpt][secure], len);
		if (writes++ == cut)
			return true;
	}
	return false;
}

static void complete_after_cut(int gpt, int secure, unsigned cut)
{
	struct msd_ventoy_info info;

	assert_int_equal(msd_ventoy_probe(disk.io, &info, NULL), 0);
	assert_int_equal(info.interrupted, cut > 0);
	assert_int_equal(info.secure_boot, secure);
	update(MSD_VENTOY_SECURE_KEEP);
	assert_memory_equal(disk.bytes, after[gpt][secure], SIZE);
}

static void update_is_completed_after_a_cut_at_any_write(void **state)
{
	unsigned writes = 0;

	for (;; writes++) {
		disk_reset(before[1][0]);
		if (!cut_update(1, 0, writes))
			break;
		complete_after_cut(1, 0, writes);
	}
	assert_true(writes > 8);
	/* the others differ only in what is written first and last */
	for (int i = 0; i < 4; i++)
		for (unsigned cut = 0; i != 2 && cut < writes; cut += cut == 4 ? writes - 8 : 1) {
			disk_reset(before[i / 2][i % 2]);
			assert_true(cut_update(i / 2, i % 2, cut));
			complete_after_cut(i / 2, i % 2, cut);
		}
}

static void a_write_that_fails_is_told_with_the_way_out(void **state)
{
	for (unsigned left = 1; left < 5; left++) {
		struct msd_error err = { 0 };

		disk_reset(before[0][0]);
		disk.writes_left = left;
		assert_int_equal(msd_ventoy_update(disk.io, new_release, MSD_VENTOY_SECURE_KEEP, NULL,
						   NULL, &err), -EIO);
		assert_non_null(strstr(err.hint, "again"));
		disk.n_records = 0;
		disk.writes_left = UINT32_MAX;
		complete_after_cut(0, 0, left);
	}
}

/* Between two barriers a disk may write in any order: nothing that matters shares a span. */
static void barriers_stand_around_the_parts(void **state)
{
	disk_reset(before[0][1]);
	update(MSD_VENTOY_SECURE_KEEP);
	assert_int_equal(disk.records[0].offset, 0);
	assert_int_equal(disk.records[1].offset, BARRIER);
	for (unsigned i = 2; i < disk.n_records - 3; i++)
		assert_true(disk.records[i].offset >= 512 && disk.records[i].offset != BARRIER);
	assert_int_equal(disk.records[disk.n_records - 3].offset, BARRIER);
	assert_int_equal(disk.records[disk.n_records - 2].offset, 0);
	assert_int_equal(disk.records[disk.n_records - 1].offset, BARRIER);
}

static void update_from_a_damaged_release_writes_nothing(void **state)
{
	static const char *const changes[] = {
		"truncate -s -8 ventoy/ventoy.disk.img.xz",
		"printf '\\377\\0\\377' | dd of=ventoy/ventoy.disk.img.xz bs=1 seek=90000 conv=notrunc",
		"xz -dc ventoy/ventoy.disk.img.xz >d; mlabel -i d ::OTHER; xz -0 <d >ventoy/ventoy.disk.img.xz",
		"xz -dc ventoy/ventoy.disk.img.xz >d; mdel -i d ::/grub/grub.cfg; xz -0 <d >ventoy/ventoy.disk.img.xz",
		"head -c 33554432 /dev/zero | xz -0 >ventoy/ventoy.disk.img.xz",
	};

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		_cleanup_(msd_ventoy_release_closep) struct msd_ventoy_release *bad = NULL;
		struct msd_error err;
		int rc;

		sh("rm -rf bad && cp -r 1.1.08 bad && cd bad && %s", changes[i]);
		assert_int_equal(msd_ventoy_release_open(in_root("bad"), &bad, NULL), 0);
		disk_reset(before[1][0]);
		rc = msd_ventoy_update(disk.io, bad, MSD_VENTOY_SECURE_KEEP, NULL, NULL, &err);
		print_message("%s\n", err.msg);
		assert_int_equal(rc, -MSD_E_FAILED);
		assert_non_null(strstr(err.msg, "ventoy.disk.img.xz"));
		assert_int_equal(disk.n_records, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_disk_has_every_byte_in_place),
		cmocka_unit_test(probe_knows_its_own),
		cmocka_unit_test(secure_boot_off_is_what_the_installer_leaves),
		cmocka_unit_test(refuses_other_disks),
		cmocka_unit_test(update_makes_what_a_new_disk_has),
		cmocka_unit_test(update_keeps_settings_and_moves_the_active_flag),
		cmocka_unit_test(update_is_completed_after_a_cut_at_any_write),
		cmocka_unit_test(a_write_that_fails_is_told_with_the_way_out),
		cmocka_unit_test(barriers_stand_around_the_parts),
		cmocka_unit_test(update_from_a_damaged_release_writes_nothing),
	};

	return cmocka_run_group_tests_name("ventoy-disk", tests, setup, teardown);
}
