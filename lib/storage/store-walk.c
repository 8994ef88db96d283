/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads one file system of the storage, in a process that may have to be left behind. */
#include "store-walk-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dir.h"

#define FLUSH_BYTES 32768u
#define FLUSH_MS 200
#define MAX_DEPTH 32u

/* The child's whole state. */
struct walker {
	const struct store_walk *walk;
	int out;
	char path[PATH_MAX];		/* below the storage */
	size_t path_len;
	unsigned depth;
	struct timespec flushed;
	size_t buffered;
	char buf[FLUSH_BYTES + sizeof(struct store_record) + PATH_MAX];
};

bool store_is_lost_found(const char *path)
{
	static const char name[] = "lost+found";
	const size_t len = sizeof(name) - 1;

	return !strncmp(path, name, len) && (!path[len] || path[len] == '/');
}

static void flush(struct walker *w)
{
	for (size_t done = 0; done < w->buffered; ) {
		ssize_t n = write(w->out, w->buf + done, w->buffered - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	w->buffered = 0;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &w->flushed);
}

/* Now and then is enough, but often enough for a slow server not to look dead. */
static void tell(struct walker *w, struct store_record *record, const char *name)
{
	struct timespec now;

	record->name_len = (uint32_t)strlen(name);
	memcpy(w->buf + w->buffered, record, sizeof(*record));
	memcpy(w->buf + w->buffered + sizeof(*record), name, record->name_len + 1);
	w->buffered += sizeof(*record) + record->name_len + 1;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (w->buffered >= FLUSH_BYTES ||
	    (now.tv_sec - w->flushed.tv_sec) * 1000 +
	    (now.tv_nsec - w->flushed.tv_nsec) / 1000000 >= FLUSH_MS)
		flush(w);
}

/* On the storage itself "read-only file system" is no answer when it can be remounted. */
static bool is_writable(const struct walker *w, int dirfd, const char *name)
{
	if (faccessat(dirfd, name, W_OK, AT_EACCESS) == 0)
		return true;
	return errno == EROFS && !w->walk->name[0] && w->walk->store->root->target;
}

/* What a folder has beside its images: names that begin with ".__", sorted. */
struct names {
	char **name;
	size_t n, room;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
}

static int add_name(struct names *names, const char *name)
{
	if (names->n == names->room) {
		size_t room = names->room ? names->room * 2 : 64;
		char **grown = realloc(names->name, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		names->name = grown;
		names->room = room;
	}
	names->name[names->n] = strdup(name);
	return names->name[names->n++] ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_name(const struct names *names, const char *prefix, const char *base,
		     const char *suffix)
{
	char buf[NAME_MAX + 32];
	const char *key = buf;

	snprintf(buf, sizeof(buf), "%s%s%s", prefix, base, suffix);
	return names->n && bsearch(&key, names->name, names->n, sizeof(*names->name), compare_names);
}

static void look_inside(int dirfd, const char *base, struct msd_store_image *image)
{
	_cleanup_close_ int fd = openat(dirfd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	image->readable = fd >= 0 &&
			  msd_content_read(fd, image->size_bytes, &image->content) == 0;
}

/* What an interrupted put left takes room, too. */
static void add_part(int dirfd, const char *base, struct msd_store_image *image)
{
	char part[NAME_MAX + 32];
	struct stat st;

	snprintf(part, sizeof(part), ".__%s.part", base);
	if (fstatat(dirfd, part, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	image->partial_bytes = (uint64_t)st.st_size;
	image->used_bytes += (uint64_t)st.st_blocks * 512;
}

/* A visible image, or with part its name alone: nothing but a part has come of it yet. */
static void tell_image(struct walker *w, int dirfd, const char *base, const char *file,
		       const struct names *beside)
{
	struct store_record record = { .kind = STORE_RECORD_IMAGE };
	struct msd_store_image *image = &record.image;
	struct stat st;

	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	image->size_bytes = (uint64_t)st.st_size;
	image->used_bytes = (uint64_t)st.st_blocks * 512;
	image->mtime = st.st_mtime;
	image->writable = is_writable(w, dirfd, file);
	image->complete = file == base && !has_name(beside, ".__", base, ".incomplete");
	if (file != base)
		image->partial_bytes = image->size_bytes;
	else if (has_name(beside, ".__", base, ".part"))
		add_part(dirfd, base, image);
	if (image->complete)
		look_inside(dirfd, base, image);
	tell(w, &record, w->path);
}

/* Appends to the path; returns where it ended before, 0 for a path that is too long. */
static bool push(struct walker *w, const char *name, size_t *ret_len)
{
	int n = snprintf(w->path + w->path_len, sizeof(w->path) - w->path_len, "%s%s",
			 w->path_len ? "/" : "", name);

	*ret_len = w->path_len;
	if (n < 0 || (size_t)n >= sizeof(w->path) - w->path_len) {
		w->path[w->path_len] = '\0';
		return false;
	}
	w->path_len += (size_t)n;
	return true;
}

static void pop(struct walker *w, size_t len)
{
	w->path_len = len;
	w->path[len] = '\0';
}

static bool is_mount(const struct walker *w)
{
	for (const char **mount = w->walk->mounts; *mount; mount++)
		if (!strcmp(*mount, w->path))
			return true;
	return false;
}

static int walk_folder(struct walker *w, int fd);

static void walk_entry(struct walker *w, int dirfd, const char *name, const struct names *beside)
{
	_cleanup_close_ int fd = -1;
	size_t len;

	if (!push(w, name, &len))
		return;
	/* asking a mount point what it is would already ask its server */
	if (!is_mount(w)) {
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && w->depth < MAX_DEPTH)
			walk_folder(w, msd_steal_fd(&fd));
		else if (fd < 0 && errno == ENOTDIR)
			tell_image(w, dirfd, name, name, beside);
	}
	pop(w, len);
}

/* An interrupted put of an image that was not there before. */
static void tell_part(struct walker *w, int dirfd, const char *part, const struct names *visible,
		      const struct names *beside)
{
	char base[NAME_MAX + 1];
	size_t len = strlen(part), n;

	if (len <= 8 || strcmp(part + len - 5, ".part"))
		return;
	snprintf(base, sizeof(base), "%.*s", (int)(len - 8), part + 3);
	if (has_name(visible, "", base, "") || !push(w, base, &n))
		return;
	tell_image(w, dirfd, base, part, beside);
	pop(w, n);
}

/* Reads all names first, so that a folder that changes is seen as it was at one time. */
static int read_names(struct msd_dir *dir, struct names *visible, struct names *beside)
{
	const struct dirent64 *entry;
	int rc = 0;

	while (rc == 0 && (entry = msd_dir_next(dir))) {
		if (!strncmp(entry->d_name, ".__", 3))
			rc = add_name(beside, entry->d_name);
		else if (entry->d_name[0] != '.' && !store_is_lost_found(entry->d_name))
			rc = add_name(visible, entry->d_name);
	}
	return rc < 0 ? rc : -errno;
}

/* Takes fd over. A folder below that cannot be read is passed over, as kvmd does. */
static int walk_folder(struct walker *w, int fd)
{
	_cleanup_(names_done) struct names visible = { 0 }, beside = { 0 };
	_cleanup_dir_ struct msd_dir dir;
	int rc;

	msd_dir_take(&dir, fd);
	rc = read_names(&dir, &visible, &beside);
	if (rc < 0)
		return rc;
	if (beside.n)
		qsort(beside.name, beside.n, sizeof(*beside.name), compare_names);
	if (visible.n)
		qsort(visible.name, visible.n, sizeof(*visible.name), compare_names);
	w->depth++;
	for (size_t i = 0; i < visible.n; i++)
		walk_entry(w, fd, visible.name[i], &beside);
	for (size_t i = 0; i < beside.n; i++)
		tell_part(w, fd, beside.name[i], &visible, &beside);
	w->depth--;
	return 0;
}

/* Opens the mount and makes sure that it is the one that was meant. Returns fd or -errno. */
static int open_mount(const struct store_walk *walk)
{
	_cleanup_close_ int fd = msd_store_openat(walk->store, walk->name, O_RDONLY | O_DIRECTORY);
	struct statx stx;

	if (fd < 0)
		return fd == -ENOTDIR ? -ENOENT : fd;
	if (walk->mount_id >= 0 && !walk->autofs &&
	    statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 && stx.stx_mask & STATX_MNT_ID &&
	    stx.stx_mnt_id != (uint64_t)walk->mount_id)
		return -ENOENT;
	return msd_steal_fd(&fd);
}

static int walk_mount(struct walker *w)
{
	struct store_record record = { .kind = STORE_RECORD_PART };
	_cleanup_close_ int fd = open_mount(w->walk);
	struct statfs vfs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &vfs) < 0)
		return -errno;
	record.image.size_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	record.image.used_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	record.image.writable = is_writable(w, fd, ".");
	snprintf(w->path, sizeof(w->path), "%s", w->walk->name);
	w->path_len = strlen(w->path);
	tell(w, &record, "");
	return walk_folder(w, msd_steal_fd(&fd));
}

/* Leaves only the two descriptors that are needed: neither output nor lock lives on in us. */
static void close_others(int a, int b)
{
	const unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		if (fd != a && fd != b && null >= 0)
			dup2(null, fd);
	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

void store_walk_child(const struct store_walk *walk, int fd)
{
	struct store_record end = { .kind = STORE_RECORD_END };
	static struct walker w;

	signal(SIGPIPE, SIG_DFL);	/* when nobody listens any more, that is the end */
	close_others(walk->store->fd, fd);
	w.walk = walk;
	w.out = fd;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &w.flushed);
	end.error = -walk_mount(&w);
	tell(&w, &end, "");
	flush(&w);
}
