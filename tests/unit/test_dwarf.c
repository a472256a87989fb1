/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/memory/dwarf: measured against what the compiler itself says of structs,
 * in a small shared object that is compiled here, whole, stripped with its
 * debug file apart, and damaged.
 */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/dwarf.h"
#include "memory/elf.h"

#define SOURCE                                                                                                         \
    "typedef struct node { struct node *next; union { long key; struct { int low, high; }; }; unsigned a : 3, b : 9;"  \
    " struct { char c; short s[4]; } in[5]; const volatile int last; } node_t;"                                        \
    "typedef struct { double d; } unnamed; struct empty; typedef struct empty hidden; typedef int number;"             \
    "node_t one; unnamed two; struct empty *three; hidden *four; number five;"

typedef struct node {
    struct node *next;
    union {
        long key;
        struct {
            int low, high;
        };
    };
    unsigned a : 3, b : 9;
    struct {
        char c;
        short s[4];
    } in[5];
    const volatile int last;
} node_t;

static char folder[] = "/tmp/memext-dwarf-XXXXXX";
static char object[sizeof(folder) + 16];

/* The compiler is there, for it made this program. */
static void shell(const char *command)
{
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void compile_object(void)
{
    char command[2048];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(strcpy(folder, "/tmp/memext-dwarf-XXXXXX")));
    snprintf(object, sizeof(object), "%s/small.so", folder);
    snprintf(command, sizeof(command),
             "echo '%s' | gcc -x c -g -shared -fPIC -nostdlib -Wl,--build-id=0x0102030405060708 -o %s -", SOURCE,
             object);
    shell(command);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    shell(command);
}

static const char *const names[] = {"unnamed", "node", "node_t", "hidden", "number", "no_such"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void check_measures(struct mx_dwarf *dwarf)
{
    CU_ASSERT_PTR_NULL_FATAL(mx_dwarf_load(dwarf, names, NAMES));
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "node"), sizeof(node_t));
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "node_t"), sizeof(node_t));
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "unnamed"), 8);
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "hidden"), -1);
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "number"), -1);
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "no_such"), -1);
    CU_ASSERT_EQUAL(mx_dwarf_size(dwarf, "never_asked_for"), -1);
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node_t", "next"), 0);
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "key"), offsetof(node_t, key));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "high"), offsetof(node_t, high));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "b"), offsetof(node_t, high) + sizeof(int));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "in"), offsetof(node_t, in));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "in[0].s"), offsetof(node_t, in[0].s));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "in[3].s[2]"), offsetof(node_t, in[3].s[2]));
    CU_ASSERT_EQUAL(mx_dwarf_offset(dwarf, "node", "last"), offsetof(node_t, last));
}

static void test_measures_what_the_compiler_says(void)
{
    compile_object();
    struct mx_dwarf *dwarf;
    CU_ASSERT_PTR_NULL_FATAL(mx_dwarf_open(object, NULL, &dwarf));
    check_measures(dwarf);
    mx_dwarf_close(dwarf);
    mx_dwarf_close(NULL);
    remove_folder();
}

static void test_paths_that_lead_nowhere_are_absent(void)
{
    static const char *const paths[] = {"none",     "next.next",         "key.low", "ke",          "keys", "in.none",
                                        "in[3",     "in[x].s",           "next[0]", "in[0]s",      "[0]",  ".",
                                        "in[0].s.", "in[99999999999].c", "low[1]",  "in[0].s[1].x"};
    compile_object();
    struct mx_dwarf *dwarf;
    CU_ASSERT_PTR_NULL_FATAL(mx_dwarf_open(object, NULL, &dwarf));
    CU_ASSERT_PTR_NULL_FATAL(mx_dwarf_load(dwarf, names, NAMES));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int64_t offset = mx_dwarf_offset(dwarf, "node", paths[i]);
        if (offset != -1)
            printf("\n    %s is %ld\n", paths[i], (long)offset);
        CU_ASSERT_EQUAL(offset, -1);
    }
    mx_dwarf_close(dwarf);
    remove_folder();
}

static void check_separate(const char *debug_folder, bool expected)
{
    struct mx_dwarf *dwarf;
    struct mx_error *error = mx_dwarf_open(object, debug_folder, &dwarf);
    CU_ASSERT_EQUAL(error == NULL, expected);
    if (error) {
        CU_ASSERT_EQUAL(error->code, MX_ERROR_NOT_FOUND);
        mx_error_free(error);
        return;
    }
    check_measures(dwarf);
    mx_dwarf_close(dwarf);
}

static void test_finds_separate_debug_files(void)
{
    char command[1024];
    compile_object();
    snprintf(command, sizeof(command),
             "cd %s && objcopy --only-keep-debug small.so small.debug && strip -g small.so &&"
             " objcopy --add-gnu-debuglink=small.debug small.so && mkdir -p d/.build-id/01 &&"
             " mv small.debug d/.build-id/01/02030405060708.debug",
             folder);
    shell(command);
    check_separate("/nonexistent", false);
    char debug_folder[sizeof(folder) + 8];
    snprintf(debug_folder, sizeof(debug_folder), "%s/d", folder);
    check_separate(debug_folder, true);
    snprintf(command, sizeof(command), "cd %s && mv d/.build-id/01/02030405060708.debug small.debug", folder);
    shell(command);
    check_separate("/nonexistent", true);
    remove_folder();
}

