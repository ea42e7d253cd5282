/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight call: arguments, results, errors and exit statuses. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

TEST(call_takes_and_prints_every_type)
{
    cli_need_hypervisor();
    CLI_CHECK(
        {0, "", "", {"call", "SIMPLE", "Nothing"}},
        {0, "true\n", "", {"call", "SIMPLE", "EchoBool", "true"}},
        {0, "false\n", "", {"call", "SIMPLE", "EchoBool", "0"}},
        {0, "-2147483648\n", "", {"call", "SIMPLE", "EchoI32", "-2147483648"}},
        {0, "-255\n", "", {"call", "SIMPLE", "EchoI32", "-0xfF"}},
        {0, "8\n", "", {"call", "SIMPLE", "EchoI32", "0008"}},
        {0, "4294967295\n", "", {"call", "SIMPLE", "EchoU32", "0xffffffff"}},
        {0, "-9223372036854775808\n", "", {"call", "SIMPLE", "EchoI64", "-9223372036854775808"}},
        {0, "18446744073709551615\n", "", {"call", "SIMPLE", "EchoU64", "18446744073709551615"}},
        {0, "0.1\n", "", {"call", "SIMPLE", "EchoF32", "0.1"}},
        {0, "16777216\n", "", {"call", "SIMPLE", "EchoF32", "16777217"}},
        {0, "0.1\n", "", {"call", "SIMPLE", "EchoF64", "0.1"}},
        {0, "3.141592653589793\n", "", {"call", "SIMPLE", "EchoF64", "3.141592653589793"}},
        {0, "-inf\n", "", {"call", "SIMPLE", "EchoF64", "-inf"}},
        {0, "0.125\n", "", {"call", "SIMPLE", "EchoF64", "0x1p-3"}},
        {0, "--json \xc3\xa4\n", "", {"call", "SIMPLE", "EchoStr", "--json \xc3\xa4"}},
        {0, "\n", "", {"call", "SIMPLE", "EchoStr", ""}},
        {0, "@x\n", "", {"call", "SIMPLE", "EchoStr", "@@x"}},
        {0, "hex:\n", "", {"call", "SIMPLE", "EchoBytes", "hex:"}},
        {0, "hex:00ffab\n", "", {"call", "SIMPLE", "EchoBytes", "hex:00FFab"}},
        {0, "hex:40\n", "", {"call", "SIMPLE", "EchoBytes", "text:@"}},
        {0, "21\n", "", {"call", "SIMPLE", "Mixed", "1", "2.5", "abc", "hex:0105", "4", "5"}});
}

TEST(call_names_the_argument_that_is_wrong)
{
    cli_need_hypervisor();
    CLI_CHECK(
        {2,
         "",
         "argument 1 of EchoBool, bool, is yes, wanted true or false", //
         {"call", "SIMPLE", "EchoBool", "yes"}},
        {2,
         "",
         "argument 1 of EchoI32, i32, is 2147483648, wanted -2147483648 to 2147483647",
         {"call", "SIMPLE", "EchoI32", "2147483648"}},
        {2, "", "is '', wanted -2147483648", {"call", "SIMPLE", "EchoI32", ""}},
        {2, "", "is 5x, wanted", {"call", "SIMPLE", "EchoI32", "5x"}},
        {2, "", "is ' 5', wanted", {"call", "SIMPLE", "EchoI32", " 5"}},
        {2, "", "is 0x, wanted", {"call", "SIMPLE", "EchoI32", "0x"}},
        {2, "", "u32, is -1, wanted 0 to 4294967295", {"call", "SIMPLE", "EchoU32", "-1"}},
        {2, "", "u32, is 4294967296, wanted", {"call", "SIMPLE", "EchoU32", "4294967296"}},
        {2,
         "",
         "wanted -9223372036854775808 to 9223372036854775807",
         {"call", "SIMPLE", "EchoI64", "9223372036854775808"}},
        {2,
         "",
         "wanted 0 to 18446744073709551615",
         {"call", "SIMPLE", "EchoU64", "18446744073709551616"}},
        {2, "", "f32, is 1e39, too large for f32", {"call", "SIMPLE", "EchoF32", "1e39"}},
        {2, "", "f64, is 1e309, too large for f64", {"call", "SIMPLE", "EchoF64", "1e309"}},
        {2, "", "f64, is one, wanted a number", {"call", "SIMPLE", "EchoF64", "one"}},
        {2, "", "f64, is '', wanted a number", {"call", "SIMPLE", "EchoF64", ""}},
        {2, "", "f32, is '\\x0d5', wanted a number", {"call", "SIMPLE", "EchoF32", "\r5"}},
        {2,
         "",
         "bytes, is abc, wanted hex:DIGITS, text:TEXT or @FILE",
         {"call", "SIMPLE", "EchoBytes", "abc"}},
        {2,
         "",
         "is hex:0, wanted two hexadecimal digits",
         {"call", "SIMPLE", "EchoBytes", "hex:0"}},
        {2, "", "is hex:0g, wanted two", {"call", "SIMPLE", "EchoBytes", "hex:0g"}},
        {2,
         "",
         "argument 1 of EchoBytes, bytes, is @/no/such: No such file",
         {"call", "SIMPLE", "EchoBytes", "@/no/such"}},
        {2, "", "UTF-8", {"call", "SIMPLE", "EchoStr", "\xff"}},
        {2,
         "",
         "Sum16(i32, i32, i32, i32, i32, i32, i32, i32, u64, u64, u64, u64, u64, u64, u64, "
         "u64)",
         {"call", "SIMPLE", "Sum16", "1"}},
        {2, "", "EchoI32(i32) takes 1 argument, not 2", {"call", "SIMPLE", "EchoI32", "1", "2"}});
}

