/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of allocators by file names, and by what their files define; it does not look into memory.
 */
#include "alloc/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/elf.h"

/* An allocator that programs put in malloc's place. */
struct other {
    const char *name, *file;
    const char *symbols[2]; /* what it alone defines, under one of its names */
};

static const struct other others[] = {
    {"jemalloc", "libjemalloc", {"mallctl", "je_malloc"}},
    {"tcmalloc", "libtcmalloc", {"tc_malloc", "tc_new"}},
    {"mimalloc", "libmimalloc", {"mi_malloc", "mi_heap_malloc"}},
    {"Valgrind's", "vgpreload_memcheck", {NULL, NULL}},
    {"Valgrind's", "vgpreload_massif", {NULL, NULL}},
    {"Valgrind's", "vgpreload_dhat", {NULL, NULL}},
    {"Valgrind's", "vgpreload_helgrind", {NULL, NULL}},
    {"Valgrind's", "vgpreload_drd", {NULL, NULL}},
};
enum { OTHERS = sizeof(others) / sizeof(*others) };

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "";
}

static bool begins(const struct mx_module *module, const char *prefix)
{
    return !strncmp(base_name(module->path), prefix, strlen(prefix));
}

static bool defines(const struct mx_module *module, const char *name)
{
    struct mx_symbol symbol;
    return name && mx_module_symbol(module, name, &symbol);
}

/*
 * An allocator that is linked into another file, or under another name. It must define malloc as well: CPython 3.13
 * has a mimalloc of its own inside, which leaves malloc alone.
 */
static const char *linked_in(const struct mx_module *module)
{
    if (!defines(module, "malloc"))
        return NULL;
    for (size_t i = 0; i < OTHERS; i++)
        if (defines(module, others[i].symbols[0]) || defines(module, others[i].symbols[1]))
            return others[i].name;
    return NULL;
}

static const char *other_in(const struct mx_module *module)
{
    for (size_t i = 0; i < OTHERS; i++)
        if (begins(module, others[i].file))
            return others[i].name;
    return linked_in(module);
}

/* Alpine's file has musl in its name, Debian's stands in a folder of it; no other C library has __dls3, the loader. */
static bool is_musl(const struct mx_module *module)
{
    return begins(module, "ld-musl") || begins(module, "libc.musl") ||
           (module->path && strstr(module->path, "-linux-musl/libc.")) ||
           (defines(module, "__dls3") && defines(module, "malloc"));
}

void mx_known_malloc_find(const struct mx_modules *modules, struct mx_known_malloc *ret)
{
    *ret = (struct mx_known_malloc){0};
    for (size_t i = 0; i < modules->modules.count; i++) {
        const struct mx_module *module = &modules->modules.items[i];
        bool libc = begins(module, "libc.so.6") || begins(module, "libc-2.");
        if (libc && !ret->libc)
            ret->libc = module;
        ret->musl |= is_musl(module);
        if (!libc && !ret->other)
            ret->other = other_in(module);
    }
}

void mx_known_glibc_name(const struct mx_module *libc, char *name, size_t size)
{
    static const char title[] = "GNU C Library", version[] = "release version ";
    size_t length = 0;
    const uint8_t *bytes = libc->elf ? mx_elf_bytes(libc->elf, &length) : NULL;
    const uint8_t *text = bytes ? memmem(bytes, length, title, sizeof(title) - 1) : NULL;
    size_t rest = text ? length - (size_t)(text - bytes) : 0;
    const uint8_t *number = text ? memmem(text, rest < 256 ? rest : 256, version, sizeof(version) - 1) : NULL;
    snprintf(name, size, "glibc");
    if (!number)
        return;
    number += sizeof(version) - 1;
    int digits = 0;
    while (digits < 8 && number + digits + 1 < bytes + length &&
           ((number[digits] >= '0' && number[digits] <= '9') ||
            (number[digits] == '.' && number[digits + 1] >= '0' && number[digits + 1] <= '9')))
        digits++;
    snprintf(name, size, "glibc %.*s", digits, (const char *)number);
}

bool mx_known_plain_links(const char *name)
{
    enum { FIRST_MANGLED = 32 };
    static const char before[] = "glibc 2.";
    size_t length = sizeof(before) - 1;
    return !strncmp(name, before, length) && name[length] && strtoul(name + length, NULL, 10) < FIRST_MANGLED;
}
