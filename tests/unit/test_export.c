/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/report/export*.c: what is written when texts are no texts, numbers large, and address spaces wide.
 */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <unistd.h>

#include "report/export.h"

enum { ROOM = 3 << 20 };

static char text[ROOM];

static void open_out(struct mx_outfile *file, struct mx_text_out *out, char *path)
{
    strcpy(path, "/tmp/memext-export-XXXXXX");
    int descriptor = mkstemp(path);
    CU_ASSERT_FATAL(descriptor >= 0);
    close(descriptor);
    CU_ASSERT_PTR_NULL_FATAL(mx_outfile_open(path, file));
    CU_ASSERT_PTR_NULL_FATAL(mx_out_open(file, out));
}

/* What was put is in `text`; its length. */
static size_t close_out(struct mx_outfile *file, struct mx_text_out *out, const char *path)
{
    CU_ASSERT_PTR_NULL_FATAL(mx_outfile_close(file, mx_out_close(out, NULL)));
    FILE *read = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(read);
    size_t length = fread(text, 1, ROOM - 1, read);
    text[length] = '\0';
    fclose(read);
    unlink(path);
    return length;
}

static void check_json(const char *bytes, const char *wanted)
{
    char path[64];
    struct mx_outfile file;
    struct mx_text_out out;
    open_out(&file, &out, path);
    mx_out_json(&out, bytes);
    close_out(&file, &out, path);
    CU_ASSERT_STRING_EQUAL(text, wanted);
}

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void test_json_strings(void)
{
    check_json("", "\"\"");
    check_json("a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\u0009\\u0001\\u007f\"");
    check_json("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    check_json("\xe2\x80\xa8", "\"\\u2028\"");
    check_json("\xff", "\"" BAD "\"");
    check_json("\xc0\x80", "\"" BAD BAD "\"");                 /* NUL, too long */
    check_json("\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* a surrogate */
    check_json("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond Unicode */
    check_json("\xe2\x82", "\"" BAD BAD "\"");                 /* cut */
    check_json("\xf0\x9f\x98", "\"" BAD BAD BAD "\"");
}

static void test_json_of_str(void)
{
    static const uint16_t points[] = {'a', 0xd800, 0xe9, '\n', 'z'};
    struct mx_str str = {.data = (const uint8_t *)points, .length = 5, .kind = 2};
    char path[64];
    struct mx_outfile file;
    struct mx_text_out out;
    open_out(&file, &out, path);
    mx_out_json_str(&out, &str, 4);
    mx_out_json_str(&out, &str, 5);
    close_out(&file, &out, path);
    CU_ASSERT_STRING_EQUAL(text, "\"a" BAD "\xc3\xa9\\n…\"\"a" BAD "\xc3\xa9\\nz\"");
}

/* Pieces end anywhere in the buffer, and numbers are never cut. */
static void test_long_texts(void)
{
    char path[64];
    struct mx_outfile file;
    struct mx_text_out out;
    size_t count = 0;
    open_out(&file, &out, path);
    for (uint64_t number = 1; count < ROOM / 64; number = number * 31 + 7, count++) {
        mx_out_number(&out, number);
        mx_out_char(&out, ' ');
    }
    mx_out_number(&out, 0);
    mx_out_char(&out, ' ');
    mx_out_number(&out, UINT64_MAX);
    close_out(&file, &out, path);
    char *at = text;
    uint64_t number = 1;
    for (size_t i = 0; i < count; i++, number = number * 31 + 7)
        CU_ASSERT_EQUAL_FATAL(strtoull(at, &at, 10), number);
    CU_ASSERT_STRING_EQUAL(at, " 0 18446744073709551615");
}

static void test_bits(void)
{
    enum { BLOCKS = 1000 };
    struct mx_bits bits;
    for (unsigned seed = 1; seed <= 20; seed++) {
        uint32_t before[BLOCKS + 1] = {0}, state = seed;
        CU_ASSERT_FATAL(mx_bits_open(&bits, BLOCKS));
        for (uint32_t i = 0; i < BLOCKS; i++) {
            state = state * 1664525 + 1013904223;
            bool is_set = state >> 16 & 1;
            if (is_set)
                mx_bits_set(&bits, i);
            before[i + 1] = before[i] + is_set;
        }
        mx_bits_rank(&bits);
        CU_ASSERT_EQUAL(bits.count, before[BLOCKS]);
        for (uint32_t i = 0; i < BLOCKS; i++)
            CU_ASSERT(mx_bits_before(&bits, i) == before[i] && mx_bits_has(&bits, i) == (before[i + 1] > before[i]));
        mx_bits_close(&bits);
    }
}

static struct mx_export_ids open_ids(const mx_addr (*ranges)[2], size_t count)
{
    static struct mx_target target;
    static struct mx_heap heap;
    static struct mx_module modules[] = {{.path = "/usr/bin/python3", .start = 0x550000400000, .end = 0x550000900000},
                                         {.path = "/lib/ld.so", .start = 0x7f1000000000, .end = 0x7f1000030000},
                                         {.path = "linux-vdso.so.1", .start = 0x7ffe00000000, .end = 0x7ffe00001000}};
    struct mx_span spans[8];
    struct mx_export_ids ids;
    for (size_t i = 0; i < count; i++)
        spans[i] = (struct mx_span){.start = ranges[i][0], .end = ranges[i][1], .count = 1};
    target.modules.modules.items = modules;
    target.modules.modules.count = 3;
    heap.spans.spans.items = spans;
    heap.spans.spans.count = count;
    struct mx_export export = {.target = &target, .heap = &heap};
    CU_ASSERT_PTR_NULL_FATAL(mx_export_ids_open(&export, &ids));
    return ids;
}

/* Memory that comes below and above what was there does not change an address's id. */
static void test_ids_stay(void)
{
    static const mx_addr before[][2] = {{0x550001000000, 0x550011000000}, {0x7f0f80000000, 0x7f0ff0000000}};
    static const mx_addr after[][2] = {{0x550001000000, 0x550041000000}, {0x7f0d00000000, 0x7f0fff000000}};
    struct mx_export_ids first = open_ids(before, 2), second = open_ids(after, 2);
    uint32_t previous = 0;
    for (size_t range = 0; range < 2; range++)
        for (mx_addr at = before[range][0]; at < before[range][1]; at += 0x12340) {
            uint32_t id = mx_export_id(&first, at, 0);
            CU_ASSERT_EQUAL(id, mx_export_id(&second, at, 0));
            CU_ASSERT(id % 2 == 1 && id > previous && mx_export_id(&first, at + 16, 0) != id);
            previous = id;
        }
    CU_ASSERT_FALSE(first.by_number);
    mx_map_deinit(&first.slots);
    mx_map_deinit(&second.slots);
}

static void test_ids_of_a_wide_heap(void)
{
    static const mx_addr wide[][2] = {{0x550001000000, 0x550901000000}};
    static const mx_addr far[][2] = {{0x10000, 0x20000}, {0x600000000000, 0x600001000000}};
    struct mx_export_ids ids = open_ids(wide, 1);
    CU_ASSERT_TRUE(ids.by_number);
    CU_ASSERT_EQUAL(mx_export_id(&ids, 0x550001000000, 12), 25);
    mx_map_deinit(&ids.slots);
    ids = open_ids(far, 2);
    CU_ASSERT_FALSE(ids.by_number);
    CU_ASSERT_NOT_EQUAL(mx_export_id(&ids, 0x10000, 0), mx_export_id(&ids, 0x600000010000, 0));
    mx_map_deinit(&ids.slots);
}

void suite_export(CU_pSuite suite);
void suite_export(CU_pSuite suite)
{
    CU_add_test(suite, "JSON strings", test_json_strings);
    CU_add_test(suite, "JSON of a str", test_json_of_str);
    CU_add_test(suite, "long texts", test_long_texts);
    CU_add_test(suite, "bits", test_bits);
    CU_add_test(suite, "ids stay", test_ids_stay);
    CU_add_test(suite, "ids of a wide heap", test_ids_of_a_wide_heap);
}
