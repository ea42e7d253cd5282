/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that asks its host for more than that offers. */
#include <hyperlight/easy.h>

HL_IMPORT(str, ReadFile, (str, path))

HL_FUNCTION(str, Transform, (str, text))
{
    return *text ? ReadFile("/etc/passwd") : "";
}
