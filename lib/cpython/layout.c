/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing a layout, measuring one from DWARF, and the shapes that follow from
 * a version. The numbers themselves are in rows/, which `make layouts` writes.
 */
#include "cpython/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "memory/dwarf.h"

#define MINOR(version_hex) ((version_hex) >> 16)
#define OLDEST 0x03080000u

/*
 * Initialisers of the shapes, as constants so that rows can be built in. `young_old` tells the two collectors of
 * 3.14 apart: only that of 3.14.0-3.14.4 has gc.old in a GIL build.
 */
#define SHAPES(hex, threaded, young_old)                                                                               \
    .header_shape = (threaded)           ? MX_HEADER_FREE_THREADED                                                     \
                    : (hex) < 0x030c0000 ? MX_HEADER_REFCOUNT                                                          \
                    : (hex) < 0x030e0000 ? MX_HEADER_IMMORTAL_LOW                                                      \
                                         : MX_HEADER_SPLIT_WORD,                                                       \
    .gc_shape = (threaded)           ? MX_GC_MIMALLOC                                                                  \
                : (hex) < 0x03090000 ? MX_GC_RUNTIME                                                                   \
                : (young_old)        ? MX_GC_YOUNG_OLD                                                                 \
                                     : MX_GC_INTERPRETER,                                                                     \
    .preheader_shape = (threaded)           ? MX_PREHEADER_NO_GC                                                       \
                       : (hex) < 0x030b0000 ? MX_PREHEADER_GC_ONLY                                                     \
                       : (hex) < 0x030c0000 ? MX_PREHEADER_VALUES_DICT                                                 \
                       : (hex) < 0x030d0000 ? MX_PREHEADER_WEAKREF_TAGGED                                              \
                                            : MX_PREHEADER_WEAKREF_DICT,                                               \
    .unproven = (hex) >= 0x03100000, .dict_shape = (hex) < 0x030b0000 ? MX_DICT_SIZE_WORD : MX_DICT_LOG2,              \
    .values_shape = (hex) < 0x030b0000   ? MX_VALUES_PLAIN                                                             \
                    : (hex) < 0x030d0000 ? MX_VALUES_PREFIX                                                            \
                                         : MX_VALUES_HEADER,                                                           \
    .str_shape = (hex) < 0x030c0000                  ? MX_STR_WSTR                                                     \
                 : (threaded) && (hex) >= 0x030e0000 ? MX_STR_WIDE_STATE                                               \
                                                     : MX_STR_PACKED_STATE,                                            \
    .int_shape = (hex) < 0x030c0000 ? MX_INT_OB_SIZE : MX_INT_LV_TAG,                                                  \
    .frame_shape = (hex) < 0x030b0000    ? MX_FRAME_OBJECTS                                                            \
                   : (hex) < 0x030d0000  ? MX_FRAME_CFRAME                                                             \
                   : (hex) >= 0x030e0000 ? MX_FRAME_STACKREF                                                           \
                                         : MX_FRAME_CURRENT,                                                           \
    .presize_shape = (hex) < 0x030b0000   ? MX_PRESIZE_IS_GC                                                           \
                     : (hex) < 0x030d0000 ? MX_PRESIZE_BY_TYPE                                                         \
                                          : MX_PRESIZE_BY_OBJECT,                                                      \
    .traverse_shape = (hex) < 0x03090000   ? MX_TRAVERSE_3_8                                                           \
                      : (hex) < 0x030a0000 ? MX_TRAVERSE_3_9                                                           \
                      : (hex) < 0x030b0000 ? MX_TRAVERSE_3_10                                                          \
                      : (hex) < 0x030b0700 ? MX_TRAVERSE_3_11                                                          \
                      : (hex) < 0x030c0000 ? MX_TRAVERSE_3_11_LATE                                                     \
                      : (hex) < 0x030d0000 ? MX_TRAVERSE_3_12                                                          \
                      : (hex) < 0x030d0d00 ? MX_TRAVERSE_3_13                                                          \
                      : (hex) < 0x030e0000 ? MX_TRAVERSE_3_13_LATE                                                     \
                                           : MX_TRAVERSE_3_14,                                                         \
    .hides_inline_dict = ((hex) >= 0x030d0000 && (hex) < 0x030d0d00) || ((hex) >= 0x030e0000 && (hex) < 0x030e0400),   \
    .hides_faulthandler = ((hex) >= 0x030d0e00 && (hex) < 0x030e0000) ||                                               \
                          ((hex) >= 0x030e0600 && (hex) < 0x030f0000) || (hex) >= 0x030f00b2,                          \
    .generator_cleared = (hex) < 0x030f0000 ? 4 : 5, .pool_size = (hex) < 0x030a0000 ? 4096 : 16384,                   \
    .arena_size = (hex) < 0x030a0000 ? 256 * 1024 : 1024 * 1024

