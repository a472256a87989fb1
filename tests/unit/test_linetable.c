/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/linetable: tables written by hand in the three forms, each read on the rows that have it, and damaged
 * ones.
 */
#include <CUnit/CUnit.h>

#include "cpython/linetable.h"
#include "fake.h"

enum { FIRST = 10, END = -1 };

enum form { PAIRS, RANGES, LOCATIONS };

static enum form form_of(const struct mx_layout *layout)
{
    if (layout->frame_shape != MX_FRAME_OBJECTS)
        return LOCATIONS;
    return layout->frame.f_stackdepth != MX_ABSENT ? RANGES : PAIRS;
}

static mx_addr make_code(struct fake *fake, const uint8_t *table, size_t size)
{
    const struct mx_layout *layout = &fake->runtime.layout;
    mx_addr code = fake_alloc(fake, (size_t)layout->code.size);
    uint32_t first = FIRST;
    fake_put_bytes(fake, code + (mx_addr)layout->code.co_firstlineno, &first, sizeof(first));
    fake_put(fake, code, layout->code.co_linetable, fake_bytes(fake, table, size));
    return code;
}

/* Offsets and their lines, up to END. */
static void expect_lines(struct fake *fake, mx_addr code, const int (*lines)[2])
{
    for (; (*lines)[0] != END; lines++)
        CU_ASSERT_EQUAL(mx_code_line(&fake->runtime, code, (*lines)[0]), (*lines)[1]);
}

/* Address and line grow by each pair; a line may take several pairs, and go back. */
static void test_pairs(void)
{
    static const uint8_t table[] = {6, 1, 255, 0, 5, 127, 8, 100, 4, (uint8_t)-128, 2};
    static const int lines[][2] = {{0, 10},    {5, 10},    {6, 11},    {265, 11},   {266, 138}, {273, 138},
                                   {274, 238}, {277, 238}, {278, 110}, {9999, 110}, {END, 0}};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (form_of(&fake.runtime.layout) == PAIRS)
            expect_lines(&fake, make_code(&fake, table, sizeof(table)), lines);
    }
}

/* Each pair is a range; -128 is one without a line, which leaves the line as it was for the next. */
static void test_ranges(void)
{
    static const uint8_t table[] = {4, 0, 6, 2, 2, (uint8_t)-128, 4, (uint8_t)-1, 254, 20, 2, 0, 7};
    static const int lines[][2] = {{0, 10},  {3, 10},  {4, 12},   {9, 12},   {10, FIRST},  {11, FIRST}, {12, 11},
                                   {15, 11}, {16, 31}, {269, 31}, {271, 31}, {272, FIRST}, {END, 0}};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (form_of(&fake.runtime.layout) == RANGES)
            expect_lines(&fake, make_code(&fake, table, sizeof(table)), lines);
    }
}

#define ENTRY(form, units) (uint8_t)(0x80 | (form) << 3 | ((units)-1))

/* Short forms keep the line, 10-12 add 0-2, 13 and 14 add a signed number of 6 bits a byte, 15 has no line. */
static void test_locations(void)
{
    static const uint8_t table[] = {
        ENTRY(10, 2), 4,       8,                /* 0-3: 10 */
        ENTRY(12, 1), 0,       9,                /* 4-5: 12 */
        ENTRY(13, 3), 7,                         /* 6-11: -3 */
        ENTRY(13, 1), 72,      3,                /* 12-13: +100 */
        ENTRY(15, 2),                            /* 14-17 */
        ENTRY(14, 1), 69,      3,       0, 1, 2, /* 18-19: -98 */
        ENTRY(0, 8),  0x27,                      /* 20-35 */
        ENTRY(13, 8), 64 + 32, 64 + 33, 2        /* 36-51: +5168 */
    };
    static const int lines[][2] = {{0, 10},   {3, 10},   {4, 12},     {5, 12},     {6, 9},      {11, 9},
                                   {12, 109}, {13, 109}, {14, FIRST}, {17, FIRST}, {18, 11},    {19, 11},
                                   {20, 11},  {35, 11},  {36, 5179},  {51, 5179},  {52, FIRST}, {END, 0}};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        if (form_of(&fake.runtime.layout) == LOCATIONS)
            expect_lines(&fake, make_code(&fake, table, sizeof(table)), lines);
    }
}

/* Numbers without an end, lines below 1, tables that are not there: the first line is the answer. */
static void test_damaged_tables_give_the_first_line(void)
{
    static const uint8_t endless[] = {ENTRY(14, 8), 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f};
    static const uint8_t below[] = {2, (uint8_t)-100, 2, (uint8_t)-100}, below_short[] = {ENTRY(13, 8), 63};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        bool is_compressed = form_of(layout) == LOCATIONS;
        mx_addr code =
            is_compressed ? make_code(&fake, below_short, sizeof(below_short)) : make_code(&fake, below, sizeof(below));
        CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, code, 3), FIRST);
        CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, code, -1), FIRST);
        if (is_compressed)
            CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, make_code(&fake, endless, sizeof(endless)), 4), FIRST);
        mx_addr table = fake_bytes(&fake, below, sizeof(below));
        fake_put(&fake, table, layout->var_object.ob_size, UINT64_MAX);
        fake_put(&fake, code, layout->code.co_linetable, table);
        CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, code, 3), FIRST);
        fake_put(&fake, code, layout->code.co_linetable, 0);
        CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, code, 3), FIRST);
        CU_ASSERT_EQUAL(mx_code_line(&fake.runtime, FAKE_BASE + FAKE_SIZE, 3), 0);
    }
}

static void test_every_form_has_a_row(void)
{
    bool seen[3] = {false};
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        seen[form_of(&fake.runtime.layout)] = true;
    }
    CU_ASSERT_TRUE(seen[PAIRS] && seen[RANGES] && seen[LOCATIONS]);
}

void suite_linetable(CU_pSuite suite);
void suite_linetable(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_pairs);
    CU_ADD_TEST(suite, test_ranges);
    CU_ADD_TEST(suite, test_locations);
    CU_ADD_TEST(suite, test_damaged_tables_give_the_first_line);
    CU_ADD_TEST(suite, test_every_form_has_a_row);
}
