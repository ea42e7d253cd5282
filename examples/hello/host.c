/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a guest's PrintOutput in a micro-VM, or else in a process: hello GUEST */
#include <hyperlight/hyperlight.h>
#include <stdio.h>
#include <unistd.h>

static hl_status sleep5(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    (void)args;
    (void)ret;
    sleep(5);
    return HL_OK;
}

int main(int argc, char **argv)
{
    const hl_host_function table[] = {{"Sleep5Secs", "void()", sleep5, NULL}};
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    const hl_value message = hl_str("Hello, World! I am executing inside of a VM :)\n");
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "hello_guest", &err) &&
        !hl_host_create(&host, table, 1, &err) &&
        !hl_sandbox_create(&box, guest, host, &config, &err) &&
        !hl_sandbox_call(NULL, box, "PrintOutput", &message, 1, &err))
        printf("hypervisor: %s\n", hl_hypervisor_name(hl_sandbox_hypervisor(box)));
    if (box && hl_sandbox_hypervisor(box) == HL_HYPERVISOR_PROCESS)
        printf("There is no usable hypervisor: the guest ran in a locked-down process, which is a "
               "weaker wall.\n");
    if (err.status)
        fprintf(stderr, "hello: %s\n", err.text);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
