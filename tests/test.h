/* SPDX-License-Identifier: Apache-2.0 */
/* A test program: TEST(name) { ... } blocks, each run in a process of its own. */
#ifndef HL_TESTS_TEST_H
#define HL_TESTS_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Prints "ok NAME", "not ok NAME - why" or "skip NAME - why" for each test and
 * "N passed, N failed, N skipped" at the end; exit status 0 unless one failed.
 *   PROGRAM [--only PART] [--skip PART]... [--list]     PART: of a test's name
 * A test that runs longer than its time-out (60 s; TEST_SLOW: 600 s) fails.
 * HL_TEST_FULL=1 asks for the long version, test_full(), and gives it 20 times
 * as long. */
typedef void (*test_body)(void);
struct test_entry {
    const char *name;
    test_body body;
    unsigned seconds;
    struct test_entry *next;
};
void test_add(struct test_entry *entry);

#define TEST_LIMIT(id, limit) \
    static void test_body_##id(void); \
    static struct test_entry test_entry_##id = {#id, test_body_##id, limit, 0}; \
    __attribute__((constructor)) static void test_add_##id(void) \
    { \
        test_add(&test_entry_##id); \
    } \
    static void test_body_##id(void)
#define TEST(id) TEST_LIMIT(id, 60)
#define TEST_SLOW(id) TEST_LIMIT(id, 600)

/* Each ends the test (its process) with the reason. */
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void test_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
bool test_full(void);

/* The path of a guest image: NAME in the folder guests/ beside the test's
 * folder, or below the working directory. */
const char *test_guest(const char *name);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond) ((cond) ? (void)0 : FAIL("%s", #cond))
#define CHECK_INT(found, wanted) \
    do { \
        long long f_ = (long long)(found), w_ = (long long)(wanted); \
        if (f_ != w_) \
            FAIL("%s is %lld (%#llx), wanted %lld", #found, f_, (unsigned long long)f_, w_); \
    } while (0)
#define CHECK_STR(found, wanted) \
    do { \
        const char *f_ = (found), *w_ = (wanted); \
        if (strcmp(f_, w_)) \
            FAIL("%s is \"%s\", wanted \"%s\"", #found, f_, w_); \
    } while (0)
#define CHECK_HAS(found, part) \
    do { \
        const char *f_ = (found), *p_ = (part); \
        if (!strstr(f_, p_)) \
            FAIL("%s is \"%s\", wanted \"...%s...\"", #found, f_, p_); \
    } while (0)
#endif
