/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what guests print and log. */
#include <errno.h>
#include <hyperlight/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool append(hl_test_text *to, const char *bytes, size_t len)
{
    char *grown = realloc(to->text, to->len + len + 1);

    if (!grown)
        return false;
    to->text = grown;
    memcpy(to->text + to->len, bytes, len);
    to->len += len;
    to->text[to->len] = '\0';
    return true;
}

void hl_test_text_free(hl_test_text *text)
{
    free(text->text);
    *text = (hl_test_text){NULL, 0};
}

static hl_status print(hl_call *call, const hl_value args[], hl_value *ret)
{
    hl_test_text *to = hl_call_user(call);

    if (!append(to, args[0].as.str, args[0].len))
        return hl_fail(call, ENOMEM, "no memory for what is printed");
    *ret = hl_i32((int32_t)args[0].len);
    return HL_OK;
}

hl_host_function hl_test_prints(hl_test_text *to)
{
    return (hl_host_function){"HostPrint", "i32(str)", print, to};
}

void hl_test_log(void *to, const hl_log_record *record)
{
    static const char *const levels[] = {"off", "error", "warn", "info", "debug", "trace"};
    char head[64];
    int len;

    snprintf(head, sizeof head, "%s ",
             record->level <= HL_LEVEL_TRACE ? levels[record->level] : "?");
    append(to, head, strlen(head));
    append(to, record->file, strlen(record->file));
    len = snprintf(head, sizeof head, ":%u: ", record->line);
    append(to, head, (size_t)len);
    append(to, record->text, strlen(record->text));
    append(to, "\n", 1);
}
