/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding an interpreter by its looks.
 *
 * _PyRuntime begins with a cookie since 3.13. Before, it is where two words
 * lead to a main interpreter whose `modules` and `builtins` are objects of one
 * type, whose type is its own type. The version is in the text that
 * Py_GetVersion() made.
 *
 * Names of types stand in the file, but the keys of dicts in the heap: what
 * builtins, types and other modules call a type is its name, as far as known.
 */
#include "cpython/recover.h"

#include <stdio.h>
#include <string.h>

#include "cpython/dict.h"
#include "cpython/str.h"
#include "cpython/version.h"
#include "memory/symbols.h"

enum { MOST_NAME = 128, MOST_INTERPRETERS = 1000 };

/* Symbols of this form are names of types, not of the file. */
#define NAME_MARK ':'

struct known {
    const char *module, *key; /* sys.modules[module].key */
    const char *symbol;       /* NULL: none that anybody asks for */
    const char *name;
};

static const struct known known_types[] = {
    {"builtins", "object", "PyBaseObject_Type", "object"},
    {"builtins", "type", "PyType_Type", "type"},
    {"builtins", "int", "PyLong_Type", "int"},
    {"builtins", "bool", "PyBool_Type", "bool"},
    {"builtins", "float", "PyFloat_Type", "float"},
    {"builtins", "complex", "PyComplex_Type", "complex"},
    {"builtins", "str", "PyUnicode_Type", "str"},
    {"builtins", "bytes", "PyBytes_Type", "bytes"},
    {"builtins", "bytearray", "PyByteArray_Type", "bytearray"},
    {"builtins", "list", "PyList_Type", "list"},
    {"builtins", "tuple", "PyTuple_Type", "tuple"},
    {"builtins", "dict", "PyDict_Type", "dict"},
    {"builtins", "set", "PySet_Type", "set"},
    {"builtins", "frozenset", "PyFrozenSet_Type", "frozenset"},
    {"builtins", "slice", "PySlice_Type", "slice"},
    {"builtins", "range", "PyRange_Type", "range"},
    {"builtins", "memoryview", "PyMemoryView_Type", "memoryview"},
    {"types", "FunctionType", "PyFunction_Type", "function"},
    {"types", "CodeType", "PyCode_Type", "code"},
    {"types", "MethodType", "PyMethod_Type", "method"},
    {"types", "BuiltinFunctionType", "PyCFunction_Type", "builtin_function_or_method"},
    {"types", "ModuleType", "PyModule_Type", "module"},
    {"types", "CellType", "PyCell_Type", "cell"},
    {"types", "FrameType", "PyFrame_Type", "frame"},
    {"types", "GeneratorType", "PyGen_Type", "generator"},
    {"types", "CoroutineType", "PyCoro_Type", "coroutine"},
    {"types", "AsyncGeneratorType", "PyAsyncGen_Type", "async_generator"},
    {"types", "TracebackType", "PyTraceBack_Type", "traceback"},
    {"types", "MappingProxyType", NULL, "mappingproxy"},
    {"types", "WrapperDescriptorType", NULL, "wrapper_descriptor"},
    {"types", "MethodWrapperType", NULL, "method-wrapper"},
    {"types", "MethodDescriptorType", NULL, "method_descriptor"},
    {"types", "ClassMethodDescriptorType", NULL, "classmethod_descriptor"},
    {"types", "GetSetDescriptorType", NULL, "getset_descriptor"},
    {"types", "MemberDescriptorType", NULL, "member_descriptor"},
    {"_weakref", "ref", "_PyWeakref_RefType", "weakref.ReferenceType"},
    {"_weakref", "ProxyType", "_PyWeakref_ProxyType", "weakref.ProxyType"},
    {"_weakref", "CallableProxyType", "_PyWeakref_CallableProxyType", "weakref.CallableProxyType"},
    {"_collections", "OrderedDict", "PyODict_Type", "collections.OrderedDict"},
};

/* Types of objects that every interpreter has, for processes that never imported `types`. */
static const struct known known_objects[] = {
    {"builtins", "len", "PyCFunction_Type", "builtin_function_or_method"},
    {"builtins", "None", NULL, "NoneType"},
    {"builtins", "Ellipsis", NULL, "ellipsis"},
    {"_frozen_importlib", "_find_and_load", "PyFunction_Type", "function"},
    {"sys", "implementation", NULL, "types.SimpleNamespace"},
    {"sys", "flags", NULL, "sys.flags"},
    {"sys", "float_info", NULL, "sys.float_info"},
    {"sys", "hash_info", NULL, "sys.hash_info"},
    {"sys", "int_info", NULL, "sys.int_info"},
    {"sys", "version_info", NULL, "sys.version_info"},
};

struct recovery {
    struct mx_runtime runtime; /* memory, modules and layout only */
    struct mx_module *module;
    mx_addr interpreter; /* the main one */
    mx_addr modules, builtins;
    mx_addr metatype, dict_type;
    struct mx_symbols *symbols;
    bool no_memory;
};

