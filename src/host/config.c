/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and ranges of hl_config. */
#include "config.h"

#include <string.h>

#include "error.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* The struct may be larger than ours if the caller is newer and its tail zero,
 * or smaller if it is older. */
static hl_status copy(hl_config *out, const hl_config *given, hl_error *err)
{
    const uint8_t *bytes = (const uint8_t *)given;
    uint32_t size, i;

    memset(out, 0, sizeof *out);
    if (!given)
        return HL_OK;
    size = given->struct_size;
    if (!size)
        return error_set(err, HL_E_INVALID,
                         "hl_config.struct_size is 0; write: config.struct_size = sizeof config;");
    if (size > 4096 || size % _Alignof(hl_config)) /* which would cut a pointer */
        return error_set(err, HL_E_INVALID, "hl_config.struct_size is %u, wanted %zu", size,
                         sizeof *out);
    memcpy(out, given, size < sizeof *out ? size : sizeof *out);
    for (i = sizeof *out; i < size; i++)
        if (bytes[i])
            return error_set(
                err, HL_E_INVALID,
                "hl_config of %u bytes sets a member that this library lacks (byte %u)", size, i);
    return HL_OK;
}

struct range {
    const char *member;
    uint64_t preset, least, most;
};
static const struct range heap = {"heap_size", 16 * MIB, 64 * KIB, 64 * GIB};
static const struct range stack = {"stack_size", 256 * KIB, 16 * KIB, 64 * MIB};
static const struct range message = {"message_size", 16 * MIB, 64 * KIB, 4 * GIB};
static const struct range depth = {"call_depth", 8, 1, 64};
static const struct range data = {"init_size", 0, 0, 1 * GIB};
static const struct range map = {"map_size", 1 * GIB, LAYOUT_MAP_STEP, 64 * GIB};

static bool within(uint64_t value, const struct range *range)
{
    return value >= range->least && value <= range->most;
}

static hl_status in_range(uint64_t *value, const struct range *range, hl_error *err)
{
    if (!*value)
        *value = range->preset;
    if (within(*value, range))
        return HL_OK;
    return error_set(err, HL_E_INVALID, "hl_config.%s is %llu, wanted %llu to %llu", range->member,
                     (unsigned long long)*value, (unsigned long long)range->least,
                     (unsigned long long)range->most);
}

static hl_status check_sizes(hl_config *config, hl_error *err)
{
    uint64_t call_depth = config->call_depth;
    hl_status status;

    status = in_range(&config->heap_size, &heap, err);
    if (!status)
        status = in_range(&config->stack_size, &stack, err);
    if (!status)
        status = in_range(&config->message_size, &message, err);
    if (!status)
        status = in_range(&call_depth, &depth, err);
    if (!status)
        status = in_range(&config->init_size, &data, err);
    if (!status)
        status = in_range(&config->map_size, &map, err);
    config->call_depth = (uint32_t)call_depth;
    return status;
}

hl_status config_check_sizes(const struct sizes *sizes, hl_error *err)
{
    const struct {
        uint64_t value;
        const struct range *range;
    } each[] = {{sizes->heap, &heap},        {sizes->stack, &stack},    {sizes->message, &message},
                {sizes->call_depth, &depth}, {sizes->init_data, &data}, {sizes->map, &map}};
    size_t i;

    for (i = 0; i < sizeof each / sizeof *each; i++)
        if (!within(each[i].value, each[i].range))
            return error_set(err, HL_E_IMAGE, "%s is %llu, wanted %llu to %llu",
                             each[i].range->member, (unsigned long long)each[i].value,
                             (unsigned long long)each[i].range->least,
                             (unsigned long long)each[i].range->most);
    return HL_OK;
}

static hl_status check_choices(hl_config *config, hl_error *err)
{
    if (config->avx > 1)
        return error_set(err, HL_E_INVALID, "hl_config.avx is %u, wanted 0 or 1", config->avx);
    if (config->log_level > HL_LEVEL_TRACE)
        return error_set(err, HL_E_INVALID, "hl_config.log_level is %u, wanted 0 to %d",
                         config->log_level, HL_LEVEL_TRACE);
    if (config->no_reuse > 1)
        return error_set(err, HL_E_INVALID, "hl_config.no_reuse is %u, wanted 0 or 1",
                         config->no_reuse);
    if (config->allow_process > 1)
        return error_set(err, HL_E_INVALID, "hl_config.allow_process is %u, wanted 0 or 1",
                         config->allow_process);
    if (config->init_size && !config->init_data)
        return error_set(err, HL_E_INVALID, "hl_config.init_data is NULL, init_size %llu",
                         (unsigned long long)config->init_size);
    if (!config->log)
        config->log_level = HL_LEVEL_OFF;
    return HL_OK;
}

hl_status config_complete(hl_config *out, const hl_config *given, hl_error *err)
{
    hl_status status = copy(out, given, err);

    if (!status)
        status = check_sizes(out, err);
    return status ? status : check_choices(out, err);
}

static hl_status same(const char *member, uint64_t given, uint64_t fixed, hl_error *err)
{
    if (!given || given == fixed)
        return HL_OK;
    return error_set(err, HL_E_INVALID, "hl_config.%s is %llu, the snapshot has %llu; leave it 0",
                     member, (unsigned long long)given, (unsigned long long)fixed);
}

/* Bytes that were rounded up to a multiple of `step`. */
static hl_status same_up(const char *member, uint64_t given, uint64_t step, uint64_t fixed,
                         hl_error *err)
{
    const bool fits = given <= fixed && HL_ALIGN_UP(given, step) == fixed;

    return same(member, fits ? fixed : given, fixed, err);
}

hl_status config_from_shape(hl_config *out, const hl_config *given, const struct sizes *sizes,
                            bool avx, hl_error *err)
{
    hl_status status = copy(out, given, err);

    if (!status)
        status = same_up("heap_size", out->heap_size, HL_PAGE, sizes->heap, err);
    if (!status)
        status = same_up("stack_size", out->stack_size, HL_PAGE, sizes->stack, err);
    if (!status)
        status = same_up("message_size", out->message_size, HL_PAGE, sizes->message, err);
    if (!status)
        status = same_up("map_size", out->map_size, LAYOUT_MAP_STEP, sizes->map, err);
    if (!status)
        status = same("call_depth", out->call_depth, sizes->call_depth, err);
    if (!status)
        status = same("avx", out->avx, avx, err);
    if (!status && (out->init_size || out->init_data))
        status = error_set(err, HL_E_INVALID,
                           "hl_config.init_data is given, but the snapshot has its own");
    return status ? status : check_choices(out, err);
}

struct sizes config_sizes(const hl_config *config)
{
    return (struct sizes){
        .heap = HL_ALIGN_UP(config->heap_size, HL_PAGE),
        .stack = HL_ALIGN_UP(config->stack_size, HL_PAGE),
        .message = HL_ALIGN_UP(config->message_size, HL_PAGE),
        .map = HL_ALIGN_UP(config->map_size, LAYOUT_MAP_STEP),
        .init_data = config->init_size,
        .call_depth = config->call_depth,
    };
}
