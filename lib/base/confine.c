/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Confinement by Landlock. */
#include "base/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The rights of Landlock's first version, and what later ones added, by version. */
#define RIGHTS_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define RIGHT_REFER (1ull << 13)
#define RIGHT_TRUNCATE (1ull << 14)

/* Files are read, written, made, renamed and removed; nothing is run, no device made. */
#define RIGHTS_NEEDED (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	LANDLOCK_ACCESS_FS_MAKE_REG | RIGHT_REFER | RIGHT_TRUNCATE)

#if defined(__SANITIZE_ADDRESS__)
#define READS_PROC 1	/* the leak check at the end */
#else
#define READS_PROC 0
#endif

static long allow(int ruleset, int dirfd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = dirfd, .allowed_access = rights };

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static void confine(int dirfd, uint64_t rights)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = RIGHTS_1 };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || version < 1)
		return;
	if (version >= 2)
		attr.handled_access_fs |= RIGHT_REFER;
	if (version >= 3)
		attr.handled_access_fs |= RIGHT_TRUNCATE;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (fd < 0)
		return;
	if (READS_PROC) {
		int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

		allow(fd, proc, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
		close(proc);
	}
	if (dirfd < 0 || allow(fd, dirfd, rights & attr.handled_access_fs) == 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
}

void msd_confine(int dirfd)
{
	confine(dirfd, RIGHTS_NEEDED);
}

void msd_confine_to_reading(void)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	confine(fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	close(fd);
}
