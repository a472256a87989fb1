/* SPDX-License-Identifier: Apache-2.0
 *
 * Collects type objects. The tree below `object` (tp_subclasses) holds every
 * ready type of an interpreter; metatypes and bases are added as they are met.
 *
 *   object --tp_subclasses--> {id: weakref} --wr_object--> type ...
 *
 * Static types that were never made ready are found in the modules' data.
 *
 * Static builtin types of 3.12+ keep tp_subclasses per interpreter: the field
 * then holds an index + 1 into interp->types (CPython Objects/typeobject.c,
 * managed_static_type_index).
 */
#include "cpython/type.h"

#include <stdio.h>

#include "cpython/dict.h"
#include "cpython/kind.h"
#include "cpython/recover.h"
#include "cpython/str.h"

enum {
    MOST_TYPES = 1 << 22,     /* a process that leaks classes has many; more than this is damage */
    MOST_BASICSIZE = 1 << 28, /* no struct is larger */
    MOST_STATIC_TYPES = 256,  /* entries of interp->types.builtins (200) and for_extensions (10) */
    MOST_NAME = 512,
};

static bool is_sane_type(const struct mx_runtime *runtime, const uint8_t *bytes)
{
    const struct mx_layout *layout = &runtime->layout;
    int64_t basicsize = mx_load_i64(bytes + layout->type.tp_basicsize);
    int64_t itemsize = mx_load_i64(bytes + layout->type.tp_itemsize);
    return basicsize >= 0 && basicsize <= MOST_BASICSIZE && itemsize >= 0 && itemsize <= MOST_BASICSIZE;
}

static bool is_ready_type(const struct mx_runtime *runtime, const uint8_t *bytes)
{
    return (mx_load_u64(bytes + runtime->layout.type.tp_flags) & MX_TPFLAGS_READY) && is_sane_type(runtime, bytes);
}

/* A type is an object whose own type is a type; `type` closes the circle. */
static bool has_metatype(const struct mx_runtime *runtime, const uint8_t *bytes)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr metatype = mx_load_u64(bytes + layout->object.ob_type);
    const uint8_t *meta = mx_memory_view(runtime->memory, metatype, (size_t)layout->type.size);
    return meta && is_ready_type(runtime, meta) &&
           (mx_load_u64(meta + layout->type.tp_flags) & MX_TPFLAGS_TYPE_SUBCLASS);
}

static uint16_t preheader_size(const struct mx_layout *layout, uint64_t flags)
{
    uint64_t managed = 0;
    if (layout->preheader_shape == MX_PREHEADER_VALUES_DICT)
        managed = MX_TPFLAGS_MANAGED_DICT;
    else if (layout->preheader_shape != MX_PREHEADER_GC_ONLY)
        managed = MX_TPFLAGS_MANAGED_DICT | MX_TPFLAGS_MANAGED_WEAKREF;
    bool has_head = (flags & MX_TPFLAGS_HAVE_GC) && layout->preheader_shape != MX_PREHEADER_NO_GC;
    return (uint16_t)((has_head ? 16 : 0) + (flags & managed ? 16 : 0));
}

/* "module.QualName" of a type made at run time; false when the pieces are not readable. */
static bool heap_type_name(const struct mx_runtime *runtime, const uint8_t *bytes, char *name, size_t size)
{
    const struct mx_layout *layout = &runtime->layout;
    const struct mx_memory *memory = runtime->memory;
    char qualname[MOST_NAME], module[MOST_NAME];
    mx_addr address = mx_load_u64(bytes + layout->heap_type.ht_qualname);
    if (mx_str_utf8(runtime, address, qualname, sizeof(qualname)) <= 0)
        return false;
    mx_addr dict = mx_load_u64(bytes + layout->type.tp_dict);
    mx_addr module_name = mx_memory_state(memory, dict, 8) ? mx_dict_get(runtime, dict, "__module__") : 0;
    if (!module_name || mx_str_utf8(runtime, module_name, module, sizeof(module)) <= 0 || !strcmp(module, "builtins"))
        snprintf(name, size, "%s", qualname);
    else
        snprintf(name, size, "%.*s.%s", MOST_NAME - 1, module, qualname);
    return true;
}

