/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of a drive that are done as a whole or not at all. */
#include "storage/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/shell.h"
#include "base/text.h"
#include "gadget/kmsg.h"
#include "gadget/threads.h"
#include "drive-priv.h"
#include "storage/hold.h"
#include "storage/remote.h"
#include "storage/remount.h"

/* A CD of more is cut to 1,151,999 blocks of 2048 bytes by kernels without DVD support. */
#define CD_MAX_BYTES (1151999ULL * 2048)

/* How long ago a host's last write may be for us to look whether more come, how often, how long. */
#define WRITER_RECENT_S 4
#define WRITER_SAMPLES 4
#define WRITER_SAMPLE_MS 250

int msd_drive_open(const struct msd_drive_where *where, const struct msd_log *log,
		   struct msd_drive **ret, struct msd_error *reterr)
{
	_cleanup_(msd_drive_closep) struct msd_drive *drive = calloc(1, sizeof(*drive));
	_cleanup_close_ int fd = -1;
	int rc;

	if (!drive)
		return msd_fail_errno(reterr, ENOMEM, "drive");
	drive->log = log;
	rc = msd_find_drive(where->dir, where->gadget, where->preferred, where->number, where->lun,
			    &drive->id, &fd, reterr);
	if (rc == 0)
		rc = msd_lun_new(fd, &drive->id, &drive->lun, reterr);
	if (rc < 0)
		return rc;
	msd_steal_fd(&fd);
	msd_drive_id_format(&drive->id, drive->name, sizeof(drive->name));
	msd_drive_id_options(&drive->id, drive->options, sizeof(drive->options));
	snprintf(drive->dir, sizeof(drive->dir), "%s", where->dir);
	*ret = msd_steal(drive);
	return 0;
}

struct msd_drive *msd_drive_close(struct msd_drive *drive)
{
	if (!drive)
		return NULL;
	msd_lun_close(drive->lun);
	msd_root_done(&drive->root);
	mnt_unref_table(drive->mounts);
	free(drive);
	return NULL;
}

void msd_drive_closep(struct msd_drive **drive)
{
	msd_drive_close(*drive);
}

const struct msd_root *msd_drive_read_root(struct msd_drive *drive, const char *storage_path)
{
	if (drive->root.path)
		return &drive->root;
	if (!drive->mounts)
		msd_mounts_read(&drive->mounts, NULL);
	if (msd_root_read(MSD_FSTAB, storage_path, drive->mounts, &drive->root, NULL) < 0)
		return NULL;
	return &drive->root;
}

const struct msd_drive_id *msd_drive_get_id(const struct msd_drive *drive)
{
	return &drive->id;
}

int msd_drive_read_udc(const struct msd_drive *drive, char *buf, size_t len,
		       struct msd_error *reterr)
{
	char path[PATH_MAX + NAME_MAX];

	snprintf(path, sizeof(path), "%s/%s/UDC", drive->dir, drive->id.gadget);
	return msd_attr_read(AT_FDCWD, path, buf, len, reterr);
}

int msd_drive_read(struct msd_drive *drive, struct msd_lun_state *ret, struct msd_error *reterr)
{
	if (msd_undo_is_there(drive)) {
		_cleanup_close_ int lock = -1;

		if (msd_gadget_lock(MSD_GADGET_LOCK_MS, &lock, NULL) == 0) {
			msd_undo_run(drive);
		} else {
			msd_log(drive->log, MSD_LOG_WARNING, "%s: a change of it is not finished",
				drive->name);
			msd_log(drive->log, MSD_LOG_HINT, "as root, otgmsd %s undoes one that was killed",
				drive->options);
		}
	}
	return msd_lun_read_state(drive->lun, ret, reterr);
}

