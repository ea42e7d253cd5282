/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in with a wild pointer. */
#include <hyperlight/easy.h>

HL_FUNCTION(str, Transform, (str, text))
{
    *(volatile char *)(uintptr_t)0xdead0000 = *text;
    return text;
}
