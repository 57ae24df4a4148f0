# All assembly of both kernels: from power-on to `kernel`, from one kernel into the next, and the
# functions that compiled code takes for granted.

# PVH: QEMU looks for this note and enters at start32, with the start info's address in ebx.

    .section .note.pvh, "a", @note
    .balign 4
    .long 4                         # bytes of the name
    .long 4                         # bytes of the description
    .long 18                        # a 32-bit entry point
    .asciz "Xen"
    .long start32

# Into 64-bit mode.

    .section .text.boot, "ax"
    .code32
start32:
    cli
    cld
    mov eax, offset pml4
    mov cr3, eax
    mov eax, cr4
    or eax, 1 << 5                  # PAE
    mov cr4, eax
    mov ecx, 0xc0000080             # EFER
    rdmsr
    or eax, 1 << 8                  # LME
    wrmsr
    mov eax, cr0
    or eax, 1 << 31                 # PG
    mov cr0, eax
    mov eax, offset gdt_pointer
    lgdt [eax]
    mov esp, offset stack_top
    push 8
    mov eax, offset start_info_in_rdi
    push eax
    retf

    .code64
start_info_in_rdi:
    mov edi, ebx

# Where a kexec enters, in 64-bit mode and with this image mapped to its own addresses. Nothing is
# taken from the kernel before; rdi is the argument of kernel A, from power-on.

    .globl start64
start64:
    cli
    cld
    lea rax, [rip + pml4]
    mov cr3, rax
    lgdt [rip + gdt_pointer]
    lea rsp, [rip + stack_top]
    push 8
    lea rax, [rip + segments]
    push rax
    retfq
segments:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rax, cr0
    and eax, ~(1 << 2)              # EM off: there is an FPU,
    or eax, 1 << 1                  # MP on: and it is to be waited for
    mov cr0, rax
    mov rax, cr4
    or eax, 1 << 9 | 1 << 10        # OSFXSR, OSXMMEXCPT: Rust uses SSE
    mov cr4, rax
    call kernel
    ud2

# The jump. This code is copied to a page outside of every image and runs there.
#
#   rdi  the next kernel's entry
#   rsi  what to copy: 8 times to, from, bytes, zeros to follow
#   rdx  page tables that map all memory to its own addresses, outside of every image as well

    .globl trampoline, trampoline_end
trampoline:
    mov cr3, rdx
    mov r8, rsi
    mov r9, rdi
    mov edi, {IMAGE}                # this kernel is no more: image, stack and heap
    mov ecx, ({REGION} - {IMAGE}) / 8
    mov rax, {POISON}
    rep stosq
    lea r11, [r8 + 8 * 32]
next_piece:
    mov rdi, [r8]
    mov rsi, [r8 + 8]
    mov rcx, [r8 + 16]
    rep movsb
    mov rcx, [r8 + 24]
    xor eax, eax
    rep stosb
    add r8, 32
    cmp r8, r11
    jne next_piece
    jmp r9
trampoline_end:

# Two maps of memory, in pages of 2 MiB: below, the kernel's own part at its physical addresses;
# above, all of it, {UPPER} further up. Preserved memory is in the upper one alone: who takes a
# physical address for a pointer faults.

    .data
    .balign 4096
pml4:
    .quad pdpt_lower + 3
    .fill 255, 8, 0
    .quad pdpt_upper + 3            # entry 256: {UPPER}
    .fill 255, 8, 0
pdpt_lower:
    .quad pd_lower + 3
    .fill 511, 8, 0
pdpt_upper:
    .quad pd_upper + 3
    .fill 511, 8, 0
pd_lower:
    .set page, 0
    .rept {REGION} >> 21
    .quad page << 21 | 0x83
    .set page, page + 1
    .endr
    .balign 4096
pd_upper:
    .set page, 0
    .rept {RAM} >> 21
    .quad page << 21 | 0x83
    .set page, page + 1
    .endr
    .balign 4096

gdt:
    .quad 0
    .quad 0x00af9a000000ffff        # 8: 64-bit code
    .quad 0x00cf92000000ffff        # 16: data
gdt_pointer:
    .short gdt_pointer - gdt - 1
    .quad gdt

    .bss
    .balign 16
    .skip 128 << 10
stack_top:

# What `core` calls, and expects a C library or an unwinder to define.

    .text
    .globl memcpy, memmove, memset, memcmp, bcmp, _Unwind_Resume, rust_eh_personality
memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx
    jae memcpy                      # the start of `to` is not within `from`
    mov rax, rdi
    lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    mov rcx, rdx
    std
    rep movsb
    cld
    ret
memcpy:
    mov rax, rdi
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
    ret
memset:
    mov r8, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov ecx, edx
    and ecx, 7
    rep stosb
    mov rax, r8
    ret
memcmp:
bcmp:
    xor eax, eax
    mov rcx, rdx
    cmp rax, rax                    # equal, if there is nothing to compare
    repe cmpsb
    je equal
    movzx eax, byte ptr [rdi - 1]
    movzx ecx, byte ptr [rsi - 1]
    sub eax, ecx
equal:
    ret
_Unwind_Resume:
rust_eh_personality:
    ud2
