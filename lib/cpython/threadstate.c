/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading PyThreadState's own fields.
 */
#include "cpython/threadstate.h"

static mx_addr word_at(const struct mx_runtime *runtime, mx_addr address, int32_t offset)
{
    return address && offset >= 0 ? mx_memory_pointer(runtime->memory, address + (mx_addr)offset) : 0;
}

static mx_addr state_of(const struct mx_runtime *runtime, size_t thread)
{
    return thread < runtime->threads.count ? runtime->threads.items[thread].address : 0;
}

bool mx_thread_holds_gil(const struct mx_runtime *runtime, size_t thread)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr state = state_of(runtime, thread);
    if (!state || layout->free_threaded)
        return false;
    if (layout->runtime.tstate_current >= 0)
        return word_at(runtime, runtime->address, layout->runtime.tstate_current) == state;
    mx_addr interpreter = runtime->interpreters.items[runtime->threads.items[thread].interpreter].address;
    mx_addr gil = word_at(runtime, interpreter, layout->interpreter.gil);
    uint32_t locked = 0;
    return gil && mx_memory_u32(runtime->memory, gil + (mx_addr)layout->gil.locked, &locked) && locked == 1 &&
           word_at(runtime, gil, layout->gil.last_holder) == state;
}

mx_addr mx_thread_raised(const struct mx_runtime *runtime, size_t thread)
{
    return word_at(runtime, state_of(runtime, thread), runtime->layout.thread.current_exception);
}

/* A generator that handles none has an entry of its own, whose value is NULL or None. */
mx_addr mx_thread_handled(const struct mx_types *types, size_t thread)
{
    enum { MOST_ITEMS = 1 << 16 };
    const struct mx_runtime *runtime = types->runtime;
    mx_addr item = word_at(runtime, state_of(runtime, thread), runtime->layout.thread.exc_info);
    for (unsigned i = 0; item && i < MOST_ITEMS; i++) {
        mx_addr value = word_at(runtime, item, runtime->layout.exc_stack.exc_value);
        const struct mx_type *type = value ? mx_type_of(types, value) : NULL;
        if (type && type->kind != MX_KIND_NONE)
            return value;
        item = word_at(runtime, item, runtime->layout.exc_stack.previous_item);
    }
    return 0;
}
