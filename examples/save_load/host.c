/* SPDX-License-Identifier: Apache-2.0 */
/* Saves a guest that is warmed up, and starts from the file in another process:
 *   save_load save GUEST FILE
 *   save_load start FILE */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

/* A process where there is no hypervisor: this guest is not a hostile one. */
static const hl_config config = {.struct_size = sizeof config, .allow_process = 1};

/* Opens the image, runs its init, saves what came of it. */
static hl_status save(const char *image, const char *file, hl_error *err)
{
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *snapshot = NULL;

    if (!hl_guest_open(&guest, image, err) && !hl_sandbox_create(&box, guest, NULL, &config, err) &&
        !hl_snapshot_take(&snapshot, box, err) && !hl_snapshot_save(snapshot, file, err))
        printf("saved\n");
    hl_snapshot_release(snapshot);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return err->status;
}

/* Needs the file alone, and no init. */
static hl_status start(const char *file, hl_error *err)
{
    hl_snapshot *snapshot = NULL;
    hl_sandbox *box = NULL;
    hl_value primes, prime;

    if (!hl_snapshot_load(&snapshot, file, err) &&
        !hl_sandbox_create_from(&box, snapshot, NULL, &config, err) &&
        !hl_invoke(&primes, box, err, "CountPrimes") &&
        !hl_invoke(&prime, box, err, "IsPrime", 999983u))
        printf("%u primes below 1000000; 999983 is %s\n", primes.as.u32,
               prime.as.b ? "one" : "none");
    hl_sandbox_destroy(box);
    hl_snapshot_release(snapshot);
    return err->status;
}

int main(int argc, char **argv)
{
    hl_error err;

    if (argc == 4 && !strcmp(argv[1], "save")) {
        save(argv[2], argv[3], &err);
    } else if (argc == 3 && !strcmp(argv[1], "start")) {
        start(argv[2], &err);
    } else {
        fprintf(stderr, "usage: %s save GUEST FILE | start FILE\n", argv[0]);
        return 2;
    }
    if (err.status)
        fprintf(stderr, "save_load: %s\n", err.text);
    return err.status != HL_OK;
}
