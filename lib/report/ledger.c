/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger: who claims which stretch of the address space, in address order,
 * and what the kernel says of the process as a whole.
 */
#include "report/ledger.h"

#include "cpython/frames.h"

enum {
    FIGURES = 8,
    MOST_RESERVE = 1 << 30, /* bytes of one that are looked at */
};

struct mx_ledger {
    struct mx_resident resident;
    struct mx_book book;
    struct mx_ledger_row parts[MX_LEDGER_PARTS];
    struct mx_ledger_figure figures[FIGURES];
    struct mx_block_rows rows; /* while it is made */
    struct mx_work work;
};

/* In the order of precedence where two begin at one address. */
enum claim_kind { CLAIM_ARENA, CLAIM_SEGMENT, CLAIM_EXTENT, CLAIM_MAPPED, CLAIM_RESERVE, CLAIM_ROW };

struct claim {
    mx_addr start, end;
    enum claim_kind kind;
    size_t index; /* of the arena, extent, span, reserve or row */
};

/* Address space that is kept to grow into, and the rows of what was used of it and what never was. */
static const struct reserve {
    const char *used, *untouched;
} reserves[] = {{"malloc/reserved", "untouched/arenas"}, {"stacks/unused", "untouched/stacks"}};
enum { RESERVE_OF_ARENA, RESERVE_OF_STACK };

struct claims {
    MX_ARRAY(struct claim) claims;
    struct mx_book *book;
    bool no_memory;
};

static void claim(struct claims *claims, enum claim_kind kind, size_t index, mx_addr start, mx_addr end)
{
    if (start < end && !mx_array_push(&claims->claims, (struct claim){start, end, kind, index}))
        claims->no_memory = true;
}

static void claim_segments(struct claims *claims, const struct mx_mimalloc *mimalloc)
{
    for (size_t i = 0; i < mimalloc->segments.count; i++)
        claim(claims, CLAIM_SEGMENT, i, mimalloc->segments.items[i].address, mimalloc->segments.items[i].end);
}

/* Arenas that were found by their pools end with the last pool. */
static void claim_arenas(struct claims *claims, const struct mx_allocators *allocators)
{
    const struct mx_arenas *arenas = &allocators->arenas;
    for (size_t i = 0; i < arenas->arenas.count; i++) {
        const struct mx_arena *arena = &arenas->arenas.items[i];
        mx_addr end = arenas->from_array ? arena->address + allocators->facts.arena_size : arena->pools_end;
        claim(claims, CLAIM_ARENA, i, arena->address, end);
    }
}

static void claim_chunks(struct claims *claims, const struct mx_target *target)
{
    const struct mx_glibc *glibc = &target->allocators.glibc;
    for (size_t i = 0; i < glibc->extents.count; i++) {
        const struct mx_malloc_extent *extent = &glibc->extents.items[i];
        claim(claims, CLAIM_EXTENT, i, extent->start, extent->end);
        claim(claims, CLAIM_RESERVE, RESERVE_OF_ARENA, extent->end, extent->limit);
    }
    for (size_t i = 0; i < glibc->spans.count; i++) {
        const struct mx_chunk_span *span = &glibc->spans.items[i];
        if (span->arena == MX_ARENA_MMAPPED)
            claim(claims, CLAIM_MAPPED, i, mx_glibc_mapping_start(glibc, span), span->end);
    }
}

static bool claim_data_stack(void *context, mx_addr start, mx_addr end)
{
    struct claims *claims = context;
    claim(claims, CLAIM_ROW, mx_book_row(claims->book, "python/data-stacks"), start, end);
    return true;
}

