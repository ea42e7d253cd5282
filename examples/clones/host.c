/* SPDX-License-Identifier: Apache-2.0 */
/* Warms a guest up once and clones it 1,000 times: clones GUEST */
#include <hyperlight/hyperlight.h>
#include <stdio.h>
#include <time.h>

enum { CLONES = 1000 };

static double now_us(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* A clone of its own for each number: warm from the start, and gone at the end. */
static hl_status ask(const hl_snapshot *warm, uint32_t number, uint32_t *primes, hl_error *err)
{
    const hl_value argument = hl_u32(number);
    hl_sandbox *clone;
    hl_value prime;
    hl_status status = hl_sandbox_create_from(&clone, warm, NULL, NULL, err);

    if (status)
        return status;
    status = hl_sandbox_call(&prime, clone, "IsPrime", &argument, 1, err);
    *primes += !status && prime.as.b;
    hl_sandbox_destroy(clone);
    return status;
}

int main(int argc, char **argv)
{
    const hl_config config = {.struct_size = sizeof config, .allow_process = 1};
    hl_guest *guest = NULL;
    hl_sandbox *box = NULL;
    hl_snapshot *warm = NULL;
    uint32_t i = 0, primes = 0;
    double start = 0;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "clones_guest", &err) &&
        !hl_sandbox_create(&box, guest, NULL, &config, &err) &&
        !hl_sandbox_call(NULL, box, "WarmUp", NULL, 0, &err) && !hl_snapshot_take(&warm, box, &err))
        for (start = now_us(); i < CLONES && !ask(warm, i, &primes, &err); i++)
            ;
    if (err.status)
        fprintf(stderr, "clones: %s\n", err.text);
    else
        printf("%d clones found %u primes\n", CLONES, primes);
    if (!err.status)
        fprintf(stderr, "%.0f us a clone, its call included\n", (now_us() - start) / CLONES);
    hl_snapshot_release(warm);
    hl_sandbox_destroy(box);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