struct row {
    const char *name; /* the version measured; NULL past the last row */
    struct mx_layout layout;
};

static const struct row rows[] = {
#include "cpython/rows/all.inc"
    {.name = NULL},
};

static const struct mx_layout_field fields[] = {
#define MX_GROUP(group, structs) {#group, NULL, structs, NULL, offsetof(struct mx_layout, group.size)},
#define MX_FIELD(group, member, paths) {#group, #member, NULL, paths, offsetof(struct mx_layout, group.member)},
#define MX_END(group)
#include "cpython/fields.def"
#undef MX_GROUP
#undef MX_FIELD
#undef MX_END
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]), MOST_STRUCT_NAMES = 3 * FIELD_COUNT };

const struct mx_layout *mx_layout_row(size_t index, const char **name)
{
    const struct row *row = rows;
    while (row->name && index--)
        row++;
    if (name)
        *name = row->name;
    return row->name ? &row->layout : NULL;
}

const struct mx_layout_field *mx_layout_field(size_t index)
{
    return index < FIELD_COUNT ? &fields[index] : NULL;
}

void mx_layout_shapes(struct mx_layout *layout)
{
    uint32_t hex = layout->version_hex;
    struct mx_layout shapes = {SHAPES(hex, layout->free_threaded, layout->gc.old > 0)};
    layout->header_shape = shapes.header_shape;
    layout->gc_shape = shapes.gc_shape;
    layout->preheader_shape = shapes.preheader_shape;
    layout->dict_shape = shapes.dict_shape;
    layout->values_shape = shapes.values_shape;
    layout->str_shape = shapes.str_shape;
    layout->int_shape = shapes.int_shape;
    layout->frame_shape = shapes.frame_shape;
    layout->presize_shape = shapes.presize_shape;
    layout->traverse_shape = shapes.traverse_shape;
    layout->hides_inline_dict = shapes.hides_inline_dict;
    layout->pool_size = shapes.pool_size;
    layout->arena_size = shapes.arena_size;
    layout->hides_faulthandler = shapes.hides_faulthandler;
    layout->generator_cleared = shapes.generator_cleared;
    layout->unproven = shapes.unproven;
}

static int32_t *value_of(struct mx_layout *layout, const struct mx_layout_field *field)
{
    return (int32_t *)(void *)((char *)layout + field->position);
}

/* The next name of a '|'-separated list, in `name`; false at the end. */
static bool next_name(const char **list, char *name, size_t room)
{
    size_t length = strcspn(*list, "|");
    if (!length || length >= room)
        return false;
    memcpy(name, *list, length);
    name[length] = '\0';
    *list += length + ((*list)[length] == '|');
    return true;
}

struct struct_names {
    char text[MOST_STRUCT_NAMES][48];
    const char *names[MOST_STRUCT_NAMES];
    size_t count;
};

static void list_structs(struct struct_names *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *list = fields[i].structs ? fields[i].structs : "";
        while (ret->count < MOST_STRUCT_NAMES && next_name(&list, ret->text[ret->count], sizeof(ret->text[0]))) {
            ret->names[ret->count] = ret->text[ret->count];
            ret->count++;
        }
    }
}

