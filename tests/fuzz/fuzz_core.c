/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the library over damaged copies of one core: all that a user's commands
 * would call. Each copy is looked at in a child of its own, so that a crash or
 * a hang is one result and not the end.
 *
 *     fuzz_core CORE SCRATCH FIRST COUNT
 *
 * does mutations FIRST..FIRST+COUNT-1 (the number is the seed: the same number
 * makes the same damage), writing each to SCRATCH, and prints one line for each
 * that went wrong, then "done COUNT refused N answered N". Some are also saved, and
 * the saved target is looked at as it is and with damage of its own.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/target.h"
#include "saved_damage.h"

enum {
    SECONDS_EACH = 20,
    OBJECTS_SHOWN = 3,
    TYPES_SHOWN = 40,
    PATHS_EACH = 2,
    ROWS_EACH = 300,
    SAVED_EACH = 4,
    SAVED_DAMAGES = 4
};
/* A child's exit status; any other is a sanitizer's. */
enum { ANSWERED = 40, REFUSED = 41 };

/* ---- Random numbers: splitmix64, so that a seed means the same everywhere ---- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit ? (size_t)(next_random(state) % limit) : 0;
}

/* ---- Kinds of damage ---- */

struct image {
    uint8_t *bytes;
    size_t size;
};

static void flip_bytes(struct image *image, uint64_t *seed, size_t from, size_t to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image->bytes[from + below(seed, to - from)] = (uint8_t)next_random(seed);
}

static void flip_anywhere(struct image *image, uint64_t *seed)
{
    flip_bytes(image, seed, 0, image->size, 1 + below(seed, 4000));
}

/* ELF header, program headers and the notes behind them. */
static void flip_headers(struct image *image, uint64_t *seed)
{
    flip_bytes(image, seed, 0, image->size < 16384 ? image->size : 16384, 1 + below(seed, 20));
}

static void flip_program_header(struct image *image, uint64_t *seed)
{
    Elf64_Ehdr header;
    memcpy(&header, image->bytes, sizeof(header));
    size_t at = (size_t)header.e_phoff + below(seed, header.e_phnum) * sizeof(Elf64_Phdr);
    uint64_t value = next_random(seed) >> below(seed, 64);
    if (at + sizeof(Elf64_Phdr) <= image->size)
        memcpy(image->bytes + at + 8 * below(seed, sizeof(Elf64_Phdr) / 8), &value, sizeof(value));
}

static void cut(struct image *image, uint64_t *seed)
{
    image->size = below(seed, image->size);
}

static uint8_t *random_word(const struct image *image, uint64_t *seed)
{
    return image->bytes + 8 * below(seed, image->size / 8);
}

/* Pointers that point somewhere else that exists: the damage that plausibility checks see least. */
static void swap_words(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 3000); i > 0; i--) {
        uint8_t *one = random_word(image, seed), *other = random_word(image, seed);
        uint64_t kept;
        memcpy(&kept, one, 8);
        memcpy(one, other, 8);
        memcpy(other, &kept, 8);
    }
}

static bool is_pointer(uint64_t word)
{
    return (word >> 40) == 0x7f || (word > 0x400000 && word < UINT64_C(0x7f0000000000));
}

/* Hits pointers only, by a little: off by some words, misaligned, or into the neighbour. */
static void nudge_pointers(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 20000); i > 0; i--) {
        uint8_t *at = random_word(image, seed);
        uint64_t word;
        memcpy(&word, at, 8);
        if (!is_pointer(word))
            continue;
        word += below(seed, 256) - 128;
        memcpy(at, &word, 8);
    }
}

/* Sizes, counts and links at the limits of their types. */
static void plant_extremes(struct image *image, uint64_t *seed)
{
    static const uint64_t extremes[] = {0,          1,         UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
                                        UINT32_MAX, INT32_MAX, 1 << 16};
    for (size_t i = 1 + below(seed, 5000); i > 0; i--)
        memcpy(random_word(image, seed), &extremes[below(seed, sizeof(extremes) / sizeof(*extremes))], 8);
}

