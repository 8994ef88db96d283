/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stand-in for core.img: the first sector loads the second from the place named at byte 500,
 * which an installer sets too, and the second tells that it was reached and ends the machine.
 */
	.code16
	.text
	.globl _start
_start:
	movw	$0x8000 + first - _start, %si
	call	print
	movw	$0x8000 + packet - _start, %si
	movl	0x8000 + rest - _start, %eax
	movl	%eax, 8(%si)
	movb	$0x42, %ah
	int	$0x13
	jc	fail
	cmpl	$0x54534552, 0x8200	/* "REST" */
	jne	fail
	ljmp	$0, $0x8204
fail:
	movw	$0x8000 + error - _start, %si
	call	print
	jmp	stop
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
stop:
	movw	$0x3fd, %dx		/* until the last character has left */
1:	inb	%dx, %al
	testb	$0x40, %al
	jz	1b
	movw	$0xf4, %dx		/* qemu's isa-debug-exit */
	outb	%al, %dx
2:	hlt
	jmp	2b
first:
	.asciz	"STANDIN core.img first sector\r\n"
error:
	.asciz	"STANDIN second sector missing\r\n"
	.balign	4
packet:
	.word	16, 1, 0x8200, 0
	.quad	0
	.org	500
rest:
	.quad	2
	.word	1, 0x820

	.ascii	"REST"
	movw	$0x8000 + done - _start, %si
	call	print
	jmp	stop
done:
	.ascii	"STANDIN core.img "
	VERSION
	.asciz	" entered\r\n"
	.org	1024
