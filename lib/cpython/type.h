/* SPDX-License-Identifier: Apache-2.0
 *
 * Type objects: name, sizes, flags, and the kind of object their instances are,
 * inherited through tp_base. Collected once a stop by walking tp_subclasses
 * from `object`, which reaches every type that PyType_Ready() has seen.
 */
#ifndef MX_CPYTHON_TYPE_H
#define MX_CPYTHON_TYPE_H

#include "base/map.h"
#include "base/strtab.h"
#include "base/work.h"
#include "cpython/runtime.h"

/* CPython Include/object.h (3.8-3.15); bits that a version does not use are 0 there. */
enum mx_type_flags {
    MX_TPFLAGS_STATIC_BUILTIN = 1 << 1,  /* 3.12+ */
    MX_TPFLAGS_INLINE_VALUES = 1 << 2,   /* 3.13+ */
    MX_TPFLAGS_MANAGED_WEAKREF = 1 << 3, /* 3.12+ */
    MX_TPFLAGS_MANAGED_DICT = 1 << 4,    /* 3.11+ */
    MX_TPFLAGS_HEAPTYPE = 1 << 9,
    MX_TPFLAGS_BASETYPE = 1 << 10,
    MX_TPFLAGS_READY = 1 << 12,
    MX_TPFLAGS_HAVE_GC = 1 << 14,
};
#define MX_TPFLAGS_LONG_SUBCLASS (UINT64_C(1) << 24)
#define MX_TPFLAGS_LIST_SUBCLASS (UINT64_C(1) << 25)
#define MX_TPFLAGS_TUPLE_SUBCLASS (UINT64_C(1) << 26)
#define MX_TPFLAGS_BYTES_SUBCLASS (UINT64_C(1) << 27)
#define MX_TPFLAGS_UNICODE_SUBCLASS (UINT64_C(1) << 28)
#define MX_TPFLAGS_DICT_SUBCLASS (UINT64_C(1) << 29)
#define MX_TPFLAGS_BASE_EXC_SUBCLASS (UINT64_C(1) << 30)
#define MX_TPFLAGS_TYPE_SUBCLASS (UINT64_C(1) << 31)

/* What an object is, for decoding: the nearest base that CPython's C code implements. */
enum mx_kind {
    MX_KIND_OTHER, /* sized by tp_basicsize and tp_itemsize alone */
    MX_KIND_NONE,
    MX_KIND_BOOL,
    MX_KIND_INT,
    MX_KIND_FLOAT,
    MX_KIND_COMPLEX,
    MX_KIND_STR,
    MX_KIND_BYTES,
    MX_KIND_BYTEARRAY,
    MX_KIND_LIST,
    MX_KIND_TUPLE,
    MX_KIND_DICT,
    MX_KIND_ORDERED_DICT,
    MX_KIND_SET, /* and frozenset */
    MX_KIND_TYPE,
    MX_KIND_FUNCTION,
    MX_KIND_METHOD,
    MX_KIND_CFUNCTION,
    MX_KIND_CODE,
    MX_KIND_FRAME,
    MX_KIND_GENERATOR, /* and coroutine, async_generator */
    MX_KIND_MODULE,
    MX_KIND_CELL,
    MX_KIND_SLICE,
    MX_KIND_RANGE,
    MX_KIND_EXCEPTION,
    MX_KIND_WEAKREF,
    MX_KIND_DEQUE,
    MX_KIND_ARRAY,
    MX_KIND_BYTESIO,
    MX_KIND_BUFFERED,
    MX_KIND_ELEMENT,
    MX_KIND_STRUCT,
    MX_KIND_DECIMAL,
    MX_KIND_PRODUCT,
    MX_KIND_COMBINATIONS,
    MX_KIND_PERMUTATIONS,
    MX_KIND_SIMPLE_QUEUE,
    MX_KIND_MEMORYVIEW,
    MX_KIND_COUNT
};

/* How the name begins of a type whose own name cannot be read. */
#define MX_TYPE_NAMELESS "<type at "

struct mx_type {
    mx_addr address;
    const char *name; /* "module.QualName", builtins bare; interned: equal names are equal pointers */
    uint64_t flags;
    int64_t basicsize, itemsize;
    int64_t dictoffset;
    mx_addr base;
    uint32_t base_index;  /* of tp_base, or MX_MAP_NONE */
    uint16_t preheader;   /* bytes before the object: GC head, and managed dict and weakrefs */
    uint8_t kind;         /* enum mx_kind */
    bool is_python_class; /* made by a class statement */
};

struct mx_types {
    const struct mx_runtime *runtime;
    MX_ARRAY(struct mx_type) types;
    struct mx_map by_address; /* -> index */
    struct mx_strtab names;
    uint32_t type_type;      /* index of `type`, MX_MAP_NONE when unknown */
    struct mx_map known;     /* address of a type that has an exported symbol -> enum mx_kind */
    mx_addr subtype_dealloc; /* tp_dealloc of classes made by a class statement; 0 until types are there */
};

/* Collects the types of all interpreters. A target whose `object` is not there gives those that symbols name. */
struct mx_error *mx_types_open(const struct mx_runtime *runtime, struct mx_work *work, struct mx_types *ret);
void mx_types_close(struct mx_types *types);

/* Adds a type that the walk did not reach (and its bases) once it proves to be one; its index or MX_MAP_NONE. */
uint32_t mx_types_add(struct mx_types *types, mx_addr address);

/* Adds the type object in a block of malloc's, if there is one; at least 32 bytes are at `bytes`. */
void mx_types_try_block(struct mx_types *types, mx_addr block, const uint8_t *bytes, uint64_t size);

static inline const struct mx_type *mx_types_find(const struct mx_types *types, mx_addr address)
{
    uint32_t index = mx_map_get(&types->by_address, address);
    return index == MX_MAP_NONE ? NULL : &types->types.items[index];
}

/* The type of the object at `object`, or NULL when its ob_type is no known type. */
const struct mx_type *mx_type_of(const struct mx_types *types, mx_addr object);

/* A type object's namespace and its dict of subclasses, wherever the version keeps them; 0 where there is none. */
mx_addr mx_type_dict(const struct mx_types *types, mx_addr type);
mx_addr mx_type_subclasses(const struct mx_types *types, mx_addr type);

#endif
