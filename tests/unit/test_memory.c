/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory over arrays: regions, views, text, gather, and the slot table
 * against a linear twin.
 */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "memory/elf.h"
#include "memory/memory.h"
#include "memory/note.h"
#include "memory/thread.h"

static uint8_t bytes[65536];

static void fill_bytes(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static struct mx_memory *new_memory(void)
{
    struct mx_memory *memory = NULL;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&memory));
    return memory;
}

static void add(struct mx_memory *memory, mx_addr start, size_t length, const uint8_t *at, uint32_t flags)
{
    struct mx_region region = {
        .start = start, .end = start + length, .bytes = at, .flags = flags, .module = MX_NO_MODULE};
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(memory, region));
}

static void test_views_stay_within_a_region(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, 0x9000, 0x1000, bytes + 0x1800, MX_REGION_READ);
    add(memory, 0x1003, 0x1000, bytes, MX_REGION_READ | MX_REGION_WRITE);
    add(memory, 0x2003, 0x100, NULL, MX_REGION_MISSING);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x1003, 0x1000), bytes);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x2002, 1), bytes + 0xfff);
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x2002, 2));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x1002, 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x2003, 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x9000, 0x1001));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x9001, SIZE_MAX));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0xa000, 1));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, UINT64_MAX, 1));
    CU_ASSERT_TRUE(mx_memory_region(memory, 0x2003)->flags & MX_REGION_MISSING);
    CU_ASSERT_FALSE(mx_memory_gone(memory));
    mx_memory_close(memory);
}

static void test_an_empty_memory_holds_nothing(void)
{
    struct mx_memory *memory = new_memory();
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x1000, 1));
    CU_ASSERT_PTR_NULL(mx_memory_region(memory, 0));
    mx_memory_close(memory);
    mx_memory_close(NULL);
}

static void test_wrong_regions_are_errors(void)
{
    struct mx_memory *memory = new_memory();
    struct mx_error *error = mx_memory_add(memory, (struct mx_region){.start = 0x2000, .end = 0x2000});
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_BAD_DATA);
    mx_error_free(error);
    add(memory, 0x1000, 0x1001, bytes, MX_REGION_READ);
    add(memory, 0x2000, 0x1000, bytes, MX_REGION_READ);
    error = mx_memory_seal(memory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_STRING_EQUAL(error->message, "two memory regions overlap at 0x2000");
    mx_error_free(error);
    mx_memory_close(memory);
}

static void test_regions_that_continue_are_merged(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, 0x1000, 0x1000, bytes, MX_REGION_READ);
    add(memory, 0x2000, 0x1000, bytes + 0x1000, MX_REGION_READ);
    add(memory, 0x3000, 0x1000, bytes + 0x2000, MX_REGION_READ | MX_REGION_WRITE);
    add(memory, 0x4000, 0x1000, bytes + 0x8000, MX_REGION_READ | MX_REGION_WRITE);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_EQUAL(memory->regions.count, 3);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x1fff, 2), bytes + 0xfff);
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x2fff, 2));
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x3fff, 2));
    mx_memory_close(memory);
}

static void test_initial_bytes_are_no_state(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, 0x1000, 0x1000, bytes, MX_REGION_READ | MX_REGION_WRITE | MX_REGION_INITIAL);
    add(memory, 0x2000, 0x1000, bytes, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x1000, 8), bytes);
    CU_ASSERT_PTR_NULL(mx_memory_state(memory, 0x1000, 8));
    CU_ASSERT_PTR_EQUAL(mx_memory_state(memory, 0x2000, 8), bytes);
    mx_memory_close(memory);
}