static void zero_pages(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 40); i > 0; i--) {
        size_t at = below(seed, image->size / 4096) * 4096;
        memset(image->bytes + at, 0, 4096);
    }
}

/* A page of the core over another one: whole structures where they do not belong. */
static void copy_pages(struct image *image, uint64_t *seed)
{
    for (size_t i = 1 + below(seed, 40); i > 0; i--) {
        size_t from = below(seed, image->size / 4096) * 4096, to = below(seed, image->size / 4096) * 4096;
        memmove(image->bytes + to, image->bytes + from, 4096);
    }
}

static void (*const damages[])(struct image *, uint64_t *) = {
    flip_anywhere,  flip_headers,   flip_program_header, cut,        swap_words,
    nudge_pointers, plant_extremes, zero_pages,          copy_pages,
};
enum { DAMAGES = sizeof(damages) / sizeof(*damages) };

/* ---- What is run over it ---- */

static void show(struct mx_target *target, mx_addr address)
{
    const struct mx_show_options options = {.depth = 3, .items = 20, .characters = 100, .attributes = true};
    struct mx_object_info info;
    char *text;
    struct mx_error *error = mx_object_info(target, address, &info);
    if (!error)
        error = mx_object_show(target, address, &options, &text);
    if (!error)
        free(text);
    mx_error_free(error);
}

static void list_objects(struct mx_target *target, const struct mx_heap *heap, const char *type)
{
    const struct mx_object_query query = {.type = type, .order = MX_ORDER_SIZE, .limit = OBJECTS_SHOWN};
    struct mx_objects *objects;
    struct mx_error *error = mx_objects_find(target, heap, &query, NULL, &objects);
    if (error) {
        mx_error_free(error);
        return;
    }
    size_t count;
    uint64_t total, bytes;
    const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
    for (size_t i = 0; i < count; i++)
        show(target, refs[i].address);
    mx_objects_close(objects);
}

static void list_types(struct mx_target *target, const struct mx_heap *heap, enum mx_count_what what)
{
    struct mx_histogram *histogram;
    struct mx_error *error = mx_histogram_of_heap(heap, what, &histogram);
    if (error) {
        mx_error_free(error);
        return;
    }
    size_t count;
    const struct mx_histogram_row *rows = mx_histogram_rows(histogram, &count);
    for (size_t i = 0; i < count && i < TYPES_SHOWN; i++)
        list_objects(target, heap, rows[i].type);
    mx_histogram_close(histogram);
}

/* An error must be one whole sentence: that is all a user sees. */
static void check_error(struct mx_error *error)
{
    if (error && (!error->message || !*error->message || strchr(error->message, '\n')))
        abort();
    mx_error_free(error);
}

static int refuse(struct mx_error *error)
{
    check_error(error);
    return REFUSED;
}

static void draw_tree(struct mx_graph *graph, mx_addr object, enum mx_direction direction)
{
    const struct mx_tree_query query = {
        .start = object, .direction = direction, .depth = 3, .width = 10, .borrowed = true, .buffers = true};
    struct mx_tree *tree;
    struct mx_error *error = mx_tree_open(graph, &query, NULL, &tree);
    if (!error)
        mx_tree_close(tree);
    check_error(error);
}

static void follow_references(struct mx_graph *graph, mx_addr object)
{
    draw_tree(graph, object, MX_REFERENTS);
    draw_tree(graph, object, MX_REFERRERS);
    for (unsigned nth = 0; nth < PATHS_EACH; nth++) {
        struct mx_path *path;
        struct mx_error *error = mx_path_open(graph, object, nth, NULL, NULL, &path);
        if (!error)
            mx_path_close(path);
        check_error(error);
    }
}

