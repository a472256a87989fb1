/* SPDX-License-Identifier: Apache-2.0
 *
 * The version of a CPython, from the most to the least reliable witness. The
 * layout is not known yet, so nothing here reads a structure, apart from the
 * head of the debug offsets, which is the same in all versions that have it.
 */
#include "cpython/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { FINAL = 0xf0, SCAN_STEP = 1 << 16, MOST_VERSION_TEXT = 16 };

/* The first 24 bytes of _PyRuntime since 3.13: "xdebugpy", PY_VERSION_HEX, free-threaded. */
bool mx_version_of_cookie(const struct mx_memory *memory, mx_addr runtime, struct mx_layout_key *ret)
{
    const uint8_t *bytes = mx_memory_view(memory, runtime, 24);
    if (!bytes || memcmp(bytes, "xdebugpy", 8) || mx_load_u64(bytes + 8) > UINT32_MAX)
        return false;
    ret->version_hex = (uint32_t)mx_load_u64(bytes + 8);
    ret->free_threaded = mx_load_u64(bytes + 16) == 1;
    return true;
}

static bool is_version_hex(uint64_t value)
{
    return value >> 24 == 3 && (value & 0xff) >= 0xa0;
}

static bool read_version_constant(const struct mx_memory *memory, const struct mx_module *module, uint32_t *ret)
{
    struct mx_symbol symbol;
    uint64_t value;
    if (!mx_module_symbol(module, "Py_Version", &symbol) || !mx_memory_u64(memory, symbol.address, &value) ||
        !is_version_hex(value))
        return false;
    *ret = (uint32_t)value;
    return true;
}

/* "3.9.18 (main, ..." as a number; 0 when the text is something else. Pre-releases count as their release. */
static uint32_t parse_version_text(const char *text)
{
    unsigned minor, micro;
    int length = 0;
    if (sscanf(text, "3.%3u.%3u%n", &minor, &micro, &length) != 2 || minor > 255 || micro > 255)
        return 0;
    const char *rest = text + length;
    rest += strcspn(rest, " (");
    return rest - text < MOST_VERSION_TEXT && !strncmp(rest, " (", 2) ? 3u << 24 | minor << 16 | micro << 8 | FINAL : 0;
}

/* Looks for the text at the start of a string: after a NUL. */
static uint32_t find_version_text(const uint8_t *bytes, size_t length)
{
    static const char start[] = {'\0', '3', '.'};
    const uint8_t *at = bytes;
    while ((at = memmem(at, length - (size_t)(at - bytes), start, sizeof(start)))) {
        char text[2 * MOST_VERSION_TEXT] = "";
        at++;
        size_t rest = length - (size_t)(at - bytes);
        memcpy(text, at, rest < sizeof(text) - 1 ? rest : sizeof(text) - 1);
        uint32_t version = parse_version_text(text);
        if (version)
            return version;
    }
    return 0;
}

/* Py_GetVersion() formats into a static buffer when `sys` is made, in all versions. */
uint32_t mx_version_of_data(const struct mx_memory *memory, const struct mx_module *module)
{
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (!(region->flags & MX_REGION_WRITE) || region->start < module->start || region->end > module->end)
            continue;
        /* A damaged core may say that a region without bytes fills half the address space. */
        if (region->flags & (MX_REGION_MISSING | MX_REGION_INITIAL))
            continue;
        for (mx_addr at = region->start; at < region->end; at += SCAN_STEP) {
            uint64_t length = region->end - at;
            if (length > SCAN_STEP + 2 * MOST_VERSION_TEXT)
                length = SCAN_STEP + 2 * MOST_VERSION_TEXT;
            const uint8_t *bytes = mx_memory_state(memory, at, (size_t)length);
            uint32_t version = bytes ? find_version_text(bytes, (size_t)length) : 0;
            if (version)
                return version;
        }
    }
    return 0;
}

/* What follows "python" in the file's name: "3.13t", "3.11d.so.1.0". */
static const char *name_suffix(const struct mx_module *module)
{
    const char *slash = module->path ? strrchr(module->path, '/') : NULL;
    const char *name = slash ? strstr(slash, "python3.") : NULL;
    return name ? name + strlen("python") : "";
}

static uint32_t version_of_name(const struct mx_module *module)
{
    unsigned minor;
    return sscanf(name_suffix(module), "3.%3u", &minor) == 1 && minor <= 255 ? 3u << 24 | minor << 16 : 0;
}

static bool name_has_flag(const struct mx_module *module, char flag)
{
    const char *suffix = name_suffix(module);
    suffix += strspn(suffix, "0123456789.");
    return memchr(suffix, flag, strspn(suffix, "dmtu")) != NULL;
}

/* Functions that only Py_DEBUG builds export: up to 3.11, and since. */
static bool counts_all_references(const struct mx_module *module)
{
    struct mx_symbol symbol;
    return mx_module_symbol(module, "_Py_GetRefTotal", &symbol) ||
           mx_module_symbol(module, "_Py_GetGlobalRefTotal", &symbol);
}

void mx_version_identify(const struct mx_memory *memory, const struct mx_symbol *runtime, struct mx_layout_key *ret)
{
    const struct mx_module *module = runtime->module;
    struct mx_layout_key key = {.runtime_size = runtime->size, .free_threaded = name_has_flag(module, 't')};
    key.debug_build = counts_all_references(module) || name_has_flag(module, 'd');
    if (!mx_version_of_cookie(memory, runtime->address, &key) &&
        !read_version_constant(memory, module, &key.version_hex)) {
        key.version_hex = mx_version_of_data(memory, module);
        if (!key.version_hex)
            key.version_hex = version_of_name(module);
    }
    *ret = key;
}

void mx_version_text(uint32_t version_hex, char *ret, size_t room)
{
    unsigned major = version_hex >> 24, minor = version_hex >> 16 & 0xff, micro = version_hex >> 8 & 0xff;
    unsigned level = version_hex >> 4 & 0xf, serial = version_hex & 0xf;
    if (!(version_hex & 0xffff))
        snprintf(ret, room, "%u.%u", major, minor);
    else if (level >= 0xa && level <= 0xc)
        snprintf(ret, room, "%u.%u.%u%s%u", major, minor, micro,
                 level == 0xa   ? "a"
                 : level == 0xb ? "b"
                                : "rc",
                 serial);
    else
        snprintf(ret, room, "%u.%u.%u", major, minor, micro);
}
