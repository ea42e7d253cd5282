/* SPDX-License-Identifier: Apache-2.0 */
/* Printing: a call of the host's HostPrint. */
#include <hyperlight/guest.h>

hl_status hl_print(const char *text)
{
    static const hl_import *host_print;
    const hl_value arg = hl_str(text);
    hl_status status = HL_OK;

    if (!host_print)
        status = hl_import_find(&host_print, "HostPrint", "i32(str)", NULL);
    return status ? status : hl_import_call(NULL, host_print, &arg, 1, NULL);
}