char *msd_drive_command(const struct msd_drive *drive, const struct msd_drive_change *change,
			const char *extra, char *buf, size_t len)
{
	size_t n;

	snprintf(buf, len, "otgmsd %s", drive->options);
	if (change->rw != MSD_KEEP)
		msd_append(buf, len, " ", "--set-rw=%d", change->rw);
	if (change->cdrom != MSD_KEEP)
		msd_append(buf, len, " ", "--set-cdrom=%d", change->cdrom);
	if (change->image) {
		msd_append(buf, len, " ", "--set-image=");
		n = strlen(buf);
		/* what is too long for a line to copy has a name */
		if (MSD_SHELL_QUOTED_MAX(strlen(change->image)) + 64 < len - n)
			msd_shell_quote(change->image, buf + n, len - n);
		else
			msd_append(buf, len, "", "IMAGE");
	}
	if (change->eject)
		msd_append(buf, len, " ", "--eject");
	msd_append(buf, len, "", "%s", extra);
	return buf;
}

/* The state that the change asks for. */
static int make_target(const struct msd_drive *drive, const struct msd_lun_state *from,
		       const struct msd_drive_change *change, const struct msd_image *image,
		       struct msd_lun_state *to, struct msd_error *err)
{
	*to = *from;
	to->deleted = false;
	if (change->image)
		strcpy(to->file, image->path);
	else if (change->eject)
		to->file[0] = '\0';
	if (change->cdrom != MSD_KEEP)
		to->cdrom = change->cdrom;
	/* the kernel accepts a "writable CD", and no host does */
	if (change->rw != MSD_KEEP)
		to->ro = !change->rw;
	else if (to->cdrom)
		to->ro = true;
	if (to->cdrom && !to->ro) {
		msd_fail(err, MSD_E_REFUSED, "%s: a CD cannot be writable", drive->name);
		msd_hint(err, "--set-cdrom=0 for a writable flash drive, --set-rw=0 for a CD");
		return -MSD_E_REFUSED;
	}
	if (from->deleted && to->file[0] && !change->image) {
		msd_fail(err, MSD_E_NOTFOUND,
			 "%s: its image %s was removed, and once out it cannot be put in again",
			 drive->name, from->file);
		msd_hint(err, "otgmsd %s --eject, or name another image with --set-image",
			 drive->options);
		return -MSD_E_NOTFOUND;
	}
	return 0;
}

static bool is_under(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strcmp(folder, "/") ||
	       (!strncmp(path, folder, len) && (path[len] == '/' || path[len] == '\0'));
}

/* A read-only file system is made rw if it is the storage's; *ret holds it so. */
static int make_writable(struct msd_drive *drive, const struct msd_image *image,
			 const struct msd_drive_change *change, struct msd_hold **ret,
			 struct msd_error *err)
{
	const struct msd_root *root;
	char command[900];
	struct msd_drive_change ro_change = *change;
	int rc = -EROFS;

	root = S_ISBLK(image->st.st_mode) ? NULL : msd_drive_read_root(drive, change->storage_path);
	if (root && root->target && is_under(image->path, root->path)) {
		rc = 0;
		if (change->dry_run)
			change->dry_run(change->dry_run_data, root->target, NULL);
		else
			rc = msd_hold_new(root, MSD_HOLD_TIMEOUT_MS, ret, err);
	}
	if (rc == -EROFS) {
		msd_fail(err, EROFS, "%s: cannot be writable for the host, since its %s is read-only",
			 image->path, S_ISBLK(image->st.st_mode) ? "device" : "file system");
		ro_change.rw = MSD_NO;
		msd_hint(err, "%s", msd_drive_command(drive, &ro_change, "", command,
						      sizeof(command)));
	}
	return rc;
}

/* Whether a host is writing to the image now: its last write is recent, and more come. */
static bool host_is_writing(const char *file)
{
	uint64_t before, after;
	struct stat st;

	if (stat(file, &st) < 0 ||
	    (S_ISREG(st.st_mode) && st.st_mtime + WRITER_RECENT_S < time(NULL)))
		return false;
	if (msd_threads_read_written(&before, NULL) < 0)
		return false;
	for (int i = 0; i < WRITER_SAMPLES; i++) {
		msd_clock_sleep(WRITER_SAMPLE_MS);
		if (msd_threads_read_written(&after, NULL) < 0)
			return false;
		if (after > before)
			return true;
	}
	return false;
}

