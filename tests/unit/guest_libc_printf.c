/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's vsnprintf compared with the host's. */
#include "guest_libc.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>

#define ROUNDS (test_full() ? 5000000u : 200000u)

static char ours[8192], host[8192];

/* Both must write and return the same, into a buffer of `size` bytes. */
#define COMPARE(size, format, ...) \
    do { \
        memset(ours, '~', sizeof ours); \
        memset(host, '~', sizeof host); \
        int host_ = snprintf(host, size, format, __VA_ARGS__); \
        int ours_ = hl_t_snprintf(ours, size, format, __VA_ARGS__); \
        if (ours_ != host_ || memcmp(ours, host, sizeof ours) != 0) \
            FAIL("\"%s\" with %s: %d \"%.300s\", wanted %d \"%.300s\"", format, #__VA_ARGS__, \
                 ours_, ours, host_, host); \
    } while (0)

/* Mostly large enough; now and then the text is cut. */
static size_t random_room(void)
{
    return random_below(8) == 0 ? random_below(40) : sizeof ours;
}

/* Writes "%", some of the flags, a width, a precision, the length and the conversion. */
static void random_format(char *at, const char *flags, int max_precision, const char *length,
                          char conversion)
{
    *at++ = '%';
    for (; *flags != '\0'; flags++) {
        if (random_below(4) == 0)
            *at++ = *flags;
    }
    if (random_below(2) == 0)
        at += sprintf(at, "%d", (int)random_below(40) + 1);
    if (max_precision > 0 && random_below(4) == 0)
        *at++ = '.';
    else if (max_precision > 0 && random_below(2) == 0)
        at += sprintf(at, ".%d", (int)random_below((size_t)max_precision));
    sprintf(at, "%s%c", length, conversion);
}

/* Of any magnitude, and often at the edge of a type. */
static uint64_t random_integer(void)
{
    static const uint64_t edges[] = {0,         1,
                                     9,         10,
                                     127,       128,
                                     255,       256,
                                     32767,     32768,
                                     65535,     65536,
                                     INT_MAX,   1u + INT_MAX,
                                     UINT_MAX,  1ull + UINT_MAX,
                                     INT64_MAX, 1ull + INT64_MAX,
                                     UINT64_MAX};

    if (random_below(4) == 0)
        return edges[random_below(sizeof edges / sizeof *edges)];
    return random_bits() >> random_below(64);
}

TEST(guest_vsnprintf_formats_integers_as_the_host)
{
    static const char *const lengths[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};
    char format[64];

    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t length = random_below(8), room = random_room();
        uint64_t value = random_integer();
        bool negate = random_below(2) == 0;

        if (negate)
            value = 0 - value;
        random_format(format, "-+ #0", 45, lengths[length], "diuoxX"[random_below(6)]);
        if (length < 3)
            COMPARE(room, format, (int)value);
        else if (length == 3)
            COMPARE(room, format, (long)value);
        else if (length == 4)
            COMPARE(room, format, (long long)value);
        else if (length == 5)
            COMPARE(room, format, (size_t)value);
        else if (length == 6)
            COMPARE(room, format, (intmax_t)value);
        else
            COMPARE(room, format, (ptrdiff_t)value);
    }
}

TEST(guest_vsnprintf_formats_text_and_pointers_as_the_host)
{
    char format[64], text[50];

    for (unsigned round = 0; round < ROUNDS / 4; round++) {
        size_t size = random_below(sizeof text), room = random_room();
        int c = (int)(random_bits() >> 40);
        void *pointer = (void *)(uintptr_t)(random_bits() >> random_below(64));

        memset(text, 'a' + (int)(round % 26), sizeof text);
        text[size] = '\0';
        random_format(format, "-", 45, "", 's');
        COMPARE(room, format, text);
        random_format(format, "-", 0, "", 'c');
        COMPARE(room, format, c);
        random_format(format, "-", 0, "", 'p');
        COMPARE(room, format, pointer);
        COMPARE(room, format, (void *)0);
    }
}