TEST(call_reads_arguments_and_init_data_from_files)
{
    const struct cli *run;
    char at[300];

    cli_need_hypervisor();
    cli_write("data", "a\0b\xff\n", 5);
    snprintf(at, sizeof at, "@%s", cli_file("data"));
    CLI_CHECK({0, "hex:610062ff0a\n", "", {"call", "SIMPLE", "EchoBytes", at}},
              {0,
               "hex:610062ff0a\n",
               "",
               {"call", "--init-data", cli_file("data"), "SIMPLE", "InitData"}},
              {2, "", "UTF-8", {"call", "SIMPLE", "EchoStr", at}},
              {2,
               "",
               "--init-data is /no/data: No such file",
               {"call", "--init-data", "/no/data", "SIMPLE", "F"}},
              {0, "3\n", "", {"call", "SIMPLE", "Added", "-997"}});
    /* As they are, for another program. */
    run = CLI("call", "--raw", "SIMPLE", "EchoBytes", at);
    CHECK_INT(run->status, 0);
    CHECK(!memcmp(run->out, "a\0b\xff\n", 6));
    CLI_CHECK({0, "abc", "", {"call", "--raw", "SIMPLE", "EchoStr", "abc"}},
              {0, "7\n", "", {"call", "--raw", "SIMPLE", "EchoI32", "7"}});
}

/* The second would be empty. */
TEST(call_reads_standard_input_once)
{
    cli_need_hypervisor();
    CHECK(freopen("/dev/null", "r", stdin));
    CLI_CHECK({0, "\n", "", {"call", "SIMPLE", "EchoStr", "@-"}},
              {2,
               "",
               "hyperlight: argument 1 of EchoStr, str, is @-: standard input can be read once\n",
               {"call", "--init-data", "-", "SIMPLE", "EchoStr", "@-"}},
              {2,
               "",
               "hyperlight: argument 4 of Mixed, bytes, is @-: standard input can be read once\n",
               {"call", "SIMPLE", "Mixed", "1", "2.5", "@-", "@-", "4", "5"}});
}

