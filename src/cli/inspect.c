/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight inspect: what an image or a snapshot consists of; runs nothing. */
#include <stdio.h>
#include <string.h>

#include "subject.h"
#include "text.h"

struct inspection {
    struct subject subject;
    hl_config config;
};

/* ---- The same questions to both kinds ------------------------------------------ */

static bool export_at(hl_symbol *out, const struct inspection *in, size_t index)
{
    return in->subject.guest ? hl_guest_export(out, in->subject.guest, index)
                             : hl_snapshot_export(out, in->subject.snapshot, index);
}

static bool import_at(hl_symbol *out, const struct inspection *in, size_t index)
{
    return in->subject.guest ? hl_guest_import(out, in->subject.guest, index)
                             : hl_snapshot_import(out, in->subject.snapshot, index);
}

static bool area_at(hl_area *out, const struct inspection *in, size_t index)
{
    return in->subject.guest ? hl_guest_area(out, in->subject.guest, &in->config, index)
                             : hl_snapshot_area(out, in->subject.snapshot, index);
}

static const char *format_of(const struct inspection *in)
{
    return in->subject.guest ? "guest image, ELF64 for x86-64" : "snapshot of a guest, x86-64";
}

static uint32_t abi_of(const struct inspection *in)
{
    return in->subject.guest ? hl_guest_abi(in->subject.guest)
                             : hl_snapshot_abi(in->subject.snapshot);
}

static const char *access_text(char out[4], uint32_t access)
{
    snprintf(out, 4, "%c%c%c", access & HL_READ ? 'r' : '-', access & HL_WRITE ? 'w' : '-',
             access & HL_EXECUTE ? 'x' : '-');
    return out;
}

typedef bool (*symbol_fn)(hl_symbol *out, const struct inspection *in, size_t index);

/* ---- Text -------------------------------------------------------------------------- */

/* "16 MiB", "4 KiB": sizes are whole pages. */
static void print_size(uint64_t bytes)
{
    const bool mib = bytes >= 1 << 20 && !(bytes & ((1 << 20) - 1));

    printf("%8llu %s", (unsigned long long)(mib ? bytes >> 20 : bytes >> 10), mib ? "MiB" : "KiB");
}

static void print_symbols(const struct inspection *in, const char *title, symbol_fn at)
{
    const char *open;
    hl_symbol symbol;
    size_t i;

    printf("%s\n", title);
    for (i = 0; at(&symbol, in, i); i++) {
        open = strchr(symbol.signature, '(');
        printf("  %.*s ", (int)(open - symbol.signature), symbol.signature);
        text_safe(stdout, symbol.name, strlen(symbol.name), false);
        printf("%s\n", open);
    }
    if (!i)
        puts("  none");
}

/* "PATH: snapshot of a guest, x86-64, ABI 1, taken on kvm" */
static void print_head(const struct inspection *in)
{
    const hl_snapshot *snapshot = in->subject.snapshot;

    text_safe(stdout, in->subject.path, strlen(in->subject.path), false);
    printf(": %s, ABI %u%s%s\n", format_of(in), abi_of(in), snapshot ? ", taken on " : "",
           snapshot ? hl_hypervisor_name(hl_snapshot_hypervisor(snapshot)) : "");
}

static void print_text(const struct inspection *in)
{
    char access[4];
    hl_area area;
    size_t i;

    print_head(in);
    print_symbols(in, "exports", export_at);
    if (subject_fallback(&in->subject))
        puts("  a fallback, for all other names");
    print_symbols(in, "imports", import_at);
    puts(in->subject.guest ? "memory that a sandbox would have; \"image\" are the file's segments"
                           : "memory; \"image\" are the guest's segments");
    for (i = 0; area_at(&area, in, i); i++) {
        printf("  0x%012llx", (unsigned long long)area.address);
        print_size(area.size);
        printf("  %s  %s\n", access_text(access, area.access), area.name);
    }
}

/* ---- JSON -------------------------------------------------------------------------- */

