/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of run-time exports and imports. */
#include <stdio.h>

#include "../../src/host/added.h"
#include "../test.h"
#include "alloc.h"

static struct hl_signature signature_of(const char *text)
{
    struct hl_signature signature;

    CHECK(!hl__signature_parse(&signature, text, strlen(text)));
    return signature;
}

static void append(struct added_list *list, const char *name, const char *text)
{
    const struct hl_signature signature = signature_of(text);

    CHECK(added_append(list, name, &signature));
}

static struct added_list list_of(uint32_t count)
{
    struct added_list list = {NULL, 0};
    char name[16];
    uint32_t i;

    for (i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%u", i);
        append(&list, name, "i32(str, u64)");
    }
    return list;
}

TEST(an_entry_is_a_copy)
{
    struct added_list list = {NULL, 0};
    char name[] = "late";

    append(&list, name, " void( bytes ) ");
    name[0] = 'x';
    CHECK_INT(list.count, 1);
    CHECK_STR(list.items[0]->function.name, "late");
    CHECK_STR(list.items[0]->function.signature_text, "void(bytes)");
    CHECK_INT(list.items[0]->function.signature.params[0], HL_BYTES);
    append(&list, "", "void()");
    CHECK_STR(list.items[1]->function.name, "");
    added_free(&list);
    CHECK(!list.items && !list.count);
    added_free(&list);
}

TEST(a_copy_shares_its_entries)
{
    struct added_list list = list_of(5), copy, empty = {NULL, 0};

    CHECK(added_copy(&copy, &list));
    CHECK(copy.items != list.items && copy.items[4] == list.items[4]);
    CHECK(added_equal(&copy, &list));
    append(&list, "more", "void()"); /* the copy stays what it was */
    CHECK_INT(copy.count, 5);
    CHECK(!added_equal(&copy, &list));
    added_free(&list);
    CHECK_STR(copy.items[0]->function.name, "f0");
    CHECK_STR(copy.items[4]->function.name, "f4");
    added_free(&copy);
    CHECK(added_copy(&copy, &empty));
    CHECK(!copy.items && !copy.count);
}

/* Two entries of the same name are not the same entry: their guests put
 * different code behind them. */
TEST(lists_made_apart_are_not_equal)
{
    struct added_list a = list_of(2), b = list_of(2), none = {NULL, 0}, none2 = {NULL, 0};

    CHECK(added_equal(&none, &none2));
    CHECK(!added_equal(&a, &b));
    CHECK(!added_equal(&a, &none));
    CHECK(!added_equal(&none, &a));
    CHECK(added_equal(&a, &a));
    added_free(&a);
    added_free(&b);
}

TEST(without_memory_nothing_is_added)
{
    struct added_list list = list_of(3), copy;
    const struct hl_signature signature = signature_of("void()");
    uint32_t n;
    bool added;

    for (n = 0; n < 2; n++) { /* the list, the entry */
        alloc_fails_after(n);
        added = added_append(&list, "late", &signature);
        CHECK(alloc_works());
        CHECK(!added);
        CHECK_INT(list.count, 3);
        CHECK_STR(list.items[2]->function.name, "f2");
    }
    alloc_fails_after(0);
    added = added_copy(&copy, &list);
    CHECK(alloc_works());
    CHECK(!added);
    CHECK(!copy.items && !copy.count);
    added_free(&copy);
    append(&list, "late", "void()");
    CHECK_INT(list.count, 4);
    added_free(&list);
}
