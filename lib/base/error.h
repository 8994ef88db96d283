/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Error codes and the error report that every library function can fill. */
#ifndef MSD_BASE_ERROR_H
#define MSD_BASE_ERROR_H

#include <limits.h>

/*
 * A function that can fail returns 0 or a negative code: -errno, or the negative of one
 * of these. They lie above every errno and are grouped by the exit status that the
 * programs turn them into: (code - 5000) / 100. A plain errno becomes exit status 1, ENOENT 7.
 */
enum {
	MSD_E_FAILED = 5100,	/* failed, and no errno says how */
	MSD_E_TOOBIG,		/* does not fit: file, folder or medium too big */
	MSD_E_TOOSMALL,		/* smaller than the kernel or the format allows */
	MSD_E_NAME,		/* a name that the file system cannot hold */
	MSD_E_CANCELLED,	/* a progress callback asked to stop */
	MSD_E_UNSUPPORTED,	/* this kernel, controller or file system cannot do it */

	MSD_E_USAGE = 5200,	/* wrong argument */
	MSD_E_CONFIG,		/* wrong configuration file */

	MSD_E_NO = 5300,	/* the answer is no */
	MSD_E_TIMEOUT,		/* waited, and it did not come */

	MSD_E_BUSY = 5400,	/* in use by another command, mount, process or drive */
	MSD_E_LOCKED,		/* the target host has locked the medium */

	MSD_E_FORMAT = 5500,	/* not recognised */
	MSD_E_DAMAGED,		/* recognised, and damaged */

	MSD_E_UNSAFE = 5600,	/* refused, --force overrides */
	MSD_E_REFUSED,		/* refused, nothing overrides */

	MSD_E_NOTFOUND = 5700,	/* no such gadget, drive, image, storage, file or folder */
};

/* Caller's, usually on the stack; every function takes NULL for "do not care". */
struct msd_error {
	int code;			/* positive: errno or MSD_E_* */
	char msg[PATH_MAX + 512];	/* "SUBJECT: WHY", no program name, no newline */
	char hint[1024];		/* what to type next; empty if there is nothing */
};

#if defined(__x86_64__) && !defined(__clang__)
/* no message has a number with a fraction: the registers of such need not be kept */
#define MSD_PRINTF(f, a) __attribute__((format(printf, f, a), target("general-regs-only")))
#else
#define MSD_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif

/* Fills err (message from fmt, hint cleared). Returns -code. */
int msd_fail(struct msd_error *err, int code, const char *fmt, ...) MSD_PRINTF(3, 4);

/* The same with ": " and the text of errnum behind the message. Returns -errnum. */
int msd_fail_errno(struct msd_error *err, int errnum, const char *fmt, ...) MSD_PRINTF(3, 4);

/* The same with "%s" for fmt, and with the errno of now. */
int msd_fail_on(struct msd_error *err, int errnum, const char *subject);
int msd_fail_os(struct msd_error *err, const char *subject);

/* Puts a hint beside the message that err already holds. */
void msd_hint(struct msd_error *err, const char *fmt, ...) MSD_PRINTF(2, 3);

/* Puts "SUBJECT: " in front of the message that err already holds. */
void msd_prefix(struct msd_error *err, const char *subject);

#endif
