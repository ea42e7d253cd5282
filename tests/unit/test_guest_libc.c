/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's C library compared with the host's.
 *
 * Its sources are compiled as for a guest, but under other names:
 *   cc -std=c11 -O2 -ffreestanding -nostdinc -isystem COMPILER_HEADERS
 *      -isystem include/hyperlight/libc -I include
 *      -include tests/unit/guest_libc_names.h -c src/guest/libc/X.c   (each)
 * where COMPILER_HEADERS is `cc -print-file-name=include`. The program is these
 * objects, this file, guest_libc_printf.c, guest_libc_heap.c and tests/test.c (these
 * four: cc -std=c11 -D_GNU_SOURCE -I include) with -lm. Sanitizers may be on for all. */
#include "guest_libc.h"

#include <errno.h>
#include <hyperlight/guest.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAP_SIZE (1u << 20)

/* ---- the runtime that the library expects ---- */

jmp_buf abort_jump;
volatile bool abort_awaited;
int32_t abort_code;
char abort_text[512];
static char printed[8192];
static hl_status print_status = HL_OK;

void hl_abort(int32_t code, const char *text)
{
    if (!abort_awaited)
        FAIL("hl_abort(%d, \"%s\")", (int)code, text);
    abort_awaited = false;
    abort_code = code;
    snprintf(abort_text, sizeof abort_text, "%s", text);
    longjmp(abort_jump, 1);
}

hl_status hl_print(const char *text)
{
    CHECK(strlen(printed) + strlen(text) < sizeof printed);
    strcat(printed, text);
    return print_status;
}

uint64_t random_bits(void)
{
    static uint64_t state = 0x2545f4914f6cdd1d;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x9e3779b97f4a7c15);
}

size_t random_below(size_t limit)
{
    return (size_t)((random_bits() >> 20) % limit);
}

unsigned char *guarded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (size + page - 1) / page * page + page;
    unsigned char *base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                               0);

    CHECK(base != MAP_FAILED);
    CHECK_INT(mprotect(base + whole - page, page, PROT_NONE), 0);
    return base + whole - page - size;
}

static void use_heap(void)
{
    static unsigned char reserve[HEAP_SIZE];

    hl__heap_init(reserve, sizeof reserve);
}

static int sign_of(int order)
{
    return (order > 0) - (order < 0);
}

/* ---- memory ---- */

#define AREA 1400u    /* an operation on a part of it must leave the rest alone */
#define REP_MIN 2048u /* where mem.c changes its method */
#define REP_MAX (256u * 1024)

static unsigned char area_ours[AREA], area_host[AREA];

static void fill_areas(void)
{
    for (size_t i = 0; i < AREA; i++)
        area_ours[i] = area_host[i] = (unsigned char)(random_bits() >> 30);
}

static void check_areas(const char *what, size_t to, size_t from, size_t size)
{
    for (size_t i = 0; i < AREA; i++) {
        if (area_ours[i] != area_host[i])
            FAIL("%s(to %zu, from %zu, size %zu): byte %zu is %02x, wanted %02x", what, to, from,
                 size, i, area_ours[i], area_host[i]);
    }
}

/* Small sizes one by one, then in steps that leave every rest. */
static size_t next_size(size_t size)
{
    return size < 140 ? size + 1 : size + 37;
}

TEST(guest_memcpy_copies_at_every_alignment_and_nothing_beside)
{
    for (size_t to = 0; to < 17; to++) {
        for (size_t from = 0; from < 17; from++) {
            for (size_t size = 0; size < 680; size = next_size(size)) {
                fill_areas();
                memcpy(area_host + to, area_host + 700 + from, size);
                CHECK(hl_t_memcpy(area_ours + to, area_ours + 700 + from, size) == area_ours + to);
                check_areas("memcpy", to, 700 + from, size);
            }
        }
    }
}

TEST(guest_memmove_copies_overlapping_blocks_both_ways)
{
    static const size_t distances[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 300};

    for (size_t d = 0; d < sizeof distances / sizeof *distances; d++) {
        for (size_t size = 0; size < 1000; size = next_size(size)) {
            size_t low = 5 + size % 16, high = low + distances[d];

            fill_areas();
            memmove(area_host + high, area_host + low, size);
            CHECK(hl_t_memmove(area_ours + high, area_ours + low, size) == area_ours + high);
            check_areas("memmove up", high, low, size);
            memmove(area_host + low, area_host + high, size);
            CHECK(hl_t_memmove(area_ours + low, area_ours + high, size) == area_ours + low);
            check_areas("memmove down", low, high, size);
        }
    }
}

