/* SPDX-License-Identifier: Apache-2.0 */
/* A test of somebody else's, by the installed test-support library. */
#include <hyperlight/testing.h>
#include <stdio.h>
#include <string.h>

/* The guest of this project, found beside the program; its import is missing. */
static void body(void *user)
{
    hl_test_text *prints = (hl_test_text *)user;
    const hl_host_function table[] = {hl_test_prints(prints)};
    char path[4096];
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_error err = {0};

    if (hl_test_guest(path, sizeof path, "consumer") && !hl_guest_open(&guest, path, &err) &&
        !hl_host_create(&host, table, 1, &err))
        hl_sandbox_create(&box, guest, host, NULL, &err);
    puts(strstr(err.text, "imports Twice") ? "imports Twice" : err.text);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
}

int main(void)
{
    hl_test_text prints = {NULL, 0};

    return hl_test_child(body, &prints, 60);
}
