/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads smaps, pagemap, smaps_rollup and statm of a live process; of a core it
 * takes the regions whose bytes are the core's own.
 */
#include "memory/resident.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "memory/machine.h"
#include "memory/procfile.h"

enum {
    BATCH = 1 << 15, /* entries of pagemap that are read at once */
    KILOBYTE = 1024,
    MOST_LOOKED_AT = 1 << 26, /* pages of one mapping: 256 GB */
};

/* Linux Documentation/admin-guide/mm/pagemap.rst */
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

struct reader {
    struct mx_resident *ret;
    const struct mx_memory_source *source;
    int pid;
    uint64_t page; /* bytes of one of the kernel's */
    int pagemap;   /* -1: not to be had */
    uint64_t *entries;
    bool no_memory;
};

/* One mapping of smaps. */
struct mapping {
    mx_addr start, end;
    uint64_t rss, pss, own, swap; /* bytes */
};

/* Pages of a mapping by what pagemap says of them. `doubtful` ones may be of nothing but zeros. */
struct pages {
    uint64_t sure, doubtful;
};

static void add_run(struct reader *reader, mx_addr start, mx_addr end)
{
    struct mx_resident *ret = reader->ret;
    if (start >= end)
        return;
    ret->bytes += end - start;
    struct mx_page_run *last = ret->runs.items && ret->runs.count ? &ret->runs.items[ret->runs.count - 1] : NULL;
    if (last && last->end == start)
        last->end = end;
    else if (!mx_array_push(&ret->runs, (struct mx_page_run){start, end}))
        reader->no_memory = true;
}

/* How many entries there are for pages from `page` on, up to a batch; 0 at the end or when they cannot be read. */
static size_t read_entries(const struct reader *reader, mx_addr page, mx_addr end)
{
    uint64_t pages = (end - page) / reader->page;
    size_t wanted = (size_t)(pages < BATCH ? pages : BATCH) * sizeof(*reader->entries);
    ssize_t got =
        pread(reader->pagemap, reader->entries, wanted, (off_t)(page / reader->page * sizeof(*reader->entries)));
    return got > 0 ? (size_t)got / sizeof(*reader->entries) : 0;
}

static bool is_doubtful(uint64_t entry)
{
    return !(entry & (ENTRY_EXCLUSIVE | ENTRY_FILE));
}

/* False when not all of the mapping's entries can be read. */
static bool count_pages(const struct reader *reader, const struct mapping *mapping, struct pages *ret)
{
    *ret = (struct pages){0};
    for (mx_addr page = mapping->start; page < mapping->end;) {
        size_t count = read_entries(reader, page, mapping->end);
        for (size_t i = 0; i < count; i++) {
            bool present = reader->entries[i] & ENTRY_PRESENT;
            ret->sure += present && !is_doubtful(reader->entries[i]);
            ret->doubtful += present && is_doubtful(reader->entries[i]);
        }
        if (!count)
            return false;
        page += count * reader->page;
    }
    return true;
}

/* Adds the present pages, less the first `doubtful` and `sure` ones of each sort: the kernel does not count these. */
static void add_present(struct reader *reader, const struct mapping *mapping, struct pages uncounted)
{
    for (mx_addr page = mapping->start; page < mapping->end;) {
        size_t count = read_entries(reader, page, mapping->end);
        for (size_t i = 0; i < count; i++) {
            uint64_t *sort = is_doubtful(reader->entries[i]) ? &uncounted.doubtful : &uncounted.sure;
            if (!(reader->entries[i] & ENTRY_PRESENT))
                continue;
            if (*sort)
                --*sort;
            else
                add_run(reader, page + i * reader->page, page + (i + 1) * reader->page);
        }
        if (!count)
            return;
        page += count * reader->page;
    }
}

static void add_mapping(struct reader *reader, const struct mapping *mapping)
{
    struct pages found;
    uint64_t counted = mapping->rss / reader->page;
    if (!counted || counted > (mapping->end - mapping->start) / reader->page)
        return;
    bool looked = reader->pagemap >= 0 && (mapping->end - mapping->start) / reader->page <= MOST_LOOKED_AT &&
                  count_pages(reader, mapping, &found);
    if (looked && found.sure + found.doubtful >= counted) {
        uint64_t uncounted = found.sure + found.doubtful - counted;
        struct pages skipped = {.doubtful = uncounted < found.doubtful ? uncounted : found.doubtful};
        skipped.sure = uncounted - skipped.doubtful;
        add_present(reader, mapping, skipped);
        return;
    }
    reader->ret->guessed += counted * reader->page;
    add_run(reader, mapping->start, mapping->start + counted * reader->page);
}

/* A test's memory has no source. */
static bool is_remote(const struct reader *reader)
{
    return reader->source && reader->source->remote;
}

