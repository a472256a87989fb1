/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/runtime over a CPython that is made here: this program defines
 * the symbols, its own memory is the target, and each test breaks one thing.
 */
#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "cpython/runtime.h"
#include "memory/elf.h"

/* A section of its own keeps the sanitizer from growing the symbols: the size of _PyRuntime is a fact. */
#define FAKE __attribute__((section("fake_python"), aligned(16), used))

enum { RUNTIME_SIZE = 166688, TYPE_SIZE = 1024, STATE_SIZE = 400000, THREAD_SIZE = 1024, OBJECT_SIZE = 64 };

extern uint8_t __start_fake_python[], __stop_fake_python[];
extern uint8_t _PyRuntime[], PyType_Type[], PyDict_Type[], PyBytes_Type[];
extern uint64_t Py_Version;

FAKE uint8_t _PyRuntime[RUNTIME_SIZE];
FAKE uint8_t PyType_Type[TYPE_SIZE];
FAKE uint8_t PyDict_Type[TYPE_SIZE];
FAKE uint8_t PyBytes_Type[TYPE_SIZE];
FAKE uint64_t Py_Version;
static FAKE uint8_t interpreters[2][STATE_SIZE];
static FAKE uint8_t threads[3][THREAD_SIZE];
static FAKE uint8_t dict_block[2 * OBJECT_SIZE];
static FAKE char type_name[16];

struct fake {
    struct mx_layout layout;
    struct mx_memory *memory;
    struct mx_modules modules;
    struct mx_elf *elf;
    struct mx_runtime runtime;
};

static void put(uint8_t *base, int32_t offset, uint64_t value)
{
    memcpy(base + offset, &value, sizeof(value));
}

static mx_addr address_of(const void *bytes)
{
    return (mx_addr)(uintptr_t)bytes;
}

static void close_ring(uint8_t *base, int32_t offset)
{
    put(base, offset, address_of(base + offset));
    put(base, offset + 8, address_of(base + offset));
}

static void make_types(const struct mx_layout *layout)
{
    memcpy(type_name, "type", 5);
    put(PyType_Type, layout->object.ob_type, address_of(PyType_Type));
    put(PyType_Type, layout->type.tp_name, address_of(type_name));
    put(PyType_Type, layout->type.tp_basicsize, (uint64_t)layout->heap_type.size);
    put(PyDict_Type, layout->type.tp_basicsize, (uint64_t)layout->dict.size);
    put(PyBytes_Type, layout->type.tp_basicsize, (uint64_t)layout->bytes.ob_sval + 1);
}

static void make_thread(const struct mx_layout *layout, int index, const uint8_t *interpreter, const uint8_t *next)
{
    put(threads[index], layout->thread.interp, address_of(interpreter));
    put(threads[index], layout->thread.next, next ? address_of(next) : 0);
    put(threads[index], layout->thread.thread_id, 100 + (uint64_t)index);
    if (layout->thread.native_thread_id >= 0)
        put(threads[index], layout->thread.native_thread_id, 200 + (uint64_t)index);
}

static void make_interpreter(const struct mx_layout *layout, int index, const uint8_t *next, const uint8_t *thread)
{
    uint8_t *interpreter = interpreters[index];
    put(interpreter, layout->interpreter.id, (uint64_t)index);
    put(interpreter, layout->interpreter.next, next ? address_of(next) : 0);
    put(interpreter, layout->interpreter.threads_head, address_of(thread));
    put(interpreter, layout->interpreter.modules, address_of(dict_block + OBJECT_SIZE));
    for (int i = 0; i < 3; i++)
        close_ring(interpreter, layout->interpreter.gc + layout->gc.generations + 24 * i);
}

/* A sub-interpreter, which is the newer one, with two threads, and the main one with one. */
static void make_python(struct fake *fake, uint32_t version_hex)
{
    struct mx_layout_key key = {.version_hex = version_hex};
    memset(__start_fake_python, 0, (size_t)(__stop_fake_python - __start_fake_python));
    memset(fake, 0, sizeof(*fake));
    CU_ASSERT_PTR_NULL_FATAL(mx_layout_choose(&key, NULL, NULL, &fake->layout));
    const struct mx_layout *layout = &fake->layout;
    Py_Version = version_hex;
    make_types(layout);
    put(_PyRuntime, layout->runtime.interpreters_head, address_of(interpreters[1]));
    put(dict_block + OBJECT_SIZE, layout->object.ob_type, address_of(PyDict_Type));
    make_interpreter(layout, 1, interpreters[0], threads[1]);
    make_interpreter(layout, 0, NULL, threads[0]);
    make_thread(layout, 0, interpreters[0], NULL);
    make_thread(layout, 1, interpreters[1], threads[2]);
    make_thread(layout, 2, interpreters[1], NULL);
}