TEST(call_reaches_the_fallback_with_typed_arguments)
{
    cli_need_hypervisor();
    CLI_CHECK({0, "Unknown/0\n", "", {"call", "SIMPLE", "Unknown"}},
              {0, "Unknown/2\n", "", {"call", "SIMPLE", "Unknown", "i32:-1", "bytes:hex:00"}},
              {2, "", "argument 2, x, as TYPE:VALUE", {"call", "SIMPLE", "Unknown", "str:", "x"}},
              {2, "", "as TYPE:VALUE", {"call", "SIMPLE", "Unknown", "void:"}},
              {2,
               "",
               "hyperlight: Unknown takes at most 16 arguments, not 17\n",
               {"call",   "SIMPLE", "Unknown", "i32:1",  "i32:2",  "i32:3",  "i32:4",
                "i32:5",  "i32:6",  "i32:7",   "i32:8",  "i32:9",  "i32:10", "i32:11",
                "i32:12", "i32:13", "i32:14",  "i32:15", "i32:16", "i32:17"}},
              {2,
               "",
               "the guest exports no function Unknown; hyperlight inspect ",
               {"call", "HELLO", "Unknown"}});
}

TEST(call_says_what_became_of_the_guest)
{
    cli_need_hypervisor();
    CLI_CHECK({1,
               "",
               "hyperlight: the function failed with code -7: so it is\n",
               {"call", "SIMPLE", "Fail", "-7", "so it is"}},
              {5, "", "writing 0x0", {"call", "SIMPLE", "NullPointer"}},
              {5, "", "bye", {"call", "SIMPLE", "AbortText", "3", "bye"}},
              {6,
               "",
               "hyperlight: the call ran past its deadline\n",
               {"call", "--deadline", "20ms", "SIMPLE", "Spin"}},
              {6,
               "",
               "hyperlight: the call ran past its deadline\n",
               {"call", "--deadline=2000us", "SIMPLE", "Spin"}},
              {1,
               "",
               "result of 100096 bytes, 65536 fit (--messages)\n",
               {"call", "--messages", "64K", "SIMPLE", "MakeBytes", "100000", "1"}},
              {0, "0\n", "", {"call", "--heap", "64K", "SIMPLE", "MallocFree", "1000000"}},
              {0, "1000000\n", "", {"call", "--heap", "2M", "SIMPLE", "MallocFree", "1000000"}},
              {5, "", "stack overflow", {"call", "--stack=64K", "SIMPLE", "LargeStack"}},
              {2,
               "",
               "hyperlight: --heap is 4K, wanted 64K to 64G\n",
               {"call", "--heap", "4K", "SIMPLE", "Nothing"}});
}

/* hl_config has no place in a command line. */
TEST(call_speaks_of_its_options)
{
    char file[300], at[300];

    cli_need_hypervisor();
    snprintf(file, sizeof file, "%s", cli_file("file"));
    CLI_CHECK({0, "", "", {"snapshot", "SIMPLE", "-o", file}},
              {2,
               "",
               "hyperlight: --heap is 1, wanted 64K to 64G\n",
               {"call", "--heap", "1", "SIMPLE", "F"}},
              {2,
               "",
               "hyperlight: --stack is 65M, wanted 16K to 64M\n",
               {"call", "--stack", "65M", "SIMPLE", "F"}},
              {2,
               "",
               "hyperlight: --messages is 4194305K, wanted 64K to 4G\n",
               {"call", "--messages", "4194305K", "SIMPLE", "F"}},
              {2,
               "",
               "hyperlight: --heap is 64K, the snapshot has 16M; leave it out\n",
               {"call", "--heap", "64K", file, "F"}},
              {2,
               "",
               "hyperlight: --init-data is given, but the snapshot has its own\n",
               {"call", "--init-data", file, file, "F"}});
    cli_write("data", at, 0);
    CHECK_INT(truncate(cli_file("data"), 65536), 0);
    snprintf(at, sizeof at, "@%s", cli_file("data"));
    CLI_CHECK({2,
               "",
               "message of 65632 bytes, 64512 fit (--messages)\n",
               {"call", "--messages", "64K", "SIMPLE", "EchoBytes", at}},
              /* What the guest chose is its own. */
              {5,
               "",
               "hl_config.heap_size is 4096",
               {"call", "SIMPLE", "AbortText", "3", "hl_config.heap_size is 4096"}},
              {1,
               "",
               "hl_config.heap_size is 4096",
               {"call", "SIMPLE", "Fail", "3", "hl_config.heap_size is 4096"}});
}

