/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes in place, judged by fsck.fat and fsck.exfat: after random operations, which a model in
 * memory repeats, and after a power cut at every write of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "fs/change.h"
#include "fs/copy-out.h"
#include "fs/walk.h"

/* formats are the tables' below */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* ---- an image, in memory for us and a file for fsck, that records what is written ---- */

struct record {
	uint64_t offset;
	size_t len;
	uint8_t *data;
	unsigned n_syncs;		/* before it */
};

struct disk {
	uint8_t *bytes;
	uint64_t size;
	bool recording;
	struct record *records;
	size_t n_records;
	unsigned n_syncs;
};

static struct disk disk;
static char cut_at[64];			/* power, when a test is about that */
static char dir[] = "/dev/shm/msd-change-XXXXXX";	/* memory: it is written some thousand times */

static int disk_pread(void *ctx, void *buf, size_t len, uint64_t offset)
{
	memcpy(buf, disk.bytes + offset, len);
	return 0;
}

static int disk_pwrite(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	memcpy(disk.bytes + offset, buf, len);
	if (disk.recording) {
		disk.records = realloc(disk.records, (disk.n_records + 1) * sizeof(struct record));
		disk.records[disk.n_records] = (struct record){
			offset, len, malloc(len), disk.n_syncs
		};
		memcpy(disk.records[disk.n_records++].data, buf, len);
	}
	return 0;
}

static int disk_sync(void *ctx)
{
	disk.n_syncs++;
	return 0;
}

static const struct msd_io_ops ops = {
	.pread = disk_pread, .pwrite = disk_pwrite, .sync = disk_sync,
};

static void forget_records(void)
{
	for (size_t i = 0; i < disk.n_records; i++)
		free(disk.records[i].data);
	free(disk.records);
	disk.records = NULL;
	disk.n_records = disk.n_syncs = 0;
}

static char *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* A command with the image behind it; what it says goes to a file beside it. */
static int run(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "%s %s/image >%s/said 2>&1", command, dir, dir);
	return WEXITSTATUS(system(line));
}

/* Nothing to say at all. */
static void assert_clean(bool exfat)
{
	char line[512], said[4096] = "";
	FILE *file;
	int rc;

	rc = run(exfat ? "fsck.exfat -n" : "fsck.fat -n");
	file = fopen(path_of("said"), "r");
	assert_int_not_equal(fread(said, 1, sizeof(said) - 1, file), 0);
	fclose(file);
	if (rc == 0 && (exfat ? strstr(said, "clean") && !strcasestr(said, "error") :
			strchr(strchr(said, '\n') + 1, '\n')[1] == '\0'))
		return;
	snprintf(line, sizeof(line), "cp %s/image /tmp/msd-change-failed", dir);
	fail_msg("/tmp/msd-change-failed%s: %s: %s", system(line) ? " not kept" : "", cut_at, said);
}

static void forget_disk(void)
{
	forget_records();
	if (disk.bytes)
		munmap(disk.bytes, disk.size);
	disk.bytes = NULL;
	unlink(path_of("image"));
}

static void make_disk(const char *mkfs, uint64_t size)
{
	int fd;

	forget_disk();
	fd = open(path_of("image"), O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(run(mkfs), 0);
	disk.size = size;
	disk.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(disk.bytes != MAP_FAILED);
	close(fd);
}

/* ---- the model ---- */

enum { N_MODEL = 400, NAME_MAX_LEN = 200 };

struct entry {
	char path[1200];
	bool is_dir, seen;
	size_t size;
	uint32_t seed;
};

static struct entry model[N_MODEL];
static unsigned n_model;
static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static uint8_t content(uint32_t file_seed, size_t i)
{
	return (uint8_t)(file_seed + i * 7 + (i >> 9));
}

static struct entry *model_find(const char *path)
{
	for (unsigned i = 0; i < n_model; i++)
		if (!strcasecmp(model[i].path, path))
			return &model[i];
	return NULL;
}

static const char *model_dir(void)
{
	for (int tries = 0; tries < 8 && n_model; tries++) {
		const struct entry *entry = &model[rnd(n_model)];

		if (entry->is_dir && strlen(entry->path) < 600)
			return entry->path;
	}
	return "";
}

static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncasecmp(path, folder, len) && (path[len] == '/' || !path[len]);
}

