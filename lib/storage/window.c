/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of an image that holds a file system. */
#include "storage/window.h"

#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/shell.h"
#include "base/text.h"

#define LIST_SIZE 512
#define SECTOR 512		/* libblkid counts in these, whatever the table's are */

static void free_probe(blkid_probe *probe)
{
	blkid_free_probe(*probe);
}

#define _cleanup_probe_ _cleanup_(free_probe)

static int new_probe(int fd, const char *name, uint64_t offset, uint64_t size, blkid_probe *ret,
		     struct msd_error *err)
{
	*ret = blkid_new_probe();
	if (!*ret)
		return msd_fail_on(err, ENOMEM, name);
	/* size 0 stands for all there is */
	if (blkid_probe_set_device(*ret, fd, (blkid_loff_t)offset, (blkid_loff_t)size) < 0)
		return msd_fail_on(err, errno ? errno : EIO, name);
	return 0;
}

/* Fills fstype if there is a file system in the window: 1, else 0. */
static int probe_window(int fd, const char *name, struct msd_window *window, struct msd_error *err)
{
	_cleanup_probe_ blkid_probe probe = NULL;
	const char *type = NULL, *usage = NULL;
	int rc = new_probe(fd, name, window->offset_bytes, window->size_bytes, &probe, err);

	if (rc < 0)
		return rc;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
	if (blkid_do_safeprobe(probe) != 0 ||
	    blkid_probe_lookup_value(probe, "USAGE", &usage, NULL) < 0 || strcmp(usage, "filesystem") ||
	    blkid_probe_lookup_value(probe, "TYPE", &type, NULL) < 0)
		return 0;
	snprintf(window->fstype, sizeof(window->fstype), "%s", type);
	return 1;
}

static int no_filesystem(const char *name, int partition, struct msd_error *err)
{
	if (partition > 0)
		msd_fail(err, MSD_E_FORMAT, "%s: no file system is on partition %d", name, partition);
	else
		msd_fail(err, MSD_E_FORMAT, "%s: no file system is in it", name);
	msd_hint(err, "blkid -p %s; fdisk -l %s", msd_quoted(name), msd_quoted(name));
	return -MSD_E_FORMAT;
}

struct choice {
	struct msd_window window;	/* the last one that fits */
	unsigned n;			/* how many fit */
	char list[LIST_SIZE];		/* all there are, for messages */
};

/* Takes in one partition: it fits when it is the one asked for, or any with a file system. */
static int add_partition(struct choice *choice, int fd, const char *name, blkid_partition part,
			 int wanted, struct msd_error *err)
{
	struct msd_window window = {
		.partition = blkid_partition_get_partno(part),
		.offset_bytes = (uint64_t)blkid_partition_get_start(part) * SECTOR,
		.size_bytes = (uint64_t)blkid_partition_get_size(part) * SECTOR,
	};
	int rc;

	if (blkid_partition_is_extended(part) || window.size_bytes == 0)
		return 0;
	rc = probe_window(fd, name, &window, err);
	if (rc < 0)
		return rc;
	msd_append(choice->list, sizeof(choice->list), ", ", "%d (%s)", window.partition,
		   rc ? window.fstype : "none");
	if (wanted == window.partition || (wanted == MSD_WINDOW_ANY && rc)) {
		choice->window = window;
		choice->n++;
	}
	return 0;
}

static int list_partitions(struct choice *choice, int fd, const char *name, int wanted,
			   struct msd_error *err)
{
	_cleanup_probe_ blkid_probe probe = NULL;
	blkid_partlist list;
	int rc = new_probe(fd, name, 0, 0, &probe, err);

	if (rc < 0)
		return rc;
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	list = blkid_probe_get_partitions(probe);
	for (int i = 0; list && rc == 0 && i < blkid_partlist_numof_partitions(list); i++)
		rc = add_partition(choice, fd, name, blkid_partlist_get_partition(list, i), wanted, err);
	return rc;
}

static int get_size(int fd, const char *name, uint64_t *ret_bytes, struct msd_error *err)
{
	_cleanup_probe_ blkid_probe probe = NULL;
	int rc = new_probe(fd, name, 0, 0, &probe, err);

	if (rc == 0)
		*ret_bytes = (uint64_t)blkid_probe_get_size(probe);
	return rc;
}

int msd_window_find(int fd, const char *name, int partition, struct msd_window *ret,
		    struct msd_error *reterr)
{
	struct choice choice = { 0 };
	struct msd_window whole = { 0 };
	int rc = get_size(fd, name, &whole.size_bytes, reterr);

	if (rc == 0 && partition <= 0) {
		rc = probe_window(fd, name, &whole, reterr);
		if (rc == 0 && partition == 0)
			return no_filesystem(name, 0, reterr);
		if (rc > 0)
			*ret = whole;
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	if (rc == 0)
		rc = list_partitions(&choice, fd, name, partition, reterr);
	if (rc < 0)
		return rc;
	if (choice.n == 1 && choice.window.fstype[0]) {
		*ret = choice.window;
		return 0;
	}
	if (choice.n == 1 || (partition == MSD_WINDOW_ANY && choice.n == 0))
		return no_filesystem(name, partition, reterr);
	if (choice.n > 1)
		msd_fail(reterr, MSD_E_NOTFOUND, "%s: several partitions have a file system: %s", name,
			 choice.list);
	else
		msd_fail(reterr, MSD_E_NOTFOUND, "%s: there is no partition %d, only %s", name, partition,
			 choice.list[0] ? choice.list : "the whole image (0)");
	msd_hint(reterr, "choose one with -o msd.partition=NUMBER");
	return -MSD_E_NOTFOUND;
}
