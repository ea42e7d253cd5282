/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction sets by CPUID (SDM 2A CPUID, APM 3 appendix E). */
#include "features.h"

#include <cpuid.h>
#include <string.h>

enum reg { EBX, ECX, EDX };

struct feature {
    const char *name;
    uint32_t leaf;
    uint8_t reg, bit;
    bool avx; /* needs the AVX state */
};

/* The position is the bit in files: append only. Not here: what every guest
 * may use (SSE2) and what a host must have for guests at all. */
static const struct feature features[] = {
    {"SSE3", 1, ECX, 0, false},
    {"PCLMULQDQ", 1, ECX, 1, false},
    {"SSSE3", 1, ECX, 9, false},
    {"CMPXCHG16B", 1, ECX, 13, false},
    {"SSE4.1", 1, ECX, 19, false},
    {"SSE4.2", 1, ECX, 20, false},
    {"MOVBE", 1, ECX, 22, false},
    {"POPCNT", 1, ECX, 23, false},
    {"AES", 1, ECX, 25, false},
    {"RDRAND", 1, ECX, 30, false},
    {"BMI1", 7, EBX, 3, false},
    {"BMI2", 7, EBX, 8, false},
    {"RDSEED", 7, EBX, 18, false},
    {"ADX", 7, EBX, 19, false},
    {"CLFLUSHOPT", 7, EBX, 23, false},
    {"CLWB", 7, EBX, 24, false},
    {"SHA", 7, EBX, 29, false},
    {"GFNI", 7, ECX, 8, false},
    {"RDPID", 7, ECX, 22, false},
    {"MOVDIRI", 7, ECX, 27, false},
    {"MOVDIR64B", 7, ECX, 28, false},
    {"LAHF", 0x80000001, ECX, 0, false},
    {"LZCNT", 0x80000001, ECX, 5, false},
    {"SSE4A", 0x80000001, ECX, 6, false},
    {"PREFETCHW", 0x80000001, ECX, 8, false},
    {"TBM", 0x80000001, ECX, 21, false},
    {"MMXEXT", 0x80000001, EDX, 22, false},
    {"RDTSCP", 0x80000001, EDX, 27, false},
    {"3DNOWEXT", 0x80000001, EDX, 30, false},
    {"3DNOW", 0x80000001, EDX, 31, false},
    [X86_FEATURE_AVX] = {"AVX", 1, ECX, 28, true},
    {"FMA", 1, ECX, 12, true},
    {"F16C", 1, ECX, 29, true},
    {"AVX2", 7, EBX, 5, true},
    {"VAES", 7, ECX, 9, true},
    {"VPCLMULQDQ", 7, ECX, 10, true},
    {"XOP", 0x80000001, ECX, 11, true},
    {"FMA4", 0x80000001, ECX, 16, true},
};
enum { FEATURE_COUNT = sizeof features / sizeof features[0] };
_Static_assert(FEATURE_COUNT <= 64, "a bit each");

static bool has(uint32_t leaf, enum reg reg, unsigned bit)
{
    unsigned eax, words[3];

    return __get_cpuid_count(leaf, 0, &eax, &words[EBX], &words[ECX], &words[EDX]) &&
           (words[reg] >> bit & 1);
}

/* XCR0 has SSE and AVX state (SDM 1 14.3). */
static bool has_avx_state(void)
{
    enum { OSXSAVE = 27, SSE_AVX = 6 };
    uint32_t low, high;

    if (!has(1, ECX, OSXSAVE))
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & SSE_AVX) == SSE_AVX;
}

uint64_t x86_features(bool avx)
{
    const bool wide = avx && has_avx_state();
    uint64_t found = 0;
    unsigned i;

    for (i = 0; i < FEATURE_COUNT; i++)
        if ((wide || !features[i].avx) &&
            has(features[i].leaf, (enum reg)features[i].reg, features[i].bit))
            found |= 1ull << i;
    return found;
}

const char *x86_feature_name(unsigned bit)
{
    return bit < FEATURE_COUNT ? features[bit].name : NULL;
}

void x86_vendor(char out[X86_VENDOR_SIZE])
{
    unsigned eax, ebx = 0, ecx = 0, edx = 0;

    __get_cpuid(0, &eax, &ebx, &ecx, &edx);
    memcpy(out, &ebx, 4);
    memcpy(out + 4, &edx, 4);
    memcpy(out + 8, &ecx, 4);
}

/* ---- CRC32C ------------------------------------------------------------------ */

bool x86_has_crc32c(void)
{
    return has(1, ECX, 20);
}

/* The instruction gives a result three cycles after it began, and can begin
 * every cycle: so three sums side by side, joined by a polynomial product. */
enum { LANE = 8192, WORD = 8 };

__attribute__((target("sse4.2"))) static uint64_t step(uint64_t sum, const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return __builtin_ia32_crc32di(sum, word);
}

/* a * b modulo the CRC's polynomial, bits reflected: bit 31 is x^0. */
static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t sum = 0, bit;

    for (bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit)
            sum ^= b;
        b = b & 1 ? b >> 1 ^ 0x82f63b78u : b >> 1;
    }
    return sum;
}

/* x to the power of `bits`: what a sum is multiplied by when so many zero bits
 * follow it. */
static uint32_t power(uint64_t bits)
{
    uint32_t result = 1u << 31, square = 1u << 30;

    for (; bits; bits >>= 1) {
        if (bits & 1)
            result = product(result, square);
        square = product(square, square);
    }
    return result;
}

__attribute__((target("sse4.2"))) uint32_t x86_crc32c(uint32_t sum, const uint8_t *bytes,
                                                      size_t size)
{
    const uint32_t one = power(8ull * LANE), two = power(16ull * LANE);
    uint64_t a = sum, b, c;
    size_t i;

    for (; size >= 3 * LANE; size -= 3 * LANE, bytes += 3 * LANE) {
        b = c = 0;
        for (i = 0; i < LANE; i += WORD) {
            a = step(a, bytes + i);
            b = step(b, bytes + LANE + i);
            c = step(c, bytes + 2 * LANE + i);
        }
        a = product((uint32_t)a, two) ^ product((uint32_t)b, one) ^ c;
    }
    for (; size >= WORD; size -= WORD, bytes += WORD)
        a = step(a, bytes);
    for (; size; size--, bytes++)
        a = __builtin_ia32_crc32qi((uint32_t)a, *bytes);
    return (uint32_t)a;
}
