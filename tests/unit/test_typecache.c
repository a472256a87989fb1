/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/typecache: a cache among other data is found at any place, and what only looks like one is not.
 */
#include <CUnit/CUnit.h>
#include <string.h>

#include "cpython/typecache.h"
#include "fake.h"

enum { WORDS = 1200, ENTRIES = 100 };

static void put_entry(uint64_t *words, size_t at, uint64_t version, mx_addr name, mx_addr value)
{
    words[at] = version;
    words[at + 1] = name;
    words[at + 2] = value;
}

static size_t find(const struct fake *fake, const uint64_t *words, size_t *entries)
{
    return mx_type_cache_find(&fake->types, (const uint8_t *)words, WORDS * 8, entries);
}

/* Every third entry was cleared. */
static void put_cache(struct fake *fake, uint64_t *words, size_t at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (i % 3 == 1)
            put_entry(words, at + 3 * i, 0, i % 2 ? fake->none : 0, 0);
        else
            put_entry(words, at + 3 * i, i + 1, fake_str(fake, "name"), i % 2 ? fake->none : 0);
}

static void test_a_cache_is_found_anywhere(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        for (size_t at = 7; at < 10; at++) {
            uint64_t words[WORDS];
            size_t entries;
            memset(words, 0xee, sizeof(words));
            put_cache(&fake, words, at, ENTRIES);
            put_entry(words, 1, 5, fake_str(&fake, "alone"), 0);
            CU_ASSERT_EQUAL(find(&fake, words, &entries), 8 * at);
            CU_ASSERT_EQUAL(entries, ENTRIES);
            CU_ASSERT_TRUE(mx_type_cache_used(&fake.types, (const uint8_t *)(words + at)));
            CU_ASSERT_FALSE(mx_type_cache_used(&fake.types, (const uint8_t *)(words + at + 3)));
        }
    }
}

static void test_what_is_no_cache(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        uint64_t words[WORDS] = {0};
        size_t entries = 42;
        mx_addr number = fake_int(&fake, 5);
        find(&fake, words, &entries);
        CU_ASSERT_EQUAL(entries, 0);
        put_cache(&fake, words, 0, 20);
        find(&fake, words, &entries);
        CU_ASSERT_EQUAL(entries, 0);
        for (size_t i = 0; i < ENTRIES; i++)
            put_entry(words, 3 * i, i + 1, number, fake.none);
        find(&fake, words, &entries);
        CU_ASSERT_EQUAL(entries, 0);
        for (size_t i = 0; i < ENTRIES; i++)
            put_entry(words, 3 * i, UINT64_C(1) << 32, fake_str(&fake, "name"), fake.none);
        find(&fake, words, &entries);
        CU_ASSERT_EQUAL(entries, 0);
    }
}

void suite_typecache(CU_pSuite suite);
void suite_typecache(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_a_cache_is_found_anywhere);
    CU_ADD_TEST(suite, test_what_is_no_cache);
}