static void read_name(const struct mx_runtime *runtime, mx_addr address, uint64_t flags, char *name, size_t size)
{
    const struct mx_layout *layout = &runtime->layout;
    const struct mx_memory *memory = runtime->memory;
    if (flags & MX_TPFLAGS_HEAPTYPE) {
        const uint8_t *bytes = mx_memory_view(memory, address, (size_t)layout->heap_type.size);
        if (bytes && heap_type_name(runtime, bytes, name, size))
            return;
    }
    mx_addr tp_name = mx_memory_pointer(memory, address + (mx_addr)layout->type.tp_name);
    const char *text = mx_memory_text(memory, tp_name, MOST_NAME);
    if (!text)
        text = mx_recovered_name(runtime, address);
    if (!text)
        snprintf(name, size, MX_TYPE_NAMELESS "0x%llx>", (unsigned long long)address);
    else
        snprintf(name, size, "%s", strncmp(text, "builtins.", 9) ? text : text + 9);
}

/* A class may be called anything, and a damaged one is: what a terminal would obey is shown as '?'. */
static void make_printable(char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            *name = '?';
}

static bool append_type(struct mx_types *types, mx_addr address, const uint8_t *bytes)
{
    const struct mx_layout *layout = &types->runtime->layout;
    char name[2 * MOST_NAME + 2];
    struct mx_type type = {
        .address = address,
        .flags = mx_load_u64(bytes + layout->type.tp_flags),
        .basicsize = mx_load_i64(bytes + layout->type.tp_basicsize),
        .itemsize = mx_load_i64(bytes + layout->type.tp_itemsize),
        .dictoffset = mx_load_i64(bytes + layout->type.tp_dictoffset),
        .base = mx_load_u64(bytes + layout->type.tp_base),
        .base_index = MX_MAP_NONE,
    };
    type.preheader = preheader_size(layout, type.flags);
    read_name(types->runtime, address, type.flags, name, sizeof(name));
    make_printable(name);
    type.name = mx_strtab_add(&types->names, name, strlen(name));
    if (!type.name || !mx_array_push(&types->types, type))
        return false;
    if (mx_map_set(&types->by_address, address, (uint32_t)types->types.count - 1))
        return true;
    types->types.count--;
    return false;
}

/* Adds one type object if it is one and not known yet; false only when there is no memory. */
static bool add_one(struct mx_types *types, mx_addr address)
{
    const struct mx_runtime *runtime = types->runtime;
    if (!address || types->types.count >= MOST_TYPES || mx_map_get(&types->by_address, address) != MX_MAP_NONE)
        return true;
    const uint8_t *bytes = mx_memory_state(runtime->memory, address, (size_t)runtime->layout.type.size);
    if (!bytes || !is_ready_type(runtime, bytes) || !has_metatype(runtime, bytes))
        return true;
    return append_type(types, address, bytes);
}

struct subclass_visit {
    struct mx_types *types;
    bool no_memory;
};

static bool add_subclass(void *context, mx_addr key, mx_addr weakref)
{
    (void)key;
    struct subclass_visit *visit = context;
    const struct mx_runtime *runtime = visit->types->runtime;
    mx_addr referent = mx_memory_pointer(runtime->memory, weakref + (mx_addr)runtime->layout.weakref.wr_object);
    if (!add_one(visit->types, referent))
        visit->no_memory = true;
    return !visit->no_memory;
}

static bool add_subclasses_dict(struct mx_types *types, mx_addr dict)
{
    struct subclass_visit visit = {.types = types};
    if (dict)
        mx_dict_each(types->runtime, dict, add_subclass, &visit);
    return !visit.no_memory;
}

/* The per-interpreter tp_subclasses of a static builtin type, from one of the two arrays of states; 0 when not there.
 */
static mx_addr static_subclasses(const struct mx_runtime *runtime, mx_addr states, mx_addr type, uint64_t index)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr entry = states + index * (uint64_t)layout->static_type_state.size;
    if (mx_memory_pointer(runtime->memory, entry + (mx_addr)layout->static_type_state.type) != type)
        return 0;
    return mx_memory_pointer(runtime->memory, entry + (mx_addr)layout->static_type_state.tp_subclasses);
}