/* The thread's own block stands above its stack, at the end of the same mapping. */
static void claim_stacks(struct claims *claims, const struct mx_target *target)
{
    uint32_t used = mx_book_row(claims->book, "stacks/used"), own = mx_book_row(claims->book, "stacks/thread-blocks");
    for (size_t i = 0; i < target->threads.threads.count; i++) {
        const struct mx_thread *thread = &target->threads.threads.items[i];
        const struct mx_region *region =
            thread->stack_pointer ? mx_memory_region(target->memory, thread->stack_pointer) : NULL;
        if (!region || !(region->flags & MX_REGION_WRITE) || region->module != MX_NO_MODULE)
            continue;
        bool has_own = mx_thread_has_block(thread, region);
        mx_addr end = has_own ? thread->fs_base : region->end;
        mx_addr from =
            thread->stack_pointer - MX_RED_ZONE > region->start ? thread->stack_pointer - MX_RED_ZONE : region->start;
        claim(claims, CLAIM_RESERVE, RESERVE_OF_STACK, region->start, from);
        claim(claims, CLAIM_ROW, used, from, end);
        if (has_own)
            claim(claims, CLAIM_ROW, own, end, (end + MX_PAGE) & ~(mx_addr)(MX_PAGE - 1));
    }
}

static mx_addr next_page(mx_addr address, mx_addr end)
{
    mx_addr next = (address & ~(mx_addr)(MX_PAGE - 1)) + MX_PAGE;
    return next < end ? next : end;
}

static bool is_zero_page(const struct mx_memory *memory, mx_addr page, mx_addr end)
{
    bool whole = page % MX_PAGE == 0 && end - page >= MX_PAGE;
    const uint8_t *bytes = whole ? mx_memory_view(memory, page, MX_PAGE) : NULL;
    uint64_t any = !bytes;
    for (size_t at = 0; bytes && at < MX_PAGE; at += 8)
        any |= mx_load_u64(bytes + at);
    return !any;
}

/* Where what begins at `from` ends: pages of zeros, or others. */
static mx_addr end_of_stretch(const struct mx_memory *memory, mx_addr from, mx_addr end, bool *zeros)
{
    mx_addr stop = next_page(from, end);
    *zeros = is_zero_page(memory, from, end);
    while (stop < end && is_zero_page(memory, stop, end) == *zeros)
        stop = next_page(stop, end);
    return stop;
}

/*
 * A core has zeros for pages that the process never had: GDB writes all that it can read, and the kernel writes stacks
 * whole. What was never used of a reserve is told apart there. Of a live process the kernel says which pages there are.
 */
static void post_reserve(struct mx_book *book, const struct reserve *reserve, mx_addr start, mx_addr end)
{
    const struct mx_memory *memory = book->target->memory;
    uint32_t used = mx_book_row(book, "%s", reserve->used), untouched = mx_book_row(book, "%s", reserve->untouched);
    bool can_tell = book->target->path && end - start <= MOST_RESERVE, zeros = false;
    for (mx_addr from = start, stop; from < end; from = stop) {
        const struct mx_region *region = can_tell ? mx_memory_region(memory, from) : NULL;
        stop = region && region->end < end ? region->end : end;
        if (region && region->bytes)
            stop = end_of_stretch(memory, from, stop, &zeros);
        mx_book_post(book, region && region->bytes && zeros ? untouched : used, from, stop, 1);
    }
}

static int compare_claims(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return (left->kind > right->kind) - (left->kind < right->kind);
}

static void add_part(struct mx_ledger *ledger, enum mx_ledger_part part, uint64_t resident, uint64_t virtual_bytes)
{
    ledger->parts[part].resident += ledger->book.total_resident - resident;
    ledger->parts[part].virtual_bytes += ledger->book.total_virtual - virtual_bytes;
    ledger->parts[part].count++;
}

