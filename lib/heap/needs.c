/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a target is needed though it looks like filling: large raw blocks
 * that a decoder reads as more than addresses (dicts' tables, lists' items), and
 * the pages of modules' constants that data and objects point to.
 */
#include "cpython/referents.h"
#include "heap/lighten.h"
#include "memory/symbols.h"

enum {
    LEAST_LARGE = 16 * 1024, /* a raw block that is worth looking at */
    CONTAINER_HEAD = 128,    /* bytes of a container that say where its tables are */
    OBJECT_HEAD = 1024,
    POINTED = 2048, /* bytes behind an address among constants that may be read */
    STEP = 1 << 16, /* blocks between looks at the progress */
};

/* What is to be done with the objects of a type. */
enum look {
    LOOK_NOWHERE,      /* they have no large tables, and no constants that others do not have, too */
    LOOK_AT_CONSTANTS, /* they point to some (an array's kind of item), and have no tables but data */
    LOOK_AT_HEAD,      /* every address at their beginning may be a table's */
    LOOK_INSIDE,       /* constants, and what their decoder tells */
};

struct search {
    struct mx_lightening *light;
    struct mx_work *work;
    struct mx_cursor cursor;
    struct mx_referents referents;
    uint8_t *looks;          /* by type index: enum look */
    struct mx_map needed;    /* 1 + id of large raw blocks that are read as more than addresses */
    MX_ARRAY(mx_addr) queue; /* pages of constants that were not searched yet */
    bool no_memory;
};

static enum look look_of(const struct mx_types *types, const struct mx_type *type)
{
    switch (type->kind) {
    case MX_KIND_LIST:
    case MX_KIND_DICT:
    case MX_KIND_ORDERED_DICT:
    case MX_KIND_SET:
    case MX_KIND_DECIMAL:
        return LOOK_AT_HEAD;
    case MX_KIND_ARRAY:
        return LOOK_AT_CONSTANTS;
    case MX_KIND_NONE:
    case MX_KIND_BOOL:
    case MX_KIND_INT:
    case MX_KIND_FLOAT:
    case MX_KIND_COMPLEX:
    case MX_KIND_STR:
    case MX_KIND_BYTES:
    case MX_KIND_BYTEARRAY:
    case MX_KIND_TUPLE:
    case MX_KIND_FUNCTION:
    case MX_KIND_METHOD:
    case MX_KIND_CELL:
    case MX_KIND_SLICE:
    case MX_KIND_RANGE:
    case MX_KIND_WEAKREF:
    case MX_KIND_DEQUE:
        return LOOK_NOWHERE;
    case MX_KIND_OTHER: {
        bool plain = type->is_python_class && type->base_index < types->types.count &&
                     !types->types.items[type->base_index].base;
        return plain ? LOOK_NOWHERE : LOOK_INSIDE;
    }
    default:
        return LOOK_INSIDE;
    }
}

static bool is_large_raw(const struct mx_heap *heap, const struct mx_span *span, uint32_t block)
{
    return heap->kinds[block] == MX_BLOCK_RAW && span->kind == MX_SPAN_CHUNKS &&
           mx_block_size(&heap->spans, span, block) >= LEAST_LARGE;
}

static void need_block(struct search *search, mx_addr address)
{
    const struct mx_heap *heap = search->light->heap;
    const struct mx_span *span;
    uint32_t block = mx_spans_locate(&heap->spans, address, &span);
    if (block != MX_NO_BLOCK && is_large_raw(heap, span, block))
        search->no_memory |= !mx_map_set(&search->needed, (uint64_t)block + 1, 1);
}

static void need_page(struct search *search, mx_addr address)
{
    mx_addr page = address / MX_PAGE;
    if (mx_map_get(&search->light->pages, page) == MX_MAP_NONE)
        search->no_memory |=
            !mx_map_set(&search->light->pages, page, 1) || !mx_array_push(&search->queue, page * MX_PAGE);
}

static void need_constant(struct search *search, mx_addr address)
{
    const struct mx_region *region = address ? mx_memory_region(search->light->target->memory, address) : NULL;
    if (!region || !mx_is_constant(region))
        return;
    need_page(search, address);
    if (region->end - address > POINTED)
        need_page(search, address + POINTED - 1);
}

static void need_constants(struct search *search, const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; bytes && at + 8 <= length; at += 8)
        need_constant(search, mx_load_u64(bytes + at));
}

static bool need_buffer(void *context, const struct mx_edge *edge)
{
    if (edge->class == MX_EDGE_BUFFER)
        need_block(context, edge->target);
    return true;
}

static void look_at_object(struct search *search, uint32_t type, mx_addr object, uint64_t rest)
{
    size_t most = search->looks[type] == LOOK_AT_HEAD ? CONTAINER_HEAD : OBJECT_HEAD;
    size_t length = rest < most ? (size_t)rest : most;
    const uint8_t *bytes = mx_cursor_view(&search->cursor, object, length);
    if (!bytes)
        return;
    if (search->looks[type] == LOOK_AT_HEAD) {
        for (size_t at = 16; at + 8 <= length; at += 8)
            need_block(search, mx_load_u64(bytes + at));
        return;
    }
    need_constants(search, bytes, length);
    if (search->looks[type] == LOOK_INSIDE)
        mx_referents_each(&search->referents, &search->light->target->types.types.items[type], object, need_buffer,
                          search);
}