static void test_typed_reads(void)
{
    struct mx_memory *memory = new_memory();
    static const uint8_t word[12] = {1, 2, 3, 4, 5, 6, 7, 0x80, 9, 10, 11, 12};
    add(memory, 0x1001, sizeof(word), word, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    uint64_t large = 77;
    uint32_t middle = 77;
    uint8_t small = 77;
    CU_ASSERT_TRUE(mx_memory_u64(memory, 0x1001, &large));
    CU_ASSERT_EQUAL(large, UINT64_C(0x8007060504030201));
    CU_ASSERT_FALSE(mx_memory_u64(memory, 0x1006, &large));
    CU_ASSERT_EQUAL(large, UINT64_C(0x8007060504030201));
    CU_ASSERT_TRUE(mx_memory_u32(memory, 0x1009, &middle));
    CU_ASSERT_EQUAL(middle, 0x0c0b0a09);
    CU_ASSERT_TRUE(mx_memory_u8(memory, 0x100c, &small));
    CU_ASSERT_EQUAL(small, 12);
    CU_ASSERT_FALSE(mx_memory_u8(memory, 0x100d, &small));
    CU_ASSERT_EQUAL(mx_memory_pointer(memory, 0x1001), UINT64_C(0x8007060504030201));
    CU_ASSERT_EQUAL(mx_memory_pointer(memory, 0x1006), 0);
    mx_memory_close(memory);
}

static void test_text_ends_within_bounds(void)
{
    static uint8_t text[8192];
    memset(text, 'x', sizeof(text));
    memcpy(text, "tp_name", 8);
    text[5000] = 0;
    struct mx_memory *memory = new_memory();
    add(memory, 0x1000, sizeof(text), text, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_STRING_EQUAL(mx_memory_text(memory, 0x1000, 7), "tp_name");
    CU_ASSERT_PTR_NULL(mx_memory_text(memory, 0x1000, 6));
    CU_ASSERT_PTR_EQUAL(mx_memory_text(memory, 0x1008, 4992), text + 8);
    CU_ASSERT_PTR_NULL(mx_memory_text(memory, 0x1008, 4991));
    CU_ASSERT_PTR_NULL(mx_memory_text(memory, 0x1000 + 5001, SIZE_MAX));
    CU_ASSERT_PTR_NULL(mx_memory_text(memory, 0x100, 10));
    mx_memory_close(memory);
}

static void test_gather_copies_rows(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, 0x1000, 0x1000, bytes, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    mx_addr addresses[67];
    for (size_t i = 0; i < 67; i++)
        addresses[i] = i % 2 ? 0x1000 + i * 16 : 0x5000;
    addresses[65] = 0x1ff1;
    uint8_t rows[67 * 16];
    uint64_t found[2] = {UINT64_MAX, UINT64_MAX};
    memset(rows, 0xee, sizeof(rows));
    CU_ASSERT_EQUAL(mx_memory_gather(memory, addresses, 67, 16, rows, found), 32);
    for (size_t i = 0; i < 67; i++) {
        bool good = i % 2 && i != 65;
        static const uint8_t zeros[16];
        CU_ASSERT_EQUAL(found[i / 64] >> i % 64 & 1, good);
        CU_ASSERT_FALSE(memcmp(rows + i * 16, good ? bytes + i * 16 : zeros, 16));
    }
    mx_memory_close(memory);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 20;
}

/* The twin: the region that holds the address, by looking at each. */
static const struct mx_region *slow_region(const struct mx_memory *memory, mx_addr address)
{
    for (size_t i = 0; i < memory->regions.count; i++)
        if (memory->regions.items[i].start <= address && address < memory->regions.items[i].end)
            return &memory->regions.items[i];
    return NULL;
}

static void compare_with_twin(const struct mx_memory *memory, uint64_t *random)
{
    for (size_t i = 0; i < memory->regions.count; i++) {
        const struct mx_region *region = &memory->regions.items[i];
        const mx_addr probes[] = {region->start, region->end - 1, region->start - 1, region->end,
                                  region->start + next_random(random) % (region->end - region->start)};
        for (size_t k = 0; k < sizeof(probes) / sizeof(*probes); k++)
            CU_ASSERT_PTR_EQUAL(mx_memory_region(memory, probes[k]), slow_region(memory, probes[k]));
    }
}

/* Clusters of small regions (many in a slot), regions over many slots, and some above the table's end. */
static void test_slots_agree_with_the_twin(void)
{
    uint64_t random = 42;
    for (int round = 0; round < 20; round++) {
        struct mx_memory *memory = new_memory();
        mx_addr at = 0x1000;
        for (int i = 0; i < 300; i++) {
            uint64_t kind = next_random(&random) % 20;
            at += kind == 0 ? next_random(&random) << 14 : kind < 8 ? 0 : next_random(&random) % 9000 + 1;
            size_t length = next_random(&random) % (kind == 1 ? 50000000 : 5000) + 1;
            add(memory, at, length, NULL, i % 2 ? MX_REGION_MISSING : MX_REGION_MISSING | MX_REGION_READ);
            at += length;
        }
        CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
        CU_ASSERT_PTR_NOT_NULL(memory->slots);
        compare_with_twin(memory, &random);
        mx_memory_close(memory);
    }
}

static void test_regions_at_the_end_of_the_address_space(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, UINT64_C(0x7ffffffff000), 0x2000, bytes, MX_REGION_READ);
    add(memory, UINT64_C(0xffffffffff600000), 0x1000, bytes + 0x4000, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, UINT64_C(0x7fffffffffff), 2), bytes + 0xfff);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, UINT64_C(0x800000000000), 1), bytes + 0x1000);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, UINT64_C(0xffffffffff600010), 16), bytes + 0x4010);
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, UINT64_C(0xffffffffff601000), 1));
    mx_memory_close(memory);
}