TEST(call_shows_words_that_are_hard_to_see)
{
    char text[300];

    cli_need_hypervisor();
    memset(text, 'a', 199); /* and then a character that would be cut */
    strcpy(text + 199, "\xe2\x82\xac");
    CLI_CHECK({3, "", "hyperlight: '': No such file", {"call", "", "F"}},
              {3, "", "hyperlight: 'a b': No such file", {"call", "a b", "F"}},
              {2, "", "hyperlight: no verb ''; ", {""}},
              {2, "", "call: --heap is '', wanted", {"call", "--heap", "", "SIMPLE", "F"}},
              {2, "", "inspect: '' is one word too many", {"inspect", "HELLO", ""}},
              {2, "", "the guest exports no function ''; ", {"call", "HELLO", ""}},
              {2, "", "argument 1, 'a b', as TYPE", {"call", "SIMPLE", "Unknown", "a b"}},
              {2, "", "aa..., wanted -2147483648", {"call", "SIMPLE", "EchoI32", text}});
}

/* A machine that is short of something is no fault of the guest's file. */
TEST(call_tells_limits_of_the_machine_from_bad_files)
{
    const struct rlimit limit = {8192, 8192};

    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CLI_CHECK({7, "", "File too large", {"call", "SIMPLE", "Count"}},
              {7, "", "File too large", {"inspect", "SIMPLE"}});
}

/* Neither is read for long. */
TEST(call_reads_no_more_than_can_be_passed)
{
    char at[300];

    cli_need_hypervisor();
    cli_seconds = 1;
    cli_write("data", at, 0);
    CHECK_INT(truncate(cli_file("data"), 3ll << 30), 0);
    snprintf(at, sizeof at, "@%s", cli_file("data"));
    CLI_CHECK({2, "", "data: larger than 16M\n", {"call", "SIMPLE", "EchoBytes", at}},
              {2,
               "",
               "bytes, is @/dev/zero: larger than 64K\n",
               {"call", "--messages", "64K", "SIMPLE", "EchoBytes", "@/dev/zero"}},
              {2,
               "",
               "data: larger than 1G\n",
               {"call", "--init-data", cli_file("data"), "SIMPLE", "InitData"}});
}

TEST(call_refuses_files_by_name)
{
    cli_write("text", "#!/bin/sh\n", 10);
    CLI_CHECK(
        {3, "", "hyperlight: /no/guest: No such file or directory\n", {"call", "/no/guest", "F"}},
        {3, "", "text: a script (#!), wanted an ELF64 image", {"call", cli_file("text"), "F"}},
        {3, NULL, "hyperlight: /no/guest: No such file", {"call", "--json", "/no/guest", "F"}});
    cli_write("cut", "HLsnap\r\n12345678", 16);
    CLI_CHECK({3, "", "cut", {"call", cli_file("cut"), "F"}});
}

TEST(call_refuses_wrong_options)
{
    CLI_CHECK(
        {2,
         "",
         "hyperlight: wanted: hyperlight call [OPTION...] GUEST|SNAPSHOT FUNCTION",
         {"call"}},
        {2, "", "wanted: hyperlight call", {"call", "SIMPLE"}},
        {2,
         "",
         "call: no option --nope; hyperlight call --help lists them",
         {"call", "--nope", "SIMPLE", "F"}},
        {2, "", "call: --heap needs a value: SIZE", {"call", "--heap"}},
        {2,
         "",
         "call: --heap is 1T, wanted bytes, such as",
         {"call", "--heap", "1T", "SIMPLE", "F"}},
        {2,
         "",
         "--heap is 99999999999999999999, wanted",
         {"call", "--heap", "99999999999999999999", "SIMPLE", "F"}},
        {2,
         "",
         "--heap is 18446744073709551615K, wanted",
         {"call", "--heap", "18446744073709551615K", "SIMPLE", "F"}},
        {2, "", "--deadline is 5, wanted a time", {"call", "--deadline", "5", "SIMPLE", "F"}},
        {2, "", "--repeat is 0, wanted a number from 1 on", {"call", "--repeat=0", "SIMPLE", "F"}},
        {2,
         "",
         "--hypervisor is xen, wanted any, kvm or process",
         {"call", "--hypervisor", "xen", "SIMPLE", "F"}},
        {2, "", "--log is loud, wanted off", {"call", "--log", "loud", "SIMPLE", "F"}},
        {2, "", "--json takes no value", {"call", "--json=1", "SIMPLE", "F"}},
        {2, "", "hyperlight VERB ...", {NULL}},
        {2, "", "hyperlight: no verb fly; hyperlight --help lists them", {"fly"}});
}