/* What a failed change says when the host has the door locked. */
static int locked(const struct msd_drive *drive, const struct msd_lun_state *from,
		  struct msd_error *err)
{
	int rc = msd_fail(err, MSD_E_LOCKED, "%s: the target host has locked %s%s", drive->name,
			  from->file, !from->ro && host_is_writing(from->file) ?
					      ", and is writing to it now" : "");

	msd_hint(err, "eject it on the host, or take it out all the same: otgmsd %s --unlock --eject",
		 drive->options);
	return rc;
}

/* The kernel cuts a long CD off and tells only its log. */
static int check_cut(const struct msd_drive *drive, int kmsg, const struct msd_lun_state *from,
		     const struct msd_lun_state *to, struct msd_error *err)
{
	struct msd_error why = { 0 };
	char lun[24];

	if (kmsg < 0) {
		msd_log(drive->log, MSD_LOG_WARNING,
			"%s: over 2.3 GB, and the kernel's log, which tells whether the host gets all of it, cannot be read",
			to->file);
		return 0;
	}
	snprintf(lun, sizeof(lun), "lun.%u", drive->id.lun);
	if (!msd_kmsg_find(kmsg, "using only first", lun))
		return 0;
	if (msd_lun_change(drive->lun, to, from, MSD_EJECT_FORCE, drive->log, &why) < 0) {
		msd_fail(err, MSD_E_REFUSED,
			 "%s: this kernel cuts a CD after 2.3 GB, and the old state could not be put back: %s",
			 to->file, why.msg);
		return -MSD_E_REFUSED;
	}
	msd_fail(err, MSD_E_REFUSED,
		 "%s: this kernel cuts a CD after 2,359,293,952 bytes, so it was taken out again",
		 to->file);
	msd_hint(err, "a hybrid image works as a flash drive: otgmsd %s --set-cdrom=0 --set-image=…; or use a kernel with DVD support",
		 drive->options);
	return -MSD_E_REFUSED;
}

static int eject_dead(struct msd_drive *drive, const struct msd_lun_state *from,
		      const struct msd_drive_change *change, struct msd_error *err)
{
	return msd_remote_eject(drive->lun, &drive->id, from->file, change->force, drive->log, err);
}

/* The writes themselves, with the old state kept on the side for a kill -9. */
static int run_change(struct msd_drive *drive, const struct msd_lun_state *from,
		      const struct msd_lun_state *to, const struct msd_image *image,
		      const struct msd_drive_change *change, enum msd_eject eject,
		      struct msd_error *err)
{
	_cleanup_close_ int kmsg = -1;
	bool may_be_cut = to->cdrom && image->size_bytes > CD_MAX_BYTES;
	struct msd_lun_state empty;
	int rc = 0;

	/* what cannot be put back is out first, and no part of the transaction */
	if (drive->dead && from->file[0]) {
		rc = eject_dead(drive, from, change, err);
		if (rc == 0)
			rc = msd_lun_read_state(drive->lun, &empty, err);
		from = &empty;
	}
	if (rc == 0)
		rc = msd_undo_write(drive, from, err);
	if (rc < 0)
		return rc;
	if (may_be_cut)
		msd_kmsg_open(&kmsg, NULL);
	rc = msd_lun_change(drive->lun, from, to, eject, drive->log, err);
	if (rc == 0 && may_be_cut)
		rc = check_cut(drive, kmsg, from, to, err);
	msd_undo_remove(drive);
	if (rc == -MSD_E_LOCKED)
		return locked(drive, from, err);
	return rc;
}

