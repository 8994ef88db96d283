/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A logical unit of a mass-storage function. */
#include "gadget/lun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "gadget/threads.h"

#define DELETED_SUFFIX " (deleted)"

/* The threads answer SIGUSR1 when they are scheduled next; a busy one finishes its command. */
#define UNLOCK_POLL_MS 20
#define UNLOCK_TRIES 100

struct msd_lun {
	int dirfd;
	char name[NAME_MAX + 24];
};

static int open_lun(int dirfd, const char *prefix, const char *function, unsigned lun,
		    struct msd_lun **ret, struct msd_error *err)
{
	_cleanup_free_ struct msd_lun *new = malloc(sizeof(*new));
	char path[PATH_MAX];

	if (!new)
		return msd_fail_on(err, ENOMEM, function);
	snprintf(new->name, sizeof(new->name), "%s/lun.%u", function, lun);
	snprintf(path, sizeof(path), "%sfunctions/%s", prefix, new->name);
	new->dirfd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (new->dirfd < 0 && errno == ENOENT)
		return msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such drive", new->name);
	if (new->dirfd < 0)
		return msd_fail_os(err, new->name);
	*ret = msd_steal(new);
	return 0;
}

int msd_lun_open(int gadget_dirfd, const char *function, unsigned lun, struct msd_lun **ret,
		 struct msd_error *reterr)
{
	return open_lun(gadget_dirfd, "", function, lun, ret, reterr);
}

int msd_lun_open_drive(const char *dir, const struct msd_drive_id *id, struct msd_lun **ret,
		       struct msd_error *reterr)
{
	char prefix[PATH_MAX];

	snprintf(prefix, sizeof(prefix), "%s/%s/", dir, id->gadget);
	return open_lun(AT_FDCWD, prefix, id->function, id->lun, ret, reterr);
}

int msd_lun_new(int dirfd, const struct msd_drive_id *id, struct msd_lun **ret,
		struct msd_error *reterr)
{
	struct msd_lun *new = malloc(sizeof(*new));

	if (!new)
		return msd_fail_on(reterr, ENOMEM, id->function);
	snprintf(new->name, sizeof(new->name), "%s/lun.%u", id->function, id->lun);
	new->dirfd = dirfd;
	*ret = new;
	return 0;
}

struct msd_lun *msd_lun_close(struct msd_lun *lun)
{
	if (lun)
		close(lun->dirfd);
	free(lun);
	return NULL;
}

void msd_lun_closep(struct msd_lun **lun)
{
	msd_lun_close(*lun);
}

int msd_lun_get_dirfd(const struct msd_lun *lun)
{
	return lun->dirfd;
}

const char *msd_lun_get_name(const struct msd_lun *lun)
{
	return lun->name;
}

