/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time that passes, whatever the clock on the wall does. */
#ifndef MSD_BASE_CLOCK_H
#define MSD_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment before the program began. */
uint64_t msd_clock_ms(void);

/* Sleeps that long, or until a signal comes. */
void msd_clock_sleep(unsigned ms);

#endif
