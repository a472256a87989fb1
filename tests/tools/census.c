/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes down all that the library says about one stop, for the tests to
 * compare with the truth. Uses only the public API, as any program would.
 *
 *     census core PATH [OBJECTS]     a core
 *     census saved PATH [OBJECTS]    a saved target
 *     census live PID [OBJECTS]      a process that the caller has stopped
 *
 * On standard output one record a line, fields separated by tabs:
 *
 *     info KEY VALUE                     class BLOCK_SIZE POOLS USED FREE
 *     all TYPE_ADDR COUNT BYTES NAME     tracked TYPE_ADDR COUNT BYTES NAME      (one a type object)
 *     warning TEXT                       mismatch TEXT      (the API contradicts itself)
 *
 * OBJECTS is a file that gets one record an object: address, address of its
 * type, size, reference count: four 64-bit words.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memext.h"

struct census {
    struct mx_target *target;
    struct mx_heap *heap;
    FILE *objects;
    unsigned mismatches;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void print_number(const char *key, uint64_t value)
{
    printf("info\t%s\t%" PRIu64 "\n", key, value);
}

static void print_text(const char *key, const char *value)
{
    printf("info\t%s\t%s\n", key, value ? value : "");
}

static void print_target(const struct mx_target *target)
{
    struct mx_target_info info;
    mx_target_info(target, &info);
    print_text("kind", info.kind);
    print_number("pid", (uint64_t)info.pid);
    print_text("command", info.command);
    print_text("executable", info.executable);
    print_text("python_version", info.python_version);
    print_text("python_file", info.python_file);
    print_text("layout_origin", info.layout_origin);
    print_text("allocator", info.allocator);
    print_text("native_allocator", info.native_allocator);
    print_number("interpreters", info.interpreters);
    print_number("python_threads", info.python_threads);
    print_number("native_threads", info.native_threads);
    print_number("expected_bytes", info.expected_bytes);
    print_number("missing_bytes", info.missing_bytes);
    for (size_t i = 0; i < info.warning_count; i++)
        printf("warning\t%s\n", info.warnings[i]);
}

static void print_heap(const struct mx_heap *heap)
{
    struct mx_heap_info info;
    mx_heap_info(heap, &info);
    print_number("complete", info.complete);
    print_number("objects", info.objects);
    print_number("object_bytes", info.object_bytes);
    print_number("static_objects", info.static_objects);
    print_number("tracked_objects", info.tracked_objects);
    print_number("frozen_objects", info.frozen_objects);
    print_number("raw_blocks", info.raw_blocks);
    print_number("arenas", info.arenas);
    print_number("pools", info.pools);
    print_number("pool_used_blocks", info.pool_used_blocks);
    print_number("chunks", info.chunks);
    print_number("damaged_pools", info.damaged_pools);
    print_number("memory", info.memory);
    for (size_t i = 0; i < info.warning_count; i++)
        printf("warning\t%s\n", info.warnings[i]);
    size_t count;
    const struct mx_size_class *classes = mx_heap_size_classes(heap, &count);
    for (size_t i = 0; i < count; i++)
        printf("class\t%" PRIu32 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", classes[i].block_size, classes[i].pools,
               classes[i].used_blocks, classes[i].free_blocks);
}

static struct mx_error *print_types(const struct mx_heap *heap, enum mx_count_what what, const char *word)
{
    struct mx_histogram *histogram;
    struct mx_error *error = mx_histogram_of_types(heap, what, &histogram);
    if (error)
        return error;
    size_t count;
    const struct mx_histogram_row *rows = mx_histogram_rows(histogram, &count);
    for (size_t i = 0; i < count; i++)
        printf("%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n", word, rows[i].type_addr, rows[i].count, rows[i].bytes,
               rows[i].type);
    mx_histogram_close(histogram);
    return NULL;
}

static void mismatch(struct census *census, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void mismatch(struct census *census, const char *format, ...)
{
    /* Enough to see a pattern: a real flaw would print one a million times. */
    if (++census->mismatches > 20)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("mismatch\t");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

/* Asks about the object a second time, by its address alone. */
static void write_object(struct census *census, const char *type, const struct mx_object_ref *ref)
{
    struct mx_object_info info;
    struct mx_error *error = mx_object_info(census->target, ref->address, &info);
    if (error) {
        mismatch(census, "%#" PRIx64 " is listed as %s, but: %s", ref->address, type, error->message);
        mx_error_free(error);
        return;
    }
    if (strcmp(info.type, type) != 0 || info.size != ref->size)
        mismatch(census, "%#" PRIx64 " is listed as %s of %" PRIu64 " bytes, but shown as %s of %" PRIu64, ref->address,
                 type, ref->size, info.type, info.size);
    uint64_t record[4] = {ref->address, info.type_addr, ref->size, (uint64_t)info.refcount};
    fwrite(record, sizeof(record), 1, census->objects);
}

static struct mx_error *write_objects_of(struct census *census, const struct mx_histogram_row *row)
{
    struct mx_object_query query = {.type = row->type};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(census->target, census->heap, &query, NULL, &objects);
    if (error)
        return error;
    size_t count;
    uint64_t total, total_bytes;
    const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &total_bytes);
    if (count != row->count || total != row->count || total_bytes != row->bytes)
        mismatch(census, "%s: %zu listed, total %" PRIu64 " (%" PRIu64 " bytes), counted %" PRIu64 " (%" PRIu64 ")",
                 row->type, count, total, total_bytes, row->count, row->bytes);
    for (size_t i = 0; i < count; i++)
        write_object(census, row->type, &refs[i]);
    mx_objects_close(objects);
    return NULL;
}

static struct mx_error *write_objects(struct census *census)
{
    struct mx_histogram *histogram;
    struct mx_error *error = mx_histogram_of_heap(census->heap, MX_COUNT_ALL, &histogram);
    if (error)
        return error;
    size_t count;
    const struct mx_histogram_row *rows = mx_histogram_rows(histogram, &count);
    for (size_t i = 0; !error && i < count; i++)
        error = write_objects_of(census, &rows[i]);
    mx_histogram_close(histogram);
    return error;
}

/* What of this process's memory is its own: mapped files, the core above all, do not count. */
static void print_peak(void)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof(line), status)) {
        if (!strncmp(line, "RssAnon:", 8))
            print_number("rss_anon", strtoull(line + 8, NULL, 10) * 1024);
    }
    if (status)
        fclose(status);
}

