/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving up what the rest of a program does not need, before it reads what a stranger wrote. */
#ifndef MSD_BASE_CONFINE_H
#define MSD_BASE_CONFINE_H

/*
 * From here on the process cannot gain privileges and opens, makes and removes files below
 * the folder of dirfd only (-1: nowhere). What is open stays open. Needs Landlock (Linux 5.13);
 * without it just the privileges are given up. Cannot be undone.
 */
void msd_confine(int dirfd);

/* The same, but files anywhere can be read. */
void msd_confine_to_reading(void);

#endif
