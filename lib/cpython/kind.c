/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of known types, and how a kind is inherited.
 */
#include "cpython/kind.h"

static const struct {
    const char *symbol; /* of the type object; NULL: not exported, known by name */
    const char *name;   /* tp_name; NULL: the symbol decides */
    enum mx_kind kind;
} known_types[] = {
    {"PyBaseObject_Type", "object", MX_KIND_OTHER},
    {"PyType_Type", "type", MX_KIND_TYPE},
    {"PyLong_Type", "int", MX_KIND_INT},
    {"PyBool_Type", "bool", MX_KIND_BOOL},
    {"PyFloat_Type", "float", MX_KIND_FLOAT},
    {"PyComplex_Type", "complex", MX_KIND_COMPLEX},
    {"PyUnicode_Type", "str", MX_KIND_STR},
    {"PyBytes_Type", "bytes", MX_KIND_BYTES},
    {"PyByteArray_Type", "bytearray", MX_KIND_BYTEARRAY},
    {"PyList_Type", "list", MX_KIND_LIST},
    {"PyTuple_Type", "tuple", MX_KIND_TUPLE},
    {"PyDict_Type", "dict", MX_KIND_DICT},
    {"PyFrozenDict_Type", "frozendict", MX_KIND_DICT},
    {"PyODict_Type", "collections.OrderedDict", MX_KIND_ORDERED_DICT},
    {"PySet_Type", "set", MX_KIND_SET},
    {"PyFrozenSet_Type", "frozenset", MX_KIND_SET},
    {"PyFunction_Type", "function", MX_KIND_FUNCTION},
    {"PyMethod_Type", "method", MX_KIND_METHOD},
    {"PyCFunction_Type", "builtin_function_or_method", MX_KIND_CFUNCTION},
    {"PyCode_Type", "code", MX_KIND_CODE},
    {"PyFrame_Type", "frame", MX_KIND_FRAME},
    {"PyGen_Type", "generator", MX_KIND_GENERATOR},
    {"PyCoro_Type", "coroutine", MX_KIND_GENERATOR},
    {"PyAsyncGen_Type", "async_generator", MX_KIND_GENERATOR},
    {"PyModule_Type", "module", MX_KIND_MODULE},
    {"PyCell_Type", "cell", MX_KIND_CELL},
    {"PySlice_Type", "slice", MX_KIND_SLICE},
    {"PyRange_Type", "range", MX_KIND_RANGE},
    {"PyMemoryView_Type", "memoryview", MX_KIND_MEMORYVIEW},
    {"_PyWeakref_RefType", "weakref", MX_KIND_WEAKREF},
    {"_PyWeakref_ProxyType", "weakproxy", MX_KIND_WEAKREF},
    {"_PyWeakref_CallableProxyType", "weakcallableproxy", MX_KIND_WEAKREF},
    {NULL, "weakref.ReferenceType", MX_KIND_WEAKREF},
    {NULL, "weakref.ProxyType", MX_KIND_WEAKREF},
    {NULL, "weakref.CallableProxyType", MX_KIND_WEAKREF},
    {NULL, "NoneType", MX_KIND_NONE},
    {NULL, "collections.deque", MX_KIND_DEQUE},
    {NULL, "array.array", MX_KIND_ARRAY},
    {NULL, "_io.BytesIO", MX_KIND_BYTESIO},
    {NULL, "_io.BufferedReader", MX_KIND_BUFFERED},
    {NULL, "_io.BufferedWriter", MX_KIND_BUFFERED},
    {NULL, "_io.BufferedRandom", MX_KIND_BUFFERED},
    {NULL, "xml.etree.ElementTree.Element", MX_KIND_ELEMENT},
    {NULL, "_struct.Struct", MX_KIND_STRUCT},
    {NULL, "Struct", MX_KIND_STRUCT}, /* 3.8 */
    {NULL, "decimal.Decimal", MX_KIND_DECIMAL},
    {NULL, "itertools.product", MX_KIND_PRODUCT},
    {NULL, "itertools.combinations", MX_KIND_COMBINATIONS},
    {NULL, "itertools.combinations_with_replacement", MX_KIND_COMBINATIONS},
    {NULL, "itertools.permutations", MX_KIND_PERMUTATIONS},
    {NULL, "_queue.SimpleQueue", MX_KIND_SIMPLE_QUEUE},
};

enum { KNOWN_TYPES = sizeof(known_types) / sizeof(known_types[0]) };

bool mx_kinds_open(struct mx_types *types, bool (*add)(struct mx_types *types, mx_addr address))
{
    for (size_t i = 0; i < KNOWN_TYPES; i++) {
        if (!known_types[i].symbol)
            continue;
        mx_addr address = mx_runtime_symbol(types->runtime, known_types[i].symbol);
        if (address && (!mx_map_set(&types->known, address, known_types[i].kind) || !add(types, address)))
            return false;
    }
    return true;
}