TEST(call_keeps_prints_apart_from_results)
{
    cli_need_hypervisor();
    CLI_CHECK({0, "hi\n3\n", "", {"call", "HELLO", "PrintOutput", "hi\n"}},
              {0, "3\n", "hi\n", {"call", "--raw", "HELLO", "PrintOutput", "hi\n"}},
              {0, NULL, "hi\n", {"call", "--json", "HELLO", "PrintOutput", "hi\n"}},
              {0,
               "",
               "guest: warn: simple.c:7: a\\x1bb\n",
               {"call", "--log", "warn", "SIMPLE", "Log", "2",
                "a\x1b"
                "b"}},
              {0, "", "", {"call", "--log", "warn", "SIMPLE", "Log", "3", "a"}});
}

TEST(call_says_what_ran_and_how_long)
{
    const struct cli *run;
    char made[64];

    cli_need_hypervisor();
    snprintf(made, sizeof made, "hyperlight: %s: made in ", cli_hypervisor());
    CLI_CHECK(
        {0, "1\n", made, {"call", "--time", "SIMPLE", "Count"}},
        {0, "5\n", "us, 5 calls, each ", {"call", "--time", "--repeat", "5", "SIMPLE", "Count"}},
        {5, "", made, {"call", "--time", "SIMPLE", "Halt"}});
    run = CLI("call", "--hypervisor", cli_hypervisor(), "SIMPLE", "Count");
    CHECK_INT(run->status, 0);
}

TEST(call_runs_in_a_process_if_that_is_allowed)
{
    cli_need_process();
    CLI_CHECK({0,
               "1\n",
               "hyperlight: process: made in ",
               {"call", "--time", "--hypervisor", "process", "SIMPLE", "Count"}},
              {5,
               "",
               "writing 0x0 (nothing is mapped there)",
               {"call", "--hypervisor", "process", "SIMPLE", "NullPointer"}});
    cli_without_devices();
    CLI_CHECK({4, "", "hyperlight: /dev/kvm does not exist", {"call", "SIMPLE", "Count"}},
              {4,
               "",
               "hyperlight: `hyperlight doctor` says more\n"
               "hyperlight: --allow-process would run it in a locked-down process, a weaker wall\n",
               {"call", "SIMPLE", "Count"}},
              {4,
               "",
               "hyperlight: /dev/kvm does not exist",
               {"call", "--allow-process", "--hypervisor", "kvm", "SIMPLE", "Count"}},
              {0,
               "1\n",
               "hyperlight: process: made in ",
               {"call", "--time", "--allow-process", "SIMPLE", "Count"}});
}

/* Each names what it wants besides HostPrint; this guest is one of the tests' own. */
TEST(call_refuses_guests_that_want_more)
{
    char guest[4500];

    cli_need_hypervisor();
    snprintf(guest, sizeof guest, "%s", test_guest("callback"));
    CLI_CHECK(
        {3, "", "which the host does not offer", {"call", guest, "F"}},
        {3,
         "",
         "hyperlight: of the host's functions this command has HostPrint alone; the guest also "
         "imports ",
         {"call", guest, "F"}});
}