static struct mx_error *open_python(struct fake *fake)
{
    Elf64_Sym symbol;
    CU_ASSERT_PTR_NULL_FATAL(mx_elf_open((const char *)getauxval(AT_EXECFN), &fake->elf));
    CU_ASSERT_TRUE_FATAL(mx_elf_symbol(fake->elf, "_PyRuntime", &symbol));
    struct mx_module module = {.path = "/usr/bin/fake", .elf = fake->elf, .is_executable = true};
    module.start = address_of(__start_fake_python);
    module.end = address_of(__stop_fake_python);
    module.bias = address_of(_PyRuntime) - symbol.st_value;
    CU_ASSERT_TRUE_FATAL(mx_array_push(&fake->modules.modules, module));
    struct mx_region region = {.start = module.start, .end = module.end, .bytes = __start_fake_python};
    region.flags = MX_REGION_READ | MX_REGION_WRITE;
    region.module = MX_NO_MODULE;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&fake->memory));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_add(fake->memory, region));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(fake->memory));
    return mx_runtime_open(fake->memory, &fake->modules, "/nonexistent", &fake->runtime);
}

static void close_python(struct fake *fake)
{
    mx_runtime_close(&fake->runtime);
    mx_array_free(&fake->modules.modules);
    mx_elf_close(fake->elf);
    mx_memory_close(fake->memory);
}

/* Opens, wants it refused as contradicting itself, with all the words in the message. */
static void check_refused(struct fake *fake, const char *field, const char *value)
{
    struct mx_error *error = open_python(fake);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_BAD_DATA);
    bool named = strstr(error->message, field) && strstr(error->message, value);
    if (!named)
        printf("\n    no %s or %s in: %s\n", field, value, error->message);
    CU_ASSERT_TRUE(named);
    mx_error_free(error);
    close_python(fake);
}

static void test_lists_interpreters_and_threads(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    const struct mx_runtime *runtime = &fake.runtime;
    CU_ASSERT_STRING_EQUAL(runtime->version, "3.11.7");
    CU_ASSERT_STRING_EQUAL(runtime->layout.origin, "row 3.11.7");
    CU_ASSERT_EQUAL(runtime->address, address_of(_PyRuntime));
    CU_ASSERT_EQUAL_FATAL(runtime->interpreters.count, 2);
    CU_ASSERT_EQUAL(runtime->interpreters.items[0].address, address_of(interpreters[0]));
    CU_ASSERT_EQUAL(runtime->interpreters.items[1].thread_count, 2);
    CU_ASSERT_EQUAL_FATAL(runtime->threads.count, 3);
    CU_ASSERT_EQUAL(runtime->threads.items[2].address, address_of(threads[2]));
    CU_ASSERT_EQUAL(runtime->threads.items[2].interpreter, 1);
    CU_ASSERT_EQUAL(runtime->threads.items[2].thread_id, 102);
    CU_ASSERT_EQUAL(runtime->threads.items[2].native_id, 202);
    CU_ASSERT_EQUAL(runtime->block_padding, 0);
    CU_ASSERT_EQUAL(runtime->warnings.count, 0);
    CU_ASSERT_EQUAL(mx_runtime_symbol(runtime, "PyDict_Type"), address_of(PyDict_Type));
    CU_ASSERT_EQUAL(mx_runtime_symbol(runtime, "PyNoSuch_Type"), 0);
    close_python(&fake);
}

static void test_wrong_type_sizes_are_named(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    put(PyDict_Type, fake.layout.type.tp_basicsize, 56);
    check_refused(&fake, "tp_basicsize of PyDict_Type is 48 there, 56 here", "row 3.11.7");
    make_python(&fake, 0x030b07f0);
    put(PyBytes_Type, fake.layout.type.tp_basicsize, 34);
    check_refused(&fake, "tp_basicsize of PyBytes_Type", "33 there, 34 here");
}