/* What is right and yet surprises. */
static void warn_of_result(const struct msd_drive *drive, const struct msd_lun_state *from,
			   const struct msd_lun_state *to, const struct msd_image *image,
			   const struct msd_drive_change *change)
{
	char udc[NAME_MAX];

	if (to->file[0] && !to->cdrom && !image->boots) {
		msd_log(drive->log, MSD_LOG_WARNING,
			"%s: has no boot sector, and some BIOSes hang at such a flash drive", to->file);
	}
	if (from->cdrom == to->cdrom || change->quiet_type ||
	    msd_drive_read_udc(drive, udc, sizeof(udc), NULL) < 0 || !udc[0])
		return;
	msd_log(drive->log, MSD_LOG_WARNING,
		"%s: the host takes it for a %s until it is plugged in anew", drive->name,
		from->cdrom ? "CD drive" : "flash drive");
	msd_log(drive->log, MSD_LOG_HINT, "otgmsd %s --replug", drive->options);
}

static void tell_dry_run(const struct msd_drive *drive, const struct msd_lun_state *from,
			 const struct msd_lun_state *to, const struct msd_drive_change *change,
			 enum msd_eject eject)
{
	struct msd_lun_step steps[MSD_LUN_STEPS_MAX];
	unsigned n = msd_lun_plan(from, to, eject, steps);
	char path[PATH_MAX + 2 * NAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		bool force = eject == MSD_EJECT_FORCE && !strcmp(steps[i].attr, "file") &&
			     !steps[i].value[0] && msd_lun_has_forced_eject(drive->lun);

		snprintf(path, sizeof(path), "%s/%s/functions/%s/%s", drive->dir, drive->id.gadget,
			 msd_lun_get_name(drive->lun), force ? "forced_eject" : steps[i].attr);
		change->dry_run(change->dry_run_data, path, force ? "1" : steps[i].value);
	}
}

/* An eject alone is one write, and what is configured stays. */
static int eject_only(struct msd_drive *drive, const struct msd_lun_state *from,
		      const struct msd_drive_change *change, struct msd_lun_state *now,
		      struct msd_error *err)
{
	int rc;

	if (!drive->dead && !from->ro && host_is_writing(from->file))
		msd_log(drive->log, MSD_LOG_WARNING,
			"%s: the host is writing to %s now, and loses what it has not written yet",
			drive->name, from->file);
	rc = drive->dead ? eject_dead(drive, from, change, err) :
			   msd_lun_eject(drive->lun, MSD_EJECT_FORCE, drive->log, err);
	if (rc == 0)
		rc = msd_lun_read_state(drive->lun, now, err);
	if (rc == 0 && now->file[0])
		rc = msd_fail(err, EBUSY, "%s: another program has put %s in meanwhile",
			      drive->name, now->file);
	return rc;
}

static bool changes(const struct msd_lun_state *from, const struct msd_lun_state *to,
		    const struct msd_drive_change *change)
{
	return from->deleted || strcmp(from->file, to->file) || from->cdrom != to->cdrom ||
	       from->ro != to->ro || (change->eject && from->file[0]);
}

/* --unlock of a drive that is to stay as it is: kernels with forced_eject need none. */
static int unlock_only(const struct msd_drive *drive, const struct msd_drive_change *change,
		       struct msd_error *err)
{
	if (change->dry_run || msd_lun_has_forced_eject(drive->lun))
		return 0;
	return msd_threads_unlock(err);
}

/* Whether nobody could write it, asked only of what the host shall write. */
static bool is_readonly(const struct msd_image *image)
{
	struct statfs fs;

	if (S_ISBLK(image->st.st_mode))
		return image->device_readonly;
	return statfs(image->path, &fs) == 0 && fs.f_flags & ST_RDONLY;
}

/* Everything about the medium that shall be in, and a storage that it can be written on. */
static int check_medium(struct msd_drive *drive, const struct msd_lun_state *to,
			const struct msd_drive_change *change, struct msd_image *image,
			struct msd_hold **hold, struct msd_error *err)
{
	int rc = change->image ? 0 : msd_image_read(drive, to->file, NULL, image, err);

