/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the parts of a Ventoy disk lie, and which sizes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "disk/ventoy.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct msd_ventoy_layout plan(uint64_t size, uint64_t reserve, bool gpt)
{
	struct msd_ventoy_params params = { size, reserve, gpt };
	struct msd_ventoy_layout layout;

	assert_int_equal(msd_ventoy_plan(&params, &layout, NULL), 0);
	assert_int_equal(layout.size_bytes, size);
	assert_int_equal(layout.data_lba, 2048);
	assert_int_equal(layout.boot_sectors, 65536);
	assert_int_equal(layout.boot_lba, layout.data_lba + layout.data_sectors);
	assert_int_equal(layout.boot_lba % 8, 0);
	return layout;
}

static void places_on_mbr(void **state)
{
	/* worked out by hand: (N - R - 65536) rounded down to 8 */
	assert_int_equal(plan(16 * GIB, 0, false).boot_lba, 33554432 - 65536);
	assert_int_equal(plan(64 * MIB, 0, false).boot_lba, 65536);
	assert_int_equal(plan(64 * MIB + 512, 0, false).boot_lba, 65536);
	assert_int_equal(plan(64 * MIB + 7 * 512, 0, false).boot_lba, 65536);
	assert_int_equal(plan(64 * MIB + 8 * 512, 0, false).boot_lba, 65544);
	assert_int_equal(plan(16 * GIB, 100 * MIB, false).boot_lba, 33554432 - 204800 - 65536);
	assert_int_equal(plan(16 * GIB, 512, false).boot_lba, 33554432 - 65536 - 8);
	assert_int_equal(plan(2048 * GIB, 0, false).boot_lba, (1ull << 32) - 65536);
}

static void places_on_gpt(void **state)
{
	/* (N - R - 33 - 65536) rounded down to 8 */
	assert_int_equal(plan(16 * GIB, 0, true).boot_lba, 33554432 - 40 - 65536);
	assert_int_equal(plan(64 * MIB, 0, true).boot_lba, 65536 - 40);
	assert_int_equal(plan(16 * GIB + 512, 0, true).boot_lba, 33554432 - 32 - 65536);
	assert_int_equal(plan(16 * GIB, 100 * MIB, true).boot_lba, 33554432 - 204800 - 40 - 65536);
	assert_int_equal(plan(8192 * GIB, 0, true).boot_lba, (1ull << 34) - 40 - 65536);
}

static void clusters_grow_above_32_gib(void **state)
{
	assert_int_equal(plan(64 * MIB, 0, false).data_cluster_bytes, 32768);
	assert_int_equal(plan(32 * GIB, 0, false).data_cluster_bytes, 32768);
	assert_int_equal(plan(32 * GIB + 512, 0, false).data_cluster_bytes, 131072);
	assert_int_equal(plan(4096 * GIB, 0, true).data_cluster_bytes, 131072);
}

static void refuse(uint64_t size, uint64_t reserve, bool gpt, const char *word)
{
	struct msd_ventoy_params params = { size, reserve, gpt };
	struct msd_ventoy_layout layout;
	struct msd_error err;

	assert_int_equal(msd_ventoy_plan(&params, &layout, &err), -MSD_E_USAGE);
	assert_non_null(strstr(err.msg, word));
}

static void refuses_what_does_not_fit(void **state)
{
	refuse(64 * MIB - 512, 0, false, "64 MiB");
	refuse(64 * MIB - 512, 0, true, "64 MiB");
	refuse(0, 0, false, "64 MiB");
	refuse(100 * MIB, 37 * MIB, false, "reserved");
	refuse(GIB, UINT64_MAX - 511, false, "reserved");
	refuse(2048 * GIB + 512, 0, false, "2 TiB");
	refuse(GIB + 1, 0, false, "512");
	refuse(GIB, 1, false, "512");
}

static void smallest_image_for_data_fits_and_none_smaller(void **state)
{
	static const uint64_t data[] = { 0, 1, 40 * MIB, 40 * MIB + 1, 700 * MIB + 512, 5000 * GIB };
	static const uint64_t reserves[] = { 0, 512, 10 * MIB };

	for (unsigned i = 0; i < 3 * 2 * sizeof(data) / sizeof(data[0]); i++) {
		struct msd_ventoy_params params = {
			.gpt = i % 2 || data[i / 6] > 2000 * GIB, .reserve_bytes = reserves[i / 2 % 3],
		};
		struct msd_ventoy_layout layout;
		uint64_t want = data[i / 6];

		assert_int_equal(msd_ventoy_plan_size(&params, want, &params.size_bytes, NULL), 0);
		layout = plan(params.size_bytes, params.reserve_bytes, params.gpt);
		assert_true(layout.data_sectors * 512 >= want);
		if (params.size_bytes - params.reserve_bytes == MSD_VENTOY_MIN_BYTES)
			continue;
		layout = plan(params.size_bytes - 512, params.reserve_bytes, params.gpt);
		assert_true(layout.data_sectors * 512 < want);
	}
}

static void a_size_beyond_all_files_is_an_error(void **state)
{
	struct msd_ventoy_params params = { .gpt = true };
	uint64_t size;

	assert_int_equal(msd_ventoy_plan_size(&params, UINT64_MAX, &size, NULL), -MSD_E_TOOBIG);
	assert_int_equal(msd_ventoy_plan_size(&params, INT64_MAX, &size, NULL), -MSD_E_TOOBIG);
	params.reserve_bytes = UINT64_MAX & ~511ull;
	assert_int_equal(msd_ventoy_plan_size(&params, 0, &size, NULL), -MSD_E_TOOBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_on_mbr),
		cmocka_unit_test(places_on_gpt),
		cmocka_unit_test(clusters_grow_above_32_gib),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(smallest_image_for_data_fits_and_none_smaller),
		cmocka_unit_test(a_size_beyond_all_files_is_an_error),
	};

	return cmocka_run_group_tests_name("ventoy-plan", tests, NULL, NULL);
}
