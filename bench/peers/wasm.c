/* SPDX-License-Identifier: Apache-2.0 */
/* Wasm in process, compiled ahead of time by wasm2c. */
#include <string.h>
#include <sys/mman.h>

#include "jobs.h"
#include "peer.h"

static Z_jobs_instance_t instance;

/* wasm-rt 1.0.32 reserves so much for each memory and gives back only its size. */
#define RESERVED (8ull << 30)

static void free_instance(Z_jobs_instance_t *made)
{
    const wasm_rt_memory_t memory = *Z_jobsZ_memory(made);

    Z_jobs_free(made);
    munmap(memory.data + memory.size, RESERVED - memory.size);
}

static bool open(const char *guests)
{
    (void)guests;
    wasm_rt_init();
    Z_jobs_init_module();
    Z_jobs_instantiate(&instance);
    return true;
}

static void close(void)
{
    free_instance(&instance);
    wasm_rt_free();
}

static bool call(uint32_t x, uint32_t *out)
{
    *out = Z_jobsZ_add_one(&instance, x);
    return true;
}

static bool hash(const uint8_t data[DATA_SIZE], uint32_t *out)
{
    memcpy(Z_jobsZ_memory(&instance)->data, data, DATA_SIZE);
    *out = Z_jobsZ_hash(&instance, DATA_SIZE);
    return true;
}

static bool fresh(uint32_t x, uint32_t *out)
{
    Z_jobs_instance_t made;

    Z_jobs_instantiate(&made);
    *out = Z_jobsZ_add_one(&made, x);
    free_instance(&made);
    return true;
}

const struct peer peer_wasm = {"Wasm, in process", open, close, call, fresh, hash};
