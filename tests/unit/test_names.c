/* SPDX-License-Identifier: Apache-2.0 */
/* Finding positions by name. */
#include <stdio.h>
#include <stdlib.h>

#include "../../src/host/names.h"
#include "../test.h"

TEST(empty_table_finds_nothing)
{
    struct names names;

    CHECK(names_create(&names, 0));
    CHECK_INT(names_find(&names, "x"), NAMES_NONE);
    CHECK_INT(names_find(&names, ""), NAMES_NONE);
    names_free(&names);
    names_free(&names);
}

TEST(names_that_are_alike)
{
    static const char *const given[] = {"Add", "add",       "Ad",   "Addd", "dAd",
                                        "%n",  "A\xc3\xa9", "Add ", " Add"};
    enum { COUNT = sizeof given / sizeof *given };
    struct names names;
    uint32_t i;

    CHECK(names_create(&names, COUNT));
    for (i = 0; i < COUNT; i++)
        CHECK_INT(names_add(&names, given[i], 100 + i), NAMES_NONE);
    for (i = 0; i < COUNT; i++)
        CHECK_INT(names_find(&names, given[i]), 100 + i);
    CHECK_INT(names_find(&names, "A"), NAMES_NONE);
    CHECK_INT(names_find(&names, "Adde"), NAMES_NONE);
    CHECK_INT(names_find(&names, ""), NAMES_NONE);
    names_free(&names);
}

TEST(second_entry_of_a_name_loses)
{
    char copy[] = "twice";
    struct names names;

    CHECK(names_create(&names, 2));
    CHECK_INT(names_add(&names, "twice", 5), NAMES_NONE);
    CHECK_INT(names_add(&names, copy, 9), 5);
    CHECK_INT(names_find(&names, "twice"), 5);
    names_free(&names);
}

/* As many as announced fit, for every number of them. */
TEST(table_as_full_as_it_gets)
{
    enum { MOST = 300 };
    static char text[MOST][8];
    struct names names;
    uint32_t count, i;

    for (i = 0; i < MOST; i++)
        snprintf(text[i], sizeof text[i], "f%u", i);
    for (count = 1; count <= MOST; count++) {
        CHECK(names_create(&names, count));
        for (i = 0; i < count; i++)
            CHECK_INT(names_add(&names, text[i], i), NAMES_NONE);
        for (i = 0; i < MOST; i++)
            CHECK_INT(names_find(&names, text[i]), i < count ? i : NAMES_NONE);
        names_free(&names);
    }
}
