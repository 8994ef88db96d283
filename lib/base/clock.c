/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time that passes. */
#include "base/clock.h"

#include <poll.h>
#include <time.h>

uint64_t msd_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void msd_clock_sleep(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}
