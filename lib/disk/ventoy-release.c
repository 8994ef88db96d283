/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Opens a Ventoy release and checks its small files. */
#include "disk/ventoy-release.h"

#include <errno.h>
#include <string.h>

#include "disk/ventoy-priv.h"
#include "disk/ventoy-source-priv.h"

struct msd_ventoy_release {
	char *path;
	bool has[VENTOY_MEMBERS];
	char version[MSD_VENTOY_VERSION_MAX];
	struct ventoy_sector0 boot;
	uint8_t *core;		/* VENTOY_CORE_BYTES_MAX, zeros behind the file's end */
};

/* boot.img must be of the shape that the boot code of an installed disk asks for. */
static int take_boot(struct msd_ventoy_release *release, struct ventoy_source *source,
		     struct msd_error *err)
{
	uint8_t file[sizeof(release->boot) + 1];
	size_t len;
	int rc = ventoy_source_read(source, file, sizeof(file), &len, err);

	if (rc < 0)
		return rc;
	if (len != sizeof(release->boot))
		return ventoy_source_fail(source, err, "wrong size, not 512 bytes");
	memcpy(&release->boot, file, sizeof(release->boot));
	if (!ventoy_sector0_is_ventoy(&release->boot))
		return ventoy_source_fail(source, err, "not Ventoy's boot code");
	return 0;
}

static int take_core(struct msd_ventoy_release *release, struct ventoy_source *source,
		     struct msd_error *err)
{
	_cleanup_(ventoy_xz_closep) struct ventoy_xz *xz = NULL;
	size_t len, more;
	uint8_t beyond;
	int rc = ventoy_xz_open(source, &xz, err);

	if (rc < 0)
		return rc;
	release->core = calloc(1, VENTOY_CORE_BYTES_MAX);
	if (!release->core)
		return msd_fail_on(err, ENOMEM, release->path);
	rc = ventoy_xz_read(xz, release->core, VENTOY_CORE_BYTES_MAX, &len, err);
	if (rc == 0)
		rc = ventoy_xz_read(xz, &beyond, 1, &more, err);
	if (rc < 0)
		return rc;
	if (more)
		return ventoy_source_fail(source, err, "unpacks to more than 1048064 bytes");
	if (len <= VENTOY_SECTOR)
		return ventoy_source_fail(source, err, "unpacks to less than two sectors");
	return 0;
}

static int take_version(struct msd_ventoy_release *release, struct ventoy_source *source,
			struct msd_error *err)
{
	uint8_t text[MSD_VENTOY_VERSION_MAX];
	size_t len, n;
	int rc = ventoy_source_read(source, text, sizeof(text), &len, err);

	if (rc < 0)
		return rc;
	n = ventoy_version_take(text, len, release->version);
	if (n == 0 || (n < len && (!text[n] || !strchr(" \t\r\n", text[n]))))
		return ventoy_source_fail(source, err, "holds no version");
	return 0;
}

/* All members in the order in which they come. */
static int take_members(struct msd_ventoy_release *release, struct ventoy_source *source,
			struct msd_error *err)
{
	enum ventoy_member member;
	int rc;

	while ((rc = ventoy_source_next(source, &member, err)) > 0) {
		if (release->has[member])
			return ventoy_source_fail(source, err, "is there twice");
		release->has[member] = true;
		if (member == VENTOY_MEMBER_BOOT)
			rc = take_boot(release, source, err);
		else if (member == VENTOY_MEMBER_CORE)
			rc = take_core(release, source, err);
		else if (member == VENTOY_MEMBER_VERSION)
			rc = take_version(release, source, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int msd_ventoy_release_open(const char *path, struct msd_ventoy_release **ret,
			    struct msd_error *reterr)
{
	_cleanup_(msd_ventoy_release_closep) struct msd_ventoy_release *release = NULL;
	_cleanup_(ventoy_source_closep) struct ventoy_source *source = NULL;
	int rc;

	release = calloc(1, sizeof(*release));
	if (!release || !(release->path = strdup(path)))
		return msd_fail_on(reterr, ENOMEM, path);
	rc = ventoy_source_open(path, &source, reterr);
	if (rc == 0)
		rc = take_members(release, source, reterr);
	if (rc < 0)
		return rc;
	for (unsigned m = 0; m < VENTOY_MEMBERS; m++)
		if (!release->has[m]) {
			msd_fail(reterr, MSD_E_FAILED, "%s: %s: not in this archive", path,
				 ventoy_member_name((enum ventoy_member)m));
			msd_hint(reterr, "give ventoy-X-linux.tar.gz as it is downloaded, or the "
					 "folder that it unpacks to");
			return -MSD_E_FAILED;
		}
	*ret = msd_steal(release);
	return 0;
}

struct msd_ventoy_release *msd_ventoy_release_close(struct msd_ventoy_release *release)
{
	if (!release)
		return NULL;
	free(release->core);
	free(release->path);
	free(release);
	return NULL;
}

void msd_ventoy_release_closep(struct msd_ventoy_release **release)
{
	msd_ventoy_release_close(*release);
}

const char *msd_ventoy_release_get_version(const struct msd_ventoy_release *release)
{
	return release->version;
}

const char *ventoy_release_path(const struct msd_ventoy_release *release)
{
	return release->path;
}

const struct ventoy_sector0 *ventoy_release_boot(const struct msd_ventoy_release *release)
{
	return &release->boot;
}

const uint8_t *ventoy_release_core(const struct msd_ventoy_release *release)
{
	return release->core;
}
