/* SPDX-License-Identifier: Apache-2.0 */
/* hyperlight snapshot: saves a guest that goes on elsewhere. */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

TEST(snapshot_goes_on_where_it_was)
{
    char one[300], two[300];

    cli_need_hypervisor();
    snprintf(one, sizeof one, "%s", cli_file("one"));
    snprintf(two, sizeof two, "%s", cli_file("two"));
    CLI_CHECK({0, "", "", {"snapshot", "SIMPLE", "-o", one}},
              {0, "1\n", "", {"call", one, "Count"}}, {0, "1\n", "", {"call", one, "Count"}},
              {0, "1005\n", "", {"call", one, "Added", "5"}},
              {0, "", "", {"snapshot", one, "-o", two, "--after", "Count"}},
              {0, "2\n", "", {"call", two, "Count"}},
              {0, "3\n", "", {"call", "--repeat", "2", two, "Count"}},
              {0, "", "", {"snapshot", "-o", two, two, "--after", "EchoStr", "--after"}},
              {0, "2\n", "", {"call", two, "Count"}},
              {2,
               "",
               "hyperlight: --heap is 64K, the snapshot has 16M; leave it out\n",
               {"call", "--heap", "64K", two, "Count"}});
}

/* It goes on where it comes from: in a process. */
TEST(snapshot_of_a_guest_in_a_process)
{
    char file[300];

    cli_need_process();
    snprintf(file, sizeof file, "%s", cli_file("file"));
    CLI_CHECK({0,
               "",
               "process: made in ",
               {"snapshot", "--time", "--hypervisor", "process", "SIMPLE", "-o", file, "--after",
                "Count"}},
              {0, "2\n", "", {"call", "--allow-process", file, "Count"}},
              {0, "2\n", "", {"call", "--hypervisor", "process", file, "Count"}},
              {3,
               "",
               "hyperlight: the snapshot is of a sandbox in a process: say --hypervisor process or "
               "--allow-process\n"
               "hyperlight: --allow-process would run it in a locked-down process",
               {"call", file, "Count"}},
              {2,
               "",
               "hyperlight: --hypervisor is kvm, the snapshot is of process\n",
               {"call", "--hypervisor", "kvm", file, "Count"}},
              {0, NULL, "", {"inspect", file}});
}

/* Where there is no KVM, one of KVM stays where it is; and that is said. */
TEST(snapshot_of_kvm_without_kvm)
{
    char file[300];

    cli_need_kvm();
    snprintf(file, sizeof file, "%s", cli_file("file"));
    CLI_CHECK({0, "", "", {"snapshot", "SIMPLE", "-o", file}});
    CHECK_HAS(CLI("inspect", file)->out, "ABI 1, taken on kvm\n");
    cli_without_devices();
    CLI_CHECK({4,
               "",
               "says more\nhyperlight: the snapshot was taken on kvm, and cannot go on in a "
               "process\n",
               {"call", "--allow-process", file, "Count"}},
              {4, "", "taken on kvm, and cannot go on in a process\n", {"call", file, "Count"}});
}