/* Flags that PyType_Ready() inherits along the bases: they name the kind even where symbols and names are lost. */
static enum mx_kind kind_by_flags(uint64_t flags)
{
    static const struct {
        uint64_t flag;
        enum mx_kind kind;
    } by_flag[] = {
        {MX_TPFLAGS_LONG_SUBCLASS, MX_KIND_INT},           {MX_TPFLAGS_LIST_SUBCLASS, MX_KIND_LIST},
        {MX_TPFLAGS_TUPLE_SUBCLASS, MX_KIND_TUPLE},        {MX_TPFLAGS_BYTES_SUBCLASS, MX_KIND_BYTES},
        {MX_TPFLAGS_UNICODE_SUBCLASS, MX_KIND_STR},        {MX_TPFLAGS_DICT_SUBCLASS, MX_KIND_DICT},
        {MX_TPFLAGS_BASE_EXC_SUBCLASS, MX_KIND_EXCEPTION}, {MX_TPFLAGS_TYPE_SUBCLASS, MX_KIND_TYPE},
    };
    for (size_t i = 0; i < sizeof(by_flag) / sizeof(by_flag[0]); i++)
        if (flags & by_flag[i].flag)
            return by_flag[i].kind;
    return MX_KIND_OTHER;
}

/*
 * A class statement can use any name; a C type's name is its own. But where the interpreter's type is known by its
 * symbol, another one of this name is not it: Cython's generators have CPython's names.
 */
static bool kind_by_name(const struct mx_types *types, const struct mx_type *type, enum mx_kind *kind)
{
    if (type->is_python_class)
        return false;
    for (size_t i = 0; i < KNOWN_TYPES; i++) {
        if (strcmp(known_types[i].name, type->name))
            continue;
        if (known_types[i].symbol && mx_runtime_symbol(types->runtime, known_types[i].symbol))
            return false;
        *kind = known_types[i].kind;
        return true;
    }
    return false;
}

/* False when nothing but the flags, which every subclass shares, speaks for a kind. */
static bool own_kind(const struct mx_types *types, const struct mx_type *type, enum mx_kind *kind)
{
    uint32_t known = mx_map_get(&types->known, type->address);
    if (known == MX_MAP_NONE)
        return kind_by_name(types, type, kind);
    *kind = (enum mx_kind)known;
    return true;
}

/* From the type up to the first base that is known by itself, at most as far as an honest tp_base chain is long. */
static enum mx_kind inherited_kind(const struct mx_types *types, uint32_t index)
{
    enum { LONGEST_CHAIN = 1000 };
    enum mx_kind by_flags = kind_by_flags(types->types.items[index].flags);
    for (int steps = 0; index != MX_MAP_NONE && steps < LONGEST_CHAIN; steps++) {
        const struct mx_type *type = &types->types.items[index];
        enum mx_kind kind;
        if (own_kind(types, type, &kind))
            return kind == MX_KIND_OTHER ? by_flags : kind;
        index = type->base_index;
    }
    return by_flags;
}

/* subtype_dealloc is no exported symbol, but nearly every heap type is a Python class and has it as tp_dealloc. */
static mx_addr most_common_dealloc(const struct mx_types *types)
{
    const struct mx_runtime *runtime = types->runtime;
    struct mx_map votes = {0};
    mx_addr winner = 0;
    uint32_t most = 0;
    for (size_t i = 0; i < types->types.count; i++) {
        const struct mx_type *type = &types->types.items[i];
        if (!(type->flags & MX_TPFLAGS_HEAPTYPE))
            continue;
        mx_addr dealloc = mx_memory_pointer(runtime->memory, type->address + (mx_addr)runtime->layout.type.tp_dealloc);
        uint32_t count = mx_map_get(&votes, dealloc);
        count = count == MX_MAP_NONE ? 1 : count + 1;
        mx_map_set(&votes, dealloc, count);
        if (dealloc && count > most)
            most = count, winner = dealloc;
    }
    mx_map_deinit(&votes);
    return winner;
}

void mx_kinds_assign(struct mx_types *types, size_t first)
{
    const struct mx_runtime *runtime = types->runtime;
    if (!types->subtype_dealloc)
        types->subtype_dealloc = most_common_dealloc(types);
    mx_addr dealloc = types->subtype_dealloc;
    for (size_t i = first; i < types->types.count; i++) {
        struct mx_type *type = &types->types.items[i];
        mx_addr own = mx_memory_pointer(runtime->memory, type->address + (mx_addr)runtime->layout.type.tp_dealloc);
        type->is_python_class = (type->flags & MX_TPFLAGS_HEAPTYPE) && dealloc && own == dealloc;
    }
    for (size_t i = first; i < types->types.count; i++)
        types->types.items[i].kind = (uint8_t)inherited_kind(types, (uint32_t)i);
}