static void follow_types(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    static const char *const types[] = {"module", "dict",     "list", "tuple", "type",           "str",
                                        "code",   "function", "set",  "frame", "__main__.Order", "generator"};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        const struct mx_object_query query = {.type = types[i], .order = MX_ORDER_SIZE, .limit = 1};
        struct mx_objects *objects;
        struct mx_error *error = mx_objects_find(target, heap, &query, NULL, &objects);
        check_error(error);
        if (error)
            continue;
        size_t count;
        uint64_t total, bytes;
        const struct mx_object_ref *refs = mx_objects_refs(objects, &count, &total, &bytes);
        for (size_t at = 0; at < count; at++) {
            follow_references(graph, refs[at].address);
            follow_references(graph, refs[at].address + 8);
        }
        mx_objects_close(objects);
    }
}

static void resolve_names(struct mx_target *target, struct mx_graph *graph)
{
    static const char *const paths[] = {"__main__.ORDERS[1]", "sys.modules['app'].x", "__main__.__dict__",
                                        "sys.modules['__main__'].OREDRS", "type.__mro__[-1]"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        mx_addr found;
        struct mx_error *error = mx_target_resolve(target, paths[i], &found);
        if (!error)
            follow_references(graph, found);
        check_error(error);
    }
}

static void list_retainers(struct mx_retained *retained, enum mx_retained_by by, mx_addr within)
{
    const struct mx_retained_query query = {.by = by, .within = within, .limit = OBJECTS_SHOWN};
    struct mx_retained_table *table;
    struct mx_error *error = mx_retained_table_open(retained, &query, NULL, &table);
    check_error(error);
    if (error)
        return;
    size_t count;
    uint64_t total;
    const struct mx_retained_row *rows = mx_retained_rows(table, &count, &total);
    for (size_t i = 0; i < count && by == MX_RETAINED_BY_OBJECT && !within; i++) {
        struct mx_retained_size size;
        check_error(mx_retained_of(retained, rows[i].address, &size));
        list_retainers(retained, by, rows[i].address);
    }
    mx_retained_table_close(table);
}

static void add_up_retained(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    struct mx_retained *retained;
    struct mx_error *error = mx_retained_open(graph, NULL, &retained);
    check_error(error);
    if (error)
        return;
    static const enum mx_retained_by kinds[] = {MX_RETAINED_BY_OBJECT, MX_RETAINED_BY_TYPE, MX_RETAINED_BY_MODULE,
                                                MX_RETAINED_BY_ROOT};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        list_retainers(retained, kinds[i], 0);
    const struct mx_object_query query = {
        .type = "dict", .order = MX_ORDER_RETAINED, .limit = OBJECTS_SHOWN, .retained = retained};
    struct mx_objects *objects;
    error = mx_objects_find(target, heap, &query, NULL, &objects);
    if (!error)
        mx_objects_close(objects);
    check_error(error);
    mx_retained_close(retained);
}

static void run_statement(const struct mx_sources *sources, const char *statement)
{
    struct mx_sql *sql;
    const struct mx_sql_value *values = NULL;
    struct mx_error *error = mx_sql_open(sources, statement, NULL, &sql);
    if (error) {
        check_error(error);
        return;
    }
    for (unsigned i = 0; i < ROWS_EACH && !error; i++) {
        error = mx_sql_next(sql, &values);
        if (!values)
            break;
    }
    check_error(error);
    mx_sql_close(sql);
}