static void write_claim(struct mx_ledger *ledger, const struct claim *claim)
{
    struct mx_book *book = &ledger->book;
    const struct mx_allocators *allocators = &book->target->allocators;
    mx_book_reach(book, claim->start);
    uint64_t resident = book->total_resident, virtual_bytes = book->total_virtual;
    switch (claim->kind) {
    case CLAIM_ARENA:
        mx_ledger_arena(&ledger->rows, &allocators->arenas.arenas.items[claim->index], claim->end);
        add_part(ledger, MX_LEDGER_PYMALLOC, resident, virtual_bytes);
        break;
    case CLAIM_SEGMENT:
        mx_ledger_segment(&ledger->rows, &allocators->mimalloc.segments.items[claim->index]);
        break;
    case CLAIM_EXTENT:
        mx_ledger_extent(&ledger->rows, &allocators->glibc.extents.items[claim->index], &ledger->work);
        add_part(ledger, MX_LEDGER_MALLOC, resident, virtual_bytes);
        break;
    case CLAIM_MAPPED:
        mx_ledger_mapped(&ledger->rows, claim->start, &allocators->glibc.spans.items[claim->index]);
        add_part(ledger, MX_LEDGER_MAPPED, resident, virtual_bytes);
        break;
    case CLAIM_RESERVE:
        post_reserve(book, &reserves[claim->index], claim->start, claim->end);
        break;
    case CLAIM_ROW:
        mx_book_post(book, (uint32_t)claim->index, claim->start, claim->end, 1);
        break;
    }
}

static struct mx_error *write_claims(struct mx_ledger *ledger, struct claims *claims)
{
    const struct mx_target *target = ledger->book.target;
    claim_arenas(claims, &target->allocators);
    claim_segments(claims, &target->allocators.mimalloc);
    claim_chunks(claims, target);
    mx_stack_chunks_each(&target->runtime, claim_data_stack, claims);
    claim_stacks(claims, target);
    if (claims->claims.count)
        qsort(claims->claims.items, claims->claims.count, sizeof(struct claim), compare_claims);
    mx_work_begin(&ledger->work, ledger->work.progress, "writing the ledger", claims->claims.count);
    for (size_t i = 0; i < claims->claims.count; i++) {
        write_claim(ledger, &claims->claims.items[i]);
        if (!mx_work_step(&ledger->work, 1))
            return mx_error_cancelled();
    }
    mx_book_reach(&ledger->book, UINT64_MAX);
    return claims->no_memory || ledger->book.no_memory ? mx_error_no_memory() : NULL;
}

/* What statm calls data: private and writable. (Linux fs/proc/task_mmu.c: task_statm()) */
static bool is_data(const struct mx_region *region)
{
    return (region->flags & MX_REGION_WRITE) && !(region->flags & MX_REGION_SHARED);
}

static bool is_program_text(const struct mx_target *target, const struct mx_region *region)
{
    return (region->flags & MX_REGION_EXEC) && region->module < target->modules.modules.count &&
           target->modules.modules.items[region->module].is_executable;
}

/* Of a core: what its mappings tell. gcore leaves some of them out. */
static void figure_core(const struct mx_target *target, struct mx_ledger_figure *vms, struct mx_ledger_figure *text,
                        struct mx_ledger_figure *data)
{
    for (size_t i = 0; i < target->memory->regions.count; i++) {
        const struct mx_region *region = &target->memory->regions.items[i];
        uint64_t bytes = region->end - region->start;
        vms->bytes += bytes;
        text->bytes += is_program_text(target, region) ? bytes : 0;
        data->bytes += is_data(region) ? bytes : 0;
    }
    vms->known = text->known = data->known = MX_KNOWN_AT_LEAST;
}

static void figure_out(struct mx_ledger *ledger)
{
    const struct mx_kernel_figures *kernel = &ledger->resident.figures;
    const struct mx_ledger_figure live[FIGURES] = {
        {"rss", kernel->rss, MX_KNOWN_EXACTLY},       {"vms", kernel->vms, MX_KNOWN_EXACTLY},
        {"shared", kernel->shared, MX_KNOWN_EXACTLY}, {"text", kernel->text, MX_KNOWN_EXACTLY},
        {"data", kernel->data, MX_KNOWN_EXACTLY},     {"uss", kernel->uss, MX_KNOWN_EXACTLY},
        {"pss", kernel->pss, MX_KNOWN_EXACTLY},       {"swap", kernel->swap, MX_KNOWN_EXACTLY},
    };
    memcpy(ledger->figures, live, sizeof(live));
    if (kernel->rss)
        return;
    for (int i = 0; i < FIGURES; i++)
        ledger->figures[i].known = MX_KNOWN_NOT;
    figure_core(ledger->book.target, &ledger->figures[1], &ledger->figures[3], &ledger->figures[4]);
}

