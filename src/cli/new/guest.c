/* Runs inside the micro-VM. What it exports, the host can call. */
#include <hyperlight/easy.h>
#include <stdio.h>
#include <string.h>

/* What it needs of the host: asked for by name and type when a sandbox is made. */
HL_IMPORT(i32, DayOfYear, ())

HL_FUNCTION(str, Greet, (str, name))
{
    const size_t size = strlen(name) + 64;
    char *text = hl_call_alloc(call, size); /* until the host has it */

    if (!text) {
        hl_fail(call, 1, "the name is too long");
        return "";
    }
    snprintf(text, size, "Hello %s, this is day %d of the year.", name, (int)DayOfYear());
    return text;
}
