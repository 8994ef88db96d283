/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All images of a storage: a process for each file system, and what they tell put together. */
#include "storage/store-list.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "storage/remount.h"
#include "store-walk-priv.h"

/* One file system while it is read. */
struct source {
	struct store_walk walk;
	struct msd_store_part part;
	pid_t pid;
	int fd;			/* -1: said all that it had to say */
	char *buf;		/* what it told */
	size_t len, room;
	uint64_t heard_ms;	/* when it told something last */
};

struct gathering {
	struct msd_store *store;
	struct source *sources;
	size_t n;
};

const char *store_below(const struct msd_store *store, const char *path)
{
	size_t len = strlen(store->path);

	if (!strcmp(store->path, "/"))
		return path[0] && path[1] ? path + 1 : NULL;
	if (strncmp(path, store->path, len) || path[len] != '/')
		return NULL;
	return path + len + 1;
}

/* Hidden folders and lost+found are not looked into, nor is what is mounted there. */
static bool is_visible(const char *name)
{
	for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (*p == '.' || store_is_lost_found(p))
			return false;
	return true;
}

static struct source *find_source(struct gathering *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->sources[i].part.name, name))
			return &all->sources[i];
	return NULL;
}

/* A mount on another one takes its place. */
static int add_source(struct gathering *all, const char *name, int mount_id, const char *fstype,
		      const char *from)
{
	struct source *source = find_source(all, name);

	if (!source) {
		source = realloc(all->sources, (all->n + 1) * sizeof(*source));
		if (!source)
			return -ENOMEM;
		all->sources = source;
		source = &all->sources[all->n++];
		*source = (struct source){ .fd = -1 };
		source->part.name = strdup(name);
		if (!source->part.name)
			return -ENOMEM;
	}
	source->walk.mount_id = mount_id;
	free(source->part.fstype);
	free(source->part.source);
	source->part.fstype = strdup(fstype ? fstype : "");
	source->part.source = strdup(from ? from : "");
	return source->part.fstype && source->part.source ? 0 : -ENOMEM;
}

/* Reads the kernel's table only: no file system is asked anything. */
static int find_mounts(struct gathering *all)
{
	struct libmnt_iter *it = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_table *table = NULL;
	struct libmnt_fs *fs;
	int rc = it ? msd_mounts_read(&table, NULL) : -ENOMEM;

	if (rc == 0) {
		fs = msd_mounts_find(table, all->store->path);
		rc = add_source(all, "", -1, fs ? mnt_fs_get_fstype(fs) : NULL,
				fs ? mnt_fs_get_source(fs) : NULL);
	}
	while (rc == 0 && mnt_table_next_fs(table, it, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs);
		const char *name = target ? store_below(all->store, target) : NULL;

		if (name && is_visible(name))
			rc = add_source(all, name, mnt_fs_get_id(fs), mnt_fs_get_fstype(fs),
					mnt_fs_get_source(fs));
	}
	mnt_free_iter(it);
	mnt_unref_table(table);
	return rc;
}

/* Every walk passes over the mounts of the others. */
static int share_mounts(struct gathering *all)
{
	const char **names = calloc(all->n + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++)
		names[i] = all->sources[i].part.name;
	for (size_t i = 0; i < all->n; i++) {
		all->sources[i].walk.store = all->store;
		all->sources[i].walk.name = names[i];
		all->sources[i].walk.mounts = names;
		all->sources[i].walk.autofs = !strcmp(all->sources[i].part.fstype, "autofs");
	}
	return 0;
}

/*
 * The child has nothing of ours but its pipe: were it abandoned with stdout open, the reader
 * of `msd-store list | …` would wait for the dead server after all.
 */
static int start(struct source *source)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	source->pid = fork();
	if (source->pid == 0) {
		store_walk_child(&source->walk, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	if (source->pid < 0) {
		int rc = -errno;

		close(fds[0]);
		return rc;
	}
	source->fd = fds[0];
	source->heard_ms = msd_clock_ms();
	return 0;
}

/* Takes in what a child tells. Returns 1, 0 at its end, -errno. */
static int listen_to(struct source *source)
{
	ssize_t n;

	if (source->room - source->len < 65536) {
		char *buf = realloc(source->buf, source->room * 2 + 131072);

		if (!buf)
			return -ENOMEM;
		source->buf = buf;
		source->room = source->room * 2 + 131072;
	}
	n = read(source->fd, source->buf + source->len, source->room - source->len);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	source->len += (size_t)n;
	source->heard_ms = msd_clock_ms();
	return n > 0;
}

static void finish(struct source *source, enum msd_store_part_state state)
{
	close(source->fd);
	source->fd = -1;
	source->part.state = state;
	if (state == MSD_PART_OK) {
		waitpid(source->pid, NULL, 0);
		return;
	}
	/* not waited for: it dies when its server answers, or at once where the kernel can */
	kill(source->pid, SIGKILL);
	source->len = 0;
}

static int gather(struct gathering *all, uint64_t timeout_ms)
{
	_cleanup_free_ struct pollfd *polls = calloc(all->n, sizeof(*polls));
	size_t left = all->n;

	if (!polls)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++)
		polls[i] = (struct pollfd){ .fd = all->sources[i].fd, .events = POLLIN };
	while (left > 0) {
		uint64_t now = msd_clock_ms(), wait = timeout_ms;

		for (size_t i = 0; i < all->n; i++) {
			uint64_t silent = now - all->sources[i].heard_ms;

			if (polls[i].fd >= 0 && silent < timeout_ms && timeout_ms - silent < wait)
				wait = timeout_ms - silent;
		}
		if (poll(polls, all->n, (int)(wait < INT_MAX ? wait : INT_MAX)) < 0 && errno != EINTR)
			return -errno;
		for (size_t i = 0; i < all->n; i++) {
			struct source *source = &all->sources[i];
			int rc = 1;

			if (polls[i].fd < 0)
				continue;
			if (polls[i].revents)
				rc = listen_to(source);
			if (rc < 0)
				return rc;
			if (rc == 0)
				finish(source, MSD_PART_OK);
			else if (msd_clock_ms() - source->heard_ms >= timeout_ms)
				finish(source, MSD_PART_TIMEOUT);
			if (source->fd < 0) {
				polls[i].fd = -1;
				left--;
			}
		}
	}
	return 0;
}

