/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that attack: the host lives, names the error, and others run on. */
#include "held.h"
#include "vm.h"

/* What an attack may end in. OK: the instruction is harmless in user mode. */
enum { M_OK = 1, M_FAULT = 2, M_PROTOCOL = 4, M_DEADLINE = 8 };
/* By a port that only VMs have: in a process all of them fault. */
#define M_PORT (vm_hypervisor() == HL_HYPERVISOR_PROCESS ? M_FAULT : M_PROTOCOL)

struct attack {
    const char *function;
    int allowed;
    int32_t vector; /* of a fault; -1: any */
};

/* clang-format off */
static const struct attack attacks[] = {
    {"InGate", M_PROTOCOL | M_FAULT, 13}, {"InGate16", M_FAULT, 13}, {"InGate32", M_FAULT, 13},
    {"OutGate16", M_FAULT, 13}, {"OutGate32", M_FAULT, 13}, {"InsGate", M_PROTOCOL | M_FAULT, -1},

    /* KVM reports string output of single bytes as what the gate does. */
    {"OutsGate", M_PROTOCOL | M_FAULT | M_OK, -1},
    {"OutsGateOnce", M_PROTOCOL | M_FAULT | M_OK, -1},
    {"OutReport", M_FAULT, 13}, {"OutReport16", M_FAULT, 13},
    {"Cli", M_FAULT, 13}, {"Sti", M_FAULT, 13}, {"Wbinvd", M_FAULT, 13}, {"Invd", M_FAULT, 13},
    {"Invlpg", M_FAULT, 13}, {"Rdmsr", M_FAULT, 13}, {"Wrmsr", M_FAULT, 13},
    {"Rdpmc", M_FAULT | M_OK, 13}, {"ReadCr0", M_FAULT, 13}, {"WriteCr3", M_FAULT, 13},
    {"WriteCr4", M_FAULT, 13}, {"ReadDr7", M_FAULT, 13}, {"WriteDr0", M_FAULT, 13},
    {"Lgdt", M_FAULT, 13}, {"Lidt", M_FAULT, 13}, {"Ltr", M_FAULT, 13}, {"Lldt", M_FAULT, 13},
    {"Clts", M_FAULT, 13}, {"Swapgs", M_FAULT, -1}, {"Sysret", M_FAULT, -1},
    {"Syscall", M_FAULT, -1}, {"Sysenter", M_FAULT, -1},
    /* A hypercall is answered by KVM with an error code, or is no instruction. */
    {"Vmcall", M_FAULT | M_OK, -1}, {"Vmmcall", M_FAULT | M_OK, -1}, {"Vmrun", M_FAULT, -1},
    {"Vmxon", M_FAULT, -1}, {"Rsm", M_FAULT, 6}, {"Mwait", M_FAULT, -1}, {"Monitor", M_FAULT, -1},
    {"Xsetbv", M_FAULT, -1}, {"Wrpkru", M_FAULT | M_OK, -1}, {"Umwait", M_FAULT | M_OK, -1},
    {"Monitorx", M_FAULT | M_OK, -1},
    {"TrapFlag", M_FAULT, 1}, {"NestedTask", M_FAULT, -1}, {"AlignmentCheck", M_FAULT, -1},
    {"ResumeFlag", M_FAULT, 6}, {"VirtualMode", M_FAULT, -1}, {"IoPrivilege", M_FAULT, 13},
    {"KernelStack", M_FAULT, 14}, {"WreckStack", M_FAULT, 6}, {"WreckStackFault", M_FAULT, -1},
    {"KernelData", M_FAULT, 13}, {"KernelCode", M_FAULT, 13}, {"CompatMode", M_FAULT, 13},
    {"NullSegments", M_FAULT, 6}, {"FsBase", M_FAULT, 13}, {"TssSegment", M_FAULT, 13},
    {"LoopJump", M_DEADLINE, 0}, {"LoopPause", M_DEADLINE, 0}, {"LoopMovs", M_DEADLINE, 0},
    {"LoopCpuid", M_DEADLINE, 0}, {"LoopRdtsc", M_DEADLINE, 0}, {"LoopClflush", M_DEADLINE, 0},
    {"LoopLock", M_DEADLINE, 0},
    {"BareGate", M_PROTOCOL | M_OK, -1}, {"GateMiddle", M_FAULT | M_PROTOCOL | M_OK, -1},
};
/* clang-format on */

static int meaning(hl_status status)
{
    return status == HL_OK           ? M_OK
           : status == HL_E_FAULT    ? M_FAULT
           : status == HL_E_PROTOCOL ? M_PROTOCOL
           : status == HL_E_DEADLINE ? M_DEADLINE
                                     : 0;
}