static void test_errors_are_sentences(void)
{
    struct mx_dwarf *dwarf;
    struct mx_error *error = mx_dwarf_open("/nonexistent/file", NULL, &dwarf);
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    CU_ASSERT_PTR_NOT_NULL(strstr(error->message, "/nonexistent/file"));
    mx_error_free(error);
}

static void read_whatever_is_there(void)
{
    struct mx_dwarf *dwarf;
    struct mx_error *error = mx_dwarf_open(object, "/nonexistent", &dwarf);
    if (error) {
        mx_error_free(error);
        return;
    }
    mx_error_free(mx_dwarf_load(dwarf, names, NAMES));
    for (size_t i = 0; i < NAMES; i++) {
        CU_ASSERT_TRUE(mx_dwarf_size(dwarf, names[i]) >= -1);
        CU_ASSERT_TRUE(mx_dwarf_offset(dwarf, names[i], "in[3].s[2]") >= -1);
        CU_ASSERT_TRUE(mx_dwarf_offset(dwarf, names[i], "high") >= -1);
    }
    mx_dwarf_close(dwarf);
}

/* One byte of the debug sections is changed, read, and put back, a thousand times. */
static void test_damaged_files_end_in_answers(void)
{
    compile_object();
    struct mx_elf *elf;
    Elf64_Shdr first, last;
    CU_ASSERT_PTR_NULL_FATAL(mx_elf_open(object, &elf));
    CU_ASSERT_TRUE_FATAL(mx_elf_section(elf, ".debug_info", &first) && mx_elf_section(elf, ".debug_str", &last));
    mx_elf_close(elf);
    int file = open(object, O_RDWR);
    CU_ASSERT_TRUE_FATAL(file >= 0);
    uint64_t random = 1, length = last.sh_offset + last.sh_size - first.sh_offset;
    for (int i = 0; i < 1000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        off_t at = (off_t)(first.sh_offset + (random >> 33) % length);
        uint8_t before, damaged = (uint8_t)(random >> 20);
        CU_ASSERT_EQUAL_FATAL(pread(file, &before, 1, at), 1);
        CU_ASSERT_EQUAL_FATAL(pwrite(file, &damaged, 1, at), 1);
        read_whatever_is_there();
        CU_ASSERT_EQUAL_FATAL(pwrite(file, &before, 1, at), 1);
    }
    close(file);
    remove_folder();
}

/*
 * A unit with a struct, whose members are those of EXTRA and one whose sibling is SIBLING, and then a struct `node` of
 * 24 bytes. Entry 5 has an attribute of no form there is.
 */
#define SIBLINGS                                                                                                       \
    ".section .debug_abbrev\\n.byte 1,17,1,0,0, 2,19,1,0,0, 3,13,0,1,19,0,0, 4,19,0,3,8,11,11,0,0\\n"                  \
    ".byte 5,19,1,1,19,58,64,0,0, 0\\n"                                                                                \
    ".section .debug_info\\nbegin: .long end - start\\nstart: .short 4\\n.long 0\\n.byte 8, 1, 2\\n"                   \
    "EXTRA\\nmember: .byte 3\\n.long SIBLING - begin\\nafter: .byte 0, 4\\n.string \"node\"\\n.byte 24, 0\\nend:\\n"

static int64_t size_behind_sibling(const char *sibling, const char *extra)
{
    char command[1024];
    struct mx_dwarf *dwarf;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(strcpy(folder, "/tmp/memext-dwarf-XXXXXX")));
    snprintf(object, sizeof(object), "%s/small.so", folder);
    snprintf(command, sizeof(command),
             "printf '%s' | sed 's/SIBLING/%s/;s/EXTRA/%s/' | gcc -x assembler -shared -nostdlib -o %s -", SIBLINGS,
             sibling, extra, object);
    shell(command);
    CU_ASSERT_PTR_NULL_FATAL(mx_dwarf_open(object, "/nonexistent", &dwarf));
    CU_ASSERT_PTR_NULL(mx_dwarf_load(dwarf, names, NAMES));
    int64_t size = mx_dwarf_size(dwarf, "node");
    mx_dwarf_close(dwarf);
    remove_folder();
    return size;
}

/* libdwarf, asked for what follows a struct, goes through its members by their siblings. */
static void test_an_entry_that_follows_itself_ends_its_unit(void)
{
    CU_ASSERT_EQUAL(size_behind_sibling("after", ""), 24);
    CU_ASSERT_EQUAL(size_behind_sibling("member", ""), -1);
}

/* Which is where libdwarf's own walk goes on, and then round and round. */
static void test_an_entry_that_cannot_be_read_ends_its_unit(void)
{
    CU_ASSERT_EQUAL(size_behind_sibling("member", ".byte 5; .long member - begin"), -1);
}

void suite_dwarf(CU_pSuite suite);
void suite_dwarf(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_measures_what_the_compiler_says);
    CU_ADD_TEST(suite, test_paths_that_lead_nowhere_are_absent);
    CU_ADD_TEST(suite, test_finds_separate_debug_files);
    CU_ADD_TEST(suite, test_errors_are_sentences);
    CU_ADD_TEST(suite, test_damaged_files_end_in_answers);
    CU_ADD_TEST(suite, test_an_entry_that_follows_itself_ends_its_unit);
    CU_ADD_TEST(suite, test_an_entry_that_cannot_be_read_ends_its_unit);
}
