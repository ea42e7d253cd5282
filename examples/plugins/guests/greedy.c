/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that wants more memory than it may have. */
#include <hyperlight/easy.h>
#include <stdlib.h>

HL_FUNCTION(str, Transform, (str, text))
{
    char *all = malloc(64 << 20);

    if (!all)
        return hl_fail(call, 12, "64 MiB are not to be had"), "";
    free(all);
    return text;
}
