/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of one CPython build: where each field of fields.def is, and the
 * shapes that its structures have. This is the only file that compares
 * versions; the rest of cpython/ switches on shapes.
 *
 * A layout comes from a generated row (rows/), or is measured from DWARF, and
 * is then verified in the target (runtime.h): nothing is trusted for its
 * version number alone, for offsets move within minor series too.
 */
#ifndef MX_CPYTHON_LAYOUT_H
#define MX_CPYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MX_ABSENT (-1)

enum mx_header_shape {
    MX_HEADER_REFCOUNT,     /* 3.8-3.11: ob_refcnt is a signed word, nothing is immortal by bits */
    MX_HEADER_IMMORTAL_LOW, /* 3.12, 3.13: immortal when the low 32 bits are negative */
    MX_HEADER_SPLIT_WORD,   /* 3.14+: u32 ob_refcnt, u16 ob_overflow, u16 ob_flags; free lists link over it */
    MX_HEADER_FREE_THREADED /* 3.13t+: ob_tid, ob_ref_local, ob_ref_shared */
};

enum mx_gc_shape {
    MX_GC_RUNTIME,     /* 3.8: one state in _PyRuntime */
    MX_GC_INTERPRETER, /* 3.9+: one state an interpreter, three generations and a permanent one */
    MX_GC_YOUNG_OLD,   /* 3.14.0-3.14.4: young and old[2] in the same three places, gc_next bit 0 set at rest */
    MX_GC_MIMALLOC     /* free-threaded: no lists */
};

enum mx_preheader_shape {
    MX_PREHEADER_GC_ONLY,        /* 3.8-3.10 */
    MX_PREHEADER_VALUES_DICT,    /* 3.11: values at -32, dict at -24, for MANAGED_DICT types */
    MX_PREHEADER_WEAKREF_TAGGED, /* 3.12: weakrefs at -32, tagged values-or-dict at -24 */
    MX_PREHEADER_WEAKREF_DICT,   /* 3.13+: weakrefs at -32, dict at -24; values inline after tp_basicsize */
    MX_PREHEADER_NO_GC           /* free-threaded: weakrefs at -16, dict at -8 */
};

enum mx_dict_shape {
    MX_DICT_SIZE_WORD, /* 3.8-3.10: dk_size is a word, 24-byte entries, values a plain array */
    MX_DICT_LOG2       /* 3.11+: dk_log2_size, dk_kind, 16-byte entries for str keys */
};

enum mx_values_shape {
    MX_VALUES_PLAIN,  /* 3.8-3.10: PyObject *[usable] */
    MX_VALUES_PREFIX, /* 3.11, 3.12: sizes in bytes before the array */
    MX_VALUES_HEADER  /* 3.13+: capacity, size, embedded, valid, then the array */
};

enum mx_str_shape {
    MX_STR_WSTR,         /* 3.8-3.11: 48-byte header, wstr, kind 0 = legacy */
    MX_STR_PACKED_STATE, /* 3.12+: 40-byte header, state in one byte */
    MX_STR_WIDE_STATE    /* 3.14t+: interned has a byte of its own */
};

enum mx_int_shape {
    MX_INT_OB_SIZE, /* 3.8-3.11: sign and digit count in ob_size */
    MX_INT_LV_TAG   /* 3.12+: digit count = lv_tag >> 3 */
};

enum mx_frame_shape {
    MX_FRAME_OBJECTS, /* 3.8-3.10: PyFrameObject chain */
    MX_FRAME_CFRAME,  /* 3.11, 3.12: through _PyCFrame */
    MX_FRAME_CURRENT, /* 3.13: tstate->current_frame */
    MX_FRAME_STACKREF /* 3.14+: tagged references */
};

enum mx_presize_shape {                      /* what sys.getsizeof adds for a type object and for the preheader */
                        MX_PRESIZE_IS_GC,    /* 3.8-3.10: the GC head of objects that are GC */
                        MX_PRESIZE_BY_TYPE,  /* 3.11, 3.12: by the type's flags, static types included */
                        MX_PRESIZE_BY_OBJECT /* 3.13+: by the type's flags, nothing for static types */
};

