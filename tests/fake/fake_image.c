/* SPDX-License-Identifier: Apache-2.0 */
/* Guest images without a file: tables, and two pages: code nobody executes, and data. */
#include <stdlib.h>

#include "../test.h"
#include "fake.h"

static size_t text_size(const struct fake_program *program)
{
    size_t size = 1;
    uint32_t i;

    for (i = 0; i < program->export_count; i++)
        size += strlen(program->exports[i].name) + 1;
    for (i = 0; i < program->import_count; i++)
        size += strlen(program->imports[i].name) + 1;
    return size;
}

static void fill_row(struct image_function *row, char **text, const char *name,
                     const char *signature)
{
    const char *wrong = NULL;

    row->name = strcpy(*text, name);
    *text += strlen(name) + 1;
    if (signature)
        wrong = hl__signature_parse(&row->signature, signature, strlen(signature));
    if (wrong)
        FAIL("%s: signature \"%s\": %s", name, signature, wrong);
    hl__signature_text(row->signature_text, &row->signature);
}

static void fill_tables(struct image *image, const struct fake_program *program)
{
    char *text = malloc(text_size(program));
    uint32_t i;

    image->text = text;
    image->exports = calloc(program->export_count + 1, sizeof *image->exports);
    image->imports = calloc(program->import_count + 1, sizeof *image->imports);
    CHECK(image->text && image->exports && image->imports);
    image->export_count = program->export_count;
    image->import_count = program->import_count;
    image->init = image->fallback = HL_INDEX_NAMED;
    for (i = 0; i < program->export_count; i++) {
        fill_row(&image->exports[i], &text, program->exports[i].name,
                 program->exports[i].signature);
        if (!*program->exports[i].name)
            image->fallback = i;
    }
    for (i = 0; i < program->import_count; i++)
        fill_row(&image->imports[i], &text, program->imports[i].name,
                 program->imports[i].signature);
}

static void fill_segments(struct image *image)
{
    image->abi = HL_ABI_VERSION;
    image->base = image->entry = HL_SLIDE;
    image->span = 2 * HL_PAGE;
    image->segment_count = 2;
    image->segments[0] = (struct image_segment){HL_SLIDE, HL_PAGE, HL_READ | HL_EXECUTE};
    image->segments[1] = (struct image_segment){HL_SLIDE + HL_PAGE, HL_PAGE, HL_READ | HL_WRITE};
}

hl_guest *fake_image(const struct fake_program *program)
{
    hl_guest *guest = calloc(1, sizeof *guest);
    uint8_t *memory;
    uint32_t i;

    CHECK(guest);
    atomic_init(&guest->references, 1);
    fill_segments(&guest->image);
    fill_tables(&guest->image, program);
    CHECK_INT(os_share_create(&guest->contents, &memory, guest->image.span, NULL), HL_OK);
    memset(memory + HL_PAGE, program->data, HL_PAGE);
    CHECK_INT(os_share_seal(&guest->contents, memory, NULL), HL_OK);
    CHECK_INT(os_share_map(&guest->bytes, &guest->contents, NULL), HL_OK);
    CHECK(names_create(&guest->exports, guest->image.export_count));
    for (i = 0; i < guest->image.export_count; i++)
        if (*guest->image.exports[i].name)
            names_add(&guest->exports, guest->image.exports[i].name, i);
    return guest;
}

hl_status fake_create(hl_sandbox **out, const struct fake_program *program, const hl_host *host,
                      const hl_config *config, hl_error *err)
{
    hl_guest *guest = fake_image(program);
    hl_status status;

    *out = NULL;
    fake_use(program);
    status = sandbox_create_on(out, &hv_fake, guest, host, config, err);
    hl_guest_release(guest);
    return status;
}