/* Every column of every table, in every kind of plan. */
static void ask_in_sql(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    static const char *const statements[] = {
        "SELECT * FROM objects",
        "SELECT * FROM objects WHERE type IN ('list', 'dict', 'type')",
        "SELECT type, count(*), sum(size) FROM objects GROUP BY 1",
        "SELECT * FROM objects WHERE addr > (SELECT min(addr) + 4096 FROM blocks) AND id < 99999",
        "SELECT * FROM refs",
        "SELECT * FROM refs WHERE dst IN (SELECT id FROM objects WHERE type = 'type' LIMIT 20)",
        "SELECT count(name) FROM refs WHERE src IN (SELECT id FROM objects WHERE type = 'dict' LIMIT 200)",
        "SELECT dst, count(*) FROM refs GROUP BY 1",
        "SELECT *, path(id), show(id) FROM roots LIMIT 10",
        "SELECT * FROM types",
        "SELECT * FROM blocks",
        "SELECT * FROM regions",
        "SELECT * FROM strings",
        "SELECT object('sys.modules')",
    };
    struct mx_retained *retained;
    struct mx_error *error = mx_retained_open(graph, NULL, &retained);
    check_error(error);
    if (error)
        return;
    const struct mx_sources sources = {target, heap, graph, retained};
    for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++)
        run_statement(&sources, statements[i]);
    mx_retained_close(retained);
}

static void look_for_waste(struct mx_target *target, const struct mx_heap *heap, struct mx_graph *graph)
{
    const struct mx_waste_query query = {.limit = 10};
    struct mx_waste *waste;
    struct mx_error *error = mx_waste_open(target, heap, graph, &query, NULL, &waste);
    if (!error)
        mx_waste_close(waste);
    check_error(error);
}

/* Whatever is damaged, the rows add up to the address space that the core names. */
static void keep_ledger(struct mx_target *target, const struct mx_heap *heap)
{
    struct mx_ledger *ledger;
    struct mx_error *error = mx_ledger_open(target, heap, NULL, &ledger);
    check_error(error);
    if (error)
        return;
    size_t count;
    const struct mx_ledger_row *rows = mx_ledger_rows(ledger, &count);
    struct mx_ledger_row total, sum = {0};
    mx_ledger_part(ledger, MX_LEDGER_TOTAL, &total);
    for (size_t i = 0; i < count; i++) {
        sum.resident += rows[i].resident;
        sum.virtual_bytes += rows[i].virtual_bytes;
    }
    uint64_t left = total.virtual_bytes;
    for (size_t i = 0; i < target->memory->regions.count; i++)
        left -= target->memory->regions.items[i].end - target->memory->regions.items[i].start;
    if (sum.resident != total.resident || sum.virtual_bytes != total.virtual_bytes || left)
        abort();
    mx_ledger_close(ledger);
}

/* Whatever is damaged, what an arena holds is what it has. */
static void look_at_arenas(struct mx_target *target, const struct mx_heap *heap)
{
    struct mx_malloc *malloc_report;
    struct mx_pymalloc *pymalloc;
    struct mx_pymalloc_info info;
    size_t count;
    struct mx_error *error = mx_malloc_open(target, NULL, &malloc_report);
    check_error(error);
    if (error)
        return;
    const struct mx_malloc_arena *arenas = mx_malloc_arenas(malloc_report, &count);
    for (size_t i = 0; i < count; i++)
        if (arenas[i].used + arenas[i].free + arenas[i].tcache + arenas[i].fast + arenas[i].top + arenas[i].other !=
            arenas[i].system)
            abort();
    mx_malloc_close(malloc_report);
    error = mx_pymalloc_open(target, heap, NULL, &pymalloc);
    check_error(error);
    if (error)
        return;
    mx_pymalloc_info(pymalloc, &info);
    if (info.used_bytes + info.free_bytes + info.free_pool_bytes + info.header_bytes + info.tail_bytes +
            info.alignment_bytes + info.missing_bytes !=
        info.arena_bytes)
        abort();
    mx_pymalloc_close(pymalloc);
}

static void follow_graph(struct mx_target *target, const struct mx_heap *heap)
{
    struct mx_graph *graph;
    struct mx_error *error = mx_graph_open(target, heap, NULL, &graph);
    check_error(error);
    if (error)
        return;
    follow_types(target, heap, graph);
    resolve_names(target, graph);
    add_up_retained(target, heap, graph);
    look_for_waste(target, heap, graph);
    ask_in_sql(target, heap, graph);
    mx_graph_close(graph);
}