/* ---- doubles ---- */

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Any bit pattern, subnormals, short decimals, exact ties, powers and neighbours of these. */
static double random_double(void)
{
    double value;

    switch (random_below(9)) {
    case 0:
        return from_bits(random_bits());
    case 1:
        return from_bits(random_bits() >> 12 >> random_below(52));
    case 2: /* a tie at some binary digit */
        value = ldexp((double)(random_bits() >> (40 + random_below(24))), -(int)random_below(30));
        break;
    case 3: /* a short decimal */
        value = (double)(random_bits() >> (30 + random_below(34)));
        value /= pow(10, (double)random_below(12));
        break;
    case 4:
        value = pow(10, (double)random_below(600) - 300);
        break;
    case 5:
        value = ldexp(1, (int)random_below(2090) - 1070);
        break;
    case 6: /* nines, which carry */
        value = pow(10, (double)random_below(18)) - pow(10, -(double)random_below(10));
        break;
    case 7: /* something and a half */
        value = (double)random_below(100000) + 0.5;
        break;
    default: /* ends in 5 */
        value = (double)(random_below(100000) * 10 + 5) / pow(10, (double)random_below(9));
        break;
    }
    if (random_below(4) == 0)
        value = nextafter(value, random_below(2) == 0 ? 1e308 : 0);
    return random_below(2) == 0 ? -value : value;
}

TEST(guest_vsnprintf_rounds_doubles_as_the_host)
{
    char format[64];

    for (unsigned round = 0; round < ROUNDS; round++) {
        double value = random_double();
        int precision = random_below(100) == 0 ? 1200 : 30;
        char conversion = "fFeEgG"[random_below(6)];
        size_t room = random_room();

        /* glibc's %#g is wrong where rounding carries; see below */
        random_format(format, conversion == 'g' || conversion == 'G' ? "-+ 0" : "-+ #0", precision,
                      random_below(8) == 0 ? "l" : "", conversion);
        COMPARE(room, format, value);
    }
}

TEST(guest_vsnprintf_rounds_special_doubles_at_every_precision)
{
    const double values[] = {0.0,
                             -0.0,
                             0.5,
                             1.5,
                             2.5,
                             0.25,
                             0.125,
                             0.375,
                             1e23,
                             9.5,
                             99.5,
                             999999.5,
                             9999995.0,
                             0.0001,
                             0.00001,
                             0.00009999995,
                             123456.5,
                             1234565.0,
                             0.1,
                             0.3,
                             2.675,
                             1.005,
                             5e-324,
                             DBL_MIN,
                             DBL_MAX,
                             DBL_EPSILON,
                             1 - DBL_EPSILON / 2,
                             9007199254740993.0,
                             1e15,
                             1e16,
                             1e17,
                             1e22,
                             1e100,
                             4.35,
                             8.5,
                             0.05,
                             0.95,
                             9.995,
                             0.99999999999999989,
                             from_bits(0x000fffffffffffff),
                             INFINITY,
                             -INFINITY,
                             NAN,
                             -NAN};
    char format[32];

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (const char *c = "fFeEgG"; *c != '\0'; c++) {
            for (int precision = -1; precision < 60; precision++) {
                for (const char *flag = strchr("gG", *c) ? " +0-" : "# +0-"; *flag; flag++) {
                    sprintf(format, "%%%c30.*%c", *flag, *c);
                    COMPARE(sizeof ours, format, precision, values[i]);
                }
            }
            sprintf(format, "%%.1100%c", *c);
            COMPARE(sizeof ours, format, values[i]);
        }
    }
}

/* The C standard defines %g by %e and %f: with P significant digits and the exponent X
 * that %e would show, it is %f if P > X >= -4. */
TEST(guest_vsnprintf_alternate_g_keeps_its_zeros)
{
    for (unsigned round = 0; round < ROUNDS / 4; round++) {
        double value = random_double();
        int precision = 1 + (int)random_below(25), exponent;

        if (!isfinite(value))
            continue;
        snprintf(host, sizeof host, "%.*e", precision - 1, value);
        exponent = (int)strtol(strchr(host, 'e') + 1, NULL, 10);
        if (exponent >= -4 && exponent < precision)
            snprintf(host, sizeof host, "%#.*f", precision - 1 - exponent, value);
        else
            snprintf(host, sizeof host, "%#.*e", precision - 1, value);
        hl_t_snprintf(ours, sizeof ours, "%#.*g", precision, value);
        CHECK_STR(ours, host);
    }
}