TEST(guest_memset_fills_at_every_alignment_and_nothing_beside)
{
    for (size_t to = 0; to < 17; to++) {
        for (size_t size = 0; size < 1300; size = next_size(size)) {
            int byte = (int)(random_below(1024)) - 512;

            fill_areas();
            memset(area_host + to, byte, size);
            CHECK(hl_t_memset(area_ours + to, byte, size) == area_ours + to);
            check_areas("memset", to, 0, size);
        }
    }
}

static void copy_and_fill(unsigned char *to, const unsigned char *from, unsigned char *moved,
                          size_t size)
{
    hl_t_memset(to - 1, 0xee, size + 2);
    hl_t_memcpy(to, from, size);
    CHECK_INT(memcmp(to, from, size), 0);
    CHECK(to[-1] == 0xee && to[size] == 0xee);
    hl_t_memmove(to - 1, to, size);
    CHECK_INT(memcmp(to - 1, from, size), 0);
    hl_t_memmove(to + 80, to - 1, size);
    CHECK_INT(memcmp(to + 80, from, size), 0);
    hl_t_memmove(to, to + 80, size);
    CHECK_INT(memcmp(to, from, size), 0);
    hl_t_memset(moved, 0, size + 2);
    hl_t_memset(moved + 1, 0x5a, size);
    CHECK(moved[0] == 0 && moved[size + 1] == 0);
    for (size_t i = 1; i <= size; i++)
        CHECK(moved[i] == 0x5a);
}

TEST(guest_memory_functions_are_right_for_large_blocks)
{
    static unsigned char from[REP_MAX + 100], to[REP_MAX + 300], filled[REP_MAX + 300];
    static const size_t middles[] = {REP_MIN, 3 * REP_MIN, REP_MAX};

    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(random_bits() >> 30);
    for (size_t i = 0; i < sizeof middles / sizeof *middles; i++) {
        for (size_t size = middles[i] - 3; size < middles[i] + 4; size++) {
            for (size_t at = 0; at < 5; at++)
                copy_and_fill(to + 1 + at, from + 3 * at, filled + 2 * at, size);
        }
    }
}

TEST(guest_memcmp_orders_by_the_first_difference)
{
    for (size_t size = 0; size < 80; size++) {
        for (size_t at = 0; at < size; at++) {
            unsigned char *a = area_ours + size % 9, *b = area_host;

            memset(a, 0x80, size);
            memset(b, 0x80, size);
            memset(a + at + 1, 1, size - at - 1); /* later bytes say the opposite */
            a[at] = 0xff;
            b[at] = 0x7f;
            CHECK(hl_t_memcmp(a, b, size) > 0);
            CHECK(hl_t_memcmp(b, a, size) < 0);
            CHECK_INT(hl_t_memcmp(a, b, at), 0);
        }
    }
}

TEST(guest_memory_functions_stay_inside_their_blocks)
{
    for (size_t size = 0; size < 700; size = next_size(size)) {
        unsigned char *a = guarded(size), *b = guarded(size);

        hl_t_memset(a, 'x', size);
        hl_t_memcpy(b, a, size);
        hl_t_memmove(a, b, size);
        CHECK_INT(hl_t_memcmp(a, b, size), 0);
        CHECK(hl_t_memchr(a, 'y', size) == NULL);
        CHECK(hl_t_memrchr(a, 'y', size) == NULL);
    }
}

TEST(guest_memchr_and_memrchr_find_the_first_and_the_last)
{
    for (unsigned round = 0; round < 20000; round++) {
        size_t from = random_below(16), size = random_below(60);
        int byte = (int)random_below(4) + 256;

        for (size_t i = 0; i < 80; i++)
            area_host[i] = (unsigned char)random_below(8);
        CHECK(hl_t_memchr(area_host + from, byte, size) == memchr(area_host + from, byte, size));
        CHECK(hl_t_memrchr(area_host + from, byte, size) == memrchr(area_host + from, byte, size));
    }
}

/* ---- strings ---- */

/* A random string over few letters, so that parts repeat, in front of a guard page. */
static char *random_string(char *end, size_t max)
{
    static const char letters[4] = {'a', 'b', '\xe4', 'c'};
    size_t size = random_below(max);
    char *text = end - size - 1;

    for (size_t i = 0; i < size; i++)
        text[i] = letters[random_below(random_below(2) == 0 ? 2 : 4)];
    text[size] = '\0';
    return text;
}

