/* SPDX-License-Identifier: Apache-2.0 */
/* Makes every kind of error and handles it: errors GUEST */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

/* An error of a host function: code and text of your own, for the guest. */
HL_FUNCTION(i32, Lookup, (str, name))
{
    if (strcmp(name, "tea"))
        return hl_fail(call, 404, "not on the list"), 0;
    return 21;
}

/* By the three groups of hl_status: whose fault was it, and can it go on? */
static const char *kind_of(const hl_error *err)
{
    if (!err->status)
        return "fine";
    if (err->status == HL_E_FAILED)
        return "the function's own error";
    if (err->status <= HL_E_CANCELLED)
        return "the guest is broken";
    if (err->status <= HL_E_NO_HYPERVISOR)
        return "this machine or a file";
    return "misuse, nothing ran";
}

static void report(const hl_sandbox *box, const char *what, const hl_error *err)
{
    static const char *const states[] = {"READY", "RUNNING", "POISONED", "DEAD"};

    printf("%s: %s; the sandbox is %s\n", what, kind_of(err), states[hl_sandbox_state(box)]);
    if (err->status && err->status != HL_E_FAULT) /* whose text has the instruction, too */
        printf("  %s\n", err->text);
    if (err->status == HL_E_FAILED || err->status == HL_E_ABORT)
        printf("  code %d\n", err->code);
    if (err->status == HL_E_FAULT)
        printf("  vector %u at address %#llx\n", err->vector, (unsigned long long)err->address);
}

static hl_status try_all(hl_sandbox *box, const hl_snapshot *clean, hl_error *err)
{
    hl_invoke(NULL, box, err, "Divide", 7, 2);
    report(box, "Divide(7, 2)", err);
    hl_invoke(NULL, box, err, "Multiply", 7, 2);
    report(box, "Multiply(7, 2)", err);
    hl_invoke(NULL, box, err, "Divide", 7, "2");
    report(box, "Divide(7, \"2\")", err);
    hl_invoke(NULL, box, err, "Divide", 7, 0);
    report(box, "Divide(7, 0)", err);
    hl_invoke(NULL, box, err, "Price", "gold");
    report(box, "Price(\"gold\")", err);
    hl_invoke(NULL, box, err, "PriceOrZero", "gold");
    report(box, "PriceOrZero(\"gold\")", err);
    hl_invoke(NULL, box, err, "GiveUp");
    report(box, "GiveUp()", err);
    hl_invoke(NULL, box, err, "Price", "tea");
    report(box, "Price(\"tea\")", err);
    if (hl_sandbox_restore(box, clean, err)) /* whatever it was, this undoes it */
        return err->status;
    hl_invoke(NULL, box, err, "Crash", 16u);
    report(box, "Crash(16)", err);
    return hl_sandbox_restore(box, clean, err);
}

int main(int argc, char **argv)
{
    const hl_host_function table[] = {HL_ENTRY(Lookup, NULL)};
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *clean = NULL;
    hl_value price;
    hl_error err;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "errors_guest", &err) &&
        !hl_host_create(&host, table, 1, &err) &&
        !hl_sandbox_create(&box, guest, host, &config, &err) &&
        !hl_snapshot_take(&clean, box, &err) && !try_all(box, clean, &err) &&
        !hl_invoke(&price, box, &err, "Price", "tea"))
        printf("restored, Price(\"tea\") is %d\n", price.as.i32);
    if (err.status)
        fprintf(stderr, "errors: %s\n", err.text);
    hl_snapshot_release(clean);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