static int add_image(struct msd_store_list *list, const struct store_record *record,
		     const char *name)
{
	struct msd_store_image *image;

	/* grows by doubling: whenever n is a power of two, all that was made is used */
	if ((list->n_images & (list->n_images - 1)) == 0) {
		image = realloc(list->images, (list->n_images ? list->n_images * 2 : 1) * sizeof(*image));
		if (!image)
			return -ENOMEM;
		list->images = image;
	}
	image = &list->images[list->n_images];
	*image = record->image;
	image->name = strdup(name);
	if (!image->name)
		return -ENOMEM;
	list->n_images++;
	return 0;
}

/* Unpacks what a child told: records, each followed by its name. */
static int take_records(struct source *source, struct msd_store_list *list)
{
	size_t at = 0;
	bool ended = false;

	while (source->len - at > sizeof(struct store_record)) {
		struct store_record record;
		const char *name = source->buf + at + sizeof(record);
		int rc = 0;

		memcpy(&record, source->buf + at, sizeof(record));
		if (record.name_len >= source->len - at - sizeof(record) || name[record.name_len])
			break;
		at += sizeof(record) + record.name_len + 1;
		if (record.kind == STORE_RECORD_IMAGE)
			rc = add_image(list, &record, name);
		if (record.kind == STORE_RECORD_PART) {
			source->part.size_bytes = record.image.size_bytes;
			source->part.free_bytes = record.image.used_bytes;
			source->part.writable = record.image.writable;
		}
		if (record.kind == STORE_RECORD_END) {
			ended = true;
			source->part.error = record.error;
		}
		if (rc < 0)
			return rc;
	}
	if (!ended)
		source->part.error = EIO;
	if (source->part.error)
		source->part.state = MSD_PART_FAILED;
	return 0;
}

static int compare_images(const void *a, const void *b)
{
	return strcmp(((const struct msd_store_image *)a)->name,
		      ((const struct msd_store_image *)b)->name);
}

static int compare_parts(const void *a, const void *b)
{
	return strcmp(((const struct msd_store_part *)a)->name,
		      ((const struct msd_store_part *)b)->name);
}

static int put_together(struct gathering *all, struct msd_store_list *list)
{
	int rc = 0;

	list->parts = calloc(all->n, sizeof(*list->parts));
	if (!list->parts)
		return -ENOMEM;
	for (size_t i = 0; i < all->n && rc == 0; i++) {
		struct source *source = &all->sources[i];

		if (source->part.state == MSD_PART_OK)
			rc = take_records(source, list);
		/* another mount hides it */
		if (source->part.state == MSD_PART_FAILED && source->part.error == ENOENT &&
		    source->part.name[0])
			continue;
		list->parts[list->n_parts++] = source->part;
		source->part = (struct msd_store_part){ 0 };
	}
	if (list->n_images)
		qsort(list->images, list->n_images, sizeof(*list->images), compare_images);
	qsort(list->parts, list->n_parts, sizeof(*list->parts), compare_parts);
	return rc;
}

static void part_done(struct msd_store_part *part)
{
	free(part->name);
	free(part->fstype);
	free(part->source);
}

static void gathering_done(struct gathering *all)
{
	if (all->n)
		free(all->sources[0].walk.mounts);
	for (size_t i = 0; i < all->n; i++) {
		if (all->sources[i].fd >= 0)
			finish(&all->sources[i], MSD_PART_FAILED);
		part_done(&all->sources[i].part);
		free(all->sources[i].buf);
	}
	free(all->sources);
}

int msd_store_list_read(struct msd_store *store, uint64_t timeout_ms, struct msd_store_list *ret,
			struct msd_error *reterr)
{
	struct gathering all = { .store = store };
	struct msd_store_list list = { 0 };
	int rc;

	rc = find_mounts(&all);
	if (rc == 0)
		rc = share_mounts(&all);
	for (size_t i = 0; i < all.n && rc == 0; i++)
		rc = start(&all.sources[i]);
	if (rc == 0)
		rc = gather(&all, timeout_ms);
	if (rc == 0)
		rc = put_together(&all, &list);
	gathering_done(&all);
	if (rc < 0)
		msd_fail_errno(reterr, -rc, "%s: reading the storage", store->path);
	else
		rc = store_mark_drives(store, &list, reterr);
	if (rc < 0)
		msd_store_list_done(&list);
	else
		*ret = list;
	return rc;
}

void msd_store_list_done(struct msd_store_list *list)
{
	for (size_t i = 0; i < list->n_images; i++) {
		free(list->images[i].name);
		free(list->images[i].drive);
	}
	for (size_t i = 0; i < list->n_parts; i++)
		part_done(&list->parts[i]);
	free(list->images);
	free(list->parts);
	*list = (struct msd_store_list){ 0 };
}
