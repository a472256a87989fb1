/* SPDX-License-Identifier: Apache-2.0
 *
 * What an object refers to, field by field: exact for the kinds that memext knows
 * the struct of, conservative for the bodies of unknown C types.
 *
 * An edge has a class, which says who counts it:
 *   TRAVERSED  a counted reference that tp_traverse shows to the garbage collector
 *   OWNED      a counted reference that it does not show (a dict's str keys, a code object's parts, a type's name)
 *   BORROWED   an address that is not counted (a weak reference, a frame's globals, caches)
 *   BUFFER     a raw block that belongs to the object (list items, dict tables, a deque's blocks)
 *
 * Names are made only when shown: an edge carries how to make it.
 */
#ifndef MX_CPYTHON_REFERENTS_H
#define MX_CPYTHON_REFERENTS_H

#include "cpython/type.h"

enum mx_edge_class { MX_EDGE_TRAVERSED, MX_EDGE_OWNED, MX_EDGE_BORROWED, MX_EDGE_BUFFER };

enum mx_edge_naming {
    MX_NAME_FIELD,       /* detail.text: "__dict__", "__closure__", "f_back" */
    MX_NAME_TYPE,        /* the object's own type: __class__ */
    MX_NAME_INDEX,       /* detail.index: [3] */
    MX_NAME_KEY,         /* detail.object: ['k'], the dict's value under that key */
    MX_NAME_KEY_ITSELF,  /* detail.object: the key of a dict, or the item of a set */
    MX_NAME_ATTRIBUTE,   /* detail.object: a str, .name */
    MX_NAME_SLOT,        /* detail.text: of a __slots__ member, .name; the text is the target's */
    MX_NAME_LOCAL,       /* detail.object: a str, a frame's local or a closure's variable */
    MX_NAME_FIELD_INDEX, /* detail.text and index: __mro__[1] */
    MX_NAME_OFFSET,      /* detail.index: found by a conservative scan, at that offset of the object or of its buffer */
};

struct mx_edge {
    mx_addr target;
    uint8_t class;  /* enum mx_edge_class */
    uint8_t naming; /* enum mx_edge_naming */
    bool exact;     /* false: found by a conservative scan, may be no reference at all */
    struct {
        const char *text;
        mx_addr object;
        uint64_t index;
    } detail;
    bool shown; /* of a BORROWED one: tp_traverse shows it all the same (a frame's slots, since 3.14) */
};

/* Called for each edge with a target that is not 0; false stops. */
typedef bool (*mx_edge_visit)(void *context, const struct mx_edge *edge);

/*
 * The decoder of one target. `find_block`, which the heap gives, is asked by conservative scans only: whether an
 * address lies in a used block. It returns the start of the object or raw block there, 0 when none, and in *size the
 * bytes from that start to the block's end; *is_raw tells the two apart.
 */
struct mx_plans; /* per type: where its references are; made by mx_referents_open() */

struct mx_referents {
    const struct mx_types *types;
    struct mx_plans *plans;
    mx_addr (*find_block)(void *context, mx_addr address, uint64_t *size, bool *is_raw);
    void *context;
};

/* Fills `types` and `plans`; the caller sets `find_block` and `context` (both may be NULL: then nothing is scanned). */
struct mx_error *mx_referents_open(const struct mx_types *types, struct mx_referents *ret);
void mx_referents_close(struct mx_referents *referents);

/* Whether objects of this type refer to nothing, whatever is in them. */
bool mx_referents_none(const struct mx_referents *referents, const struct mx_type *type);

/* The edges of one object, in the order in which the interpreter's own tp_traverse visits where that is known. */
void mx_referents_each(const struct mx_referents *referents, const struct mx_type *type, mx_addr object,
                       mx_edge_visit visit, void *context);

/* Of these edges those whose target is `wanted`: what a large container holds besides is passed over quickly. */
void mx_referents_find(const struct mx_referents *referents, const struct mx_type *type, mx_addr object, mx_addr wanted,
                       mx_edge_visit visit, void *context);

/* An edge without its name: what passes over all objects gather by the million. */
struct mx_found_edge {
    mx_addr target;
    uint32_t block; /* this and `offset` are the gatherer's own */
    uint16_t offset;
    uint8_t class;
    bool exact;
};

/* Where they go; who gathers calls it with no room to find some: false when there is none. */
struct mx_found_edges {
    struct mx_found_edge *items;
    size_t count, capacity;
    bool (*make_room)(void *context);
    void *context;
};

/* An object as a pass comes by it. */
struct mx_seen_object {
    const struct mx_type *type;
    mx_addr address;
    const uint8_t *bytes; /* of the object, `available` of them; NULL: they are to be asked for */
    size_t available;
};

/* Appends the edges that mx_referents_each() would visit, in its order. */
void mx_referents_gather(const struct mx_referents *referents, const struct mx_seen_object *object,
                         struct mx_found_edges *edges);

/* Lets the processor fetch what mx_referents_gather() will read behind the object's own bytes. */
void mx_referents_expect(const struct mx_referents *referents, const struct mx_seen_object *object);

enum mx_edge_style {
    MX_EDGE_LABEL,      /* for trees and pictures: "['k']", ".parent", "__dict__", "local x", "+0x18?" */
    MX_EDGE_EXPRESSION, /* to be appended to an expression: "['k']", ".parent"; empty when there is none in Python */
};

/* The edge's name in a buffer, NUL-terminated, cut to `size`; false when this style has no name for it. */
bool mx_edge_name(const struct mx_types *types, const struct mx_edge *edge, enum mx_edge_style style, char *buffer,
                  size_t size);

#endif