/* A flexible array may begin where its struct ends; what lies beyond is damage. */
static int32_t measure_offset(const struct mx_dwarf *dwarf, const char *struct_name, int32_t size, const char *paths)
{
    char path[64];
    while (next_name(&paths, path, sizeof(path))) {
        int64_t offset = mx_dwarf_offset(dwarf, struct_name, path);
        if (offset >= 0 && offset <= size)
            return (int32_t)offset;
    }
    return MX_ABSENT;
}

/* Measures the groups that are still absent; `ret` was all absent before the first file. */
static void measure_groups(const struct mx_dwarf *dwarf, struct mx_layout *ret)
{
    char name[48] = "";
    int32_t size = MX_ABSENT;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        int32_t *value = value_of(ret, &fields[i]);
        if (fields[i].member) {
            if (size != MX_ABSENT)
                *value = measure_offset(dwarf, name, size, fields[i].paths);
            continue;
        }
        size = MX_ABSENT;
        const char *list = fields[i].structs;
        while (*value == MX_ABSENT && next_name(&list, name, sizeof(name))) {
            size = (int32_t)mx_dwarf_size(dwarf, name);
            *value = size;
        }
    }
}

static struct mx_error *measure_file(const char *path, const char *debug_folder, struct mx_layout *ret)
{
    struct struct_names *structs = mx_calloc(1, sizeof(*structs));
    if (!structs)
        return mx_error_no_memory();
    list_structs(structs);
    struct mx_dwarf *dwarf = NULL;
    struct mx_error *error = mx_dwarf_open(path, debug_folder, &dwarf);
    if (!error)
        error = mx_dwarf_load(dwarf, structs->names, structs->count);
    if (!error)
        measure_groups(dwarf, ret);
    mx_dwarf_close(dwarf);
    free(structs);
    return error;
}

/* What no CPython can be read without. */
static bool is_cpython(const struct mx_layout *layout)
{
    return layout->runtime.interpreters_head >= 0 && layout->interpreter.next >= 0 &&
           layout->interpreter.threads_head >= 0 && layout->thread.interp >= 0 && layout->object.ob_type >= 0 &&
           layout->type.tp_basicsize >= 0 && layout->dict.ma_keys >= 0 && layout->dict_keys.size >= 0;
}

struct mx_error *mx_layout_measure(const char *elf_path, const char *debug_folder, const char *const *more,
                                   size_t more_count, uint32_t version_hex, struct mx_layout *ret)
{
    struct mx_layout layout = {0};
    for (size_t i = 0; i < FIELD_COUNT; i++)
        *value_of(&layout, &fields[i]) = MX_ABSENT;
    MX_TRY(measure_file(elf_path, debug_folder, &layout));
    if (!is_cpython(&layout))
        return mx_error_new(MX_ERROR_NOT_FOUND, "the debug information of %s does not describe CPython's structures",
                            elf_path);
    for (size_t i = 0; i < more_count; i++)
        mx_error_free(measure_file(more[i], debug_folder, &layout));
    layout.version_hex = version_hex;
    layout.free_threaded = layout.object.ob_tid >= 0;
    mx_layout_shapes(&layout);
    snprintf(layout.origin, sizeof(layout.origin), "DWARF of %.80s", elf_path);
    *ret = layout;
    return NULL;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static bool is_same_kind(const struct mx_layout *layout, const struct mx_layout_key *key)
{
    return (!key->version_hex || MINOR(layout->version_hex) == MINOR(key->version_hex)) &&
           layout->free_threaded == key->free_threaded;
}

static bool is_same_build(const struct mx_layout *layout, const struct mx_layout_key *key)
{
    return is_same_kind(layout, key) && layout->debug_build == key->debug_build;
}

static bool is_exact(const struct mx_layout *layout, const struct mx_layout_key *key)
{
    if (!is_same_build(layout, key))
        return false;
    return key->runtime_size ? (uint64_t)layout->runtime.size == key->runtime_size
                             : layout->version_hex == key->version_hex;
}

/*
 * How far a row is from what is looked for. Free-threaded builds changed mimalloc's generation between micro releases,
 * which shows in the size of _PyRuntime.
 */
static uint64_t distance_of(const struct mx_layout *layout, const struct mx_layout_key *key)
{
    if (key->free_threaded && key->runtime_size)
        return distance((uint64_t)layout->runtime.size, key->runtime_size);
    return distance(layout->version_hex, key->version_hex);
}

/* Of the rows that fit, the nearest. */
static const struct row *nearest_row(const struct mx_layout_key *key,
                                     bool (*fits)(const struct mx_layout *, const struct mx_layout_key *))
{
    const struct row *best = NULL;
    for (const struct row *row = rows; row->name; row++)
        if (fits(&row->layout, key) && (!best || distance_of(&row->layout, key) < distance_of(&best->layout, key)))
            best = row;
    return best;
}

/* Structs of extension modules are not in the interpreter's own DWARF: those of the nearest row stand in. */
static void fill_absent_groups(const struct row *row, struct mx_layout *ret)
{
    bool absent = false;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!fields[i].member)
            absent = mx_layout_value(ret, &fields[i]) == MX_ABSENT;
        if (absent)
            *value_of(ret, &fields[i]) = mx_layout_value(&row->layout, &fields[i]);
    }
}