TEST(guest_vsnprintf_with_17_digits_loses_nothing)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        double value = from_bits(random_bits());

        if (isnan(value))
            continue;
        hl_t_snprintf(ours, sizeof ours, "%.17g", value);
        if (strtod(ours, NULL) != value)
            FAIL("%a became \"%s\"", value, ours);
    }
}

/* ---- the rest of the contract ---- */

/* Formats that a compiler would warn about. */
static int format_loosely(const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = hl_t_vsnprintf(ours, sizeof ours, format, args);
    va_end(args);
    return n;
}

TEST(guest_vsnprintf_takes_width_and_precision_from_arguments)
{
    char format[32];

    strcpy(format, "[%*d|%-*d|%.*f|%*.*s]");
    for (int width = -12; width < 12; width++) {
        for (int precision = -3; precision < 8; precision++)
            COMPARE(sizeof ours, format, width, 42, width, -42, precision, 1.0 / 3, width,
                    precision, "abcdefgh");
    }
}

TEST(guest_vsnprintf_cuts_at_the_size_and_tells_the_whole_length)
{
    for (size_t size = 0; size < 40; size++)
        COMPARE(size, "%s-%08d-%-6s|%.3f", "text", 1234, "ab", 2.5);
    CHECK_INT(hl_t_snprintf(NULL, 0, "%s", "hello"), 5);
}

TEST(guest_vsnprintf_never_writes_through_n)
{
    int before = 7;
    long long before_long = 7;

    CHECK_INT(format_loosely("a%nb%lln%d", &before, &before_long, 5), 9);
    CHECK_STR(ours, "a%nb%lln5");
    CHECK_INT(before, 7);
    CHECK_INT(before_long, 7);
}

TEST(guest_vsnprintf_prints_what_it_does_not_know_as_it_stands)
{
    CHECK_INT(format_loosely("%5.2y|%d", 3), 7);
    CHECK_STR(ours, "%5.2y|3");
}

TEST(guest_vsnprintf_skips_the_arguments_of_what_it_lacks)
{
    format_loosely("%a %d %ls %d", 1.0, 2, L"x", 3);
    CHECK_STR(ours, "%a 2 %ls 3");
    format_loosely("%La %d", 1.0L, 2);
    CHECK_STR(ours, "%La 2");
    format_loosely("%lc%d%Lf", 'x', 4, 0.5L);
    CHECK_STR(ours, "x40.500000");
    CHECK_INT(format_loosely("100%"), 4);
    CHECK_STR(ours, "100%");
    format_loosely("%s %.2s", NULL, NULL);
    CHECK_STR(ours, "(null) (n");
}

TEST(guest_vsnprintf_refuses_what_an_int_cannot_count)
{
    CHECK_INT(format_loosely("%2147483647d", 1), INT_MAX);
    CHECK_INT(format_loosely("%2147483646d%d", 1, 2), INT_MAX);
    CHECK_INT(format_loosely("%2147483647d%d", 1, 2), -1);
    CHECK_INT(format_loosely("%2147483648d", 1), -1);
    CHECK_INT(format_loosely("%99999999999999999999999d", 1), -1);
    CHECK_INT(format_loosely("%.2147483648f", 1.0), -1);
    CHECK_INT(format_loosely("%.2147483640f", 1.0), 2147483642);
    CHECK_INT(format_loosely("%.2147483647f", 1.0), -1);
    CHECK_INT(format_loosely("%.2147483647d", 1), INT_MAX);
    CHECK_INT(format_loosely("%.2147483647g", 1.5), 3);
    CHECK_STR(ours, "1.5");
    CHECK_INT(format_loosely("%*d", INT_MIN, 1), -1);
    CHECK_INT(format_loosely("%.*d", INT_MIN, 1), 1);
}
