/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight inspect: images and snapshots, hostile ones too. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli.h"

TEST(inspect_shows_an_image)
{
    const struct cli *run = CLI("inspect", "HELLO");

    CHECK_INT(run->status, 0);
    CHECK_STR(run->err, "");
    CHECK_HAS(run->out, "guests/hello: guest image, ELF64 for x86-64, ABI 1\n"
                        "exports\n"
                        "  i32 PrintOutput(str)\n"
                        "imports\n"
                        "  i32 HostPrint(str)\n"
                        "memory that a sandbox would have; \"image\" are the file's segments\n"
                        "  0x600000200000       4 KiB  r-x  gate\n");
    CHECK_HAS(run->out, " KiB  r-x  image\n");
    CHECK_HAS(run->out, "      16 MiB  rw-  heap\n");
    run = CLI("inspect", "--heap", "2G", "--stack=64K", "--messages", "1M", "HELLO");
    CHECK_INT(run->status, 0);
    CHECK_HAS(run->out, "    2048 MiB  rw-  heap\n");
    CHECK_HAS(run->out, "      64 KiB  rw-  stack\n");
    CHECK_HAS(run->out, "       1 MiB  r--  requests\n");
}

TEST(inspect_writes_json)
{
    cli_python("import json, sys\n"
               "d = json.loads(sys.argv[1])\n"
               "assert d['kind'] == 'guest' and d['abi'] == 1, d\n"
               "assert d['hypervisor'] is None and d['fallback'] is False, d\n"
               "assert d['exports'] == [{'name': 'PrintOutput', 'signature': 'i32(str)'}], d\n"
               "assert d['imports'] == [{'name': 'HostPrint', 'signature': 'i32(str)'}], d\n"
               "assert [s['access'] for s in d['segments']] == ['r--', 'r-x', 'rw-'], d\n"
               "assert [s for s in d['memory'] if s['name'] == 'image'] == d['segments'], d\n"
               "heap = d['memory'][-1]\n"
               "assert heap == {'name': 'heap', 'address': heap['address'], 'size': 16 << 20,\n"
               "                'access': 'rw-'}, d",
               CLI("inspect", "--json", "HELLO")->out);
    cli_python("import json, sys\n"
               "assert json.loads(sys.argv[1])['error']['status'] == 'E_IMAGE'",
               CLI("inspect", "--json", cli_program())->out);
}

TEST(inspect_writes_each_error_as_json)
{
    CLI_CHECK_JSON({2,
                    "E_INVALID",
                    "--heap is 65G, wanted 64K to 64G",
                    {"inspect", "--json", "--heap", "65G", "HELLO"}},
                   {2, "E_INVALID", "wanted: hyperlight inspect", {"inspect", "--json"}},
                   {2, "E_INVALID", "one word too many", {"inspect", "HELLO", "--json", "HELLO"}},
                   {3, "E_SYSTEM", "/no/guest: No such", {"inspect", "--json", "/no/guest"}});
}

/* With what its init added; and a snapshot is inspected without a hypervisor. */
TEST(inspect_shows_a_snapshot)
{
    const struct cli *run;
    char file[300], head[128];

    cli_need_hypervisor();
    snprintf(file, sizeof file, "%s", cli_file("snapshot"));
    CHECK_INT(CLI("snapshot", "SIMPLE", "--heap", "2M", "-o", file)->status, 0);
    run = CLI("inspect", file);
    CHECK_INT(run->status, 0);
    snprintf(head, sizeof head,
             "snapshot: snapshot of a guest, x86-64, ABI 1, taken on %s\nexports\n",
             cli_hypervisor());
    CHECK_HAS(run->out, head);
    CHECK_HAS(run->out, "\n  a fallback, for all other names\nimports\n");
    CHECK_HAS(run->out, "\n  i32 Added(i32)\n");
    CHECK_HAS(run->out, "       2 MiB  rw-  heap\n");
    cli_python("import json, sys\n"
               "d = json.loads(sys.argv[1])\n"
               "assert d['hypervisor'] in ('kvm', 'process') and d['fallback'] is True, d\n"
               "assert d['kind'] == 'snapshot' and len(d['segments']) >= 3, d\n"
               "assert {'name': 'Added', 'signature': 'i32(i32)'} in d['exports'], d",
               CLI("inspect", "--json", file)->out);
}

