/* SPDX-License-Identifier: Apache-2.0 */
/* Serves each request from the same clean state: requests GUEST */
#include <hyperlight/hyperlight.h>
#include <stdio.h>

/* One request: whatever the guest did with it is gone afterwards, also if it crashed. */
static hl_status serve(hl_sandbox *box, const hl_snapshot *clean, const char *request,
                       hl_error *err)
{
    const hl_value argument = hl_str(request);
    hl_value kept;
    hl_status status = hl_sandbox_call(&kept, box, "Handle", &argument, 1, err);

    if (!status)
        printf("%s: the guest remembers %u bytes\n", request, kept.as.u32);
    else
        printf("%s: %s\n", request, err->text);
    return hl_sandbox_restore(box, clean, err);
}

int main(int argc, char **argv)
{
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    const char *requests[] = {"alice's password", "bob's key", "eve"};
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *clean = NULL;
    hl_error err;
    size_t i;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "requests_guest", &err) &&
        !hl_sandbox_create(&box, guest, NULL, &config, &err) &&
        !hl_snapshot_take(&clean, box, &err))
        for (i = 0; i < 3 && !serve(box, clean, requests[i], &err); i++)
            ;
    if (err.status)
        fprintf(stderr, "requests: %s\n", err.text);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
