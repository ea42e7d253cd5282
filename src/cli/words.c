/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the library in the words of this command. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "text.h"

struct phrase {
    const char *from, *to;
    bool sizes; /* from here on numbers are sizes */
};
static const struct phrase phrases[] = {
    {"hl_config.heap_size", "--heap", true},
    {"hl_config.stack_size", "--stack", true},
    {"hl_config.message_size", "--messages", true},
    {"hl_config.init_data", "--init-data", false},
    {"hl_config.avx is 1, the snapshot has 0; leave it 0",
     "--avx is given, but the snapshot was made without", false},
    {"hl_config.avx is 1", "--avx", false},
    {"set hl_config.hypervisor to HL_HYPERVISOR_PROCESS, or hl_config.allow_process to 1",
     "say --hypervisor process or --allow-process", false},
    {"hl_config.hypervisor", "--hypervisor", false},
    {" 1 (kvm)", " kvm", false},
    {" 2 (process)", " process", false},
    {"; leave it 0", "; leave it out", false},
};

static const struct phrase *phrase_at(const char *text)
{
    size_t i;

    for (i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (!strncmp(text, phrases[i].from, strlen(phrases[i].from)))
            return &phrases[i];
    return NULL;
}

static void translate(FILE *out, const char *text)
{
    const struct phrase *phrase;
    bool sizes = false;
    char size[24], *end;

    while (*text) {
        phrase = phrase_at(text);
        if (phrase) {
            sizes |= phrase->sizes;
            fputs(phrase->to, out);
            text += strlen(phrase->from);
        } else if (sizes && *text == ' ' && isdigit((unsigned char)text[1])) {
            fprintf(out, " %s", text_size(size, strtoull(text, &end, 10)));
            text = end;
        } else {
            fputc(*text++, out);
        }
    }
}

/* What a guest says stays as it is, but for one line that its runtime writes. */
static bool is_ours(const hl_error *err)
{
    static const char runtime[] = " fit (hl_config.message_size)";
    const size_t len = strlen(err->text);

    if (err->status == HL_E_FAILED)
        return len >= sizeof runtime && !strcmp(err->text + len + 1 - sizeof runtime, runtime);
    return err->status != HL_E_ABORT;
}

void words_of_command(hl_error *err)
{
    char text[2 * sizeof err->text] = "";
    FILE *out;

    if (!is_ours(err) || !strstr(err->text, "hl_config."))
        return;
    out = fmemopen(text, sizeof text, "w");
    if (!out)
        return;
    translate(out, err->text);
    if (fclose(out))
        return;
    snprintf(err->text, sizeof err->text, "%.*s", (int)text_whole(text, sizeof err->text - 1),
             text);
}

void words_quote_path(hl_error *err, const char *path)
{
    const size_t len = strlen(path);
    char text[sizeof err->text + 4];

    if (!text_needs_quotes(path) || strncmp(err->text, path, len) || err->text[len] != ':')
        return;
    snprintf(text, sizeof text, "'%s'%s", path, err->text + len);
    snprintf(err->text, sizeof err->text, "%.*s", (int)text_whole(text, sizeof err->text - 1),
             text);
}
