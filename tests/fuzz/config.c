/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text as configuration: read as a whole or refused with a message, never a crash or a leak. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/otgmsd-fuzz-XXXXXX";
	struct msd_config *config = NULL;
	struct msd_error err;
	int fd = mkstemp(path), rc;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	rc = msd_config_read(path, &config, &err);
	unlink(path);
	if (rc < 0 && (rc != -MSD_E_CONFIG || config || strncmp(err.msg, path, strlen(path))))
		abort();
	if (rc == 0 && config->gadget.drives[0].cdrom && config->gadget.drives[0].rw)
		abort();
	msd_config_free(config);
	return 0;
}
