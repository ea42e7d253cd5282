/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: shared by sandboxes of the same sizes, and not kept without end. */
#include "../fake/fake.h"
#include "../test.h"

enum { KEPT = 4, MANY = 12 };

static const struct fake_program program = {0};

/* The n-th set of sizes. */
static hl_sandbox *box_of(const hl_guest *guest, uint32_t n)
{
    const hl_config config = {.struct_size = sizeof config, .heap_size = (n + 1) << 20};
    hl_sandbox *box;
    hl_error err;

    fake_use(&program);
    CHECK_INT(sandbox_create_on(&box, &hv_fake, guest, NULL, &config, &err), HL_OK);
    return box;
}

static uint32_t count(const hl_guest *guest)
{
    const struct shape *shape;
    uint32_t n = 0;

    for (shape = guest->shapes; shape; shape = shape->next)
        n++;
    return n;
}

TEST(sandboxes_of_the_same_sizes_share_a_shape)
{
    hl_guest *guest = fake_image(&program);
    hl_sandbox *first = box_of(guest, 0), *second = box_of(guest, 0), *other = box_of(guest, 1);
    const struct shape *shape = first->shape;

    CHECK(second->shape == shape && other->shape != shape);
    CHECK_INT(count(guest), 2);
    hl_sandbox_destroy(first);
    hl_sandbox_destroy(second);
    first = box_of(guest, 0);
    CHECK(first->shape == shape); /* kept for the next one */
    hl_sandbox_destroy(first);
    hl_sandbox_destroy(other);
    hl_guest_release(guest);
}

/* As many as are used, and a few more, at every moment. */
TEST(shapes_without_users_are_few)
{
    hl_guest *guest = fake_image(&program);
    hl_sandbox *boxes[MANY];
    uint32_t i, in_use;

    for (i = 0; i < MANY; i++)
        boxes[i] = box_of(guest, i);
    CHECK_INT(count(guest), MANY);
    for (i = 0; i < MANY; i++) {
        hl_sandbox_destroy(boxes[i]);
        in_use = MANY - 1 - i;
        CHECK_INT(count(guest), in_use + (i + 1 < KEPT ? i + 1 : KEPT));
    }
    hl_sandbox_destroy(box_of(guest, MANY));
    CHECK_INT(count(guest), KEPT);
    hl_guest_release(guest);
}