	if (rc == 0)
		rc = msd_image_check(drive, image, to, change, err);
	if (rc == 0 && !to->ro && is_readonly(image))
		rc = make_writable(drive, image, change, hold, err);
	return rc;
}

/* All that is done under the lock: old is what was in and has come out, now what is in. */
static int change_locked(struct msd_drive *drive, const struct msd_drive_change *change,
			 struct msd_hold **hold, struct msd_lun_state *old,
			 struct msd_lun_state *now, struct msd_error *err)
{
	enum msd_eject eject = change->eject || change->unlock ? MSD_EJECT_FORCE : MSD_EJECT_PLAIN;
	struct msd_image image = { 0 };
	struct msd_lun_state from, to;
	struct msd_error server;
	int rc;

	msd_undo_run(drive);
	rc = msd_lun_read_state(drive->lun, &from, err);
	*now = from;
	if (rc == 0 && from.file[0] && msd_mounts_read(&drive->mounts, NULL) == 0)
		drive->dead = msd_remote_check(drive->mounts, from.file, &server) < 0;
	if (rc == 0 && change->image)
		rc = msd_image_read(drive, change->image, change->storage_path, &image, err);
	if (rc == 0)
		rc = make_target(drive, &from, change, &image, &to, err);
	if (rc < 0)
		return rc;
	if (!changes(&from, &to, change))
		return change->unlock ? unlock_only(drive, change, err) : 0;
	if (to.file[0] && drive->dead && !change->image) {
		*err = server;
		return -MSD_E_FAILED;
	}
	if (to.file[0])
		rc = check_medium(drive, &to, change, &image, hold, err);
	if (rc < 0)
		return rc;
	if (change->dry_run) {
		tell_dry_run(drive, &from, &to, change, eject);
		return 0;
	}
	if (!to.file[0] && from.cdrom == to.cdrom && change->rw == MSD_KEEP)
		rc = eject_only(drive, &from, change, &to, err);
	else
		rc = run_change(drive, &from, &to, &image, change, eject, err);
	if (rc < 0)
		return rc;
	*old = from;
	*now = to;
	warn_of_result(drive, &from, &to, &image, change);
	return 0;
}

int msd_drive_settle(struct msd_drive *drive, const struct msd_lun_state *old,
		     const char *storage_path, struct msd_error *reterr)
{
	const struct msd_root *root;
	struct msd_error err = { 0 };
	int fd, rc = 0;

	if (!old->file[0] || old->ro)
		return 0;
	fd = old->deleted || drive->dead ? -1 : open(old->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		if (fsync(fd) < 0)
			rc = msd_fail_errno(reterr, errno, "%s: what the host wrote is not all on the disk",
					    old->file);
		close(fd);
	}
	root = msd_drive_read_root(drive, storage_path);
	if (root && root->target && is_under(old->file, root->path) &&
	    msd_hold_settle(root, MSD_HOLD_TIMEOUT_MS, &err) < 0) {
		msd_log(drive->log, MSD_LOG_WARNING, "%s", err.msg);
		if (err.hint[0])
			msd_log(drive->log, MSD_LOG_HINT, "%s", err.hint);
	}
	return rc;
}

int msd_drive_change(struct msd_drive *drive, const struct msd_drive_change *change,
		     struct msd_lun_state *ret, struct msd_error *reterr)
{
	_cleanup_(msd_hold_releasep) struct msd_hold *hold = NULL;
	struct msd_lun_state old = { 0 };
	int lock = -1, rc;

	rc = msd_gadget_lock(MSD_GADGET_LOCK_MS, &lock, reterr);
	if (rc < 0)
		return rc;
	rc = change_locked(drive, change, &hold, &old, ret, reterr);
	/* the sync may take long, and needs no lock */
	close(lock);
	if (rc < 0)
		return rc;
	return msd_drive_settle(drive, &old, change->storage_path, reterr);
}