static void model_remove(const char *path)
{
	for (unsigned i = 0; i < n_model;)
		if (is_within(model[i].path, path))
			model[i] = model[--n_model];
		else
			i++;
}

static void new_path(char *path, size_t len)
{
	static const char *const kinds[] = { "FILE%u.TXT", "a long name, number %u", "mixedCase%u.Txt",
		"ünïcödé %u 😀", ("%u-of-a-very-very-long-name-that-takes-many-entries-in-its-folder-"
		"as-long-names-do-with-thirteen-or-fifteen-characters-in-each-of-them.data") };
	const char *folder = model_dir();
	size_t n = (size_t)snprintf(path, len, "%s%s", folder, folder[0] ? "/" : "");

	snprintf(path + n, len - n, kinds[rnd(5)], rnd(300));
}

/* ---- operations ---- */

struct stream {
	uint32_t seed;
	size_t pos, size;
};

static int read_stream(void *data, void *buf, size_t len, size_t *ret_len, struct msd_error *err)
{
	struct stream *stream = data;
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len && stream->pos < stream->size; i++)
		p[i] = content(stream->seed, stream->pos++);
	*ret_len = i;
	return 0;
}

static struct msd_error err;

static void check_rc(int rc, int expected)
{
	if (rc != expected)
		fail_msg("%d instead of %d: %s", rc, expected, err.msg);
}

/* Returns false when there is no room, which ends the change. */
static bool random_operation(struct msd_change *change)
{
	char path[1200], to[1200];
	struct entry *entry;
	int rc;

	switch (n_model < 20 ? rnd(6) : rnd(10)) {
	case 0: case 1: case 2: case 3: case 4: {
		struct stream stream = { rnd(1000), 0, rnd(4) ? rnd(3000) : rnd(60000) };
		struct msd_source source = {
			.read = read_stream, .data = &stream, .mtime_s = 1700000000,
			.size_bytes = rnd(2) ? stream.size : UINT64_MAX,
		};

		if (n_model == N_MODEL)
			return true;
		new_path(path, sizeof(path));
		entry = model_find(path);
		if (entry && entry->is_dir)
			return true;
		rc = msd_change_put(change, path, &source, &err);
		if (rc == -ENOSPC)
			return false;
		check_rc(rc, 0);
		if (!entry)
			entry = &model[n_model++];
		strcpy(entry->path, path);
		entry->is_dir = false;
		entry->size = stream.size;
		entry->seed = stream.seed;
		return true;
	}
	case 5:
		if (n_model == N_MODEL)
			return true;
		new_path(path, sizeof(path));
		if (model_find(path))
			return true;
		rc = msd_change_mkdir(change, path, false, &err);
		if (rc == -ENOSPC)
			return false;
		check_rc(rc, 0);
		entry = &model[n_model++];
		strcpy(entry->path, path);
		entry->is_dir = true;
		return true;
	case 6: case 7: case 8:
		strcpy(path, model[rnd(n_model)].path);
		check_rc(msd_change_remove(change, path, true, &err), 0);
		model_remove(path);
		return true;
	default:
		strcpy(path, model[rnd(n_model)].path);
		new_path(to, sizeof(to));
		if (is_within(to, path) || (model_find(to)))
			return true;
		rc = msd_change_rename(change, path, to, &err);
		if (rc == -ENOSPC)
			return false;
		check_rc(rc, 0);
		for (unsigned i = 0; i < n_model; i++)
			if (is_within(model[i].path, path)) {
				char tail[1200];

				strcpy(tail, model[i].path + strlen(path));
				snprintf(model[i].path, sizeof(model[i].path), "%s%s", to, tail);
			}
		return true;
	}
}

/* ---- comparing ---- */

static unsigned n_wrong;

static int compare_data(void *data, const void *buf, size_t len, struct msd_error *e)
{
	struct stream *stream = data;
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		n_wrong += p[i] != content(stream->seed, stream->pos++);
	return 0;
}

static int compare_node(void *data, enum msd_walk_event event, const char *path,
			const struct msd_fs_node *node, struct msd_error *e)
{
	struct msd_copy_out *copy = data;
	struct entry *entry = model_find(path);
	struct stream stream = { 0 };
	struct msd_sink sink = { .name = path, .write = compare_data, .data = &stream };

	if (event == MSD_WALK_LEAVE)
		return 0;
	if (!entry || strcmp(entry->path, path) || entry->is_dir != node->is_dir)
		fail_msg("'%s' is not as it should be", path);
	entry->seen = true;
	if (node->is_dir)
		return 0;
	stream.seed = entry->seed;
	assert_int_equal(node->size_bytes, entry->size);
	assert_int_equal(msd_copy_out_file(copy, node, &sink, e), 0);
	if (n_wrong)
		fail_msg("'%s' has other bytes", path);
	return 0;
}

