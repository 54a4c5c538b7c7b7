/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A boot sector for tests/guest/arena: copies 1 MiB from 1 MiB on to 17 MiB, 32 KiB a
 * call of the BIOS, whose buffer is the machine's memory. Ends QEMU through
 * isa-debug-exit at 501h: with 2 * 'K' + 1, or 2 * 'E' + 1 after an error.
 */
	.code16
	.globl	_start
_start:
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$32, %cx
next:
	pushw	%cx
	movb	$0x42, %ah		/* extended read */
	call	disk
	addl	$0x8000, lba
	movw	$0x4300, %ax		/* extended write */
	call	disk
	subl	$0x8000 - 64, lba
	popw	%cx
	loop	next
	movb	$'K', %al
end:
	movw	$0x501, %dx
	outb	%al, %dx
	hlt
disk:
	movw	$packet, %si
	int	$0x13
	movb	$'E', %al
	jc	end
	ret
packet:
	.byte	16, 0
	.word	64, 0, 0x1000		/* blocks; buffer, offset and segment */
lba:
	.quad	2048
	.org	510
	.word	0xaa55
