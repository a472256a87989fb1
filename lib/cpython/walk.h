/* SPDX-License-Identifier: Apache-2.0
 *
 * What the decoders of references share: the plan of a type (where its
 * references are), the walk over one object, and the ways to say an edge.
 * Only lib/cpython/referents*.c and buffers.c include this.
 */
#ifndef MX_CPYTHON_WALK_H
#define MX_CPYTHON_WALK_H

#include "cpython/referents.h"

enum {
    MX_NO_EDGE = 0xff,         /* the class of a field that holds no reference, but is known: it is not scanned */
    MX_MOST_BASES = 64,        /* of one type, that are looked at */
    MX_MOST_ITEMS_LOG2 = 40,   /* an object that claims more items is torn */
    MX_MOST_TRUSTED = 1 << 16, /* words that are read without a look at their block's size */
    MX_MOST_SCANNED = 1 << 20, /* bytes of one object's body, and of one raw block, that are searched */
};

struct mx_walk;
typedef void (*mx_decoder)(struct mx_walk *walk);

struct mx_plan_field {
    const char *text;
    int32_t offset;
    uint8_t class;  /* enum mx_edge_class or MX_NO_EDGE */
    uint8_t naming; /* MX_NAME_FIELD or MX_NAME_SLOT */
};

/* What every object of a type has in the same places. */
struct mx_plan {
    mx_decoder decode;     /* what is no plain field; may be NULL */
    size_t first;          /* in mx_plans.fields */
    uint32_t count;        /* of fields */
    uint32_t extent;       /* bytes of the object that hold its fields */
    uint32_t scan_start;   /* the part of the object that is not known, to be scanned conservatively */
    uint32_t scan_end;     /* equal to the start: all is known */
    uint64_t hidden_items; /* of a structseq, behind the visible ones */
    int32_t tables[2];     /* offsets of addresses of what the decoder reads besides; 0: none */
    uint8_t traversed;     /* class of what tp_traverse shows: OWNED where the type is not the collector's business */
    uint8_t type_class;    /* of the edge to the type, or MX_NO_EDGE */
    uint8_t scanned;       /* class of what a scan finds: OWNED where the type that is not known shows nothing */
    bool has_storage;      /* attributes are not at a fixed offset: mx_attributes_storage() */
    bool is_empty;         /* objects of this type refer to nothing */
    bool scans_items;      /* the items behind the fixed part are not known either */
};

struct mx_plans {
    MX_ARRAY(struct mx_plan) plans; /* by type index */
    MX_ARRAY(struct mx_plan_field) fields;
    mx_addr lookdict; /* dk_lookup of tables with keys of any kind; 0 since 3.11 */
};

/* The plan of one type, its fields appended to plans->fields; false when there is no memory. */
bool mx_plan_make(const struct mx_types *types, const struct mx_type *type, struct mx_plans *plans,
                  struct mx_plan *ret);

/* What is known of a type that Cython made. */
enum { MX_CYTHON_FIELDS = 20 };
struct mx_cython_plan {
    struct mx_plan_field fields[MX_CYTHON_FIELDS];
    size_t count;
    mx_decoder decode;
};

/*
 * Knows Cython's functions and coroutines; the fields of a fused function are those that its `base` (NULL: none) does
 * not have. `weaklist`: tp_weaklistoffset.
 */
bool mx_cython_plan(const struct mx_type *type, const struct mx_type *base, int64_t weaklist,
                    struct mx_cython_plan *ret);

/* One object being walked. */
struct mx_walk {
    const struct mx_referents *referents;
    const struct mx_runtime *runtime;
    const struct mx_layout *layout;
    const struct mx_memory *memory;
    const struct mx_type *type;
    const struct mx_plans *plans;
    const struct mx_plan *plan;
    mx_addr object;
    const uint8_t *bytes; /* the first plan->extent bytes of the object; NULL when not all of them are there */
    mx_addr wanted;       /* the only target that the visitor asks for; 0: all */
    mx_edge_visit visit;
    void *context;
    struct mx_found_edges *found; /* edges go there, and nobody is called; NULL: `visit` is */
    bool stopped;                 /* the visitor has had enough */
};

