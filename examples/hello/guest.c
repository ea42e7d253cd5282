/* SPDX-License-Identifier: Apache-2.0 */
/* A guest with one function, which calls one of the host's. */
#include <hyperlight/easy.h>

HL_IMPORT(i32, HostPrint, (str, text))
HL_FUNCTION(i32, PrintOutput, (str, text))
{
    return HostPrint(text);
}
