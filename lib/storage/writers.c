/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who keeps a mounted file system from becoming read-only. */
#include "storage/writers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/dir.h"
#include "base/proc.h"
#include "base/text.h"
#include "gadget/find.h"
#include "gadget/lun.h"
#include "storage/remount.h"

/* A mount namespace: under which ids the file system is mounted in it. */
struct namespace {
	char name[64];
	int *ids;
	size_t n;
};

struct search {
	struct msd_mount mount;
	const char *below;	/* only files below this folder; NULL: all of the mount */
	struct namespace ns;	/* the one looked at last: most processes share one */
	struct msd_writer *found;
	size_t n;
};

static void search_done(struct search *search)
{
	msd_mount_done(&search->mount);
	free(search->ns.ids);
	msd_writers_free(search->found, search->n);
}

/* Takes path over, copies the others. */
static int add(struct search *search, enum msd_writer_kind kind, pid_t pid, const char *name,
	       char *path)
{
	struct msd_writer *found = realloc(search->found, (search->n + 1) * sizeof(*found));

	if (!found) {
		free(path);
		return -ENOMEM;
	}
	search->found = found;
	found += search->n++;
	*found = (struct msd_writer){ .kind = kind, .pid = pid, .name = strdup(name), .path = path };
	return found->name && found->path ? 0 : -ENOMEM;
}

static bool is_below(const struct search *search, const char *path)
{
	size_t len = search->below ? strlen(search->below) : 0;

	return !len || (!strncmp(path, search->below, len) && path[len] == '/');
}

/* Whether the file path is looked for, without asking its file system. */
static bool is_on(const struct search *search, const char *path)
{
	_cleanup_(msd_mount_done) struct msd_mount under = { 0 };
	const struct msd_mount *mount = &search->mount;

	if (!is_below(search, path) || msd_mount_find(path, &under, NULL) < 0)
		return false;
	/* when only the flag of this mount point counts, so do only its files */
	return mount->other ? under.id == mount->id : under.dev == mount->dev;
}

/* A file of /proc or /sys, cut to size and without its last newline. */
static bool read_line(int dirfd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return false;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return true;
}

static char *read_link(int dirfd, const char *path)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dirfd, path, buf, sizeof(buf) - 1);

	return n < 0 ? NULL : strndup(buf, (size_t)n);
}

static int add_drive(struct search *search, const struct msd_drive_id *id)
{
	_cleanup_(msd_lun_closep) struct msd_lun *lun = NULL;
	_cleanup_close_ int fd = -1;
	struct msd_lun_state state;
	char dir[sizeof(MSD_GADGETS_DIR) + NAME_MAX + 1], text[2 * NAME_MAX];
	int rc;

	snprintf(dir, sizeof(dir), MSD_GADGETS_DIR "/%s", id->gadget);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* one that goes away meanwhile holds nothing */
	if (fd < 0 || msd_lun_open(fd, id->function, id->lun, &lun, NULL) < 0 ||
	    msd_lun_read_state(lun, &state, NULL) < 0)
		return 0;
	if (!state.file[0] || state.ro || !is_on(search, state.file))
		return 0;
	rc = add(search, MSD_WRITER_DRIVE, 0, msd_drive_id_format(id, text, sizeof(text)),
		 strdup(state.file));
	if (rc < 0)
		return rc;
	search->found[search->n - 1].options = strdup(msd_drive_id_options(id, text, sizeof(text)));
	return search->found[search->n - 1].options ? 0 : -ENOMEM;
}

