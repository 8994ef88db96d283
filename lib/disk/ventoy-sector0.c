/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sector 0 of a Ventoy disk: what it is known by, and what is filled in. */
#include <string.h>

#include "disk/ventoy-priv.h"

bool ventoy_sector0_is_ventoy(const struct ventoy_sector0 *sector0)
{
	static const uint8_t head[sizeof(sector0->head)] = VENTOY_HEAD, mark[] = VENTOY_MARK;

	return !memcmp(sector0->head, head, sizeof(head)) &&
	       !memcmp(sector0->mark, mark, sizeof(mark));
}

/*
 * While an update is under way the boot code is this: it tells so, lets the firmware go on with
 * the next disk, and is how the command that is run again knows what it has to complete.
 */
#define CUT_TEXT "\r\nThe update of Ventoy on this disk was cut short: run it again.\r\n"
static const struct ventoy_cut {
	uint8_t code[27];
	char text[sizeof(CUT_TEXT)];	/* the code prints it */
} cut = {
	{
		0xe8, 0x00, 0x00,	/* call the next one: where are we? */
		0x5e,			/* pop si */
		0x83, 0xc6, 0x18,	/* add si, distance to the text */
		0x2e, 0xac,		/* cs lodsb */
		0x84, 0xc0,		/* test al, al */
		0x74, 0x09,		/* jz behind the loop */
		0xb4, 0x0e,		/* mov ah, print a character */
		0xbb, 0x07, 0x00,	/* mov bx, 7 */
		0xcd, 0x10,		/* int the screen */
		0xeb, 0xf1,		/* jmp to lodsb */
		0xcd, 0x18,		/* int nothing to boot here */
		0xf4,			/* hlt */
		0xeb, 0xfd,		/* jmp to hlt */
	},
	CUT_TEXT,
};
_Static_assert(sizeof(cut) < sizeof(((struct ventoy_sector0 *)0)->code2), "and a byte behind it");

bool ventoy_sector0_is_cut(const struct ventoy_sector0 *sector0, bool *ret_secure_boot)
{
	*ret_secure_boot = sector0->code2[sizeof(cut)];
	return !memcmp(sector0->code2, &cut, sizeof(cut));
}

void ventoy_sector0_set_cut(struct ventoy_sector0 *sector0, bool secure_boot)
{
	memcpy(sector0->code2, &cut, sizeof(cut));
	sector0->code2[sizeof(cut)] = secure_boot;
}

void ventoy_sector0_fill(struct ventoy_sector0 *sector0, const struct ventoy_sector0 *from,
			 const struct msd_ventoy_ids *ids, bool gpt)
{
	memcpy(sector0, from, VENTOY_BOOT_CODE_BYTES);
	sector0->core_lba.b[0] = gpt ? VENTOY_CORE_LBA_GPT : VENTOY_CORE_LBA_MBR;
	memcpy(sector0->uuid, ids->uuid, sizeof(ids->uuid));
	memcpy(sector0->signature, ids->signature, sizeof(ids->signature));
}

void ventoy_sector0_move_active(struct ventoy_sector0 *sector0)
{
	struct ventoy_mbr_entry *entry = sector0->entry;

	if (entry[2].status == VENTOY_ACTIVE || entry[3].status == VENTOY_ACTIVE)
		return;
	entry[0].status = VENTOY_ACTIVE;
	entry[1].status = 0;
}