static int examine(struct mx_error *error, struct mx_target *target, const char *save_as)
{
    struct mx_heap *heap;
    struct mx_save_info info;
    if (error)
        return refuse(error);
    error = mx_heap_open(target, NULL, &heap);
    if (error) {
        mx_target_close(target);
        return refuse(error);
    }
    list_types(target, heap, MX_COUNT_ALL);
    list_types(target, heap, MX_COUNT_TRACKED);
    keep_ledger(target, heap);
    look_at_arenas(target, heap);
    follow_graph(target, heap);
    if (save_as)
        check_error(mx_target_save(target, heap, save_as, NULL, &info));
    mx_heap_close(heap);
    mx_target_close(target);
    return ANSWERED;
}

static int examine_saved(const char *path)
{
    struct mx_target *target;
    struct mx_error *error = mx_target_open_saved(path, NULL, &target);
    return examine(error, target, NULL);
}

/* The damaged core; now and then what it is saved as; and that with damage of its own. */
static int examine_core(const char *path, uint64_t number)
{
    char saved[4096];
    struct mx_target *target;
    bool saves = number / DAMAGES % SAVED_EACH == 0;
    snprintf(saved, sizeof(saved), "%s.memext", path);
    unlink(saved);
    struct mx_error *error = mx_target_open_core(path, NULL, &target);
    int answer = examine(error, target, saves ? saved : NULL);
    if (answer != ANSWERED || !saves)
        return answer;
    examine_saved(saved);
    for (uint64_t i = 0; i < SAVED_DAMAGES && damage_saved(saved, number + i); i++)
        examine_saved(saved);
    unlink(saved);
    return answer;
}

/* ---- One mutation after the other ---- */

static int examine_in_child(const char *path, uint64_t number, int *signal_number)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(SECONDS_EACH);
        _exit(examine_core(path, number));
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int write_image(const char *path, const struct image *image)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    size_t written = 0;
    while (fd >= 0 && written < image->size) {
        ssize_t got = write(fd, image->bytes + written, image->size - written);
        if (got <= 0)
            break;
        written += (size_t)got;
    }
    return fd < 0 || close(fd) < 0 || written < image->size ? -1 : 0;
}

static const char *what_went_wrong(int status, int signal_number)
{
    if (signal_number == SIGALRM)
        return "hang";
    if (signal_number)
        return "crash";
    return status == ANSWERED || status == REFUSED ? NULL : "sanitizer";
}

static int fuzz(const struct image *original, const char *scratch, uint64_t first, uint64_t count)
{
    struct image copy = {malloc(original->size), 0};
    uint64_t answered = 0, refused = 0, wrong = 0;
    for (uint64_t number = first; copy.bytes && number < first + count; number++) {
        uint64_t seed = number;
        copy.size = original->size;
        memcpy(copy.bytes, original->bytes, copy.size);
        damages[number % DAMAGES](&copy, &seed);
        if (write_image(scratch, &copy) < 0) {
            perror(scratch);
            break;
        }
        int signal_number, status = examine_in_child(scratch, number, &signal_number);
        const char *word = what_went_wrong(status, signal_number);
        wrong += word != NULL;
        answered += !word && status == ANSWERED;
        refused += !word && status == REFUSED;
        if (word)
            printf("%s mutation %lu kind %lu signal %d status %d\n", word, number, number % DAMAGES, signal_number,
                   status);
        fflush(stdout);
    }
    printf("done %lu refused %lu answered %lu\n", answered + refused + wrong, refused, answered);
    free(copy.bytes);
    return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: fuzz_core CORE SCRATCH FIRST COUNT\n");
        return 2;
    }
    int fd = open(argv[1], O_RDONLY);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0) {
        perror(argv[1]);
        return 2;
    }
    struct image original = {mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0), (size_t)stat.st_size};
    if (original.bytes == MAP_FAILED) {
        perror(argv[1]);
        return 2;
    }
    return fuzz(&original, argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
}
