/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The serial number by which a host knows this board again. */
#ifndef MSD_GADGET_SERIAL_PRIV_H
#define MSD_GADGET_SERIAL_PRIV_H

/*
 * Sixteen digits 0-9 A-F, as the mass-storage class wants them (Bulk-Only Transport 1.0, 4.1.1:
 * at least twelve), and the end. The same at every boot, another for each gadget of a machine.
 */
#define MSD_SERIAL_LEN 17

void msd_serial_make(const char *gadget, char ret[MSD_SERIAL_LEN]);

#endif