static int add_drives(struct search *search)
{
	_cleanup_free_ struct msd_drive_id *ids = NULL;
	size_t n = 0;
	int rc = 0;

	/* no configfs, no drives */
	if (msd_find_all(MSD_GADGETS_DIR, NULL, &ids, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_drive(search, &ids[i]);
	return rc;
}

static int add_loops(struct search *search)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	int rc = 0;

	msd_dir_open(&dir, AT_FDCWD, "/sys/block");
	while (rc == 0 && (entry = msd_dir_next(&dir))) {
		char attr[300], file[PATH_MAX], ro[8], name[300];

		if (strncmp(entry->d_name, "loop", 4))
			continue;
		snprintf(attr, sizeof(attr), "%s/loop/backing_file", entry->d_name);
		if (!read_line(dir.fd, attr, file, sizeof(file)) || !is_on(search, file))
			continue;
		snprintf(attr, sizeof(attr), "%s/ro", entry->d_name);
		if (!read_line(dir.fd, attr, ro, sizeof(ro)) || strcmp(ro, "0"))
			continue;
		snprintf(name, sizeof(name), "/dev/%s", entry->d_name);
		rc = add(search, MSD_WRITER_LOOP, 0, name, strdup(file));
	}
	return rc;
}

/* Ids of the mount points of the file system as the process sees them. */
static int read_ids(struct search *search, int procfd)
{
	_cleanup_fclose_ FILE *file = msd_proc_open(procfd, "mountinfo");
	struct namespace *ns = &search->ns;
	char line[3 * PATH_MAX];

	ns->n = 0;
	while (file && fgets(line, sizeof(line), file)) {
		unsigned major, minor;
		int id, *ids;

		if (sscanf(line, "%d %*d %u:%u", &id, &major, &minor) != 3 ||
		    makedev(major, minor) != search->mount.dev)
			continue;
		if (search->mount.other && id != search->mount.id)
			continue;
		ids = realloc(ns->ids, (ns->n + 1) * sizeof(*ids));
		if (!ids)
			return -ENOMEM;
		ns->ids = ids;
		ids[ns->n++] = id;
	}
	return 0;
}

static int enter_namespace(struct search *search, int procfd)
{
	_cleanup_free_ char *name = read_link(procfd, "ns/mnt");
	int rc;

	if (!name || !strcmp(name, search->ns.name))
		return 0;
	rc = read_ids(search, procfd);
	snprintf(search->ns.name, sizeof(search->ns.name), "%s", name);
	return rc;
}

/*
 * Whether descriptor fd keeps the file system writable, from fdinfo alone: a stat would ask the
 * file system, and hang with it.
 */
static bool fd_writes(struct search *search, int procfd, const char *fd)
{
	char path[300], info[1024], *p;
	unsigned flags;
	int id;

	snprintf(path, sizeof(path), "fdinfo/%s", fd);
	if (!read_line(procfd, path, info, sizeof(info)))
		return false;
	p = strstr(info, "flags:");
	if (!p || sscanf(p, "flags: %o", &flags) != 1 || (flags & O_PATH))
		return false;
	p = strstr(info, "mnt_id:");
	if (!p || sscanf(p, "mnt_id: %d", &id) != 1)
		return false;
	for (size_t i = 0; i < search->ns.n; i++) {
		_cleanup_free_ char *target = NULL;

		if (search->ns.ids[i] != id)
			continue;
		if ((flags & O_ACCMODE) != O_RDONLY && !search->below)
			return true;
		snprintf(path, sizeof(path), "fd/%s", fd);
		target = read_link(procfd, path);
		if (!target || !is_below(search, target))
			return false;
		/* a file without a name waits to be removed, which is a write too */
		return (flags & O_ACCMODE) != O_RDONLY ||
		       (strlen(target) > 10 && !strcmp(target + strlen(target) - 10, " (deleted)"));
	}
	return false;
}

static bool is_number(const char *name)
{
	return *name >= '0' && *name <= '9';
}

static char *find_fd(struct search *search, int procfd)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;

	msd_dir_open(&dir, procfd, "fd");
	while ((entry = msd_dir_next(&dir)))
		if (is_number(entry->d_name) && fd_writes(search, procfd, entry->d_name))
			return read_link(dir.fd, entry->d_name);
	return NULL;
}

/* A writable shared mapping outlives the descriptor that it was made from. */
static char *find_mapping(struct search *search, int procfd)
{
	_cleanup_fclose_ FILE *file = msd_proc_open(procfd, "maps");
	char line[PATH_MAX + 256];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned major, minor;
		char perms[5];
		int at = 0;

		if (sscanf(line, "%*s %4s %*s %x:%x %*s %n", perms, &major, &minor, &at) != 3 ||
		    at == 0 || makedev(major, minor) != search->mount.dev)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!is_below(search, line + at))
			continue;
		if ((perms[1] == 'w' && perms[3] == 's') || strstr(line + at, " (deleted)"))
			return strdup(line + at);
	}
	return NULL;
}