static void test_wrong_metatypes_are_named(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    put(PyType_Type, fake.layout.object.ob_type, 0x1234);
    check_refused(&fake, "object.ob_type", "0x1234");
    make_python(&fake, 0x030b07f0);
    memcpy(type_name, "kind", 5);
    check_refused(&fake, "type.tp_name", "\"kind\"");
}

static void test_broken_chains_are_named(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    put(threads[2], fake.layout.thread.interp, 0xbad0);
    check_refused(&fake, "thread.interp", "0xbad0");
    make_python(&fake, 0x030b07f0);
    put(interpreters[0], fake.layout.interpreter.next, address_of(interpreters[1]));
    check_refused(&fake, "interpreter.next", "0x");
    make_python(&fake, 0x030b07f0);
    put(threads[2], fake.layout.thread.next, address_of(threads[1]));
    check_refused(&fake, "thread.next", "0x");
    make_python(&fake, 0x030b07f0);
    put(interpreters[1], fake.layout.interpreter.id, UINT64_MAX);
    check_refused(&fake, "interpreter.id", "0xffffffffffffffff");
    make_python(&fake, 0x030b07f0);
    put(interpreters[0], fake.layout.interpreter.sysdict, address_of(PyBytes_Type));
    check_refused(&fake, "interpreter.sysdict", "not a dict");
}

static void test_generations_are_looked_for_nearby(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    int32_t first = fake.layout.interpreter.gc + fake.layout.gc.generations;
    memset(interpreters[0] + first, 0, 72);
    for (int i = 0; i < 3; i++)
        close_ring(interpreters[0], first - 4 + 24 * i);
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_EQUAL(fake.runtime.layout.gc.generations, fake.layout.gc.generations - 4);
    close_python(&fake);
    make_python(&fake, 0x030b07f0);
    memset(interpreters[0] + first, 0, 72);
    check_refused(&fake, "gc.generations at 24", "do not close");
}

static void test_a_nearest_row_is_said_to_be_one(void)
{
    struct fake fake;
    make_python(&fake, 0x030c03f0);
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_STRING_EQUAL(fake.runtime.layout.origin, "row 3.12.1 (nearest)");
    CU_ASSERT_EQUAL(fake.runtime.obmalloc_states.count, 2);
    CU_ASSERT_EQUAL(fake.runtime.obmalloc_states.items[0],
                    address_of(interpreters[0]) + (mx_addr)fake.layout.interpreter.obmalloc);
    close_python(&fake);
    make_python(&fake, 0x030c03f0);
    put(PyDict_Type, fake.layout.type.tp_basicsize, 56);
    check_refused(&fake, "row 3.12.1 (nearest)", "install its debug symbols");
}

/* Words of _Py_DebugOffsets of 3.13: runtime 3-5, interpreter 6-13, thread 20-25, gc 71-72. */
static void put_debug_offsets(const struct mx_layout *layout)
{
    const int32_t values[][2] = {
        {3, layout->runtime.size},
        {4, layout->runtime.finalizing},
        {5, layout->runtime.interpreters_head},
        {6, layout->interpreter.size},
        {7, layout->interpreter.id},
        {8, layout->interpreter.next},
        {9, layout->interpreter.threads_head},
        {10, layout->interpreter.gc},
        {11, layout->interpreter.modules},
        {12, layout->interpreter.sysdict},
        {13, layout->interpreter.builtins},
        {20, layout->thread.prev},
        {21, layout->thread.next},
        {22, layout->thread.interp},
        {23, layout->thread.current_frame},
        {24, layout->thread.thread_id},
        {25, layout->thread.native_thread_id},
        {71, layout->gc.size},
        {72, layout->gc.collecting},
    };
    memcpy(_PyRuntime, "xdebugpy", 8);
    put(_PyRuntime, 8, layout->version_hex);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        put(_PyRuntime, 8 * values[i][0], (uint64_t)values[i][1]);
}

