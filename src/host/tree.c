/* SPDX-License-Identifier: Apache-2.0 */
/* The persistent tree: nodes are shared by count, and copied when one changes. */
#include "tree.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "../shared/hot.h"

/* Children of a leaf (height 1) are pages, others nodes. */
struct tree_node {
    _Atomic uint32_t count;
    const void *child[TREE_WIDTH];
};

uint32_t tree_height(uint64_t pages)
{
    uint32_t height = 1;

    while (height * TREE_BITS < 64 && pages > 1ull << height * TREE_BITS)
        height++;
    return height;
}

static uint32_t slot_of(uint64_t number, uint32_t height)
{
    return (uint32_t)(number >> (height - 1) * TREE_BITS) & (TREE_WIDTH - 1);
}

HL__HOT const uint8_t *tree_find(const struct tree_node *root, uint32_t height, uint64_t number)
{
    for (; root && height > 1; height--)
        root = root->child[slot_of(number, height)];
    return root ? root->child[slot_of(number, 1)] : NULL;
}

/* Below a node whose numbers begin with `base`; recursion as in tree_release. */
static const uint8_t *next_below(uint64_t *number, const struct tree_node *node, uint32_t height,
                                 uint64_t base, uint64_t at)
{
    const uint64_t each = 1ull << (height - 1) * TREE_BITS; /* numbers of a child */
    const uint8_t *page;
    uint64_t start;
    uint32_t i;

    for (i = at > base ? (uint32_t)((at - base) / each) : 0; i < TREE_WIDTH; i++) {
        start = base + i * each;
        if (!node->child[i])
            continue;
        if (height == 1) {
            *number = start;
            return node->child[i];
        }
        page = next_below(number, node->child[i], height - 1, start, at);
        if (page)
            return page;
    }
    return NULL;
}

const uint8_t *tree_next(uint64_t *number, const struct tree_node *root, uint32_t height,
                         uint64_t at)
{
    const bool beyond = height * TREE_BITS < 64 && at >> height * TREE_BITS;

    return root && !beyond ? next_below(number, root, height, 0, at) : NULL;
}

static void retain_node(const struct tree_node *node)
{
    atomic_fetch_add_explicit(&((struct tree_node *)(uintptr_t)node)->count, 1,
                              memory_order_relaxed);
}

/* A copy that shares the children; of NULL an empty one. */
static struct tree_node *copy_node(const struct tree_node *node, uint32_t height)
{
    struct tree_node *copy = calloc(1, sizeof *copy);
    uint32_t i;

    if (!copy)
        return NULL;
    atomic_init(&copy->count, 1);
    for (i = 0; node && i < TREE_WIDTH; i++) {
        copy->child[i] = node->child[i];
        if (!copy->child[i])
            continue;
        if (height > 1)
            retain_node(copy->child[i]);
        else
            pages_retain(copy->child[i]);
    }
    return copy;
}

struct tree_node *tree_fork(const struct tree_node *root, uint32_t height)
{
    return copy_node(root, height);
}

/* The recursion is as deep as the tree is high: at most 16. */
void tree_release(struct tree_node *root, uint32_t height)
{
    uint32_t i;

    if (!root || atomic_fetch_sub_explicit(&root->count, 1, memory_order_acq_rel) != 1)
        return;
    for (i = 0; i < TREE_WIDTH; i++) {
        if (!root->child[i])
            continue;
        if (height > 1)
            tree_release((struct tree_node *)(uintptr_t)root->child[i], height - 1);
        else
            pages_release(root->child[i]);
    }
    free(root);
}

/* Makes *link, whose node is at `height`, the caller's alone. A node with count
 * 1 below one of the caller's own is the caller's own. */
static struct tree_node *own(const void **link, uint32_t height)
{
    struct tree_node *node = (struct tree_node *)(uintptr_t)*link;
    struct tree_node *copy;

    if (node && atomic_load_explicit(&node->count, memory_order_acquire) == 1)
        return node;
    copy = copy_node(node, height);
    if (!copy)
        return NULL;
    tree_release(node, height);
    *link = copy;
    return copy;
}

bool tree_put(struct tree_node **root, uint32_t height, uint64_t number, const uint8_t *page,
              bool *grown)
{
    const void *top = *root, **link = &top;
    struct tree_node *node;

    for (; height; height--) {
        node = own(link, height);
        if (link == &top)
            *root = node ? node : *root;
        if (!node)
            return false;
        link = &node->child[slot_of(number, height)];
    }
    *grown = !*link;
    if (*link)
        pages_release(*link);
    *link = page;
    return true;
}

static const void *child_of(const struct tree_node *node, uint32_t i)
{
    return node ? node->child[i] : NULL;
}

static void diff(const struct tree_node *a, const struct tree_node *b, uint32_t height,
                 uint64_t base, tree_fn fn, void *ctx)
{
    const void *x, *y;
    uint32_t i;

    for (i = 0; i < TREE_WIDTH; i++) {
        x = child_of(a, i);
        y = child_of(b, i);
        if (x == y)
            continue;
        if (height > 1)
            diff(x, y, height - 1, (base | i) << TREE_BITS, fn, ctx);
        else
            fn(ctx, base | i, y);
    }
}

void tree_diff(const struct tree_node *a, const struct tree_node *b, uint32_t height, tree_fn fn,
               void *ctx)
{
    if (a != b)
        diff(a, b, height, 0, fn, ctx);
}

uint64_t tree_distance(const struct tree_node *a, const struct tree_node *b, uint32_t height,
                       uint64_t limit)
{
    const void *x, *y;
    uint64_t count = 0;
    uint32_t i;

    for (i = 0; a != b && i < TREE_WIDTH && count < limit; i++) {
        x = child_of(a, i);
        y = child_of(b, i);
        if (x != y)
            count += height > 1 ? tree_distance(x, y, height - 1, limit - count) : 1;
    }
    return count;
}