static bool add_static_subclasses(struct mx_types *types, mx_addr type, uint64_t index)
{
    const struct mx_runtime *runtime = types->runtime;
    const int32_t arrays[] = {runtime->layout.interpreter.static_types, runtime->layout.interpreter.extension_types};
    for (size_t i = 0; i < runtime->interpreters.count; i++)
        for (size_t a = 0; a < 2; a++) {
            if (arrays[a] == MX_ABSENT)
                continue;
            mx_addr states = runtime->interpreters.items[i].address + (mx_addr)arrays[a];
            if (!add_subclasses_dict(types, static_subclasses(runtime, states, type, index)))
                return false;
        }
    return true;
}

/* Adds what the type at `index` leads to: subclasses, base, metatype. */
static bool expand(struct mx_types *types, size_t index)
{
    const struct mx_runtime *runtime = types->runtime;
    struct mx_type type = types->types.items[index];
    mx_addr subclasses = mx_memory_pointer(runtime->memory, type.address + (mx_addr)runtime->layout.type.tp_subclasses);
    mx_addr metatype = mx_memory_pointer(runtime->memory, type.address + (mx_addr)runtime->layout.object.ob_type);
    if (!add_one(types, type.base) || !add_one(types, metatype))
        return false;
    if ((type.flags & MX_TPFLAGS_STATIC_BUILTIN) && runtime->layout.interpreter.static_types != MX_ABSENT)
        return !subclasses || subclasses > MOST_STATIC_TYPES ||
               add_static_subclasses(types, type.address, subclasses - 1);
    return add_subclasses_dict(types, subclasses);
}

static bool expand_from(struct mx_types *types, size_t first)
{
    for (size_t i = first; i < types->types.count; i++)
        if (!expand(types, i))
            return false;
    return true;
}

/* Bases are in the table by now; kinds are inherited, so they come after all links are known. */
static void link_types(struct mx_types *types, size_t first)
{
    for (size_t i = first; i < types->types.count; i++)
        types->types.items[i].base_index = mx_map_get(&types->by_address, types->types.items[i].base);
    mx_kinds_assign(types, first);
}

/*
 * C code may make instances of a static type that it never made ready (3.8's functools._lru_list_elem): no tree
 * holds it, but it says that it is a `type`, and has a name and a size.
 */
static bool is_unready_type(const struct mx_runtime *runtime, const uint8_t *bytes)
{
    const struct mx_layout *layout = &runtime->layout;
    const char *name = mx_memory_text(runtime->memory, mx_load_u64(bytes + layout->type.tp_name), MOST_NAME);
    if (!name || !is_sane_type(runtime, bytes) || mx_load_i64(bytes + layout->type.tp_basicsize) < 16)
        return false;
    for (const char *at = name; *at; at++)
        if (*at <= ' ' || *at > '~')
            return false;
    return *name != '\0';
}

static bool add_from_data(struct mx_types *types, mx_addr type_type, const struct mx_region *region)
{
    const struct mx_layout *layout = &types->runtime->layout;
    size_t length = region->end - region->start, size = (size_t)layout->type.size;
    const uint8_t *bytes = mx_memory_state(types->runtime->memory, region->start, length);
    for (size_t at = 0; bytes && at + size <= length; at += 8) {
        mx_addr address = region->start + at;
        if (mx_load_u64(bytes + at + layout->object.ob_type) != type_type ||
            !is_unready_type(types->runtime, bytes + at))
            continue;
        if (mx_map_get(&types->by_address, address) == MX_MAP_NONE && !append_type(types, address, bytes + at))
            return false;
    }
    return true;
}

/* Static types stand in the writable data of modules. */
static bool add_static_types(struct mx_types *types)
{
    const struct mx_memory *memory = types->runtime->memory;
    mx_addr type_type = mx_runtime_symbol(types->runtime, "PyType_Type");
    for (size_t i = 0; type_type && i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (mx_region_is_module_data(region) && !add_from_data(types, type_type, region))
            return false;
    }
    return true;
}

