/* SPDX-License-Identifier: Apache-2.0 */
/* A guest, but no plug-in: it lacks the function that makes one. */
#include <hyperlight/easy.h>

HL_FUNCTION(i32, Transform, (i32, x))
{
    return x;
}
