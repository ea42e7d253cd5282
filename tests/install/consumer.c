/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses the installed library; C11 to C23, and C++17. */
#include <hyperlight/easy.h>
#include <stdio.h>

HL_FUNCTION(i32, Twice, (i32, x))
{
    return 2 * x;
}

int main(int argc, char **argv)
{
    const hl_host_function table[] = {HL_ENTRY(Twice, NULL)};
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_value sum;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "guest", &err) &&
        !hl_host_create(&host, table, 1, &err) &&
        !hl_sandbox_create(&box, guest, host, NULL, &err) &&
        !hl_invoke(&sum, box, &err, "AddTwice", 2, 20))
        printf("%d with %s\n", sum.as.i32, hl_version());
    if (err.status)
        fprintf(stderr, "%s\n", err.text);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status == HL_E_NO_HYPERVISOR ? 77 : err.status != HL_OK;
}