TEST(guest_strings_are_measured_compared_and_searched_as_on_the_host)
{
    char *end_a = (char *)guarded(100) + 100, *end_b = (char *)guarded(100) + 100;

    for (unsigned round = 0; round < 50000; round++) {
        char *a = random_string(end_a, 70), *b = random_string(end_b, 1 + random_below(70));
        size_t n = random_below(80);
        int c = "ab\xe4zc"[random_below(6)];

        CHECK_INT(hl_t_strlen(a), strlen(a));
        CHECK_INT(hl_t_strnlen(a, n), strnlen(a, n));
        CHECK_INT(sign_of(hl_t_strcmp(a, b)), sign_of(strcmp(a, b)));
        CHECK_INT(sign_of(hl_t_strncmp(a, b, n)), sign_of(strncmp(a, b, n)));
        CHECK(hl_t_strchr(a, c) == strchr(a, c));
        CHECK(hl_t_strrchr(a, c) == strrchr(a, c));
        CHECK(hl_t_strstr(a, b) == strstr(a, b));
        b += strlen(b) > 3 ? strlen(b) - 3 : 0;
        CHECK(hl_t_strstr(a, b) == strstr(a, b));
        CHECK_INT(hl_t_strspn(a, b), strspn(a, b));
        CHECK_INT(hl_t_strcspn(a, b), strcspn(a, b));
        CHECK(hl_t_strpbrk(a, b) == strpbrk(a, b));
    }
}

TEST(guest_string_copies_write_what_the_host_writes)
{
    char *end = (char *)guarded(100) + 100;

    for (unsigned round = 0; round < 20000; round++) {
        char *text = random_string(end, 60);
        size_t to = random_below(20), n = random_below(80);
        char *ours = (char *)area_ours + to, *host = (char *)area_host + to;

        fill_areas();
        CHECK(hl_t_strcpy(ours, text) == ours);
        strcpy(host, text);
        check_areas("strcpy", to, 0, 0);
        text = random_string(end, 60);
        CHECK(hl_t_strcat(ours, text) == ours);
        strcat(host, text);
        check_areas("strcat", to, 0, 0);
        text = random_string(end, 60);
        CHECK(hl_t_strncat(ours, text, n) == ours);
        strncat(host, text, n);
        check_areas("strncat", to, 0, n);
        CHECK(hl_t_strncpy(ours, text, n) == ours);
        strncpy(host, text, n);
        check_areas("strncpy", to, 0, n);
    }
}

TEST(guest_strncpy_and_strndup_do_not_read_beyond_the_limit)
{
    unsigned char *text = guarded(5);
    char *copy;

    use_heap();
    memcpy(text, "abcde", 5);
    hl_t_strncpy((char *)area_ours, (char *)text, 5);
    CHECK_INT(memcmp(area_ours, "abcde", 5), 0);
    CHECK_INT(hl_t_strnlen((char *)text, 5), 5);
    copy = hl_t_strndup((char *)text, 5);
    CHECK_STR(copy, "abcde");
    CHECK_STR(hl_t_strndup("abc", 5), "abc");
    CHECK_STR(hl_t_strdup(copy), "abcde");
    CHECK_STR(hl_t_strdup(""), "");
}

TEST(guest_strdup_gives_null_when_the_heap_is_exhausted)
{
    use_heap();
    while (hl_t_malloc(1) != NULL)
        ;
    CHECK(hl_t_strdup("a") == NULL);
    CHECK(hl_t_strndup("a", 1) == NULL);
}

TEST(guest_strtok_r_cuts_as_the_host)
{
    for (unsigned round = 0; round < 20000; round++) {
        char *state_ours, *state_host, *ours, *host;
        char *text = random_string((char *)area_ours + 100, 40);
        char copy[100];

        strcpy(copy, text);
        ours = hl_t_strtok_r(text, "ac", &state_ours);
        host = strtok_r(copy, "ac", &state_host);
        while (host != NULL) {
            CHECK(ours != NULL);
            CHECK_STR(ours, host);
            CHECK_INT(ours - text, host - copy);
            ours = hl_t_strtok_r(NULL, "ac", &state_ours);
            host = strtok_r(NULL, "ac", &state_host);
        }
        CHECK(ours == NULL);
        CHECK(hl_t_strtok_r(NULL, "ac", &state_ours) == NULL);
    }
}