static struct mx_error *take(struct census *census, const char *how, const char *what)
{
    double start = now();
    struct mx_error *error = !strcmp(how, "core") ? mx_target_open_core(what, NULL, &census->target)
                             : !strcmp(how, "saved")
                                 ? mx_target_open_saved(what, NULL, &census->target)
                                 : mx_target_open_process((int)strtol(what, NULL, 10), NULL, &census->target);
    if (error)
        return error;
    double opened = now();
    print_target(census->target);
    error = mx_heap_open(census->target, NULL, &census->heap);
    if (error)
        return error;
    double counted = now();
    print_heap(census->heap);
    print_number("open_us", (uint64_t)((opened - start) * 1e6));
    print_number("heap_us", (uint64_t)((counted - opened) * 1e6));
    print_peak();
    error = print_types(census->heap, MX_COUNT_ALL, "all");
    if (!error)
        error = print_types(census->heap, MX_COUNT_TRACKED, "tracked");
    return !error && census->objects ? write_objects(census) : error;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4 ||
        (strcmp(argv[1], "core") != 0 && strcmp(argv[1], "saved") != 0 && strcmp(argv[1], "live") != 0)) {
        fprintf(stderr, "usage: census core|saved PATH [OBJECTS] | census live PID [OBJECTS]\n");
        return 2;
    }
    struct census census = {0};
    if (argc == 4 && !(census.objects = fopen(argv[3], "wb"))) {
        perror(argv[3]);
        return 2;
    }
    struct mx_error *error = take(&census, argv[1], argv[2]);
    int status = error ? 1 : 0;
    if (error)
        fprintf(stderr, "%s\n", error->message);
    mx_error_free(error);
    mx_heap_close(census.heap);
    mx_target_close(census.target);
    if (census.objects && fclose(census.objects) != 0)
        status = 2;
    return status;
}