static hl_sandbox *hostile(void)
{
    hl_config config = {.struct_size = sizeof config, .message_size = 65536};
    hl_sandbox *box = vm_box("hostile", NULL, &config);

    hl_sandbox_set_deadline(box, 100000, NULL);
    return box;
}

static hl_error attack(int allowed, const char *function, const hl_value args[], uint32_t count)
{
    hl_sandbox *box = hostile();
    hl_value ret;
    hl_error err;
    hl_status status = hl_sandbox_call(&ret, box, function, args, count, &err);

    if (!(meaning(status) & allowed))
        FAIL("%s: %d, %s", function, status, err.text);
    CHECK_INT(hl_sandbox_state(box), status == HL_OK ? HL_READY : HL_POISONED);
    hl_sandbox_destroy(box);
    return err;
}

TEST_SLOW(hostile_instructions)
{
    struct bystander bystander;
    struct held before;
    hl_error err;
    size_t i;

    attack(M_DEADLINE, "LoopJump", NONE); /* starts the watcher */
    hl_cache_trim(0);
    before = held_now();
    bystander_start(&bystander);
    for (i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        err = attack(attacks[i].allowed, attacks[i].function, NONE);
        if (err.status == HL_E_FAULT && attacks[i].vector >= 0 &&
            (int32_t)err.vector != attacks[i].vector)
            FAIL("%s: vector %u, wanted %d: %s", attacks[i].function, err.vector, attacks[i].vector,
                 err.text);
    }
    bystander_end(&bystander);
    held_check(&before);
}

TEST(hostile_ports)
{
    static const uint32_t ports[] = {0,     0x20,  0x60,  0x70,  0x7f,  0x81,   0x82,  0xff,
                                     0x100, 0x3f8, 0x402, 0xcf8, 0xcfc, 0x5658, 0xffff};
    hl_error err;
    size_t i;

    for (i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        err = attack(M_FAULT, "OutPort", ARGS(hl_u32(ports[i])));
        CHECK_INT(err.vector, 13);
        err = attack(M_FAULT, "InPort", ARGS(hl_u32(ports[i])));
        CHECK_INT(err.vector, 13);
    }
    err = attack(M_PORT, "InPort", ARGS(hl_u32(0x80)));
    CHECK_HAS(err.text, M_PORT == M_FAULT
                            ? "general protection"
                            : "the guest broke the protocol: port 0x80, input of 1 x 1 bytes");
}

/* A software KVM does not know int n in user mode and answers with other
 * exceptions; where int 0 gives what the manual says, all others must too. */
TEST_SLOW(hostile_int_n)
{
    const bool strict = attack(M_FAULT, "Int", ARGS(hl_u32(0))).vector == 13;
    hl_error err;
    uint32_t n;

    for (n = 0; n < 256; n++) {
        /* A KVM in software makes nonsense of some, harmless here. */
        err = attack(M_FAULT | (strict || n == 3 ? 0 : M_OK), "Int", ARGS(hl_u32(n)));
        if ((strict || n == 3) && err.vector != (n == 3 ? 3 : 13))
            FAIL("int %u: %s", n, err.text);
    }
}

/* iretq to user mode with every flag that it can set, the stack in the system
 * area, then syscall; afterwards the guest is dead and the host is not. */
TEST(hostile_iret_flags)
{
    static const uint64_t flags[] = {0x2,      0x102,  0x4002,  0x40002, 0x10002, 0x44102,
                                     0x200002, 0x3002, 0x20002, 0x402,   0x254d02};
    static const uint64_t stacks[] = {0x600000004000, 0x600000000800, 0x600000001800,
                                      0x600000003ff8, 0x7fffffffffff, 0x8000000000000000};
    size_t i, k;

    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        for (k = 0; k < sizeof stacks / sizeof stacks[0]; k++)
            attack(M_FAULT, "IretFlags", ARGS(hl_u64(flags[i]), hl_u64(stacks[k])));
}

TEST(hostile_edges_of_every_area)
{
    hl_sandbox *box = hostile();
    hl_area areas[32];
    hl_error err;
    size_t n = 0, i;

    while (n < 32 && hl_sandbox_area(&areas[n], box, n))
        n++;
    CHECK(n >= 6 && n < 32);
    hl_sandbox_destroy(box);
    for (i = 0; i < n; i++) {
        const uint64_t end = areas[i].address + areas[i].size;

        attack(M_OK, "ReadByte", ARGS(hl_u64(areas[i].address)));
        attack(M_OK, "ReadByte", ARGS(hl_u64(end - 1)));
        if (i + 1 < n && areas[i + 1].address != end) {
            err = attack(M_FAULT, "ReadByte", ARGS(hl_u64(end)));
            CHECK_INT(err.address, end);
            err = attack(M_FAULT, "ReadByte", ARGS(hl_u64(areas[i + 1].address - 1)));
        }
        if (!(areas[i].access & HL_WRITE)) {
            err = attack(M_FAULT, "WriteByte", ARGS(hl_u64(areas[i].address)));
            CHECK_INT(err.access & 7, 7);
            attack(M_FAULT, "WriteByte", ARGS(hl_u64(end - 1)));
        }
        CHECK((areas[i].access & (HL_WRITE | HL_EXECUTE)) != (HL_WRITE | HL_EXECUTE));
    }
    err = attack(M_FAULT, "ReadByte", ARGS(hl_u64(areas[n - 1].address + areas[n - 1].size)));
}

