/* SPDX-License-Identifier: Apache-2.0
 *
 * Regions, modules and threads as bytes, and back. Reading takes nothing for
 * granted: the file may come from anywhere.
 */
#include <string.h>

#include "memory/saved_format.h"
#include "memory/symbols.h"

enum {
    LEAST_REGION = 6 * 8,
    LEAST_MODULE = 7 * 8,
    LEAST_SYMBOL = 4 * 8,
    LEAST_THREAD = 4 * 8,
    KNOWN_FLAGS = (MX_REGION_FROM_FILE << 1) - 1,
};

#define MOST_EXTENT (UINT64_C(1) << 40) /* bytes of memory: nobody saves more, and passes take their time over it */

static void put_region(struct mx_blob *blob, const struct mx_region *region)
{
    mx_blob_put_u64(blob, region->start);
    mx_blob_put_u64(blob, region->end);
    mx_blob_put_u64(blob, region->flags & ~(uint32_t)MX_REGION_LIVE);
    mx_blob_put_u64(blob, region->module);
    mx_blob_put_u64(blob, region->file_offset);
    mx_blob_put_text(blob, region->name);
}

/* Data, and what other modules can see: static functions are never asked for. */
static bool is_wanted(const Elf64_Sym *symbol)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT || ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;
}

static void put_symbols(struct mx_blob *blob, const struct mx_symbols *symbols)
{
    uint64_t count = 0;
    for (size_t i = 0; symbols && i < symbols->symbols.count; i++)
        count += is_wanted(&symbols->symbols.items[i].symbol);
    mx_blob_put_u64(blob, count);
    for (size_t i = 0; symbols && i < symbols->symbols.count; i++) {
        const struct mx_symbol_entry *entry = &symbols->symbols.items[i];
        if (!is_wanted(&entry->symbol))
            continue;
        mx_blob_put_u64(blob, entry->symbol.st_value);
        mx_blob_put_u64(blob, entry->symbol.st_size);
        mx_blob_put_u64(blob, entry->symbol.st_info);
        mx_blob_put_u64(blob, entry->length + 1);
        mx_blob_put(blob, entry->name, entry->length);
    }
}

static void put_module(struct mx_blob *blob, const struct mx_module *module)
{
    mx_blob_put_text(blob, module->path);
    mx_blob_put_u64(blob, module->start);
    mx_blob_put_u64(blob, module->end);
    mx_blob_put_u64(blob, module->bias);
    mx_blob_put_u64(blob, (uint64_t)module->state << 1 | module->is_executable);
    mx_blob_put_u64(blob, module->build_id_size);
    mx_blob_put(blob, module->build_id, module->build_id_size);
    put_symbols(blob, mx_module_symbols(module));
}

static void put_threads(struct mx_blob *blob, const struct mx_threads *threads)
{
    mx_blob_put_u64(blob, (uint32_t)threads->pid);
    mx_blob_put_text(blob, threads->command);
    mx_blob_put_u64(blob, threads->threads.count);
    for (size_t i = 0; i < threads->threads.count; i++) {
        const struct mx_thread *thread = &threads->threads.items[i];
        mx_blob_put_u64(blob, (uint32_t)thread->tid);
        mx_blob_put_u64(blob, thread->stack_pointer);
        mx_blob_put_u64(blob, thread->fs_base);
        mx_blob_put_u64(blob, (uint32_t)thread->signal);
    }
}

void mx_saved_put_facts(struct mx_blob *blob, const struct mx_saved_content *content)
{
    mx_blob_put_u64(blob, content->facts->bytes.count);
    mx_blob_put(blob, content->facts->bytes.items, content->facts->bytes.count);
    mx_blob_put_u64(blob, content->memory->expected_bytes);
    mx_blob_put_u64(blob, content->memory->missing_bytes);
    put_threads(blob, content->threads);
    mx_blob_put_u64(blob, content->modules->modules.count);
    for (size_t i = 0; i < content->modules->modules.count; i++)
        put_module(blob, &content->modules->modules.items[i]);
    mx_blob_put_u64(blob, content->memory->regions.count);
    for (size_t i = 0; i < content->memory->regions.count; i++)
        put_region(blob, &content->memory->regions.items[i]);
}

struct facts {
    struct mx_blob_reader *reader;
    struct mx_strtab *names;
    struct mx_memory *memory;
    struct mx_modules *modules;
    struct mx_threads *threads;
    uint64_t extent; /* of the regions so far */
};

/* A text that stays as long as the memory; false when there is no memory for it. */
static bool get_name(struct facts *facts, const char **ret)
{
    size_t length;
    const char *text = mx_blob_get_text(facts->reader, &length);
    *ret = text ? mx_strtab_add(facts->names, text, strnlen(text, length)) : NULL;
    return !text || *ret;
}

static struct mx_error *get_symbol(struct facts *facts, struct mx_symbols *symbols)
{
    Elf64_Sym symbol = {.st_value = mx_blob_get_u64(facts->reader), .st_size = mx_blob_get_u64(facts->reader)};
    symbol.st_info = (unsigned char)mx_blob_get_u64(facts->reader);
    const char *name;
    if (!get_name(facts, &name))
        return mx_error_no_memory();
    if (name)
        mx_symbols_add(symbols, name, strlen(name), &symbol);
    return NULL;
}

