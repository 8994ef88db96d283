/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel attributes: a file of configfs or sysfs, read or written as a whole. */
#ifndef MSD_GADGET_ATTR_H
#define MSD_GADGET_ATTR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * The longest value that msd_attr_write takes: configfs keeps 4095 bytes of a write and cuts
 * the rest in silence, and one of them is the newline.
 */
#define MSD_ATTR_MAX 4094

/* A buffer of this size holds whatever msd_attr_read can give. */
#define MSD_ATTR_BUFSIZE 4098

/*
 * Reads the attribute at path, relative to the directory dirfd, by one read(2). One newline at
 * the end is taken off; an empty attribute gives "". Returns 0; -ENOENT when this kernel does
 * not have it, which often is an answer and no failure; -ERANGE when buf is too small; -errno.
 */
int msd_attr_read(int dirfd, const char *path, char *buf, size_t len, struct msd_error *reterr);

/* As msd_attr_read for one that holds a number: 0 is false, anything else true; -EINVAL for no number. */
int msd_attr_read_bool(int dirfd, const char *path, bool *ret, struct msd_error *reterr);

/*
 * Writes value and a newline by one write(2), so "" clears the attribute. The file is never
 * made: configfs answers EACCES to O_CREAT for an attribute that it does not have.
 *
 * Returns 0; -ENAMETOOLONG beyond MSD_ATTR_MAX, nothing is written then; -MSD_E_TOOSMALL for
 * the kernel's errno 525, a medium smaller than it takes; -EIO for a short write; -errno, of
 * which ENOENT may mean the attribute itself (no message can tell) or what value names.
 */
int msd_attr_write(int dirfd, const char *path, const char *value, struct msd_error *reterr);

int msd_attr_write_bool(int dirfd, const char *path, bool value, struct msd_error *reterr);

#endif