TEST(hostile_mxcsr_hurts_only_the_guest)
{
    hl_sandbox *box = hostile();
    volatile double one = 1, zero = 0;
    hl_error err;

    vm_call(box, "LeaveMxcsr", NONE);
    CHECK(one / zero > 1e300);
    hl_sandbox_call(NULL, box, "Divide", ARGS(hl_f64(1), hl_f64(0)), &err);
    CHECK(err.status == HL_OK || err.status == HL_E_FAULT);
    hl_sandbox_destroy(box);
}

/* ---- Frames: malformed ones, written by the guest itself ----------------------------- */

#define FRAME(kind, depth, index, count, size, rest, len) \
    ARGS(hl_u32(kind), hl_u32(depth), hl_u32(index), hl_u32(count), hl_u64(size), \
         hl_bytes(rest, len))

static void broken_frame(const char *rule, const hl_value args[], uint32_t count)
{
    hl_error err = attack(M_PROTOCOL, "Frame", args, count);

    CHECK_HAS(err.text, "the guest broke the protocol: ");
    CHECK_HAS(err.text, rule);
}

TEST(hostile_frames)
{
    struct {
        uint32_t type, len;
        uint64_t word;
    } slot = {HL_STR, 5, 80};
    uint8_t big[32] = "................hello";

    broken_frame("frame of kind 0", FRAME(0, 1, 0, 0, 64, "", 0));
    broken_frame("frame of kind 99", FRAME(99, 1, 0, 0, 64, "", 0));
    broken_frame("frame of kind 1", FRAME(1, 1, 0, 0, 64, "", 0));
    broken_frame("frame of depth 2, wanted 1", FRAME(3, 2, 0, 0, 64, "", 0));
    broken_frame("frame of depth 0, wanted 1", FRAME(3, 0, 0, 0, 64, "", 0));
    broken_frame("more values", FRAME(3, 1, 0, 18, 64, "", 0));
    broken_frame("more values", FRAME(3, 1, 0, UINT32_MAX, 64, "", 0));
    broken_frame("frame size does not fit", FRAME(3, 1, 0, 0, 0, "", 0));
    broken_frame("frame size does not fit", FRAME(3, 1, 0, 0, 80, "", 0));
    broken_frame("frame size does not fit", FRAME(3, 1, 0, 1, 64, "", 0));
    broken_frame("frame larger than the buffer", FRAME(3, 1, 0, 0, 65552, "", 0));
    broken_frame("frame larger than the buffer", FRAME(3, 1, 0, 0, 1ull << 63, "", 0));
    broken_frame("frame size does not fit", FRAME(3, 1, 0, 0, UINT64_MAX, "", 0));
    broken_frame("call of import 7, it has", FRAME(2, 1, 7, 0, 64, "", 0));
    broken_frame("call of import 4294967295", FRAME(2, 1, UINT32_MAX, 0, 64, "", 0));
    broken_frame("a malformed failure", FRAME(4, 1, 0, 0, 64, "", 0));
    broken_frame("a malformed log frame", FRAME(5, 1, 3, 0, 64, "", 0));
    broken_frame("a malformed abort frame", FRAME(6, 1, 0, 0, 64, "", 0));
    broken_frame("a malformed export frame", FRAME(7, 1, 0, 0, 64, "", 0));
    broken_frame("a malformed import frame", FRAME(8, 1, 0, 0, 64, "", 0));
    broken_frame("Frame returned 1 values", FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
    slot.len = 0x7fffffff;
    broken_frame("value reaches beyond its frame",
                 FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
    slot.len = UINT32_MAX;
    broken_frame("longer than 2 GiB - 1", FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
    slot.len = 5;
    slot.word = 81;
    broken_frame("wrong offset", FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
    slot.word = UINT64_MAX;
    broken_frame("wrong offset", FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
    slot.word = 80;
    slot.type = 10;
    broken_frame("unknown value type", FRAME(3, 1, 0, 1, 96, memcpy(big, &slot, 16), 32));
}
