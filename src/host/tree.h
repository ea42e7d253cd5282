/* SPDX-License-Identifier: Apache-2.0 */
/* A persistent map from page numbers to frozen pages: versions share what is equal. */
#ifndef HL_HOST_TREE_H
#define HL_HOST_TREE_H

#include <hyperlight/types.h>

/* A version is its root; NULL is the empty one. All versions that meet have
 * the same height. Roots are counted; what several threads see is not changed
 * any more. */
struct tree_node;
enum { TREE_BITS = 4, TREE_WIDTH = 1 << TREE_BITS };

/* The height that page numbers below `pages` need. */
uint32_t tree_height(uint64_t pages);

/* The page at this number, NULL if there is none. */
const uint8_t *tree_find(const struct tree_node *root, uint32_t height, uint64_t number);

/* The page with the lowest number from `at` on; *number is that. NULL: no more. */
const uint8_t *tree_next(uint64_t *number, const struct tree_node *root, uint32_t height,
                         uint64_t at);

/* Puts a page there, whose count passes to the tree; *root must be the
 * caller's alone, or NULL. *grown: there was none before. false: no memory;
 * nothing changed, the page stays the caller's. */
bool tree_put(struct tree_node **root, uint32_t height, uint64_t number, const uint8_t *page,
              bool *grown);
/* A version of the caller's own, equal to this one; NULL if there is no memory. */
struct tree_node *tree_fork(const struct tree_node *root, uint32_t height);
void tree_release(struct tree_node *root, uint32_t height);

/* Each number at which the two versions differ, ascending, with the page that b
 * has there; NULL: none. */
typedef void (*tree_fn)(void *ctx, uint64_t number, const uint8_t *page);
void tree_diff(const struct tree_node *a, const struct tree_node *b, uint32_t height, tree_fn fn,
               void *ctx);
/* How many that is, counted up to `limit`. */
uint64_t tree_distance(const struct tree_node *a, const struct tree_node *b, uint32_t height,
                       uint64_t limit);
#endif