static mx_addr load(const struct recovery *recovery, mx_addr object, int32_t offset)
{
    return object && offset >= 0 ? mx_memory_pointer(recovery->runtime.memory, object + (mx_addr)offset) : 0;
}

static mx_addr type_of(const struct recovery *recovery, mx_addr object)
{
    return load(recovery, object, recovery->runtime.layout.object.ob_type);
}

/* The main interpreter is the last of the list; `next` of what is none leads nowhere soon. */
static bool leads_to(const struct recovery *recovery, mx_addr at, mx_addr main)
{
    for (int steps = 0; at && at != main && steps < MOST_INTERPRETERS; steps++)
        at = load(recovery, at, recovery->runtime.layout.interpreter.next);
    return at && at == main;
}

/* Fills what hangs off it where there is a _PyRuntime at `at`. */
static bool is_runtime(struct recovery *recovery, mx_addr at)
{
    const struct mx_layout *layout = &recovery->runtime.layout;
    mx_addr main = load(recovery, at, layout->runtime.interpreters_main);
    if (main % 8 || !leads_to(recovery, load(recovery, at, layout->runtime.interpreters_head), main))
        return false;
    mx_addr modules = load(recovery, main, layout->interpreter.modules);
    mx_addr builtins = load(recovery, main, layout->interpreter.builtins);
    mx_addr dict_type = type_of(recovery, modules);
    mx_addr metatype = type_of(recovery, dict_type);
    if (!metatype || metatype == dict_type || type_of(recovery, metatype) != metatype ||
        type_of(recovery, builtins) != dict_type || load(recovery, main, layout->interpreter.next) ||
        !(load(recovery, dict_type, layout->type.tp_flags) & MX_TPFLAGS_DICT_SUBCLASS) ||
        !(load(recovery, metatype, layout->type.tp_flags) & MX_TPFLAGS_TYPE_SUBCLASS))
        return false;
    recovery->interpreter = main;
    recovery->modules = modules;
    recovery->builtins = builtins;
    recovery->dict_type = dict_type;
    recovery->metatype = metatype;
    return true;
}

static bool choose(struct recovery *recovery, const struct mx_layout_key *key)
{
    struct mx_error *error = key->version_hex ? mx_layout_choose(key, NULL, NULL, &recovery->runtime.layout)
                                              : mx_error_new(MX_ERROR_NOT_FOUND, "no version");
    mx_error_free(error);
    return !error;
}

/* The first word of the module's data that `fits`; 0 when there is none. */
static mx_addr scan(struct recovery *recovery, bool (*fits)(struct recovery *recovery, mx_addr at, uint64_t word))
{
    const struct mx_memory *memory = recovery->runtime.memory;
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (!mx_region_is_module_data(region) ||
            &recovery->runtime.modules->modules.items[region->module] != recovery->module)
            continue;
        const uint8_t *bytes = mx_memory_state(memory, region->start, region->end - region->start);
        for (size_t at = 0; bytes && at + 8 <= region->end - region->start; at += 8)
            if (fits(recovery, region->start + at, mx_load_u64(bytes + at)))
                return region->start + at;
    }
    return 0;
}

static bool is_cookie(struct recovery *recovery, mx_addr at, uint64_t word)
{
    struct mx_layout_key key = {0};
    return !memcmp(&word, "xdebugpy", 8) && mx_version_of_cookie(recovery->runtime.memory, at, &key) &&
           choose(recovery, &key) && is_runtime(recovery, at);
}

/* The word at the start of _PyRuntime may be anything. */
static bool looks_like_runtime(struct recovery *recovery, mx_addr at, uint64_t word)
{
    (void)word;
    return is_runtime(recovery, at);
}

static mx_addr find_runtime(struct recovery *recovery)
{
    mx_addr found = scan(recovery, is_cookie);
    struct mx_layout_key key = {0};
    if (!found)
        key.version_hex = mx_version_of_data(recovery->runtime.memory, recovery->module);
    if (!found && choose(recovery, &key))
        found = scan(recovery, looks_like_runtime);
    return found;
}

static void add_symbol(struct recovery *recovery, const char *name, mx_addr address)
{
    Elf64_Sym symbol = {.st_value = address - recovery->module->bias, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT)};
    const char *kept = mx_strtab_add(&recovery->symbols->own_names, name, strlen(name));
    if (kept)
        mx_symbols_add(recovery->symbols, kept, strlen(kept), &symbol);
    else
        recovery->no_memory = true;
}

/* The first name of a type stays. */
static void add_type(struct recovery *recovery, mx_addr type, const char *symbol, const char *name)
{
    char marked[MOST_NAME + 2];
    if (type_of(recovery, type) != recovery->metatype)
        return;
    if (symbol)
        add_symbol(recovery, symbol, type);
    snprintf(marked, sizeof(marked), "%c%s", NAME_MARK, name);
    add_symbol(recovery, marked, type);
}

