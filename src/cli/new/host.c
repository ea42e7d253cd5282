/* Runs the guest in a micro-VM: ./host GUEST NAME */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <time.h>

/* The guest may call this, and nothing else. */
HL_FUNCTION(i32, DayOfYear, ())
{
    const time_t now = time(NULL);
    const struct tm *utc = gmtime(&now);

    if (!utc)
        hl_fail(call, 1, "the clock is out of range");
    return utc ? utc->tm_yday + 1 : 0;
}

int main(int argc, char **argv)
{
    const hl_host_function table[] = {HL_ENTRY(DayOfYear, NULL)};
    const hl_config config = {.struct_size = sizeof config, .deadline_us = 1000000};
    const char *image = argc > 1 ? argv[1] : "./guest", *name = argc > 2 ? argv[2] : "World";
    hl_guest *guest = NULL;
    hl_host *host = NULL;
    hl_sandbox *box = NULL;
    hl_value greeting;
    hl_error err;

    if (!hl_guest_open(&guest, image, &err) && !hl_host_create(&host, table, 1, &err) &&
        !hl_sandbox_create(&box, guest, host, &config, &err) &&
        !hl_invoke(&greeting, box, &err, "Greet", name))
        printf("%s\n", greeting.as.str);
    if (err.status)
        fprintf(stderr, "%s\n", err.text);
    hl_sandbox_destroy(box);
    hl_host_release(host);
    hl_guest_release(guest);
    return err.status != HL_OK;
}