static FILE *open_proc(const struct reader *reader, const char *name)
{
    int fd = mx_proc_open(reader->source, reader->pid, name);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

/* A line "Name:   123 kB" of the mapping. (Linux fs/proc/task_mmu.c) */
static void read_field(const char *line, struct mapping *mapping)
{
    unsigned long long kilobytes;
    char name[32];
    if (sscanf(line, "%31[A-Za-z_]: %llu kB", name, &kilobytes) != 2)
        return;
    uint64_t bytes = (uint64_t)kilobytes * KILOBYTE;
    if (!strcmp(name, "Rss"))
        mapping->rss = bytes;
    else if (!strcmp(name, "Pss"))
        mapping->pss = bytes;
    else if (!strncmp(name, "Private_", 8))
        mapping->own += bytes;
    else if (!strcmp(name, "Swap"))
        mapping->swap = bytes;
}

static bool read_header(const char *line, struct mapping *ret)
{
    unsigned long long start, end;
    if (!((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f')) ||
        sscanf(line, "%llx-%llx ", &start, &end) != 2 || start >= end)
        return false;
    *ret = (struct mapping){.start = start, .end = end};
    return true;
}

static void add_sums(struct mx_kernel_figures *sums, const struct mapping *mapping)
{
    sums->uss += mapping->own;
    sums->pss += mapping->pss;
    sums->swap += mapping->swap;
}

/* All mappings of an open smaps, or the one sum of smaps_rollup. `reader` may be NULL. */
static void read_smaps(FILE *file, struct reader *reader, struct mx_kernel_figures *sums)
{
    struct mapping mapping = {0}, next;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) >= 0) {
        if (!read_header(line, &next)) {
            read_field(line, &mapping);
            continue;
        }
        if (reader)
            add_mapping(reader, &mapping);
        add_sums(sums, &mapping);
        mapping = next;
    }
    if (reader)
        add_mapping(reader, &mapping);
    add_sums(sums, &mapping);
    free(line);
}

/* Where the kernel has no rollup (before 4.14), the sums of smaps stay. */
static void read_rollup(const struct reader *reader, struct mx_kernel_figures *figures)
{
    FILE *file = open_proc(reader, "smaps_rollup");
    struct mx_kernel_figures sums = {0};
    if (!file)
        return;
    read_smaps(file, NULL, &sums);
    figures->uss = sums.uss;
    figures->pss = sums.pss;
    figures->swap = sums.swap;
    fclose(file);
}

static void read_statm(const struct reader *reader, struct mx_kernel_figures *figures)
{
    FILE *file = open_proc(reader, "statm");
    uint64_t page = mx_machine_kernel_page();
    unsigned long long size, resident, shared, text, data;
    if (!file)
        return;
    if (fscanf(file, "%llu %llu %llu %llu %*u %llu", &size, &resident, &shared, &text, &data) == 5) {
        figures->vms = size * page;
        figures->rss = resident * page;
        figures->shared = shared * page;
        figures->text = text * page;
        figures->data = data * page;
    }
    fclose(file);
}

/* A pagemap cannot be fetched from another machine: it has an entry for each page of the address space. */
static struct mx_error *read_process(struct reader *reader)
{
    FILE *smaps = open_proc(reader, "smaps");
    if (!smaps)
        return mx_error_os(errno, "cannot read /proc/%d/smaps, which says what of the process is in memory",
                           reader->pid);
    reader->pagemap = is_remote(reader) ? -1 : mx_proc_open(reader->source, reader->pid, "pagemap");
    read_smaps(smaps, reader, &reader->ret->figures);
    fclose(smaps);
    if (reader->pagemap >= 0)
        close(reader->pagemap);
    read_rollup(reader, &reader->ret->figures);
    read_statm(reader, &reader->ret->figures);
    return NULL;
}

static void read_core(struct reader *reader, const struct mx_memory *memory)
{
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        if ((region->bytes || region->flags & MX_REGION_LIVE) &&
            !(region->flags & (MX_REGION_MISSING | MX_REGION_FROM_FILE)))
            add_run(reader, region->start, region->end);
    }
}

/* Valgrind's connection has no files: then what the process has mapped stands for what is in memory. */
static bool tells_smaps(const struct reader *reader)
{
    if (!is_remote(reader))
        return true;
    int fd = mx_proc_open(reader->source, reader->pid, "smaps");
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

struct mx_error *mx_resident_open(const struct mx_memory *memory, int pid, struct mx_resident *ret)
{
    *ret = (struct mx_resident){0};
    struct reader reader = {
        .ret = ret,
        .source = memory->source,
        .pid = pid,
        .page = mx_machine_kernel_page(),
        .entries = mx_calloc(BATCH, sizeof(*reader.entries)),
    };
    if (!reader.entries)
        return mx_error_no_memory();
    struct mx_error *error = NULL;
    if (pid && !tells_smaps(&reader))
        read_core(&reader, memory);
    else if (pid)
        error = read_process(&reader);
    else
        read_core(&reader, memory);
    free(reader.entries);
    if (!error && reader.no_memory)
        error = mx_error_no_memory();
    if (error)
        mx_resident_deinit(ret);
    return error;
}

void mx_resident_deinit(struct mx_resident *resident)
{
    mx_array_free(&resident->runs);
    *resident = (struct mx_resident){0};
}

uint64_t mx_resident_bytes(const struct mx_resident *resident, mx_addr start, mx_addr end)
{
    size_t low = 0, high = resident->runs.count;
    uint64_t bytes = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (resident->runs.items[middle].end <= start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < resident->runs.count && resident->runs.items[low].start < end; low++) {
        const struct mx_page_run *run = &resident->runs.items[low];
        bytes += (run->end < end ? run->end : end) - (run->start > start ? run->start : start);
    }
    return bytes;
}