/* A word of the object; 0 for a field that the layout does not have. */
static inline uint64_t mx_walk_word(const struct mx_walk *walk, int32_t offset)
{
    if (offset < 0)
        return 0;
    if (walk->bytes && (uint32_t)offset + 8 <= walk->plan->extent)
        return mx_load_u64(walk->bytes + offset);
    return mx_memory_pointer(walk->memory, walk->object + (uint64_t)offset);
}

uint32_t mx_walk_u32(const struct mx_walk *walk, int32_t offset);

/* ob_size, bounded. */
uint64_t mx_walk_items(const struct mx_walk *walk);

/* Whether the visitor asks for edges to `target`. */
static inline bool mx_walk_wants(const struct mx_walk *walk, mx_addr target)
{
    return target && (!walk->wanted || walk->wanted == target);
}

/* Nearly all calls are made for a graph, which wants no names: what makes these is not even computed then. */
static inline void mx_walk_gather(struct mx_walk *walk, mx_addr target, uint8_t class, bool exact)
{
    struct mx_found_edges *found = walk->found;
    if (!target || walk->stopped)
        return;
    if (found->count == found->capacity && !found->make_room(found->context)) {
        walk->stopped = true;
        return;
    }
    found->items[found->count++] = (struct mx_found_edge){.target = target, .class = class, .exact = exact};
}

static inline void mx_walk_edge(struct mx_walk *walk, const struct mx_edge *edge)
{
    if (walk->found)
        mx_walk_gather(walk, edge->target, edge->class, edge->exact);
    else if (mx_walk_wants(walk, edge->target) && !walk->stopped && !walk->visit(walk->context, edge))
        walk->stopped = true;
}

static inline void mx_walk_field(struct mx_walk *walk, mx_addr target, uint8_t class, const char *text)
{
    struct mx_edge edge = {target, class, MX_NAME_FIELD, true, {.text = text}, false};
    mx_walk_edge(walk, &edge);
}

static inline void mx_walk_index(struct mx_walk *walk, mx_addr target, uint64_t index)
{
    struct mx_edge edge = {target, walk->plan->traversed, MX_NAME_INDEX, true, {.index = index}, false};
    mx_walk_edge(walk, &edge);
}

static inline void mx_walk_field_index(struct mx_walk *walk, mx_addr target, uint8_t class, const char *text,
                                       uint64_t index)
{
    struct mx_edge edge = {target, class, MX_NAME_FIELD_INDEX, true, {.text = text, .index = index}, false};
    mx_walk_edge(walk, &edge);
}

static inline void mx_walk_named(struct mx_walk *walk, mx_addr target, uint8_t class, enum mx_edge_naming naming,
                                 mx_addr name)
{
    struct mx_edge edge = {target, class, (uint8_t)naming, true, {.object = name}, false};
    mx_walk_edge(walk, &edge);
}

/*
 * Words of the target one after the other, as far as memory is there. The array's claim of its length costs nothing: a
 * missing page ends it.
 */
struct mx_words {
    const struct mx_walk *walk;
    mx_addr at;
    uint64_t left;  /* words not yet in view */
    uint64_t index; /* of the word that mx_words_next() gave last */
    uint64_t next;
    const uint8_t *bytes;
    size_t ready;
};

/* `count` words from `address` on, none where that is 0; large counts are cut to the block that they are in. */
struct mx_words mx_words_of(const struct mx_walk *walk, mx_addr address, uint64_t count);

bool mx_words_refill(struct mx_words *words);

static inline bool mx_words_next(struct mx_words *words, mx_addr *ret)
{
    if ((!words->ready && !mx_words_refill(words)) || words->walk->stopped)
        return false;
    *ret = mx_load_u64(words->bytes);
    words->bytes += 8;
    words->ready--;
    words->index = words->next++;
    return true;
}