static void symbols_json(struct json *json, const char *key, const struct inspection *in,
                         symbol_fn at)
{
    hl_symbol symbol;
    size_t i;

    json_open(json, key, '[');
    for (i = 0; at(&symbol, in, i); i++) {
        json_open(json, NULL, '{');
        json_string(json, "name", symbol.name);
        json_string(json, "signature", symbol.signature);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void areas_json(struct json *json, const char *key, const struct inspection *in,
                       bool image_only)
{
    char access[4];
    hl_area area;
    size_t i;

    json_open(json, key, '[');
    for (i = 0; area_at(&area, in, i); i++) {
        if (image_only && strcmp(area.name, "image"))
            continue;
        json_open(json, NULL, '{');
        json_string(json, "name", area.name);
        json_raw(json, "address", "%llu", (unsigned long long)area.address);
        json_raw(json, "size", "%llu", (unsigned long long)area.size);
        json_string(json, "access", access_text(access, area.access));
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void print_json(const struct inspection *in)
{
    struct json json = {stdout, false};

    json_open(&json, NULL, '{');
    json_string(&json, "path", in->subject.path);
    json_string(&json, "kind", in->subject.guest ? "guest" : "snapshot");
    json_string(&json, "format", format_of(in));
    json_raw(&json, "abi", "%u", abi_of(in));
    if (in->subject.snapshot)
        json_string(&json, "hypervisor",
                    hl_hypervisor_name(hl_snapshot_hypervisor(in->subject.snapshot)));
    else
        json_raw(&json, "hypervisor", "null");
    json_bool(&json, "fallback", subject_fallback(&in->subject));
    symbols_json(&json, "exports", in, export_at);
    symbols_json(&json, "imports", in, import_at);
    areas_json(&json, "segments", in, true);
    areas_json(&json, "memory", in, false);
    json_close(&json, '}');
    putchar('\n');
}

/* Which size is out of its range, hl_guest_area does not say: each is tried
 * alone. The gate is there in every sandbox. */
static int check_sizes(const struct inspection *in)
{
    const hl_config *all = &in->config;
    const struct {
        const char *option, *range;
        uint64_t value;
        hl_config alone;
    } each[] = {
        {"--heap",
         "64K to 64G",
         all->heap_size,
         {.struct_size = sizeof *all, .heap_size = all->heap_size}},
        {"--stack",
         "16K to 64M",
         all->stack_size,
         {.struct_size = sizeof *all, .stack_size = all->stack_size}},
        {"--messages",
         "64K to 4G",
         all->message_size,
         {.struct_size = sizeof *all, .message_size = all->message_size}},
    };
    hl_area area;
    char size[24];
    size_t i;

    for (i = 0; in->subject.guest && i < sizeof each / sizeof *each; i++)
        if (!hl_guest_area(&area, in->subject.guest, &each[i].alone, 0))
            return cli_usage("inspect: %s is %s, wanted %s", each[i].option,
                             text_size(size, each[i].value), each[i].range);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    struct inspection in = {.config = {.struct_size = sizeof(hl_config)}};
    const struct option options[] = {
        {"--json", NULL, OPTION_FLAG, &cli_json, "all of it as JSON"},
        {"--heap", "SIZE", OPTION_SIZE, &in.config.heap_size, "of a guest: heap that it would get"},
        {"--stack", "SIZE", OPTION_SIZE, &in.config.stack_size, "its stack"},
        {"--messages", "SIZE", OPTION_SIZE, &in.config.message_size, "its messages, each way"},
        OPTION_END};
    const char *words[1] = {NULL};
    const int rest = options_parse(&verb_inspect, options, argc, argv, words);
    int result;

    if (rest < 0)
        return options_exit(rest);
    result = subject_open(&in.subject, words[0]);
    if (!result)
        result = check_sizes(&in);
    if (!result && cli_json)
        print_json(&in);
    else if (!result)
        print_text(&in);
    subject_close(&in.subject);
    return cli_finish(result);
}

const struct verb verb_inspect = {"inspect",
                                  "[OPTION...] GUEST|SNAPSHOT",
                                  "shows functions and memory of a file; runs nothing",
                                  1,
                                  false,
                                  run};
