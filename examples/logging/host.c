/* SPDX-License-Identifier: Apache-2.0 */
/* Catches what a guest prints, and shows what it logs: logging GUEST */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

/* Prints go here instead of standard output. */
struct page {
    char text[1024];
    size_t used;
};

/* An entry of this name takes the place of the library's own. */
HL_FUNCTION(i32, HostPrint, (str, text))
{
    struct page *page = (struct page *)hl_call_user(call);
    const size_t len = strlen(text);

    if (len >= sizeof page->text - page->used)
        return hl_fail(call, 1, "the page is full"), 0;
    memcpy(page->text + page->used, text, len + 1);
    page->used += len;
    return (int32_t)len;
}

/* Bytes of the guest: what a terminal would obey is shown instead. */
static void print_safe(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            printf("\\x%02x", (unsigned)(unsigned char)*text);
        else
            putchar(*text);
}

static void log_line(void *user, const hl_log_record *record)
{
    static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};
    unsigned *lines = (unsigned *)user;

    ++*lines;
    printf("[%s] ", levels[record->level]);
    print_safe(record->file);
    printf(":%u: ", record->line);
    print_safe(record->text);
    putchar('\n');
}

static hl_status run(const hl_guest *guest, const hl_host *host, uint32_t level, hl_error *err)
{
    unsigned lines = 0;
    const hl_config config = {.struct_size = sizeof config,
                              .allow_process = 1,
                              .log = log_line,
                              .log_user = &lines,
                              .log_level = level};
    hl_sandbox *box;
    hl_status status = hl_sandbox_create(&box, guest, host, &config, err);

    if (status)
        return status;
    status = hl_invoke(NULL, box, err, "Sum", 3u);
    printf("%u lines at level %u\n", lines, level);
    hl_sandbox_destroy(box);
    return status;
}

int main(int argc, char **argv)
{
    struct page page = {"", 0};
    const hl_host_function table[] = {HL_ENTRY(HostPrint, &page)};
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_error err;

    if (!hl_guest_open(&guest, argc > 1 ? argv[1] : "logging_guest", &err) &&
        !hl_host_create(&host, table, 1, &err) && !run(guest, host, HL_LEVEL_WARN, &err) &&
        !run(guest, host, HL_LEVEL_DEBUG, &err))
        printf("the guest printed:\n%s", page.text);
    if (err.status)
        fprintf(stderr, "logging: %s\n", err.text);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