/* Passes over words that the visitor does not ask for. */
void mx_words_skip_unwanted(struct mx_words *words);

/* The next word that the visitor asks for; others are not returned. */
static inline bool mx_words_next_wanted(struct mx_words *words, mx_addr *ret)
{
    if (words->walk->wanted)
        mx_words_skip_unwanted(words);
    return mx_words_next(words, ret);
}

/* How many entries a dict has had room for: no list that it indexes is longer. */
uint64_t mx_dict_room(const struct mx_walk *walk, mx_addr dict);

/* Bytes from `address` to the end of its block; UINT64_MAX when that is not known. */
uint64_t mx_block_rest(const struct mx_walk *walk, mx_addr address);

/* The bytes of the raw block that begins at `start`; 0 when none does. */
uint64_t mx_raw_size(const struct mx_walk *walk, mx_addr start);

/* Finds references in what no decoder knows. */
void mx_scan_body(struct mx_walk *walk);
/* The words of a raw block, named by their offsets in it, that are objects' exact starts. */
enum mx_shown {
    MX_SHOWN,           /* tp_traverse shows what is in the block */
    MX_SHOWN_COLLECTED, /* of that, it shows what can be part of a cycle, and no str or int */
    MX_SHOWN_TYPES,     /* it shows nothing but types made at run time */
    MX_HIDDEN,          /* it knows nothing of the block */
};
void mx_scan_buffer(struct mx_walk *walk, mx_addr start, uint64_t size, enum mx_shown shown);

/* Decoders, named in referents.def. */
void mx_refer_str(struct mx_walk *walk);
void mx_refer_list(struct mx_walk *walk);
void mx_refer_tuple(struct mx_walk *walk);
void mx_refer_dict(struct mx_walk *walk);
void mx_refer_ordered_dict(struct mx_walk *walk);
void mx_refer_set(struct mx_walk *walk);
void mx_refer_deque(struct mx_walk *walk);
void mx_refer_type(struct mx_walk *walk);
void mx_refer_ctypes_type(struct mx_walk *walk);
void mx_refer_ctypes_type_info(struct mx_walk *walk);
void mx_refer_code(struct mx_walk *walk);
void mx_refer_frame(struct mx_walk *walk);
void mx_refer_generator(struct mx_walk *walk);
void mx_refer_module(struct mx_walk *walk);
void mx_refer_faulthandler(struct mx_walk *walk); /* what the module of this name has besides */
void mx_refer_lru_cache(struct mx_walk *walk);
void mx_refer_hamt_array(struct mx_walk *walk);
void mx_refer_hamt_bitmap(struct mx_walk *walk);
void mx_refer_hamt_collision(struct mx_walk *walk);
void mx_refer_tee_data(struct mx_walk *walk);
void mx_refer_simple_queue(struct mx_walk *walk);
void mx_refer_element(struct mx_walk *walk);
void mx_refer_method_caller(struct mx_walk *walk);
void mx_refer_date_time(struct mx_walk *walk);
void mx_refer_day_time(struct mx_walk *walk);
void mx_refer_sqlite_cache(struct mx_walk *walk);
void mx_refer_capsule(struct mx_walk *walk);
void mx_refer_sqlite_connection(struct mx_walk *walk);
void mx_refer_pickler(struct mx_walk *walk);
void mx_refer_unpickler(struct mx_walk *walk);
void mx_refer_pickle_data(struct mx_walk *walk);
void mx_refer_element_iterator(struct mx_walk *walk);
void mx_refer_expat_parser(struct mx_walk *walk);
void mx_refer_decimal(struct mx_walk *walk);
void mx_refer_ctypes_data(struct mx_walk *walk);
void mx_refer_buffered(struct mx_walk *walk);
void mx_refer_unpickler_buffers(struct mx_walk *walk);
void mx_refer_cython_defaults(struct mx_walk *walk);

/* The attributes of an instance whose type keeps them at no fixed offset. */
void mx_refer_storage(struct mx_walk *walk);

#endif