static struct mx_error *get_symbols(struct facts *facts, struct mx_module *module)
{
    uint64_t count = mx_blob_get_count(facts->reader, LEAST_SYMBOL);
    module->symbols = mx_calloc(1, sizeof(*module->symbols));
    if (!module->symbols)
        return mx_error_no_memory();
    for (uint64_t i = 0; i < count && !facts->reader->broken; i++)
        MX_TRY(get_symbol(facts, module->symbols));
    return NULL;
}

static struct mx_error *get_module(struct facts *facts)
{
    struct mx_blob_reader *reader = facts->reader;
    struct mx_module module = {0};
    if (!get_name(facts, &module.path))
        return mx_error_no_memory();
    module.path = module.path ? module.path : "";
    module.start = mx_blob_get_u64(reader);
    module.end = mx_blob_get_u64(reader);
    module.bias = mx_blob_get_u64(reader);
    uint64_t state = mx_blob_get_u64(reader), id_size = mx_blob_get_u64(reader);
    module.is_executable = state & 1;
    module.state = state >> 1 <= MX_FILE_DIFFERS ? (enum mx_module_file)(state >> 1) : MX_FILE_MISSING;
    const uint8_t *id = mx_blob_get(reader, id_size);
    if (id && id_size <= sizeof(module.build_id)) {
        memcpy(module.build_id, id, id_size);
        module.build_id_size = (uint8_t)id_size;
    }
    if (!mx_array_push(&facts->modules->modules, module))
        return mx_error_no_memory();
    return get_symbols(facts, &facts->modules->modules.items[facts->modules->modules.count - 1]);
}

static struct mx_error *get_threads(struct facts *facts)
{
    struct mx_blob_reader *reader = facts->reader;
    struct mx_threads *threads = facts->threads;
    threads->pid = (int32_t)mx_blob_get_u64(reader);
    size_t length;
    const char *command = mx_blob_get_text(reader, &length);
    if (command)
        memcpy(threads->command, command, length < sizeof(threads->command) ? length : sizeof(threads->command) - 1);
    uint64_t count = mx_blob_get_count(reader, LEAST_THREAD);
    for (uint64_t i = 0; i < count; i++) {
        struct mx_thread thread = {.tid = (int32_t)mx_blob_get_u64(reader)};
        thread.stack_pointer = mx_blob_get_u64(reader);
        thread.fs_base = mx_blob_get_u64(reader);
        thread.signal = (int32_t)mx_blob_get_u64(reader);
        if (!mx_array_push(&threads->threads, thread))
            return mx_error_no_memory();
    }
    return NULL;
}

/* What was there is read from frames now, whatever it was read from before. */
static struct mx_error *get_region(struct facts *facts)
{
    struct mx_blob_reader *reader = facts->reader;
    struct mx_region region = {.start = mx_blob_get_u64(reader), .end = mx_blob_get_u64(reader)};
    region.flags = (uint32_t)mx_blob_get_u64(reader) & KNOWN_FLAGS & ~(uint32_t)MX_REGION_LIVE;
    uint64_t module = mx_blob_get_u64(reader);
    region.module = module < facts->modules->modules.count ? (uint32_t)module : MX_NO_MODULE;
    region.file_offset = mx_blob_get_u64(reader);
    if (!get_name(facts, &region.name))
        return mx_error_no_memory();
    bool is_there = !(region.flags & MX_REGION_MISSING) && region.start < region.end;
    if (is_there && region.end - region.start > MOST_EXTENT - facts->extent)
        reader->broken = true;
    if (reader->broken)
        return NULL;
    facts->extent += is_there ? region.end - region.start : 0;
    region.flags |= is_there ? (uint32_t)MX_REGION_LIVE : 0;
    return mx_memory_add(facts->memory, region);
}

static struct mx_error *get_own_facts(struct mx_blob_reader *reader, struct mx_blob *facts)
{
    uint64_t length = mx_blob_get_u64(reader);
    const uint8_t *bytes = mx_blob_get(reader, length);
    if (bytes)
        mx_blob_put(facts, bytes, (size_t)length);
    return facts->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_saved_get_facts(struct mx_blob_reader *reader, struct mx_strtab *names, struct mx_memory *memory,
                                    struct mx_modules *modules, struct mx_threads *threads, struct mx_blob *facts)
{
    struct facts get = {reader, names, memory, modules, threads, 0};
    MX_TRY(get_own_facts(reader, facts));
    memory->expected_bytes = mx_blob_get_u64(reader);
    memory->missing_bytes = mx_blob_get_u64(reader);
    MX_TRY(get_threads(&get));
    uint64_t count = mx_blob_get_count(reader, LEAST_MODULE);
    for (uint64_t i = 0; i < count && !reader->broken; i++)
        MX_TRY(get_module(&get));
    count = mx_blob_get_count(reader, LEAST_REGION);
    for (uint64_t i = 0; i < count && !reader->broken; i++)
        MX_TRY(get_region(&get));
    return mx_memory_seal(memory);
}