/* Whose tp_traverse functions: from release to release they visit more of what an object owns. */
enum mx_traverse_shape {
    MX_TRAVERSE_3_8, /* instances of classes made in C do not show their type */
    MX_TRAVERSE_3_9,
    MX_TRAVERSE_3_10,
    MX_TRAVERSE_3_11,
    MX_TRAVERSE_3_11_LATE, /* 3.11.7+ */
    MX_TRAVERSE_3_12,
    MX_TRAVERSE_3_13,
    MX_TRAVERSE_3_13_LATE, /* 3.13.13+ */
    MX_TRAVERSE_3_14
};

struct mx_layout {
#define MX_GROUP(group, structs)                                                                                       \
    struct {                                                                                                           \
        int32_t size;
#define MX_FIELD(group, member, paths) int32_t member;
#define MX_END(group)                                                                                                  \
    }                                                                                                                  \
    group;
#include "cpython/fields.def"
#undef MX_GROUP
#undef MX_FIELD
#undef MX_END

    uint32_t version_hex; /* PY_VERSION_HEX of the target */
    bool free_threaded;
    bool debug_build; /* Py_DEBUG */
    bool unproven;    /* newer than what the decoders were compared with the interpreter's own answers for */
    enum mx_header_shape header_shape;
    enum mx_gc_shape gc_shape;
    enum mx_preheader_shape preheader_shape;
    enum mx_dict_shape dict_shape;
    enum mx_values_shape values_shape;
    enum mx_str_shape str_shape;
    enum mx_int_shape int_shape;
    enum mx_frame_shape frame_shape;
    enum mx_presize_shape presize_shape;
    enum mx_traverse_shape traverse_shape;
    bool hides_inline_dict;  /* 3.13.0-3.13.12, 3.14.0-3.14.3: with values inside, an instance shows these, not its dict
                              */
    bool hides_faulthandler; /* 3.13.14+, 3.14.6+, 3.15: its module has no tp_traverse */
    int8_t generator_cleared; /* gi_frame_state: from here on there is no frame any more */
    uint32_t pool_size;       /* pymalloc: 4 KB before 3.10, 16 KB since */
    uint32_t arena_size;      /* 256 KB before 3.10, 1 MB since */
    bool nearest;             /* the row is of another build of this minor version: a guess until it is verified */
    char origin[96];          /* "row 3.11", "DWARF of /usr/bin/python3.9", "row 3.12.1 (nearest)" */
};

struct mx_layout_key {
    uint32_t version_hex;  /* 0 = unknown: choose by runtime_size */
    uint64_t runtime_size; /* st_size of _PyRuntime; 0 = unknown */
    bool free_threaded;
    bool debug_build;
};

/*
 * Chooses: the row made for exactly this build; else DWARF of `elf_path` or its separate debug file (elf_path may be
 * NULL); else the nearest row of the same minor version, to be verified by the caller. UNSUPPORTED, with a sentence
 * naming the supported range, when none of these fits.
 */
struct mx_error *mx_layout_choose(const struct mx_layout_key *key, const char *elf_path, const char *debug_folder,
                                  struct mx_layout *ret);

/* The error for an interpreter without _PyRuntime, which is older than 3.7, in the file at `path`. */
struct mx_error *mx_layout_unsupported(const char *path);

/* Measures a whole layout from the DWARF of an interpreter (and of extension modules beside it: `more`, may be NULL).
 */
struct mx_error *mx_layout_measure(const char *elf_path, const char *debug_folder, const char *const *more,
                                   size_t more_count, uint32_t version_hex, struct mx_layout *ret);

/* The built-in rows, for tests and for docs/layouts.md; NULL past the last. The shapes are filled in. */
const struct mx_layout *mx_layout_row(size_t index, const char **name);

/* Sets the shapes and constants that follow from version_hex, free_threaded and the offsets. */
void mx_layout_shapes(struct mx_layout *layout);

/* Fields by position, for dumping and checking: NULL past the last. *value may be NULL-checked by the caller. */
struct mx_layout_field {
    const char *group, *member; /* member NULL: the size of the struct */
    const char *structs, *paths;
    size_t position; /* of the int32_t in struct mx_layout */
};
const struct mx_layout_field *mx_layout_field(size_t index);

static inline int32_t mx_layout_value(const struct mx_layout *layout, const struct mx_layout_field *field)
{
    return *(const int32_t *)((const char *)layout + field->position);
}

#endif