static void test_too_many_regions_for_slots_are_bisected(void)
{
    struct mx_memory *memory = new_memory();
    enum { COUNT = 70000 };
    for (size_t i = 0; i < COUNT; i++)
        add(memory, 0x10000 + i * 0x2000, 0x1000, bytes, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_NULL(memory->slots);
    for (size_t i = 0; i < COUNT; i += 97) {
        CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x10000 + i * 0x2000 + 5, 1), bytes + 5);
        CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x11000 + i * 0x2000, 1));
    }
    mx_memory_close(memory);
}

/* A damaged header may claim nearly all of the address space: a table of it would take 128 MB. */
static void test_a_region_without_end_has_no_slots(void)
{
    struct mx_memory *memory = new_memory();
    add(memory, 0x1000, 0x1000, bytes, MX_REGION_READ);
    add(memory, 0x3000, (size_t)1 << 46, NULL, MX_REGION_MISSING);
    add(memory, (mx_addr)1 << 46 | 0x8000, 0x1000, bytes, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    CU_ASSERT_PTR_NULL(memory->slots);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, 0x1008, 8), bytes + 8);
    CU_ASSERT_PTR_EQUAL(mx_memory_view(memory, (mx_addr)1 << 46 | 0x8010, 8), bytes + 16);
    CU_ASSERT_PTR_NULL(mx_memory_view(memory, 0x100000, 8));
    mx_memory_close(memory);
}

static void test_a_cursor_over_arrays_does_not_copy(void)
{
    struct mx_memory *memory = new_memory();
    struct mx_cursor cursor;
    add(memory, 0x1000, 0x1000, bytes, MX_REGION_READ);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    mx_cursor_init(&cursor, memory);
    CU_ASSERT_PTR_EQUAL(mx_cursor_view(&cursor, 0x1010, 16), bytes + 16);
    CU_ASSERT_PTR_NULL(mx_cursor_view(&cursor, 0x1ff8, 16));
    CU_ASSERT_PTR_NULL(cursor.window);
    mx_cursor_deinit(&cursor);
    mx_memory_close(memory);
}

static void test_notes_that_do_not_fit_end_the_walk(void)
{
    static const uint32_t notes[] = {4, 5, 3, 0x00554e47, 0x44332211, 0x55, 4, 100, 3, 0x00554e47, 1};
    const uint8_t *at = (const uint8_t *)notes;
    struct mx_note note;
    size_t offset = 0, size = 0;
    CU_ASSERT_TRUE_FATAL(mx_note_next(at, sizeof(notes), 4, &offset, &note));
    CU_ASSERT_TRUE(mx_note_is(&note, "GNU", 3));
    CU_ASSERT_FALSE(mx_note_is(&note, "GN", 3));
    CU_ASSERT_EQUAL(note.desc_size, 5);
    CU_ASSERT_EQUAL(offset, 24);
    CU_ASSERT_FALSE(mx_note_next(at, sizeof(notes), 4, &offset, &note));
    CU_ASSERT_PTR_EQUAL(mx_note_build_id(at, sizeof(notes), 4, &size), at + 16);
    CU_ASSERT_EQUAL(size, 5);
    CU_ASSERT_PTR_NULL(mx_note_build_id(at, 20, 4, &size));
}