struct mx_error *mx_types_open(const struct mx_runtime *runtime, struct mx_work *work, struct mx_types *ret)
{
    struct mx_types types = {.runtime = runtime, .type_type = MX_MAP_NONE};
    if (!mx_kinds_open(&types, add_one) || !expand_from(&types, 0) || !add_static_types(&types)) {
        mx_types_close(&types);
        return mx_error_no_memory();
    }
    if (work && !mx_work_step(work, 0)) {
        mx_types_close(&types);
        return mx_error_cancelled();
    }
    types.type_type = mx_map_get(&types.by_address, mx_runtime_symbol(runtime, "PyType_Type"));
    link_types(&types, 0);
    *ret = types;
    return NULL;
}

void mx_types_close(struct mx_types *types)
{
    mx_array_free(&types->types);
    mx_map_deinit(&types->by_address);
    mx_map_deinit(&types->known);
    mx_strtab_deinit(&types->names);
    *types = (struct mx_types){0};
}

uint32_t mx_types_add(struct mx_types *types, mx_addr address)
{
    uint32_t known = mx_map_get(&types->by_address, address);
    if (known != MX_MAP_NONE)
        return known;
    size_t first = types->types.count;
    if (!add_one(types, address) || !expand_from(types, first))
        return MX_MAP_NONE;
    link_types(types, first);
    return mx_map_get(&types->by_address, address);
}

void mx_types_try_block(struct mx_types *types, mx_addr block, const uint8_t *bytes, uint64_t size)
{
    const struct mx_layout *layout = &types->runtime->layout;
    uint32_t head = layout->preheader_shape == MX_PREHEADER_NO_GC ? 0 : 16;
    if (size < head + (uint64_t)layout->heap_type.size)
        return;
    const struct mx_type *metatype = mx_types_find(types, mx_load_u64(bytes + head + layout->object.ob_type));
    if (metatype && metatype->kind == MX_KIND_TYPE)
        mx_types_add(types, block + head);
}

const struct mx_type *mx_type_of(const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    return mx_types_find(types, mx_memory_pointer(types->runtime->memory, object + (mx_addr)layout->object.ob_type));
}

/* A field of a type, or of the state that the main interpreter keeps for a static builtin one. */
static mx_addr type_field(const struct mx_types *types, mx_addr type, int32_t own, int32_t in_state)
{
    const struct mx_runtime *runtime = types->runtime;
    const struct mx_layout *layout = &runtime->layout;
    const int32_t arrays[] = {layout->interpreter.static_types, layout->interpreter.extension_types};
    mx_addr flags = mx_memory_pointer(runtime->memory, type + (mx_addr)layout->type.tp_flags);
    if (!(flags & MX_TPFLAGS_STATIC_BUILTIN) || layout->interpreter.static_types == MX_ABSENT)
        return mx_memory_pointer(runtime->memory, type + (mx_addr)own);
    uint64_t index = mx_memory_pointer(runtime->memory, type + (mx_addr)layout->type.tp_subclasses) - 1;
    for (size_t a = 0; a < 2 && index < MOST_STATIC_TYPES && runtime->interpreters.count; a++) {
        if (arrays[a] == MX_ABSENT)
            continue;
        mx_addr entry = runtime->interpreters.items[0].address + (mx_addr)arrays[a] +
                        index * (uint64_t)layout->static_type_state.size;
        if (mx_memory_pointer(runtime->memory, entry + (mx_addr)layout->static_type_state.type) == type)
            return mx_memory_pointer(runtime->memory, entry + (mx_addr)in_state);
    }
    return 0;
}

mx_addr mx_type_dict(const struct mx_types *types, mx_addr type)
{
    const struct mx_layout *layout = &types->runtime->layout;
    return type_field(types, type, layout->type.tp_dict, layout->static_type_state.tp_dict);
}

mx_addr mx_type_subclasses(const struct mx_types *types, mx_addr type)
{
    const struct mx_layout *layout = &types->runtime->layout;
    return type_field(types, type, layout->type.tp_subclasses, layout->static_type_state.tp_subclasses);
}
