/* SPDX-License-Identifier: Apache-2.0
 *
 * The garbage collector's doubly linked lists, each closed through a head in
 * the collector's state. It knows how to walk them when they are whole, torn
 * or in the middle of a collection; what the objects are it does not.
 */
#include "cpython/gc.h"

/* CPython Include/internal/pycore_gc.h: struct gc_generation is a head, a threshold and a count. */
#define GENERATION_SIZE UINT64_C(24)
#define GENERATIONS 3

/* Flags live in the low bits of both words, in which versions and when differs: they are always masked. */
#define LINK_MASK (~UINT64_C(3))

struct walk {
    const struct mx_memory *memory;
    const struct mx_layout *layout;
    mx_gc_visit visit;
    void *context;
    uint64_t left; /* objects that the memory can still hold */
    bool collecting;
    bool stopped;
    struct mx_gc_walk *ret;
};

struct links {
    mx_addr next, prev;
};

static bool read_links(const struct walk *walk, mx_addr head, struct links *ret)
{
    const uint8_t *bytes = mx_memory_view(walk->memory, head, (size_t)walk->layout->gc_head.size);
    if (!bytes)
        return false;
    ret->next = mx_load_u64(bytes + walk->layout->gc_head.gc_next) & LINK_MASK;
    ret->prev = mx_load_u64(bytes + walk->layout->gc_head.gc_prev) & LINK_MASK;
    return true;
}

static bool visit_head(struct walk *walk, mx_addr head)
{
    walk->ret->objects++;
    walk->left--;
    walk->stopped = !walk->visit(walk->context, head + (uint64_t)walk->layout->gc_head.size);
    return !walk->stopped;
}

/* Both directions checked at each step, so no object can come twice; true when the list closed. */
static bool walk_forward(struct walk *walk, mx_addr head, struct links links)
{
    mx_addr before = head, at = links.next, last = links.prev;
    while (at != head) {
        if (!walk->left || !read_links(walk, at, &links) || links.prev != before)
            return false;
        if (!visit_head(walk, at))
            return true;
        before = at;
        at = links.next;
    }
    return last == before;
}

/* Called after walk_forward() broke: an object that it visited can not be entered from behind. */
static void walk_backward(struct walk *walk, mx_addr head, struct links links)
{
    mx_addr after = head, at = links.prev;
    while (at != head && walk->left && read_links(walk, at, &links) && links.next == after) {
        if (!visit_head(walk, at))
            return;
        after = at;
        at = links.prev;
    }
}

/*
 * During a collection `prev` holds reference counts, so nothing proves a link: a list that runs into a circle without
 * its head is noticed by Brent's method, a mark that moves up at each power of two.
 */
static bool walk_unchecked(struct walk *walk, mx_addr head, struct links links)
{
    mx_addr mark = 0;
    uint64_t steps = 0, next_mark = 1;
    for (mx_addr at = links.next; at != head; at = links.next) {
        if (!walk->left || at == mark || !read_links(walk, at, &links))
            return false;
        if (++steps == next_mark) {
            mark = at;
            next_mark *= 2;
        }
        if (!visit_head(walk, at))
            return true;
    }
    return true;
}

static void walk_list(struct walk *walk, mx_addr head)
{
    struct links links;
    bool whole = read_links(walk, head, &links);
    if (whole && walk->collecting) {
        whole = walk_unchecked(walk, head, links);
    } else if (whole) {
        whole = walk_forward(walk, head, links);
        if (!whole)
            walk_backward(walk, head, links);
    }
    if (!whole)
        walk->ret->broken++;
}

static void walk_state(struct walk *walk, mx_addr state, enum mx_gc_list which)
{
    const struct mx_layout *layout = walk->layout;
    uint32_t collecting = 0;
    mx_memory_u32(walk->memory, state + (uint64_t)layout->gc.collecting, &collecting);
    walk->collecting = collecting != 0;
    if (which == MX_GC_PERMANENT) {
        walk_list(walk, state + (uint64_t)layout->gc.permanent_generation);
        return;
    }
    for (unsigned i = 0; i < GENERATIONS && !walk->stopped; i++)
        walk_list(walk, state + (uint64_t)layout->gc.generations + GENERATION_SIZE * i);
}

/* No more objects than this can be told apart: the smallest has a head and a header of 16 bytes each. */
static uint64_t most_objects(const struct mx_memory *memory)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < memory->regions.count; i++)
        bytes += memory->regions.items[i].end - memory->regions.items[i].start;
    return bytes / 32;
}

void mx_gc_each(const struct mx_runtime *runtime, enum mx_gc_list which, mx_gc_visit visit, void *context,
                struct mx_gc_walk *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    *ret = (struct mx_gc_walk){0, 0};
    struct walk walk = {.memory = runtime->memory,
                        .layout = layout,
                        .visit = visit,
                        .context = context,
                        .left = most_objects(runtime->memory),
                        .ret = ret};
    if (layout->gc_shape == MX_GC_MIMALLOC)
        return;
    if (layout->gc_shape == MX_GC_RUNTIME) {
        if (runtime->address)
            walk_state(&walk, runtime->address + (uint64_t)layout->runtime.gc, which);
        return;
    }
    for (size_t i = 0; i < runtime->interpreters.count && !walk.stopped; i++)
        walk_state(&walk, runtime->interpreters.items[i].address + (uint64_t)layout->interpreter.gc, which);
}