static void found_damage(void *data, uint64_t offset, const char *what)
{
	fail_msg("damage at %llu: %s", (unsigned long long)offset, what);
}

static struct msd_fs *open_fs(struct msd_io **io)
{
	static const struct msd_damage damage = { found_damage, NULL };
	struct msd_fs *fs;

	assert_int_equal(msd_io_new(&ops, NULL, "disk", 0, disk.size, io), 0);
	check_rc(msd_fs_open(*io, NULL, &damage, &fs, &err), 0);
	return fs;
}

static void compare_all(void)
{
	struct msd_io *io;
	struct msd_fs *fs = open_fs(&io);
	struct msd_copy_out *copy;
	struct msd_walk walk = { .fs = fs, .recurse = true, .fn = compare_node };

	for (unsigned i = 0; i < n_model; i++)
		model[i].seen = false;
	assert_int_equal(msd_copy_out_new(fs, NULL, &copy), 0);
	walk.data = copy;
	check_rc(msd_walk_run(&walk, NULL, "", &err), 0);
	for (unsigned i = 0; i < n_model; i++)
		if (!model[i].seen)
			fail_msg("'%s' is lost", model[i].path);
	msd_copy_out_free(copy);
	msd_fs_close(fs);
	msd_io_close(io);
}

/* ---- tests ---- */

#if defined(__SANITIZE_ADDRESS__)
enum { OPERATIONS = 1200 };
#else
enum { OPERATIONS = 10000 };
#endif

struct kind {
	const char *mkfs;
	uint64_t size;
	bool exfat;
};

static const struct kind kinds[] = {
	{ "mkfs.fat -F 12 -s 1", 1 << 20, false },
	{ "mkfs.fat -F 16 -s 2 -S 1024", 12 << 20, false },
	{ "mkfs.fat -F 32 -s 1", 40 << 20, false },
	{ "mkfs.fat -F 12 -s 4 -r 64 -f 1", 4 << 20, false },
	{ "mkfs.exfat -c 512", 4 << 20, true },
	{ "mkfs.exfat -c 4K", 8 << 20, true },
};

static unsigned n_operations;

/* One change of up to n operations. */
static void random_change(unsigned n)
{
	struct entry *saved = malloc(sizeof(model));
	unsigned n_saved = n_model;
	struct msd_io *io;
	struct msd_fs *fs = open_fs(&io);
	struct msd_change_params params = { .now_s = 1700000000 };
	struct msd_change *change;
	bool whole = true;

	memcpy(saved, model, sizeof(model));
	check_rc(msd_change_new(fs, &params, &change, &err), 0);
	for (; whole && n > 0; n--, n_operations++)
		whole = random_operation(change);
	if (whole)
		check_rc(msd_change_commit(change, &err), 0);
	msd_change_free(change);
	msd_fs_close(fs);
	msd_io_close(io);
	/* a change without a commit may have let happen what it did before the last batch */
	if (!whole) {
		n_model = n_saved;
		memcpy(model, saved, sizeof(model));
	}
	free(saved);
}

static unsigned from_env(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static void test_random(void **state)
{
	unsigned total = from_env("MSD_CHANGE_OPERATIONS", OPERATIONS);
	unsigned n_kinds = sizeof(kinds) / sizeof(kinds[0]);

	for (unsigned k = 0; k < n_kinds; k++) {
		seed = from_env("MSD_SEED", 12345) + k;
		print_message("# %s, seed %u\n", kinds[k].mkfs, seed);
		make_disk(kinds[k].mkfs, kinds[k].size);
		n_model = n_operations = 0;
		while (n_operations < total / n_kinds) {
			/* where there is room for all, several go together */
			random_change(kinds[k].size > 4 << 20 ? rnd(12) + 1 : 1);
			compare_all();
			assert_clean(kinds[k].exfat);
		}
	}
}

/* ---- power cuts ---- */

static struct entry before[N_MODEL];
static unsigned n_before;

static bool is_in(const struct entry *list, unsigned n, const struct entry *entry)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(list[i].path, entry->path) && list[i].is_dir == entry->is_dir &&
		    list[i].size == entry->size && list[i].seed == entry->seed)
			return true;
	return false;
}