TEST(call_writes_json)
{
    cli_need_hypervisor();
    cli_python(
        "import json, sys\n"
        "d = json.loads(sys.argv[1])\n"
        "assert d['function'] == 'EchoI64' and d['type'] == 'i64', d\n"
        "assert d['result'] == -2**63 and d['hypervisor'] in ('kvm', 'process') and d['calls'] == "
        "3, d\n"
        "assert 0 < d['us']['least'] <= d['us']['most'] <= d['us']['sum'], d",
        CLI("call", "--json", "--repeat", "3", "SIMPLE", "EchoI64", "-9223372036854775808")->out);
    cli_python("import json, sys\n"
               "assert json.loads(sys.argv[1])['result'] == 'a\"\\\\\\n\\x1b\\x9b\\u20ac'",
               CLI("call", "--json", "SIMPLE", "EchoStr", "a\"\\\n\x1b\xc2\x9b\xe2\x82\xac")->out);
    cli_python("import json, sys\nassert json.loads(sys.argv[1])['result'] is None",
               CLI("call", "--json", "SIMPLE", "Nothing")->out);
    cli_python("import json, sys\nassert json.loads(sys.argv[1])['result'] == 'nan'",
               CLI("call", "--json", "SIMPLE", "EchoF32", "nan")->out);
    cli_python("import json, sys\nassert json.loads(sys.argv[1])['result'] == '00ff'",
               CLI("call", "--json", "SIMPLE", "EchoBytes", "hex:00ff")->out);
    cli_python("import json, sys\nassert json.loads(sys.argv[1])['result'] is True",
               CLI("call", "--json", "SIMPLE", "EchoBool", "1")->out);
    cli_python("import json, sys\n"
               "e = json.loads(sys.argv[1])['error']\n"
               "assert e == {'status': 'E_FAILED', 'code': 9, 'text': 'no \\\\x07'}, e",
               CLI("call", "--json", "SIMPLE", "Fail", "9", "no \x07")->out);
    cli_python("import json, sys\n"
               "e = json.loads(sys.argv[1])['error']\n"
               "assert e['status'] == 'E_SYSTEM' and '/no/guest' in e['text'], e",
               CLI("call", "--json", "/no/guest", "F")->out);
}

/* Wherever it goes wrong, once --json has been read. */
TEST(call_writes_each_error_as_json)
{
    cli_need_hypervisor();
    CLI_CHECK_JSON(
        {2,
         "E_INVALID",
         "takes 1 argument, not 2",
         {"call", "--json", "SIMPLE", "EchoI32", "1", "2"}},
        {2, "E_INVALID", "argument 1 of", {"call", "--json", "SIMPLE", "EchoI32", "x"}},
        {2, "E_INVALID", "TYPE:VALUE", {"call", "--json", "SIMPLE", "nope", "1", "2"}},
        {2, "E_UNKNOWN", "nope", {"call", "--json", "HELLO", "nope", "1", "2"}},
        {2, "E_INVALID", "nofile: No such", {"call", "--json", "SIMPLE", "EchoStr", "@nofile"}},
        {2,
         "E_INVALID",
         "nofile: No such",
         {"call", "--json", "--init-data", "nofile", "SIMPLE", "EchoStr", "@nofile"}},
        {2, "E_INVALID", "", {"call", "--json", "SIMPLE", "EchoStr", "\xff"}},
        {2, "E_INVALID", "wanted 64K to 64G", {"call", "--json", "--heap", "65G", "SIMPLE", "F"}},
        {2, "E_INVALID", "needs a value", {"call", "--json", "--heap"}},
        {2, "E_INVALID", "wanted: hyperlight call", {"call", "--json"}},
        {2, "E_INVALID", "no option --nope", {"call", "--json", "--nope"}},
        {2, "E_INVALID", "wanted a number", {"call", "--json", "--repeat", "0"}},
        {3, "E_IMAGE", "not a regular", {"call", "--json", "/dev/null", "F"}});
    CLI_CHECK({2, "", "no option --nope", {"call", "--nope", "--json"}});
}