TEST(guest_character_classes_are_those_of_the_c_locale)
{
    for (int c = -1; c < 256; c++) {
        CHECK_INT(!hl_t_isalnum(c), !isalnum(c));
        CHECK_INT(!hl_t_isalpha(c), !isalpha(c));
        CHECK_INT(!hl_t_isblank(c), !isblank(c));
        CHECK_INT(!hl_t_iscntrl(c), !iscntrl(c));
        CHECK_INT(!hl_t_isdigit(c), !isdigit(c));
        CHECK_INT(!hl_t_isgraph(c), !isgraph(c));
        CHECK_INT(!hl_t_islower(c), !islower(c));
        CHECK_INT(!hl_t_isprint(c), !isprint(c));
        CHECK_INT(!hl_t_ispunct(c), !ispunct(c));
        CHECK_INT(!hl_t_isspace(c), !isspace(c));
        CHECK_INT(!hl_t_isupper(c), !isupper(c));
        CHECK_INT(!hl_t_isxdigit(c), !isxdigit(c));
        CHECK_INT(hl_t_tolower(c), tolower(c));
        CHECK_INT(hl_t_toupper(c), toupper(c));
    }
}

/* ---- numbers ---- */

#define CHECK_PARSE(function, text, base) \
    do { \
        char *end_ours = NULL, *end_host = NULL; \
        errno = hl__errno = 0; \
        long long host_ = (long long)function(text, &end_host, base); \
        long long ours_ = (long long)hl_t_##function(text, &end_ours, base); \
        if (ours_ != host_ || end_ours != end_host || hl__errno != errno) \
            FAIL("%s(\"%s\", %d) is %lld, %d characters, errno %d; wanted %lld, %d, %d", \
                 #function, text, base, ours_, (int)(end_ours - (text)), hl__errno, host_, \
                 (int)(end_host - (text)), errno); \
    } while (0)

static void check_number(const char *text, int base)
{
    CHECK_PARSE(strtol, text, base);
    CHECK_PARSE(strtoul, text, base);
    CHECK_PARSE(strtoll, text, base);
    CHECK_PARSE(strtoull, text, base);
}

TEST(guest_strtol_family_parses_as_the_host)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "-",
                                        "+",
                                        "0",
                                        "00",
                                        "0x",
                                        "0X1f",
                                        "0xg",
                                        "-0x10",
                                        "+0x",
                                        "08",
                                        "z",
                                        "Zz9",
                                        "\t\n\v\f\r 42",
                                        "--1",
                                        "+-1",
                                        "- 1",
                                        "12 34",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "-18446744073709551615",
                                        "-18446744073709551616",
                                        "-1",
                                        "99999999999999999999999999999",
                                        "\xc4",
                                        "7fffffffffffffff",
                                        "0x7fffffffffffffff",
                                        "0xffffffffffffffff",
                                        "0x10000000000000000",
                                        "01777777777777777777777",
                                        "02000000000000000000000",
                                        "x1",
                                        "0x0x1",
                                        "1e5",
                                        "1.5",
                                        "@",
                                        "[",
                                        "`",
                                        "{",
                                        "/",
                                        ":"};
    static const char letters[] = "0123456789acfxXzZ+- ";

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int base = 0; base <= 36; base++) {
            if (base != 1)
                check_number(texts[i], base);
        }
    }
    for (unsigned round = 0; round < 200000; round++) {
        char text[30];
        size_t size = random_below(sizeof text), i;
        int base = (int)random_below(36);

        for (i = 0; i < size; i++)
            text[i] = letters[random_below(random_below(3) == 0 ? sizeof letters - 1 : 10)];
        text[i] = '\0';
        check_number(text, base == 1 ? 36 : base);
    }
}

TEST(guest_strtol_refuses_a_base_that_is_none)
{
    static const int bases[] = {-1, 1, 37, INT_MIN, INT_MAX};
    const char *text = "11";
    char *end;

    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        hl__errno = 0;
        end = NULL;
        CHECK_INT(hl_t_strtol(text, &end, bases[i]), 0);
        CHECK_INT(hl__errno, EINVAL);
        CHECK(end == text);
    }
    CHECK_INT(hl_t_strtol(text, NULL, 2), 3);
    CHECK_INT(hl_t_strtol("0b1", &end, 0), 0); /* of C23: newer hosts differ */
    CHECK_STR(end, "b1");
}

TEST(guest_absolute_values)
{
    CHECK_INT(hl_t_abs(-5), 5);
    CHECK_INT(hl_t_abs(INT_MAX), INT_MAX);
    CHECK_INT(hl_t_labs(-LONG_MAX), LONG_MAX);
    CHECK_INT(hl_t_llabs(-LLONG_MAX), LLONG_MAX);
    CHECK_INT(hl_t_llabs(7), 7);
}

/* ---- sorting ---- */

static size_t item_size;
static size_t compared;

