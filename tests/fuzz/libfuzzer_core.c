/* SPDX-License-Identifier: Apache-2.0
 *
 * For libFuzzer: an input is a core file. Headers, notes, segments, mappings and
 * modules are read, and then every region is looked at.
 */
#include <stdlib.h>

#include "libfuzzer.h"
#include "memory/core.h"
#include "memory_file.h"

enum { LOOKS_EACH = 64 };

/* Every byte that a view promises must be there. */
static void look_at(const struct mx_memory *memory, const struct mx_region *region)
{
    static volatile uint8_t sink;
    uint64_t size = region->end - region->start, step = size / LOOKS_EACH + 1;
    for (uint64_t look = 0, at; look < LOOKS_EACH && (at = look * step) < size; look++) {
        uint64_t rest = size - at;
        size_t length = rest < step ? (size_t)rest : (size_t)step;
        const uint8_t *bytes = mx_memory_view(memory, region->start + at, length);
        for (size_t i = 0; bytes && i < length; i++)
            sink = bytes[i];
    }
    (void)sink;
}

static void look_at_all(const struct mx_memory *memory, const struct mx_modules *modules)
{
    mx_addr end = 0;
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if (region->start < end || region->end <= region->start)
            abort();
        end = region->end;
        look_at(memory, region);
        mx_modules_at(modules, region->start);
    }
    struct mx_symbol symbol;
    mx_modules_symbol(modules, "_PyRuntime", 0, &symbol);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file file;
    struct mx_memory *memory;
    struct mx_modules modules = {0};
    struct mx_threads threads = {0};
    if (!*file.path)
        memory_file_open(&file);
    memory_file_set(&file, bytes, size);
    struct mx_error *error = mx_core_open(file.path, NULL, &memory, &modules, &threads);
    if (error) {
        mx_error_free(error);
        return 0;
    }
    look_at_all(memory, &modules);
    mx_threads_deinit(&threads);
    mx_modules_deinit(&modules);
    mx_memory_close(memory);
    return 0;
}