/* Starts the command on a terminal of its own, whose other end is *terminal. */
static pid_t start_on_terminal(int *terminal, const char *const args[])
{
    const char *words[CLI_WORDS];
    pid_t child;
    int tty;

    cli_words(words, args);
    *terminal = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(*terminal >= 0 && !grantpt(*terminal) && !unlockpt(*terminal));
    child = fork();
    if (!child) {
        tty = open(ptsname(*terminal), O_RDWR | O_NOCTTY);
        dup2(tty, 1);
        dup2(tty, 2);
        close(tty);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    return child;
}

/* All that one invocation writes to a terminal, without its carriage returns; the
 * exit status. */
static int on_terminal(char *out, size_t size, const char *const args[])
{
    size_t used = 0, kept = 0, i;
    ssize_t n;
    int terminal, status;
    const pid_t child = start_on_terminal(&terminal, args);

    while (used < size - 1 && (n = read(terminal, out + used, size - 1 - used)) > 0)
        used += (size_t)n;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    for (i = 0; i < used; i++)
        if (out[i] != '\r')
            out[kept++] = out[i];
    out[kept] = '\0';
    return WEXITSTATUS(status);
}

/* Colour there and nowhere else; escapes of a guest are shown, not obeyed. */
TEST(call_is_safe_on_a_terminal)
{
    char out[4096];

    cli_need_hypervisor();
    CHECK_INT(on_terminal(out, sizeof out,
                          (const char *const[]){"call", "SIMPLE", "EchoStr",
                                                "a\x1b]0;title\x07\xc2\x9b"
                                                "b\t\xe2\x82\xac",
                                                NULL}),
              0);
    CHECK_STR(out, "a\\x1b]0;title\\x07\\xc2\\x9b"
                   "b\t\xe2\x82\xac\n");
    CHECK_INT(on_terminal(out, sizeof out,
                          (const char *const[]){"call", "SIMPLE", "Print", "a\x1b[31m\n", NULL}),
              0);
    CHECK_STR(out, "a\\x1b[31m\n7\n");
    CHECK_INT(on_terminal(out, sizeof out,
                          (const char *const[]){"call", "--raw", "SIMPLE", "EchoStr", "x", NULL}),
              2);
    CHECK_STR(out, "\x1b[1mhyperlight:\x1b[0m call: --raw writes what the guest made as it is, so "
                   "not to a terminal\n");
    CHECK_INT(setenv("NO_COLOR", "1", 1), 0);
    CHECK_INT(on_terminal(out, sizeof out, (const char *const[]){"fly", NULL}), 2);
    CHECK_STR(out, "hyperlight: no verb fly; hyperlight --help lists them\n");
}

/* However fast the machine is, this goes on until it has been seen. */
TEST(call_shows_its_progress)
{
    char out[256] = "";
    size_t used = 0;
    ssize_t n;
    int terminal;
    pid_t child;

    cli_need_hypervisor();
    child = start_on_terminal(&terminal, (const char *const[]){"call", "--repeat", "1000000000000",
                                                               "SIMPLE", "Count", NULL});
    while (!strstr(out, " of 1000000000000 calls ")) {
        n = read(terminal, out + used, sizeof out - 1 - used);
        CHECK(n > 0);
        used += (size_t)n;
        out[used] = '\0';
    }
    CHECK(!kill(child, SIGKILL) && waitpid(child, NULL, 0) == child);
}

/* With standard output on a device that is full; what it says on standard error. */
static void when_full(char *said, size_t size, const char *const args[])
{
    const int full = open("/dev/full", O_WRONLY);
    const char *words[CLI_WORDS];
    int err[2], status;
    size_t used = 0;
    ssize_t n;
    pid_t child;

    cli_words(words, args);
    CHECK(full >= 0 && !pipe(err));
    child = fork();
    if (!child) {
        dup2(full, 1);
        dup2(err[1], 2);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    close(full);
    close(err[1]);
    while ((n = read(err[0], said + used, size - 1 - used)) > 0)
        used += (size_t)n;
    said[used] = '\0';
    close(err[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 7);
}
#define WHEN_FULL(said, ...) when_full(said, sizeof(said), (const char *const[]){__VA_ARGS__, NULL})

/* Said once, with its reason. */
TEST(output_that_cannot_be_written_is_an_error)
{
    char said[4096];

    WHEN_FULL(said, "inspect", "HELLO");
    CHECK_STR(said, "hyperlight: standard output cannot be written: No space left on device\n");
    WHEN_FULL(said, "call", "--json", "/no/guest", "F");
    CHECK_STR(said, "hyperlight: /no/guest: No such file or directory\n"
                    "hyperlight: standard output cannot be written: No space left on device\n");
    cli_need_hypervisor();
    WHEN_FULL(said, "call", "--raw", "SIMPLE", "MakeBytes", "100000", "1");
    CHECK_STR(said, "hyperlight: standard output cannot be written: No space left on device\n");
    WHEN_FULL(said, "call", "HELLO", "PrintOutput", "hi");
    CHECK_STR(said, "hyperlight: standard output cannot be written: No space left on device\n"
                    "hyperlight: the function failed with code 1: the output cannot be written\n");
}

/* The exit status without the streams of these bits; output goes to `out`. */
static int without_streams(unsigned bits, int out, const char *const args[])
{
    const char *words[CLI_WORDS];
    int status, fd;
    pid_t child;

    cli_words(words, args);
    child = fork();
    if (!child) {
        dup2(out, 1);
        for (fd = 0; fd <= 2; fd++)
            if (bits & 1u << fd)
                close(fd);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* No file that is opened later takes their place: the VM's memory, for one. */
TEST(call_takes_no_file_for_a_closed_stream)
{
    const int null = open("/dev/null", O_WRONLY);
    const char *const inspect[] = {"inspect", "SIMPLE", NULL};
    const char *const input[] = {"call", "SIMPLE", "EchoBytes", "@-", NULL};
    const char *const number[] = {"call", "SIMPLE", "EchoI32", "5", NULL};

    CHECK_INT(without_streams(2, null, inspect), 7);
    CHECK_INT(without_streams(7, null, inspect), 7);
    cli_need_hypervisor();
    CHECK_INT(without_streams(1, null, input), 2);
    CHECK_INT(without_streams(5, null, number), 0);
    CHECK_INT(without_streams(2, null, number), 7);
}

/* Each of a pipe's packets is what one write wrote. */
TEST(call_writes_lines_of_a_guest_at_once)
{
    static const char wanted[] = "guest: error: simple.c:7: a\\x1b text\n";
    const char *words[CLI_WORDS];
    char said[300];
    int err[2];
    ssize_t n;
    pid_t child;

    cli_need_hypervisor();
    cli_words(words, (const char *const[]){"call", "--log", "error", "SIMPLE", "Log", "1",
                                           "a\x1b text", NULL});
    CHECK(!pipe2(err, O_DIRECT));
    child = fork();
    if (!child) {
        dup2(err[1], 2);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    close(err[1]);
    n = read(err[0], said, sizeof said - 1);
    CHECK(n > 0);
    said[n] = '\0';
    CHECK_STR(said, wanted);
    CHECK(waitpid(child, NULL, 0) == child);
}

/* If the processor has it, the guest does with --avx alone. */
TEST(call_gives_avx)
{
    const struct cli *run;
    char file[300];

    cli_need_hypervisor();
    snprintf(file, sizeof file, "%s", cli_file("file"));
    run = CLI("call", "--avx", "SIMPLE", "EchoI32", "5");
    if (run->status == 4) {
        CHECK_STR(run->err, "hyperlight: --avx: no AVX on this processor\n");
        return;
    }
    CHECK_STR(run->out, "5\n");
    CLI_CHECK({0, "", "", {"snapshot", "SIMPLE", "-o", file}},
              {2,
               "",
               "hyperlight: --avx is given, but the snapshot was made without\n",
               {"call", "--avx", file, "Count"}},
              {0, "", "", {"snapshot", "--avx", "SIMPLE", "-o", file}},
              {0, "1\n", "", {"call", "--avx", file, "Count"}},
              {0, "1\n", "", {"call", file, "Count"}});
}

/* As shells see it, 128 + 13. */
TEST(call_dies_when_its_reader_has_gone)
{
    const char *words[CLI_WORDS];
    int out[2], status;
    pid_t child;

    cli_words(words, (const char *const[]){"inspect", "SIMPLE", NULL});
    CHECK(!pipe(out) && !close(out[0]));
    child = fork();
    if (!child) {
        signal(SIGPIPE, SIG_DFL);
        dup2(out[1], 1);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

TEST(help_and_version)
{
    CLI_CHECK({0, "hyperlight 0.1.0\n", "", {"--version"}});
    CHECK_HAS(CLI("--help")->out, "  inspect   ");
    CHECK_HAS(CLI("call", "--help")->out, "  --repeat N ");
    CHECK_INT(CLI("call", "SIMPLE", "--help")->status, 0);
    CHECK_HAS(CLI("help")->out, "  inspect   ");
    CHECK_HAS(CLI("help", "doctor")->out, "hyperlight doctor [OPTION...]\n");
    CHECK_HAS(CLI("help", "call")->out, "  --repeat N ");
    CLI_CHECK({2, "", "hyperlight: no verb fly; hyperlight --help lists them", {"help", "fly"}});
}