static bool content_is(struct msd_copy_out *copy, const struct msd_fs_node *node,
		       const struct entry *entry)
{
	struct stream stream = { entry->seed, 0, 0 };
	struct msd_sink sink = { .name = "", .write = compare_data, .data = &stream };

	n_wrong = 0;
	if (node->is_dir || entry->is_dir)
		return node->is_dir && entry->is_dir;
	return node->size_bytes == entry->size &&
	       msd_copy_out_file(copy, node, &sink, NULL) == 0 && n_wrong == 0;
}

/* What was there before and is there afterwards has lost nothing, whatever the change was about. */
static void assert_kept(void)
{
	struct msd_io *io;
	struct msd_fs *fs = open_fs(&io);
	struct msd_copy_out *copy;

	assert_int_equal(msd_copy_out_new(fs, NULL, &copy), 0);
	for (unsigned i = 0; i < n_before; i++) {
		struct msd_fs_node node;

		if (!is_in(model, n_model, &before[i]))
			continue;
		if (msd_fs_lookup(fs, before[i].path, &node, &err) < 0 ||
		    !content_is(copy, &node, &before[i]))
			fail_msg("%s: '%s' is lost or has other bytes", cut_at, before[i].path);
	}
	msd_copy_out_free(copy);
	msd_fs_close(fs);
	msd_io_close(io);
	n_wrong = 0;
}

static void check_cut(const struct kind *kind)
{
	/* a folder on its way is in two places; fsck.fat -a empties one, then removes it, then its name */
	for (int i = 0; i < 3 && run(kind->exfat ? "fsck.exfat -y" : "fsck.fat -a") != 0; i++)
		;
	assert_clean(kind->exfat);
	assert_kept();
}

static void apply(const struct record *record)
{
	memcpy(disk.bytes + record->offset, record->data, record->len);
}

/* Every prefix of the writes; and those up to a sync with any of what came before the next one. */
static void cut_everywhere(const struct kind *kind, const uint8_t *old)
{
	uint8_t *whole = malloc(disk.size);
	unsigned n_syncs = disk.n_syncs;

	memcpy(whole, disk.bytes, disk.size);
	for (size_t n = 0; n <= disk.n_records; n++) {
		memcpy(disk.bytes, old, disk.size);
		for (size_t i = 0; i < n; i++)
			apply(&disk.records[i]);
		snprintf(cut_at, sizeof(cut_at), "cut after write %zu of %zu", n, disk.n_records);
		check_cut(kind);
	}
	for (unsigned k = 0; k <= n_syncs; k++) {
		memcpy(disk.bytes, old, disk.size);
		for (size_t i = 0; i < disk.n_records; i++)
			if (disk.records[i].n_syncs < k || (disk.records[i].n_syncs == k && rnd(2)))
				apply(&disk.records[i]);
		snprintf(cut_at, sizeof(cut_at), "some writes after sync %u of %u", k, n_syncs);
		check_cut(kind);
	}
	memcpy(disk.bytes, whole, disk.size);
	free(whole);
}

static void test_power_cut(void **state)
{
	static const unsigned which[] = { 0, 2, 4, 5 };

	for (unsigned k = 0; k < sizeof(which) / sizeof(which[0]); k++) {
		const struct kind *kind = &kinds[which[k]];
		uint8_t *old;

		seed = from_env("MSD_SEED", 777) + k;
		print_message("# power cuts, %s, seed %u\n", kind->mkfs, seed);
		make_disk(kind->mkfs, which[k] == 2 ? 35 << 20 : kind->size);
		old = malloc(disk.size);
		n_model = 0;
		random_change(1);
		for (unsigned i = 0; i < 12; i++)
			random_change(1);
		for (unsigned round = 0; round < 3; round++) {
			memcpy(old, disk.bytes, disk.size);
			memcpy(before, model, sizeof(model));
			n_before = n_model;
			forget_records();
			disk.recording = true;
			random_change(which[k] == 0 ? 1 : 3);
			disk.recording = false;
			cut_everywhere(kind, old);
		}
		free(old);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_power_cut),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	forget_disk();
	unlink(path_of("said"));
	rmdir(dir);
	return rc;
}
