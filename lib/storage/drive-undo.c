/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a change that was killed half way leaves is put back by the next command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "drive-priv.h"
#include "storage/remote.h"

/*
 * "INODE CDROM RO FILE", where FILE goes on to the end. The inode is that of the LUN's directory:
 * a gadget that was built anew since has another one.
 */
#define UNDO_FORMAT "%llu %d %d "

static char *undo_path(const struct msd_drive *drive, char *buf, size_t len)
{
	snprintf(buf, len, MSD_RUN_DIR "/%s.%s.%u.undo", drive->id.gadget, drive->id.function,
		 drive->id.lun);
	return buf;
}

static unsigned long long lun_inode(const struct msd_drive *drive)
{
	struct stat st;

	return fstat(msd_lun_get_dirfd(drive->lun), &st) < 0 ? 0 : (unsigned long long)st.st_ino;
}

int msd_undo_write(const struct msd_drive *drive, const struct msd_lun_state *state,
		   struct msd_error *reterr)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], text[MSD_ATTR_BUFSIZE + 64];
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), UNDO_FORMAT "%s", lun_inode(drive), state->cdrom,
			       state->ro, state->file);
	fd = open(undo_path(drive, path, sizeof(path)),
		  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return msd_fail_os(reterr, path);
	/* /run is memory, so there is nothing to sync; and a short file is not taken back */
	if (write(fd, text, len) != (ssize_t)len) {
		unlinkat(AT_FDCWD, path, 0);
		return msd_fail_on(reterr, ENOSPC, path);
	}
	return 0;
}

void msd_undo_remove(const struct msd_drive *drive)
{
	char path[PATH_MAX];

	unlinkat(AT_FDCWD, undo_path(drive, path, sizeof(path)), 0);
}

bool msd_undo_is_there(const struct msd_drive *drive)
{
	char path[PATH_MAX];

	return faccessat(AT_FDCWD, undo_path(drive, path, sizeof(path)), F_OK, 0) == 0;
}

/* Returns 1 with the state, 0 for none or one that is not of this drive. */
static int read_undo(const struct msd_drive *drive, struct msd_lun_state *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX], text[MSD_ATTR_BUFSIZE + 64];
	unsigned long long inode;
	int cdrom, ro, used = 0;
	ssize_t n;

	fd = open(undo_path(drive, path, sizeof(path)), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* a blank of the format swallows any number of them, and the file may begin with none */
	if (sscanf(text, "%llu %d %d%n", &inode, &cdrom, &ro, &used) != 3 || text[used] != ' ' ||
	    inode != lun_inode(drive) || strlen(text + used + 1) >= sizeof(ret->file))
		return 0;
	*ret = (struct msd_lun_state){ .cdrom = cdrom, .ro = ro };
	strcpy(ret->file, text + used + 1);
	return 1;
}

void msd_undo_run(const struct msd_drive *drive)
{
	struct msd_lun_state now, old;
	struct msd_error err;

	if (!msd_undo_is_there(drive))
		return;
	/* with a medium in, the change was through, or somebody has put one in since */
	if (msd_lun_read_state(drive->lun, &now, &err) == 0 && !now.file[0] &&
	    read_undo(drive, &old)) {
		msd_log(drive->log, MSD_LOG_WARNING,
			"%s: a change of it was interrupted, and its old state is put back: %s",
			drive->name, old.file[0] ? old.file : "no medium");
		if ((old.file[0] && msd_remote_check(NULL, old.file, &err) < 0) ||
		    msd_lun_change(drive->lun, &now, &old, MSD_EJECT_PLAIN, drive->log, &err) < 0)
			msd_log(drive->log, MSD_LOG_WARNING, "%s", err.msg);
	}
	msd_undo_remove(drive);
}