static void look_at_block(struct search *search, const struct mx_span *span, uint32_t block)
{
    const struct mx_heap *heap = search->light->heap;
    uint32_t type = mx_heap_type_of(heap, block);
    if (type >= search->light->target->types.types.count) {
        if (is_large_raw(heap, span, block))
            search->no_memory |= !mx_map_set(&search->light->loose, (uint64_t)block + 1, 1);
        return;
    }
    if (search->looks[type] == LOOK_NOWHERE)
        return;
    mx_addr start = mx_block_address(&heap->spans, span, block), object = mx_heap_object(heap, span, block, type);
    uint64_t size = mx_block_size(&heap->spans, span, block);
    if (object >= start && object - start < size)
        look_at_object(search, type, object, size - (object - start));
}

static struct mx_error *look_at_heap(struct search *search)
{
    const struct mx_spans *spans = &search->light->heap->spans;
    uint32_t since = 0;
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (uint32_t block = span->first; block - span->first < span->count; block++)
            look_at_block(search, span, block);
        since += span->count;
        if (since < STEP)
            continue;
        if (!mx_work_step(search->work, since))
            return mx_error_cancelled();
        since = 0;
    }
    return search->no_memory ? mx_error_no_memory() : NULL;
}

/* What the interpreter and the allocators keep in blocks of their own is read by those who know it. */
static void need_state(struct search *search)
{
    const struct mx_runtime *runtime = &search->light->target->runtime;
    const struct mx_arenas *arenas = &search->light->target->allocators.arenas;
    need_block(search, runtime->address);
    for (size_t i = 0; i < runtime->interpreters.count; i++)
        need_block(search, runtime->interpreters.items[i].address);
    for (size_t i = 0; i < runtime->threads.count; i++)
        need_block(search, runtime->threads.items[i].address);
    for (size_t i = 0; i < runtime->obmalloc_states.count; i++)
        need_block(search, runtime->obmalloc_states.items[i]);
    for (size_t i = 0; i < arenas->tables.count; i++)
        need_block(search, arenas->tables.items[i]);
}

static void look_at_data(struct search *search, const struct mx_region *region)
{
    for (mx_addr at = region->start; at < region->end; at += MX_PAGE) {
        size_t length = region->end - at < MX_PAGE ? region->end - at : MX_PAGE;
        need_constants(search, mx_cursor_view(&search->cursor, at, length), length);
    }
}

/* Constants with names of their own (Py_Version) may be asked for by name. */
static void look_at_symbols(struct search *search, const struct mx_module *module)
{
    const struct mx_symbols *symbols = mx_module_symbols(module);
    for (size_t i = 0; symbols && i < symbols->symbols.count; i++) {
        const Elf64_Sym *symbol = &symbols->symbols.items[i].symbol;
        if (ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT && ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
            need_constant(search, module->bias + symbol->st_value);
    }
}

/* From modules' data, symbols and the objects' addresses on; pages that these lead to may lead to others. */
static struct mx_error *follow_constants(struct search *search)
{
    const struct mx_memory *memory = search->light->target->memory;
    const struct mx_modules *modules = &search->light->target->modules;
    for (size_t i = 0; i < memory->regions.count; i++)
        if (memory->regions.items[i].module != MX_NO_MODULE && memory->regions.items[i].flags & MX_REGION_WRITE &&
            !(memory->regions.items[i].flags & MX_REGION_MISSING))
            look_at_data(search, &memory->regions.items[i]);
    for (size_t i = 0; i < modules->modules.count; i++)
        look_at_symbols(search, &modules->modules.items[i]);
    while (search->queue.count && !search->no_memory) {
        mx_addr page = search->queue.items[--search->queue.count];
        need_constants(search, mx_cursor_view(&search->cursor, page, MX_PAGE), MX_PAGE);
    }
    return search->no_memory ? mx_error_no_memory() : NULL;
}

/* A map forgets nothing: what is needed is told apart from what is loose by a second one. */
static struct mx_error *settle_loose(struct search *search)
{
    struct mx_map *all = &search->light->loose, loose = {0};
    bool good = true;
    for (size_t i = 0; all->bits && i < (size_t)1 << all->bits && good; i++)
        if (all->keys[i] && mx_map_get(&search->needed, all->keys[i]) == MX_MAP_NONE)
            good = mx_map_set(&loose, all->keys[i], 1);
    mx_map_deinit(all);
    *all = loose;
    return good ? NULL : mx_error_no_memory();
}

static struct mx_error *find_needs(struct search *search)
{
    const struct mx_types *types = &search->light->target->types;
    search->looks = mx_calloc(types->types.count, sizeof(*search->looks));
    if (!search->looks)
        return mx_error_no_memory();
    for (size_t i = 0; i < types->types.count; i++)
        search->looks[i] = (uint8_t)look_of(types, &types->types.items[i]);
    MX_TRY(mx_referents_open(types, &search->referents));
    MX_TRY(look_at_heap(search));
    need_state(search);
    MX_TRY(follow_constants(search));
    return settle_loose(search);
}

struct mx_error *mx_lightening_find_needs(struct mx_lightening *lightening, struct mx_work *work)
{
    struct search search = {.light = lightening, .work = work};
    mx_cursor_init(&search.cursor, lightening->target->memory);
    struct mx_error *error = find_needs(&search);
    mx_cursor_deinit(&search.cursor);
    mx_referents_close(&search.referents);
    mx_map_deinit(&search.needed);
    mx_array_free(&search.queue);
    free(search.looks);
    return error;
}