static void test_debug_offsets_correct_a_nearest_row(void)
{
    struct fake fake;
    make_python(&fake, 0x030d00f0);
    int32_t moved = fake.layout.interpreter.sysdict + 160;
    fake.layout.interpreter.sysdict = moved;
    fake.layout.interpreter.size += 16;
    put_debug_offsets(&fake.layout);
    put(interpreters[0], moved, address_of(dict_block + OBJECT_SIZE));
    Py_Version = 0x030b07f0;
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_STRING_EQUAL(fake.runtime.version, "3.13.0");
    CU_ASSERT_TRUE(fake.runtime.layout.nearest);
    CU_ASSERT_EQUAL(fake.runtime.layout.interpreter.sysdict, moved);
    close_python(&fake);
    make_python(&fake, 0x030d00f0);
    put_debug_offsets(&fake.layout);
    put(_PyRuntime, 8 * 13, UINT64_C(1) << 40);
    check_refused(&fake, "interpreter.builtins", "1099511627776 here");
    make_python(&fake, 0x030d00f0);
    put_debug_offsets(&fake.layout);
    put(_PyRuntime, 8 * 22, (uint64_t)fake.layout.thread.size - 7);
    check_refused(&fake, "thread.interp is 16 there", "297 here");
}

static void test_debug_hooks_are_seen(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    static const uint8_t mark[] = {0, 0, 0, 0, 0, 0, 0, 80, 'o', 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd, 0xfd};
    memcpy(dict_block + OBJECT_SIZE - 32, mark, sizeof(mark));
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_EQUAL(fake.runtime.block_padding, 16);
    close_python(&fake);
}

static void test_version_text_of_old_builds(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    Py_Version = 0;
    strcpy((char *)dict_block + 1, "3.11.4+ (main, x)");
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_STRING_EQUAL(fake.runtime.version, "3.11.4");
    close_python(&fake);
    make_python(&fake, 0x030b07f0);
    Py_Version = 0;
    CU_ASSERT_PTR_NULL_FATAL(open_python(&fake));
    CU_ASSERT_EQUAL(fake.runtime.layout.version_hex >> 16, 0x030b);
    close_python(&fake);
}

static void test_too_old_and_absent_pythons_are_refused(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    Py_Version = 0x030710f0;
    struct mx_error *error = open_python(&fake);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_UNSUPPORTED);
    mx_error_free(error);
    struct mx_modules none = {0};
    error = mx_runtime_open(fake.memory, &none, NULL, &fake.runtime);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_EQUAL(error->code, MX_ERROR_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(error->message, "no Python in this process");
    mx_error_free(error);
    close_python(&fake);
}

static void test_a_missing_runtime_is_a_warning(void)
{
    struct fake fake;
    make_python(&fake, 0x030b07f0);
    struct mx_error *error = open_python(&fake);
    CU_ASSERT_PTR_NULL_FATAL(error);
    mx_runtime_close(&fake.runtime);
    struct mx_memory *empty;
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_new(&empty));
    CU_ASSERT_PTR_NULL_FATAL(mx_memory_seal(empty));
    CU_ASSERT_PTR_NULL_FATAL(mx_runtime_open(empty, &fake.modules, NULL, &fake.runtime));
    CU_ASSERT_EQUAL(fake.runtime.address, 0);
    CU_ASSERT_EQUAL(fake.runtime.layout.version_hex >> 16, 0x030b);
    CU_ASSERT_EQUAL(fake.runtime.interpreters.count, 0);
    CU_ASSERT_EQUAL_FATAL(fake.runtime.warnings.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake.runtime.warnings.items[0], "_PyRuntime"));
    close_python(&fake);
    mx_memory_close(empty);
}

void suite_runtime(CU_pSuite suite);
void suite_runtime(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_lists_interpreters_and_threads);
    CU_ADD_TEST(suite, test_wrong_type_sizes_are_named);
    CU_ADD_TEST(suite, test_wrong_metatypes_are_named);
    CU_ADD_TEST(suite, test_broken_chains_are_named);
    CU_ADD_TEST(suite, test_generations_are_looked_for_nearby);
    CU_ADD_TEST(suite, test_a_nearest_row_is_said_to_be_one);
    CU_ADD_TEST(suite, test_debug_offsets_correct_a_nearest_row);
    CU_ADD_TEST(suite, test_debug_hooks_are_seen);
    CU_ADD_TEST(suite, test_version_text_of_old_builds);
    CU_ADD_TEST(suite, test_too_old_and_absent_pythons_are_refused);
    CU_ADD_TEST(suite, test_a_missing_runtime_is_a_warning);
}
