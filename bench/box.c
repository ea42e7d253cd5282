/* SPDX-License-Identifier: Apache-2.0 */
/* Makes sandboxes of the bench's guest. */
#include "box.h"

static hl_status increment(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    *ret = hl_i32(args[0].as.i32 + 1);
    return HL_OK;
}

static hl_status host_add(hl_call *call, const hl_value args[], hl_value *ret)
{
    (void)call;
    *ret = hl_i32(args[0].as.i32 + args[1].as.i32);
    return HL_OK;
}

static hl_status spinning(hl_call *call, const hl_value args[], hl_value *ret)
{
    const struct box *box = hl_call_user(call);

    (void)args;
    if (box->spinning)
        box->spinning(box->spinning_ctx);
    *ret = hl_void();
    return HL_OK;
}

bool box_open(struct box *box, const struct bench *bench, hl_error *err)
{
    const hl_host_function offered[] = {
        {"Increment", "i32(i32)", increment, NULL},
        {"HostAdd", "i32(i32, i32)", host_add, NULL},
        {"Spinning", "void()", spinning, box},
    };

    *box = (struct box){
        .config = {.struct_size = sizeof(box->config), .hypervisor = HL_HYPERVISOR_KVM},
    };
    if (hl_guest_open(&box->guest, bench->guest, err) == HL_OK &&
        hl_host_create(&box->host, offered, 3, err) == HL_OK)
        return true;
    box_close(box);
    return false;
}

void box_close(struct box *box)
{
    box_destroy(box);
    hl_host_release(box->host);
    hl_guest_release(box->guest);
    *box = (struct box){0};
}

bool box_create(struct box *box, hl_error *err)
{
    return hl_sandbox_create(&box->sandbox, box->guest, box->host, &box->config, err) == HL_OK;
}

void box_destroy(struct box *box)
{
    hl_sandbox_destroy(box->sandbox);
    box->sandbox = NULL;
}

bool box_call(struct box *box, const char *name, hl_value *ret, hl_error *err)
{
    return hl_sandbox_call(ret, box->sandbox, name, NULL, 0, err) == HL_OK;
}