static int compare_rows(const void *a, const void *b)
{
    const struct mx_ledger_row *left = a, *right = b;
    if (left->resident != right->resident)
        return left->resident < right->resident ? 1 : -1;
    if (left->virtual_bytes != right->virtual_bytes)
        return left->virtual_bytes < right->virtual_bytes ? 1 : -1;
    return strcmp(left->kind, right->kind);
}

static void order_rows(struct mx_book *book)
{
    size_t kept = 0;
    for (size_t i = 0; i < book->rows.count; i++)
        if (book->rows.items[i].virtual_bytes)
            book->rows.items[kept++] = book->rows.items[i];
    book->rows.count = kept;
    if (kept)
        qsort(book->rows.items, kept, sizeof(*book->rows.items), compare_rows);
}

static struct mx_error *write_book(struct mx_ledger *ledger, const struct mx_heap *heap,
                                   const struct mx_block_owners *owners)
{
    MX_TRY(mx_block_rows_open(&ledger->book, heap, owners, &ledger->rows));
    struct claims claims = {.book = &ledger->book};
    struct mx_error *error = write_claims(ledger, &claims);
    mx_array_free(&claims.claims);
    mx_block_rows_close(&ledger->rows);
    return error;
}

static struct mx_error *make(struct mx_ledger *ledger, const struct mx_target *target, const struct mx_heap *heap,
                             const struct mx_progress *progress)
{
    struct mx_block_owners owners;
    mx_work_begin(&ledger->work, progress, "reading the process", 0);
    MX_TRY(mx_resident_open(target->memory, target->path ? 0 : target->threads.pid, &ledger->resident));
    MX_TRY(mx_book_open(target, &ledger->resident, &ledger->book));
    MX_TRY(mx_block_owners_find(target, heap, progress, &owners));
    struct mx_error *error = write_book(ledger, heap, &owners);
    mx_block_owners_close(&owners);
    if (error)
        return error;
    ledger->parts[MX_LEDGER_TOTAL].resident = ledger->book.total_resident;
    ledger->parts[MX_LEDGER_TOTAL].virtual_bytes = ledger->book.total_virtual;
    ledger->parts[MX_LEDGER_TOTAL].count = target->memory->regions.count;
    ledger->parts[MX_LEDGER_TRIMMABLE] = ledger->book.trimmable;
    order_rows(&ledger->book);
    figure_out(ledger);
    return NULL;
}

struct mx_error *mx_ledger_open(struct mx_target *target, const struct mx_heap *heap,
                                const struct mx_progress *progress, struct mx_ledger **ret)
{
    struct mx_ledger *ledger = mx_calloc(1, sizeof(*ledger));
    if (!ledger)
        return mx_error_no_memory();
    struct mx_error *error = make(ledger, target, heap, progress);
    if (error) {
        mx_ledger_close(ledger);
        return error;
    }
    *ret = ledger;
    return NULL;
}

const struct mx_ledger_row *mx_ledger_rows(const struct mx_ledger *ledger, size_t *count)
{
    *count = ledger->book.rows.count;
    return ledger->book.rows.items;
}

void mx_ledger_part(const struct mx_ledger *ledger, enum mx_ledger_part part, struct mx_ledger_row *ret)
{
    *ret = ledger->parts[part];
}

const struct mx_ledger_figure *mx_ledger_figures(const struct mx_ledger *ledger, size_t *count)
{
    *count = FIGURES;
    return ledger->figures;
}

uint64_t mx_ledger_guessed(const struct mx_ledger *ledger)
{
    return ledger->resident.guessed;
}

void mx_ledger_close(struct mx_ledger *ledger)
{
    if (!ledger)
        return;
    mx_book_close(&ledger->book);
    mx_resident_deinit(&ledger->resident);
    free(ledger);
}
