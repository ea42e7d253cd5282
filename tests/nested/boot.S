/* SPDX-License-Identifier: Apache-2.0 */
/* Boot sector that starts an unpacked Linux kernel by its PVH entry. */

/* An emulated processor takes minutes to unpack a distribution's kernel, and a
 * good while to run a boot loader. So the disk holds this sector, the tables
 * behind it, the memory image of the kernel and the initramfs, each from a
 * sector on, and this code reads them to where they belong. Given by the assembler's command line:
 *
 * PVH_ENTRY, KERNEL_AT            physical addresses of the entry and the image
 * KERNEL_SECTORS                  size of the memory image
 * INITRAMFS_SECTORS, ..._SIZE     the same in sectors, and in bytes
 * MEMORY                          bytes of RAM, the ACPI tables at its end
 * COMMAND_LINE                    a string
 *
 * Structures: Linux include/xen/interface/hvm/start_info.h. Disk: the ATA
 * registers of the primary channel, 28-bit LBA, programmed I/O. */

#define ADDRESS         0x7c00          /* where the BIOS puts this sector */
#define AT(label)       (ADDRESS + (label - start))
#define INITRAMFS_AT    0x10000000
#define TABLE_SECTORS   3
#define ACPI_SIZE       0x10000
#define ATA_DATA        0x1f0
#define ATA_COUNT       0x1f2
#define ATA_STATUS      0x1f7
#define ATA_READ        0x20
#define E820_RAM        1
#define E820_ACPI       3

    .text
    .code16
start:
    ljmp $0, $AT(flat)
flat:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT(gdt_pointer)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $8, $AT(protected)

    .code32
protected:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $ADDRESS, %esp
    movl $1, %ebx
    movl $AT(tables), %edi
    movl $TABLE_SECTORS, %ebp
    call read
    movl $KERNEL_AT, %edi
    movl $KERNEL_SECTORS, %ebp
    call read
    movl $INITRAMFS_AT, %edi
    movl $INITRAMFS_SECTORS, %ebp
    call read
    movl $AT(start_info), %ebx
    movl $PVH_ENTRY, %eax
    jmp *%eax

/* Reads EBP sectors from sector EBX on to EDI, and moves all three on. */
read:
    movl $256, %ecx
    cmpl %ecx, %ebp
    cmovbl %ebp, %ecx
    movw $ATA_COUNT, %dx
    movb %cl, %al                       /* 0 stands for 256 */
    outb %al, %dx
    movl %ebx, %eax
    orl $0xe0000000, %eax               /* LBA, first drive */
0:
    incw %dx
    outb %al, %dx
    shrl $8, %eax
    jnz 0b
    incw %dx
    movb $ATA_READ, %al
    outb %al, %dx
    addl %ecx, %ebx
    subl %ecx, %ebp
1:
    movw $ATA_STATUS, %dx
    inb %dx, %al
    andb $0x88, %al                     /* busy, data request */
    cmpb $0x08, %al
    jne 1b
    pushl %ecx
    movl $256, %ecx
    movw $ATA_DATA, %dx
    rep insw
    popl %ecx
    loop 1b
    testl %ebp, %ebp
    jnz read
    ret

    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long AT(gdt)

    .org 510
    .word 0xaa55

tables:
start_info:
    .long 0x336ec578, 1, 0, 1           /* magic, version, flags, modules */
    .quad AT(module), AT(command_line), 0, AT(memory_map)
    .long 3, 0
module:
    .quad INITRAMFS_AT, INITRAMFS_SIZE, 0, 0
memory_map:
    .quad 0, 0x9f000, E820_RAM
    .quad 0x100000, MEMORY - ACPI_SIZE - 0x100000, E820_RAM
    .quad MEMORY - ACPI_SIZE, ACPI_SIZE, E820_ACPI
command_line:
    .asciz COMMAND_LINE
    .org 512 * (1 + TABLE_SECTORS)