static void test_elf_symbols_of_this_program(void)
{
    struct mx_elf *elf;
    CU_ASSERT_PTR_NULL_FATAL(mx_elf_open((const char *)getauxval(AT_EXECFN), &elf));
    Elf64_Sym symbol;
    Elf64_Shdr section;
    CU_ASSERT_TRUE(mx_elf_symbol(elf, "main", &symbol));
    CU_ASSERT_EQUAL(ELF64_ST_TYPE(symbol.st_info), STT_FUNC);
    CU_ASSERT_TRUE(mx_elf_symbol(elf, "test_elf_symbols_of_this_program", &symbol));
    CU_ASSERT_FALSE(mx_elf_symbol(elf, "no_such_symbol", &symbol));
    CU_ASSERT_FALSE(mx_elf_symbol(elf, "", &symbol));
    CU_ASSERT_TRUE(mx_elf_section(elf, ".data", &section));
    CU_ASSERT_FALSE(mx_elf_section(elf, ".no_such", &section));
    CU_ASSERT_TRUE(mx_elf_segment_count(elf) > 4);
    mx_elf_close(elf);
    mx_elf_close(NULL);
}

static void test_what_is_no_elf_file(void)
{
    static const char *const paths[] = {"/dev/null", "/etc/passwd", "/", "/no/such/file"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct mx_elf *elf = NULL;
        struct mx_error *error = mx_elf_open(paths[i], &elf);
        CU_ASSERT_PTR_NOT_NULL_FATAL(error);
        CU_ASSERT_PTR_NOT_NULL(strstr(error->message, paths[i]));
        CU_ASSERT_PTR_NULL(elf);
        mx_error_free(error);
    }
}

void suite_memory(CU_pSuite suite);
/* Only down to a guard page of its own, and never into what is mapped above the thread's own block. */
static void test_stacks_of_threads(void)
{
    const uint32_t plain = MX_REGION_READ | MX_REGION_WRITE;
    const mx_addr guard = 0x10000, stack = guard + MX_PAGE, other = stack + 8 * MX_PAGE;
    struct mx_memory *memory = new_memory();
    add(memory, guard, MX_PAGE, NULL, MX_REGION_MISSING);
    add(memory, stack, 4 * MX_PAGE, bytes, plain);
    add(memory, other, 4 * MX_PAGE, bytes, plain);
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(memory));
    mx_addr start = 0, end = 0;
    struct mx_thread thread = {.stack_pointer = stack + MX_PAGE + 64};
    CU_ASSERT_TRUE(mx_thread_stack(memory, &thread, &start, &end));
    CU_ASSERT_TRUE(start == stack && end == thread.stack_pointer);
    thread.fs_base = stack + 2 * MX_PAGE;
    CU_ASSERT_TRUE(mx_thread_stack(memory, &thread, &start, &end));
    CU_ASSERT_TRUE(start == stack && end == thread.fs_base);
    thread.fs_base = other + 64;
    CU_ASSERT_TRUE(mx_thread_stack(memory, &thread, &start, &end));
    CU_ASSERT_EQUAL(end, thread.stack_pointer);
    const struct mx_thread elsewhere[] = {{.stack_pointer = other + 64}, {.stack_pointer = 64}, {.stack_pointer = 0}};
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_FALSE(mx_thread_stack(memory, &elsewhere[i], &start, &end));
    mx_memory_close(memory);
}

void suite_memory(CU_pSuite suite)
{
    fill_bytes();
    CU_ADD_TEST(suite, test_views_stay_within_a_region);
    CU_ADD_TEST(suite, test_an_empty_memory_holds_nothing);
    CU_ADD_TEST(suite, test_wrong_regions_are_errors);
    CU_ADD_TEST(suite, test_regions_that_continue_are_merged);
    CU_ADD_TEST(suite, test_initial_bytes_are_no_state);
    CU_ADD_TEST(suite, test_typed_reads);
    CU_ADD_TEST(suite, test_text_ends_within_bounds);
    CU_ADD_TEST(suite, test_gather_copies_rows);
    CU_ADD_TEST(suite, test_slots_agree_with_the_twin);
    CU_ADD_TEST(suite, test_regions_at_the_end_of_the_address_space);
    CU_ADD_TEST(suite, test_too_many_regions_for_slots_are_bisected);
    CU_add_test(suite, "a region without end has no slots", test_a_region_without_end_has_no_slots);
    CU_ADD_TEST(suite, test_a_cursor_over_arrays_does_not_copy);
    CU_ADD_TEST(suite, test_notes_that_do_not_fit_end_the_walk);
    CU_ADD_TEST(suite, test_elf_symbols_of_this_program);
    CU_ADD_TEST(suite, test_what_is_no_elf_file);
    CU_ADD_TEST(suite, test_stacks_of_threads);
}
