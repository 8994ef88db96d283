/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A stand-in for boot.img: loads the sector named at 0x5C and enters it, as the real one does. */
	.code16
	.text
	.globl _start
_start:
	jmp	enter
	nop
	.org	0x5c
core_sector:
	.quad	1			/* an installer sets the first byte */
	.byte	0xff
	.org	0x65
enter:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7000, %sp
	sti
	cld
	movw	$0x7c00 + hello - _start, %si
	call	print
	/* the disk address packet, built on the stack: one sector to 0x8000 */
	pushl	0x7c00 + core_sector - _start + 4
	pushl	0x7c00 + core_sector - _start
	pushw	$0
	pushw	$0x8000
	pushw	$1
	pushw	$16
	movw	%sp, %si
	movb	$0x42, %ah
	int	$0x13			/* DL is the drive that the firmware started */
	jc	fail
	ljmp	$0, $0x8000
fail:
	movw	$0x7c00 + error - _start, %si
	call	print
	movw	$0xf4, %dx		/* qemu's isa-debug-exit */
	outb	%al, %dx
1:	hlt
	jmp	1b

print:					/* the string at SI, to COM1; DX stays */
	pushw	%dx
0:	movw	$0x3fd, %dx
1:	inb	%dx, %al
	testb	$0x20, %al
	jz	1b
	lodsb
	testb	%al, %al
	jz	2f
	movw	$0x3f8, %dx
	outb	%al, %dx
	jmp	0b
2:	popw	%dx
	ret
hello:
	.ascii	"STANDIN boot.img "
	VERSION
	.asciz	"\r\n"
error:
	.asciz	"STANDIN read error\r\n"

	.org	0x180
	.fill	16, 1, 'X'		/* the disk's UUID */
	.byte	0x56, 0x54, 0x00, 0x47, 0x65, 0x00, 0x48, 0x44
	.byte	0x00, 0x52, 0x64, 0x00, 0x20, 0x45, 0x72, 0x0d
	/* the shipped file holds a partition table and a signature that no installer may take */
	.org	0x1b8
	.ascii	"sIgN"
	.org	0x1be
	.fill	64, 1, 0xa5
	.byte	0x55, 0xaa