static mx_addr dict_of_module(const struct recovery *recovery, const char *name)
{
    if (!strcmp(name, "builtins"))
        return recovery->builtins;
    mx_addr module = mx_dict_get(&recovery->runtime, recovery->modules, name);
    mx_addr dict = load(recovery, module, recovery->runtime.layout.module.md_dict);
    return type_of(recovery, dict) == recovery->dict_type ? dict : 0;
}

static mx_addr find_value(const struct recovery *recovery, const struct known *known)
{
    mx_addr dict = dict_of_module(recovery, known->module);
    return dict ? mx_dict_get(&recovery->runtime, dict, known->key) : 0;
}

struct naming {
    struct recovery *recovery;
    char module[MOST_NAME / 2];
};

/* An entry of a module's dict that is a type. */
static bool add_entry(void *context, mx_addr key, mx_addr value)
{
    struct naming *naming = context;
    char text[MOST_NAME / 2], name[MOST_NAME];
    if (type_of(naming->recovery, value) != naming->recovery->metatype ||
        mx_str_utf8(&naming->recovery->runtime, key, text, sizeof(text)) <= 0)
        return true;
    bool builtin = !strcmp(naming->module, "builtins");
    snprintf(name, sizeof(name), "%s%s%s", builtin ? "" : naming->module, builtin ? "" : ".", text);
    add_type(naming->recovery, value, NULL, name);
    return !naming->recovery->no_memory;
}

static bool add_module(void *context, mx_addr key, mx_addr value)
{
    struct recovery *recovery = context;
    struct naming naming = {.recovery = recovery};
    mx_addr dict = load(recovery, value, recovery->runtime.layout.module.md_dict);
    if (type_of(recovery, dict) == recovery->dict_type &&
        mx_str_utf8(&recovery->runtime, key, naming.module, sizeof(naming.module)) > 0)
        mx_dict_each(&recovery->runtime, dict, add_entry, &naming);
    return !recovery->no_memory;
}

/* Those known by their use first: a module may have a name of its own for any of them. */
static void add_types(struct recovery *recovery)
{
    const struct mx_layout *layout = &recovery->runtime.layout;
    for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++)
        add_type(recovery, find_value(recovery, &known_types[i]), known_types[i].symbol, known_types[i].name);
    for (size_t i = 0; i < sizeof(known_objects) / sizeof(known_objects[0]); i++)
        add_type(recovery, type_of(recovery, find_value(recovery, &known_objects[i])), known_objects[i].symbol,
                 known_objects[i].name);
    mx_addr function = find_value(recovery, &(struct known){.module = "_frozen_importlib", .key = "_find_and_load"});
    add_type(recovery, type_of(recovery, load(recovery, function, layout->function.func_code)), "PyCode_Type", "code");
    add_type(recovery, type_of(recovery, mx_dict_get(&recovery->runtime, recovery->modules, "sys")), "PyModule_Type",
             "module");
    mx_dict_each(&recovery->runtime, recovery->builtins, add_entry,
                 &(struct naming){.recovery = recovery, .module = "builtins"});
    mx_dict_each(&recovery->runtime, recovery->modules, add_module, recovery);
}

static struct mx_error *recover_from(struct recovery *recovery, bool *found)
{
    mx_addr at = find_runtime(recovery);
    if (!at)
        return NULL;
    recovery->symbols = mx_calloc(1, sizeof(*recovery->symbols));
    if (!recovery->symbols)
        return mx_error_no_memory();
    recovery->module->symbols = recovery->symbols;
    *found = true;
    add_symbol(recovery, "_PyRuntime", at);
    add_types(recovery);
    return recovery->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_recover_symbols(const struct mx_memory *memory, struct mx_modules *modules)
{
    struct mx_symbol symbol;
    bool found = mx_modules_symbol(modules, "_PyRuntime", 0, &symbol);
    for (size_t i = 0; i < modules->modules.count && !found; i++) {
        struct recovery recovery = {.runtime = {.memory = memory, .modules = modules},
                                    .module = &modules->modules.items[i]};
        if (!recovery.module->elf && !recovery.module->symbols)
            MX_TRY(recover_from(&recovery, &found));
    }
    return NULL;
}

bool mx_recovered(const struct mx_runtime *runtime)
{
    const struct mx_symbols *symbols = runtime->module ? runtime->module->symbols : NULL;
    return symbols && mx_symbols_find(symbols, ":type");
}

const char *mx_recovered_name(const struct mx_runtime *runtime, mx_addr address)
{
    const struct mx_symbols *symbols = mx_recovered(runtime) ? runtime->module->symbols : NULL;
    for (size_t i = 0; symbols && i < symbols->symbols.count; i++) {
        const struct mx_symbol_entry *entry = &symbols->symbols.items[i];
        if (*entry->name == NAME_MARK && entry->symbol.st_value == address - runtime->module->bias)
            return entry->name + 1;
    }
    return NULL;
}
