/* SPDX-License-Identifier: Apache-2.0 */
/* The guest of a program that uses the installed library. */
#include <hyperlight/easy.h>

HL_IMPORT(i32, Twice, (i32, x))

HL_FUNCTION(i32, AddTwice, (i32, a, i32, b))
{
    return a + Twice(b);
}