TEST(snapshot_says_what_is_wrong)
{
    char file[300], pipe[300], made[64], guest[4500];

    snprintf(file, sizeof file, "%s", cli_file("file"));
    CLI_CHECK(
        {2, "", "wanted: hyperlight snapshot", {"snapshot"}},
        {2, "", "snapshot: -o FILE says where to", {"snapshot", "SIMPLE"}},
        {2, "", "snapshot: -ow6: the value of -o is the next word", {"snapshot", "SIMPLE", "-ow6"}},
        {2, "", "snapshot: -o=w6: the value of -o", {"snapshot", "SIMPLE", "-o=w6"}},
        {2, "", "snapshot: no option --output=w6", {"snapshot", "SIMPLE", "--output=w6"}},
        {2, "", "snapshot: -o is '', wanted a file", {"snapshot", "SIMPLE", "-o", ""}},
        {2, "", "snapshot: -o is -, but standard", {"snapshot", "SIMPLE", "-o", "-"}},
        {2, "", "snapshot: -o needs a value: FILE", {"snapshot", "SIMPLE", "-o"}},
        {2,
         "",
         "snapshot: --after takes no value behind =",
         {"snapshot", "SIMPLE", "-o", file, "--after=Count", "Count"}},
        {2, "", "snapshot: no option --json", {"snapshot", "--json", "SIMPLE", "-o", file}},
        {2, "", "--heap is 1Q, wanted bytes", {"snapshot", "SIMPLE", "--heap", "1Q"}},
        {2, "", "--hypervisor is any1, wanted", {"snapshot", "--hypervisor", "any1"}},
        {3, "", "/dev/null: not a regular file", {"snapshot", "/dev/null", "-o", file}},
        {2,
         "",
         "--init-data is /no/data: No such file",
         {"snapshot", "SIMPLE", "-o", file, "--init-data", "/no/data"}},
        {2, "", "b is one word too many", {"snapshot", "SIMPLE", "b", "-o", file}},
        {3, "", "/no/guest: No such file", {"snapshot", "/no/guest", "-o", file}});
    cli_need_hypervisor();
    snprintf(guest, sizeof guest, "%s", test_guest("callback"));
    snprintf(made, sizeof made, "hyperlight: %s: made in ", cli_hypervisor());
    snprintf(pipe, sizeof pipe, "%s", cli_file("pipe"));
    CHECK_INT(mkfifo(pipe, 0600), 0);
    CLI_CHECK(
        {2,
         "",
         "--after needs the name of a function",
         {"snapshot", "SIMPLE", "-o", file, "--after"}},
        {2,
         "",
         "takes 1 argument, not 0",
         {"snapshot", "SIMPLE", "-o", file, "--after", "EchoI32"}},
        {1,
         "",
         "failed with code 3: no",
         {"snapshot", "SIMPLE", "-o", file, "--after", "Fail", "3", //
          "no"}},
        {2,
         "",
         "--heap is 1K, wanted 64K to 64G",
         {"snapshot", "SIMPLE", "-o", file, "--heap", "1K"}},
        {2,
         "",
         "the guest exports no function Nope; hyperlight inspect ",
         {"snapshot", "HELLO", "-o", file, "--after", "Nope"}},
        {2,
         "",
         "argument 1 of EchoI32, i32, is x, wanted",
         {"snapshot", "SIMPLE", "-o", file, "--after", "EchoI32", "x"}},
        {5, "", "writing 0x0", {"snapshot", "SIMPLE", "-o", file, "--after", "NullPointer"}},
        {3, "", "the guest also imports ", {"snapshot", guest, "-o", file, "--after", "F"}},
        {6,
         "",
         "deadline",
         {"snapshot", "SIMPLE", "--deadline", "9ms", "-o", file, "--after", "Spin"}},
        {7, "", "pipe: not a regular file", {"snapshot", "SIMPLE", "-o", pipe}},
        {7, "", "/no/such/folder/file", {"snapshot", "SIMPLE", "-o", "/no/such/folder/file"}},
        {1, "", made, {"snapshot", "--time", "SIMPLE", "-o", file, "--after", "Fail", "3", "no"}},
        {0, "", "us\nhyperlight: saved in ", {"snapshot", "--time", "SIMPLE", "-o", file}});
    CHECK_INT(unlink(file), 0);
}

/* Nothing of a snapshot is left where there is no room for it. */
TEST(snapshot_on_a_full_disk)
{
    char file[300];

    cli_need_hypervisor();
    cli_own_mounts();
    CHECK_INT(mkdir(cli_file("disk"), 0755), 0);
    CHECK_INT(mount("none", cli_file("disk"), "tmpfs", 0, "size=4k"), 0);
    snprintf(file, sizeof file, "%s", cli_file("disk/file"));
    CLI_CHECK({7, "", "disk/file: ", {"snapshot", "SIMPLE", "-o", file}},
              {7, "", "No space left on device\n", {"snapshot", "SIMPLE", "-o", file}});
    CHECK(access(file, F_OK));
    CHECK_INT(umount(cli_file("disk")), 0);
}