TEST(inspect_refuses_by_name)
{
    cli_write("text", "hello", 5);
    CLI_CHECK(
        {2, "", "wanted: hyperlight inspect [OPTION...] GUEST|SNAPSHOT", {"inspect"}},
        {2, "", "inspect: HELLO2 is one word too many", {"inspect", "HELLO", "HELLO2"}},
        {2, "", "inspect: no option --time", {"inspect", "--time", "HELLO"}},
        {2, "", "inspect: --heap is 4K, wanted 64K to 64G", {"inspect", "--heap", "4K", "HELLO"}},
        {2, "", "inspect: --stack is 1K, wanted 16K to 64M", {"inspect", "--stack", "1K", "HELLO"}},
        {2,
         "",
         "inspect: --messages is 5G, wanted 64K to 4G",
         {"inspect", "--messages", "5G", "HELLO"}},
        {2, "", "inspect: --heap is many, wanted bytes", {"inspect", "--heap", "many", "HELLO"}},
        {2, "", "inspect: --heap needs a value: SIZE", {"inspect", "HELLO", "--heap"}},
        {2, "", "inspect: --json takes no value", {"inspect", "--json=x", "HELLO"}},
        {3, "", "/no/guest: No such file", {"inspect", "/no/guest"}},
        {3, "", "not an ELF file", {"inspect", cli_file("text")}},
        {3, "", "hyperlight: /: ", {"inspect", "/"}},
        {3,
         "",
         "hyperlight: a\\x1bb: No such file",
         {"inspect", "a\x1b"
                     "b"}});
}

/* Nobody writes into it, and nobody is waited for. */
TEST(inspect_refuses_a_pipe)
{
    CHECK_INT(mkfifo(cli_file("pipe"), 0600), 0);
    CLI_CHECK({3, "", "pipe: not a regular file", {"inspect", cli_file("pipe")}});
}

/* ---- Images that were tampered with ------------------------------------------------ */

static uint64_t state = 88172645463325252;
static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

/* A few bits, bytes or whole fields, most of them in the headers; or cut short. */
static size_t mutate(uint8_t *bytes, size_t size)
{
    static const uint64_t edges[] = {0,          1,          0xfff,     0x1000,    0x7fffffff,
                                     0xffffffff, 1ull << 47, INT64_MAX, UINT64_MAX};
    uint64_t count = 1 + draw(8), at, value;

    while (count--) {
        at = draw(draw(4) ? 1024 : size - 8);
        switch (draw(3)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1:
            bytes[at] = (uint8_t)draw(256);
            break;
        default:
            value = edges[draw(sizeof edges / sizeof *edges)];
            memcpy(bytes + (at & ~3ull), &value, draw(2) ? 8 : 4);
        }
    }
    return draw(10) ? size : (size_t)draw(size);
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;

    CHECK(file && !fseek(file, 0, SEEK_END));
    *size = (size_t)ftell(file);
    bytes = malloc(*size);
    rewind(file);
    CHECK(bytes && fread(bytes, 1, *size, file) == *size && !fclose(file));
    return bytes;
}

/* Each is shown or refused: no signal, and not a second of processor time. */
static void inspect_mutants(const char *path, unsigned count)
{
    unsigned shown = 0, refused = 0, i;
    const struct cli *run;
    uint8_t *bytes, *copy;
    size_t size;

    bytes = read_file(path, &size);
    copy = malloc(size);
    CHECK(copy);
    cli_seconds = 1;
    for (i = 0; i < count; i++) {
        memcpy(copy, bytes, size);
        cli_write("mutant", copy, mutate(copy, size));
        run = CLI("inspect", cli_file("mutant"));
        if (run->status != 0 && run->status != 3)
            FAIL("mutant %u of %s: status %d, %s", i, path, run->status, run->err);
        shown += !run->status;
        refused += !!run->status;
        CHECK(!run->status == !*run->err);
    }
    CHECK(shown && refused);
    free(bytes);
    free(copy);
}

TEST_SLOW(inspect_survives_1000_tampered_images)
{
    inspect_mutants(test_guest("hello"), 500);
    inspect_mutants(test_guest("simple"), 500);
}

/* Checksums find all of these. */
TEST_SLOW(inspect_survives_tampered_snapshots)
{
    char file[300];
    uint8_t *bytes;
    size_t size;
    unsigned i;

    cli_need_hypervisor();
    snprintf(file, sizeof file, "%s", cli_file("snapshot"));
    CHECK_INT(CLI("snapshot", "HELLO", "-o", file)->status, 0);
    bytes = read_file(file, &size);
    for (i = 0; i < 100; i++) {
        const size_t at = (size_t)draw(i % 2 ? size : 1024);

        bytes[at] ^= 0x10;
        cli_write("mutant", bytes, size);
        CHECK_INT(CLI("inspect", cli_file("mutant"))->status, 3);
        bytes[at] ^= 0x10;
    }
    free(bytes);
}
