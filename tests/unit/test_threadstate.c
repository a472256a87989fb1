/* SPDX-License-Identifier: Apache-2.0
 *
 * lib/cpython/threadstate.c: two made-up threads on every row.
 */
#include <CUnit/CUnit.h>

#include "cpython/threadstate.h"
#include "fake.h"

struct made {
    struct fake *fake;
    mx_addr threads[2], gil;
};

static struct made make_threads(struct fake *fake)
{
    struct mx_runtime *runtime = &fake->runtime;
    const struct mx_layout *layout = &runtime->layout;
    struct made made = {.fake = fake};
    struct mx_interpreter interpreter = {.address = fake_alloc(fake, (size_t)layout->interpreter.size)};
    runtime->address = fake_alloc(fake, (size_t)layout->runtime.size);
    made.gil = fake_alloc(fake, (size_t)layout->gil.size);
    CU_ASSERT_TRUE_FATAL(mx_array_push(&runtime->interpreters, interpreter));
    for (size_t i = 0; i < 2; i++) {
        made.threads[i] = fake_alloc(fake, (size_t)layout->thread.size);
        struct mx_python_thread thread = {.address = made.threads[i]};
        CU_ASSERT_TRUE_FATAL(mx_array_push(&runtime->threads, thread));
    }
    if (layout->interpreter.gil >= 0)
        fake_put(fake, interpreter.address, layout->interpreter.gil, made.gil);
    return made;
}

/* `locked` is what tells to 3.12+; before, nobody is the current thread. */
static void give_gil(struct made *made, mx_addr thread, uint32_t locked)
{
    const struct mx_layout *layout = &made->fake->runtime.layout;
    fake_put(made->fake, made->gil, layout->gil.last_holder, thread);
    fake_put_bytes(made->fake, made->gil + (mx_addr)layout->gil.locked, &locked, sizeof(locked));
    if (layout->runtime.tstate_current >= 0)
        fake_put(made->fake, made->fake->runtime.address, layout->runtime.tstate_current, locked == 1 ? thread : 0);
}

static void test_the_gil_has_one_holder_or_none(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        struct made made = make_threads(&fake);
        CU_ASSERT_FALSE(mx_thread_holds_gil(&fake.runtime, 0));
        if (fake.runtime.layout.free_threaded)
            continue;
        give_gil(&made, made.threads[1], 1);
        CU_ASSERT_FALSE(mx_thread_holds_gil(&fake.runtime, 0));
        CU_ASSERT_TRUE(mx_thread_holds_gil(&fake.runtime, 1));
        give_gil(&made, made.threads[1], 0);
        CU_ASSERT_FALSE(mx_thread_holds_gil(&fake.runtime, 1));
        give_gil(&made, made.threads[1], UINT32_MAX);
        CU_ASSERT_FALSE(mx_thread_holds_gil(&fake.runtime, 1));
        CU_ASSERT_FALSE(mx_thread_holds_gil(&fake.runtime, 2));
    }
}

/* A generator's own item is empty or None; the caller's is behind it. The last chain is a ring. */
static void test_the_innermost_exception_that_is_handled(void)
{
    struct fake fake;
    FAKE_EACH_ROW(&fake)
    {
        const struct mx_layout *layout = &fake.runtime.layout;
        struct made made = make_threads(&fake);
        mx_addr items[3], value = fake_object(&fake, fake.builtins[MX_KIND_EXCEPTION], 128);
        for (size_t i = 0; i < 3; i++)
            items[i] = fake_alloc(&fake, (size_t)layout->exc_stack.size);
        for (size_t i = 0; i < 3; i++)
            fake_put(&fake, items[i], layout->exc_stack.previous_item, items[(i + 1) % 3]);
        CU_ASSERT_EQUAL(mx_thread_handled(&fake.types, 0), 0);
        fake_put(&fake, made.threads[0], layout->thread.exc_info, items[0]);
        fake_put(&fake, items[1], layout->exc_stack.exc_value, fake.none);
        CU_ASSERT_EQUAL(mx_thread_handled(&fake.types, 0), 0);
        fake_put(&fake, items[2], layout->exc_stack.exc_value, value);
        CU_ASSERT_EQUAL(mx_thread_handled(&fake.types, 0), value);
        fake_put(&fake, made.threads[1], layout->thread.current_exception, value);
        CU_ASSERT_EQUAL(mx_thread_raised(&fake.runtime, 1), value);
        CU_ASSERT_EQUAL(mx_thread_raised(&fake.runtime, 0), 0);
        CU_ASSERT_EQUAL(mx_thread_raised(&fake.runtime, 9), 0);
    }
}

void suite_threadstate(CU_pSuite suite);
void suite_threadstate(CU_pSuite suite)
{
    CU_ADD_TEST(suite, test_the_gil_has_one_holder_or_none);
    CU_ADD_TEST(suite, test_the_innermost_exception_that_is_handled);
}
