/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that does not end. */
#include <hyperlight/easy.h>

HL_FUNCTION(str, Transform, (str, text))
{
    for (volatile unsigned rounds = 0;; rounds++)
        if (!text)
            return "";
}