static int add_process(struct search *search, int dirfd, const char *pid)
{
	_cleanup_close_ int procfd = openat(dirfd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[64];
	char *path;
	int rc;

	if (procfd < 0)
		return 0;
	rc = enter_namespace(search, procfd);
	if (rc < 0 || search->ns.n == 0)
		return rc;
	path = find_fd(search, procfd);
	if (!path)
		path = find_mapping(search, procfd);
	if (!path)
		return 0;
	if (!read_line(procfd, "comm", name, sizeof(name)))
		snprintf(name, sizeof(name), "?");
	return add(search, MSD_WRITER_PROCESS, (pid_t)strtoul(pid, NULL, 10), name, path);
}

static int add_processes(struct search *search)
{
	_cleanup_dir_ struct msd_dir dir;
	const struct dirent64 *entry;
	size_t before = search->n;
	char self[16];
	int rc = msd_dir_open(&dir, AT_FDCWD, "/proc");

	snprintf(self, sizeof(self), "%d", getpid());
	while (rc == 0 && (entry = msd_dir_next(&dir)))
		if (is_number(entry->d_name) && strcmp(entry->d_name, self))
			rc = add_process(search, dir.fd, entry->d_name);
	/* what this process has open it has from its parent, most times, which is in the list */
	if (rc == 0 && search->n == before)
		rc = add_process(search, dir.fd, self);
	return rc;
}

static int read_all(const char *path, const char *below, struct msd_writer **ret, size_t *ret_n,
		    struct msd_error *reterr)
{
	_cleanup_(search_done) struct search search = { .below = below };
	int rc = below ? msd_mount_find(path, &search.mount, reterr) :
			 msd_mount_read(path, &search.mount, reterr);

	if (rc < 0)
		return rc;
	rc = add_drives(&search);
	if (rc == 0)
		rc = add_loops(&search);
	if (rc == 0)
		rc = add_processes(&search);
	if (rc < 0)
		return msd_fail_on(reterr, -rc, path);
	*ret_n = search.n;
	*ret = msd_steal(search.found);
	search.n = 0;
	return 0;
}

int msd_writers_read(const char *target, struct msd_writer **ret, size_t *ret_n,
		     struct msd_error *reterr)
{
	return read_all(target, NULL, ret, ret_n, reterr);
}

int msd_writers_read_below(const char *folder, struct msd_writer **ret, size_t *ret_n,
			   struct msd_error *reterr)
{
	return read_all(folder, folder, ret, ret_n, reterr);
}

void msd_writers_free(struct msd_writer *writers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(writers[i].name);
		free(writers[i].path);
		free(writers[i].options);
	}
	free(writers);
}

bool msd_writers_has_drive(const char *target)
{
	_cleanup_(search_done) struct search search = { 0 };

	return msd_mount_read(target, &search.mount, NULL) == 0 && add_drives(&search) == 0 &&
	       search.n > 0;
}

int msd_writers_fail(const char *target, struct msd_error *reterr)
{
	char who[PATH_MAX] = "", hint[512] = "";
	struct msd_writer *writers = NULL;
	size_t n = 0, shown = 0;

	msd_writers_read(target, &writers, &n, NULL);
	for (; shown < n && strlen(who) < sizeof(who) - 400; shown++) {
		const struct msd_writer *w = &writers[shown];

		if (w->kind == MSD_WRITER_PROCESS)
			msd_append(who, sizeof(who), "; ", "%s (pid %d) writes %.300s", w->name, w->pid,
				   w->path);
		else
			msd_append(who, sizeof(who), "; ", "%s has %.300s with rw", w->name, w->path);
		if (strlen(hint) > sizeof(hint) - 64)
			continue;
		if (w->kind == MSD_WRITER_DRIVE)
			msd_append(hint, sizeof(hint), "; ", "otgmsd %s --eject", w->options);
		else if (w->kind == MSD_WRITER_LOOP)
			msd_append(hint, sizeof(hint), "; ", "umount %s or losetup -d %s", w->name, w->name);
		else
			msd_append(hint, sizeof(hint), "; ", "kill %d", w->pid);
	}
	if (shown < n)
		msd_append(who, sizeof(who), "; ", "and %zu more", n - shown);
	msd_writers_free(writers, n);
	if (n == 0)
		msd_append(who, sizeof(who), "; ", "a file is open for writing, and it cannot be seen by whom");
	msd_fail(reterr, MSD_E_BUSY, "%s: busy: %s", target, who);
	msd_append(hint, sizeof(hint), "; ", "or wait with --wait=SECONDS");
	msd_hint(reterr, "%s", hint);
	return -MSD_E_BUSY;
}
