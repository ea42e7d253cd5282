/* SPDX-License-Identifier: Apache-2.0 */
/* What guest memory holds at one moment: a base, and pages that changed since. */
#ifndef HL_HOST_CONTENT_H
#define HL_HOST_CONTENT_H

#include <stdatomic.h>

#include "hv/hv.h"
#include "mapping.h"
#include "tree.h"

/* A part of a share that lies in guest memory. */
struct base_run {
    uint64_t gpa, size, offset; /* whole pages; ascending, no two overlap */
};
enum { BASE_RUNS_MAX = 16 };

/* Memory that VMs can have private views of: the runs. Of these the extents
 * have been written; all else is zeros that take no memory until a guest or
 * a reader of `bytes` looks at them. Immutable, counted. */
struct base {
    atomic_uint count;
    os_share share;
    const uint8_t *bytes; /* all of the share */
    bool owned;           /* share and bytes; else they are its guest's */
    uint32_t run_count, extent_count;
    const struct base_run *extents; /* malloc'd; within the runs, in the same order */
    struct base_run runs[BASE_RUNS_MAX];
};

/* All of guest memory but system area and messages; what neither tree nor base
 * has is zero. Mappings lie beyond it. Immutable, counted. */
struct content {
    atomic_uint count;
    struct base *base;
    _Atomic(struct base *) flat; /* all of it, if somebody wanted views; or NULL; or `base`,
                                    where views of all of it would be mostly holes */
    struct tree_node *tree;
    uint32_t height, pages; /* of the tree */
    struct mappings *mappings;
};

struct content_page { /* a page that takes the place of the one there */
    uint64_t number;
    const uint8_t *bytes; /* counted for the content, or pages_zero */
};

/* What was written of a share that outlives it, and lies at `gpa`; E_MEMORY. */
hl_status content_create(struct content **out, const os_share *share, const uint8_t *bytes,
                         uint64_t gpa, uint64_t memory_size, hl_error *err);
/* Runs of a sealed share, which passes to it with the malloc'd extents whatever
 * happens; `from` says what they are, the rest of it is made here. */
hl_status content_adopt(struct content **out, const struct base *from, uint64_t memory_size,
                        hl_error *err);
/* As `from`, but for these pages, whose counts pass to it whatever happens, and
 * without mappings; content_set_mappings adds them before anybody else sees it,
 * and takes their count over. */
hl_status content_derive(struct content **out, const struct content *from,
                         const struct content_page pages[], uint32_t count, hl_error *err);
/* The same with all pages in a tree: of one whose base is sparse. */
hl_status content_scatter(struct content **content, uint64_t memory_size, hl_error *err);
void content_set_mappings(struct content *content, struct mappings *mappings);
/* Trees over one base that tell the two apart; false: those that they have, over
 * two bases. */
bool content_relate(const struct tree_node *trees[2], const struct content *a,
                    const struct content *b);
void content_retain(const struct content *content);
void content_release(const struct content *content);

/* HL_PAGE bytes, never NULL; they live as long as the content. */
const uint8_t *content_at(const struct content *content, uint64_t number);
/* The same without the tree: what a view of the base shows. */
const uint8_t *content_base_at(const struct content *content, uint64_t number);

/* What a VM that is to hold the content should have views of; what these do not
 * show is in the tree: *whole says that they show all. Made at the first use
 * where the tree is not small. Borrowed. */
struct base *content_view(const struct content *content, bool *whole);
/* Chooses the runs of a base, few and without large holes, none of them across
 * guest-physical `apart` (0: nowhere), and the place of each extent in its
 * share, whose size is the result. The extents, at least one, ascend. */
uint64_t base_plan(struct base *base, struct base_run *extents, uint32_t count, uint64_t apart);
/* So many holes are in the runs that guests who look at them would take up much
 * more memory, for as long as the base lives, than it holds. */
bool base_is_sparse(const struct base *base);
uint64_t base_pages(const struct base *base); /* of the extents */
/* A list of extents that grows at its end; what touches becomes one. false: no memory. */
struct base_extents {
    struct base_run *list; /* malloc'd, or NULL */
    uint32_t count, room;
};
bool base_extents_add(struct base_extents *extents, uint64_t gpa, uint64_t size);
void base_retain(struct base *base);
void base_release(struct base *base);
/* Each page of [first, end) that is not zero, ascending; until one gives false,
 * which is then the result. Costs what there is, not the length of the range. */
typedef bool (*content_fn)(void *ctx, uint64_t number, const uint8_t *bytes);
bool content_each(const struct content *content, uint64_t first, uint64_t end, content_fn fn,
                  void *ctx);
#endif