/* Takes the kernel's mark of an unlinked file off, unless a file has exactly that name. */
static bool strip_deleted(char *file)
{
	size_t len = strlen(file), suffix = strlen(DELETED_SUFFIX);

	if (len <= suffix || strcmp(file + len - suffix, DELETED_SUFFIX) ||
	    faccessat(AT_FDCWD, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return false;
	file[len - suffix] = '\0';
	return true;
}

int msd_lun_read_state(struct msd_lun *lun, struct msd_lun_state *ret, struct msd_error *reterr)
{
	int rc = msd_attr_read(lun->dirfd, "file", ret->file, sizeof(ret->file), reterr);

	if (rc == 0)
		rc = msd_attr_read_bool(lun->dirfd, "cdrom", &ret->cdrom, reterr);
	if (rc == 0)
		rc = msd_attr_read_bool(lun->dirfd, "ro", &ret->ro, reterr);
	if (rc < 0) {
		msd_prefix(reterr, lun->name);
		return rc;
	}
	ret->deleted = strip_deleted(ret->file);
	return 0;
}

int msd_lun_read_options(struct msd_lun *lun, struct msd_lun_options *ret,
			 struct msd_error *reterr)
{
	int rc;

	*ret = (struct msd_lun_options){ .removable = true };
	rc = msd_attr_read_bool(lun->dirfd, "removable", &ret->removable, reterr);
	if (rc == 0 || rc == -ENOENT)
		rc = msd_attr_read_bool(lun->dirfd, "nofua", &ret->nofua, reterr);
	if (rc == 0 || rc == -ENOENT)
		rc = msd_attr_read(lun->dirfd, "inquiry_string", ret->inquiry,
				   sizeof(ret->inquiry), reterr);
	if (rc < 0 && rc != -ENOENT) {
		msd_prefix(reterr, lun->name);
		return rc;
	}
	return 0;
}

unsigned msd_lun_plan(const struct msd_lun_state *from, const struct msd_lun_state *to,
		      enum msd_eject eject, struct msd_lun_step steps[MSD_LUN_STEPS_MAX])
{
	bool same_file = !from->deleted && !strcmp(from->file, to->file);
	bool ro_known = true, ro = from->ro;
	unsigned n = 0;

	if ((eject == MSD_EJECT_PLAIN || !from->file[0]) && same_file &&
	    from->cdrom == to->cdrom && from->ro == to->ro)
		return 0;
	if (from->file[0]) {
		steps[n++] = (struct msd_lun_step){ "file", "" };
		/* it was the effective value; what is configured shows only now */
		ro_known = false;
	}
	if (from->cdrom != to->cdrom) {
		steps[n++] = (struct msd_lun_step){ "cdrom", to->cdrom ? "1" : "0" };
		if (to->cdrom) {
			ro_known = true;
			ro = true;
		}
	}
	if (!ro_known || ro != to->ro)
		steps[n++] = (struct msd_lun_step){ "ro", to->ro ? "1" : "0" };
	if (to->file[0])
		steps[n++] = (struct msd_lun_step){ "file", to->file };
	return n;
}

/* One write; log tells it as the shell would do it. */
static int write_attr(struct msd_lun *lun, const char *attr, const char *value,
		      const struct msd_log *log, struct msd_error *err)
{
	msd_log(log, MSD_LOG_STEP, "echo '%s' > %s/%s", value, lun->name, attr);
	return msd_attr_write(lun->dirfd, attr, value, err);
}

/* Words for what the kernel has against a medium. Returns the code. */
static int insert_failed(int rc, const struct msd_lun_state *to, struct msd_error *err)
{
	switch (-rc) {
	case MSD_E_TOOSMALL:
		return msd_fail(err, MSD_E_TOOSMALL, "%s: image is smaller than the %s needs", to->file,
				to->cdrom ? "600 KiB that a CD" : "512 bytes that a flash drive");
	case ENOENT:
		return msd_fail(err, MSD_E_NOTFOUND, "%s: there is no such file", to->file);
	case EBUSY:
		return msd_fail_errno(err, EBUSY, "%s: another program put a medium in meanwhile",
				      to->file);
	case EINVAL:
		return msd_fail(err, MSD_E_REFUSED, "%s: neither a regular file nor a block device",
				to->file);
	default:
		return msd_fail_errno(err, -rc, "%s: the kernel does not take it", to->file);
	}
}

static int run_steps(struct msd_lun *lun, const struct msd_lun_step *steps, unsigned n,
		     const struct msd_lun_state *to, enum msd_eject eject,
		     const struct msd_log *log, struct msd_error *err)
{
	for (unsigned i = 0; i < n; i++) {
		int rc;

		if (!strcmp(steps[i].attr, "file") && !steps[i].value[0]) {
			rc = msd_lun_eject(lun, eject, log, err);
			if (rc < 0)
				return rc;
			continue;
		}
		rc = write_attr(lun, steps[i].attr, steps[i].value, log, err);
		if (rc < 0 && !strcmp(steps[i].attr, "file"))
			return insert_failed(rc, to, err);
		if (rc == -EBUSY)
			return msd_fail_errno(err, EBUSY,
					      "%s: another program put a medium in meanwhile",
					      lun->name);
		if (rc < 0) {
			msd_prefix(err, lun->name);
			return rc;
		}
	}
	return 0;
}

static bool same_inode(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

/* Whether the kernel did what it said. */
static int verify(struct msd_lun *lun, const struct msd_lun_state *to, struct msd_error *err)
{
	struct msd_lun_state now;
	int rc = msd_lun_read_state(lun, &now, err);

	if (rc < 0)
		return rc;
	if (now.deleted || (strcmp(now.file, to->file) &&
			    (!now.file[0] || !same_inode(now.file, to->file))))
		return msd_fail_errno(err, EBUSY, "%s: another program changed the medium meanwhile",
				      lun->name);
	if (now.ro && !to->ro && to->file[0])
		return msd_fail(err, EROFS,
				"%s: the kernel opened it read-only: its file system is read-only, or it may not be written",
				to->file);
	if (now.cdrom != to->cdrom || now.ro != to->ro)
		return msd_fail_errno(err, EBUSY, "%s: another program changed the drive meanwhile",
				      lun->name);
	return 0;
}

/* After a failure, which err holds: from again, or a sentence in err that it is not. */
static void put_back(struct msd_lun *lun, const struct msd_lun_state *from,
		     const struct msd_lun_state *to, const struct msd_log *log,
		     struct msd_error *err)
{
	struct msd_lun_step steps[MSD_LUN_STEPS_MAX];
	struct msd_lun_state now;
	struct msd_error why = { 0 };
	unsigned n;
	int rc = msd_lun_read_state(lun, &now, &why);

	if (rc == 0 && now.file[0] && strcmp(now.file, from->file) && strcmp(now.file, to->file))
		rc = msd_fail(&why, EBUSY, "%s is in now", now.file);
	if (rc == 0) {
		n = msd_lun_plan(&now, from, MSD_EJECT_PLAIN, steps);
		/* what goes out here is the new medium, which nobody was promised yet */
		rc = run_steps(lun, steps, n, from, MSD_EJECT_FORCE, log, &why);
	}
	if (rc == 0)
		rc = verify(lun, from, &why);
	if (rc < 0 && err)
		msd_append(err->msg, sizeof(err->msg), "; ", "and the old state could not be put back: %s",
			   why.msg);
}

int msd_lun_change(struct msd_lun *lun, const struct msd_lun_state *from,
		   const struct msd_lun_state *to, enum msd_eject eject, const struct msd_log *log,
		   struct msd_error *reterr)
{
	struct msd_lun_step steps[MSD_LUN_STEPS_MAX];
	struct msd_error err = { 0 };
	unsigned n = msd_lun_plan(from, to, eject, steps);
	int rc = run_steps(lun, steps, n, to, eject, log, &err);

	if (rc == 0)
		rc = verify(lun, to, &err);
	if (rc == 0)
		return 0;
	put_back(lun, from, to, log, &err);
	if (reterr)
		*reterr = err;
	return rc;
}

bool msd_lun_has_forced_eject(const struct msd_lun *lun)
{
	return faccessat(lun->dirfd, "forced_eject", F_OK, 0) == 0;
}

static int eject_plain(struct msd_lun *lun, const struct msd_log *log, struct msd_error *err)
{
	int rc = write_attr(lun, "file", "", log, err);

	if (rc == -EBUSY)
		return msd_fail(err, MSD_E_LOCKED, "%s: the target host has locked the medium",
				lun->name);
	if (rc < 0)
		msd_prefix(err, lun->name);
	return rc;
}

int msd_lun_eject(struct msd_lun *lun, enum msd_eject how, const struct msd_log *log,
		  struct msd_error *reterr)
{
	int rc;

	if (how == MSD_EJECT_PLAIN)
		return eject_plain(lun, log, reterr);
	rc = write_attr(lun, "forced_eject", "1", log, reterr);
	if (rc == 0)
		return 0;
	if (rc != -ENOENT) {
		msd_prefix(reterr, lun->name);
		return rc;
	}
	rc = eject_plain(lun, log, reterr);
	if (rc != -MSD_E_LOCKED)
		return rc;
	msd_log(log, MSD_LOG_STEP, "SIGUSR1 to the kernel's file-storage threads");
	rc = msd_threads_unlock(reterr);
	if (rc < 0)
		return rc;
	for (int i = 0; i < UNLOCK_TRIES; i++) {
		rc = eject_plain(lun, NULL, reterr);
		if (rc != -MSD_E_LOCKED)
			return rc;
		msd_clock_sleep(UNLOCK_POLL_MS);
	}
	return rc;
}