static void take_row(const struct row *row, const struct mx_layout_key *key, bool nearest, struct mx_layout *ret)
{
    *ret = row->layout;
    ret->nearest = nearest;
    if (key->version_hex) {
        ret->version_hex = key->version_hex;
        mx_layout_shapes(ret);
    }
    snprintf(ret->origin, sizeof(ret->origin), "row %s%s", row->name, nearest ? " (nearest)" : "");
}

static unsigned newest_minor(void)
{
    unsigned newest = MINOR(OLDEST);
    for (const struct row *row = rows; row->name; row++)
        if (MINOR(row->layout.version_hex) > newest)
            newest = MINOR(row->layout.version_hex);
    return newest & 0xff;
}

struct mx_error *mx_layout_unsupported(const char *path)
{
    return mx_error_new(MX_ERROR_UNSUPPORTED, "memext knows CPython 3.%u to 3.%u; %s is of an older one",
                        MINOR(OLDEST) & 0xff, newest_minor(), path);
}

static struct mx_error *refuse(const struct mx_layout_key *key, const char *reason)
{
    unsigned major = key->version_hex >> 24, minor = key->version_hex >> 16 & 0xff,
             micro = key->version_hex >> 8 & 0xff;
    if (!key->version_hex)
        return mx_error_new(MX_ERROR_UNSUPPORTED, "memext knows CPython 3.%u to 3.%u; this one's version is not known",
                            MINOR(OLDEST) & 0xff, newest_minor());
    return mx_error_new(MX_ERROR_UNSUPPORTED, "memext knows CPython 3.%u to 3.%u; this is %u.%u.%u%s%s",
                        MINOR(OLDEST) & 0xff, newest_minor(), major, minor, micro,
                        key->free_threaded ? " (free-threaded)" : "", reason);
}

struct mx_error *mx_layout_choose(const struct mx_layout_key *key, const char *elf_path, const char *debug_folder,
                                  struct mx_layout *ret)
{
    if (key->version_hex && key->version_hex < OLDEST)
        return refuse(key, ", which is too old");
    const struct row *exact = nearest_row(key, is_exact);
    if (exact) {
        take_row(exact, key, false, ret);
        return NULL;
    }
    if (!key->version_hex)
        return refuse(key, "");
    /* A debug build's objects differ more from a release build's than those of two micro releases from each other. */
    const struct row *near = nearest_row(key, is_same_build);
    if (!near)
        near = nearest_row(key, is_same_kind);
    struct mx_layout measured = {0};
    struct mx_error *error = elf_path ? mx_layout_measure(elf_path, debug_folder, NULL, 0, key->version_hex, &measured)
                                      : mx_error_new(MX_ERROR_NOT_FOUND, "no file to measure");
    if (!error && measured.free_threaded == key->free_threaded) {
        measured.debug_build = key->debug_build;
        if (near)
            fill_absent_groups(near, &measured);
        *ret = measured;
        return NULL;
    }
    mx_error_free(error);
    if (!near)
        return refuse(key, " and has no debug information");
    take_row(near, key, true, ret);
    return NULL;
}