static int compare_items(const void *a, const void *b)
{
    compared++;
    return memcmp(a, b, item_size);
}

TEST(guest_qsort_sorts_items_of_any_size)
{
    static unsigned char ours[300 * 150], host[300 * 150];

    for (unsigned round = 0; round < 3000; round++) {
        size_t count = random_below(round % 100 == 0 ? 300 : 40);

        item_size = 1 + random_below(round % 100 == 0 ? 150 : 20);
        for (size_t i = 0; i < count * item_size; i++)
            ours[i] = host[i] = (unsigned char)random_below(round % 2 ? 3 : 256);
        hl_t_qsort(ours, count, item_size, compare_items);
        qsort(host, count, item_size, compare_items);
        CHECK_INT(memcmp(ours, host, count * item_size), 0);
    }
}

TEST(guest_qsort_has_no_slow_input)
{
    static uint32_t items[1 << 16];
    size_t count = sizeof items / sizeof *items;

    item_size = sizeof *items;
    for (unsigned shape = 0; shape < 4; shape++) {
        for (size_t i = 0; i < count; i++) {
            uint32_t shapes[] = {(uint32_t)i, (uint32_t)(count - i), 7, (uint32_t)(i % 256)};

            items[i] = __builtin_bswap32(shapes[shape]);
        }
        compared = 0;
        hl_t_qsort(items, count, sizeof *items, compare_items);
        CHECK(compared < 2 * 16 * count + 2 * count);
        for (size_t i = 1; i < count; i++)
            CHECK(memcmp(items + i - 1, items + i, sizeof *items) <= 0);
    }
}

static int compare_nonsense(const void *a, const void *b)
{
    (void)a;
    (void)b;
    return (int)random_below(3) - 1;
}

TEST(guest_qsort_stays_inside_the_array_when_the_order_is_nonsense)
{
    unsigned char *items = guarded(1000);

    for (unsigned round = 0; round < 1000; round++)
        hl_t_qsort(items, 1000 / 8, 8, compare_nonsense);
    hl_t_qsort(items + 1000, 0, 8, compare_nonsense);
}

TEST(guest_bsearch_finds_what_is_there_and_nothing_else)
{
    unsigned char items[200], key;

    item_size = 1;
    for (size_t count = 0; count < 100; count++) {
        for (size_t i = 0; i < count; i++)
            items[i] = (unsigned char)(2 * i + 1);
        for (unsigned k = 0; k < 2 * count + 2; k++) {
            void *wanted = k % 2 != 0 && k < 2 * count ? items + k / 2 : NULL;

            key = (unsigned char)k;
            CHECK(hl_t_bsearch(&key, items, count, 1, compare_items) == wanted);
        }
    }
}

/* ---- text for the host, and giving up ---- */

TEST(guest_printf_hands_each_text_to_the_host_whole)
{
    char large[3000];

    use_heap();
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    CHECK_INT(hl_t_printf("%d-%s\n", 42, "abc"), 7);
    CHECK_INT(hl_t_putchar('!'), '!');
    CHECK(hl_t_puts("line") >= 0);
    CHECK_STR(printed, "42-abc\n!line\n");
    printed[0] = '\0';
    CHECK_INT(hl_t_printf("<%s>", large), (int)sizeof large + 1);
    CHECK_INT(strlen(printed), sizeof large + 1);
    CHECK(strchr(printed, '>') == printed + sizeof large);
    for (size_t size = 505; size < 520; size++) { /* around its buffer's size */
        printed[0] = '\0';
        CHECK_INT(hl_t_printf("%.*s", (int)size, large), (int)size);
        CHECK_INT(strlen(printed), size);
    }
    hl_t_free(hl_t_malloc(HEAP_SIZE - 16)); /* aborts or fails had it leaked */
}

TEST(guest_printf_reports_a_host_that_refuses_and_a_heap_that_is_full)
{
    print_status = HL_E_FAILED;
    CHECK_INT(hl_t_printf("a"), -1);
    CHECK_INT(hl_t_puts("a"), -1);
    CHECK_INT(hl_t_putchar('a'), -1);
    print_status = HL_OK;
    hl__heap_init(area_ours, 0);
    printed[0] = '\0';
    CHECK_INT(hl_t_printf("%600d", 1), -1);
    CHECK_STR(printed, "");
}

TEST(guest_abort_and_assert_end_in_hl_abort)
{
    CHECK_ABORTS(-1, "abort called", hl_t_abort());
    CHECK_ABORTS(-2, "file.c:12: assertion failed: a == b",
                 hl__assert_failed("a == b", "file.c", 12));
}
