/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of code objects.
 */
#include "cpython/code.h"

#include <stdio.h>

#include "cpython/str.h"

enum { MOST_CONSTANTS = 1 << 20, CO_OPTIMIZED = 1 /* CPython Include/cpython/code.h */ };

static mx_addr word_at(const struct mx_runtime *runtime, mx_addr address, int32_t offset)
{
    return offset >= 0 ? mx_memory_pointer(runtime->memory, address + (mx_addr)offset) : 0;
}

static uint32_t u32_at(const struct mx_runtime *runtime, mx_addr address, int32_t offset)
{
    uint32_t value = 0;
    if (offset >= 0)
        mx_memory_u32(runtime->memory, address + (mx_addr)offset, &value);
    return value;
}

bool mx_is_code(const struct mx_types *types, mx_addr object)
{
    const struct mx_type *type = object && object % 8 == 0 ? mx_type_of(types, object) : NULL;
    return type && type->kind == MX_KIND_CODE;
}

static void text_at(const struct mx_runtime *runtime, mx_addr code, int32_t offset, char *buffer, size_t size)
{
    if (mx_str_utf8(runtime, word_at(runtime, code, offset), buffer, size) < 0)
        snprintf(buffer, size, "?");
}

void mx_code_file(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size)
{
    text_at(runtime, code, runtime->layout.code.co_filename, buffer, size);
}

void mx_code_name(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size)
{
    text_at(runtime, code, runtime->layout.code.co_name, buffer, size);
}

bool mx_code_title(const struct mx_runtime *runtime, mx_addr code, char *buffer, size_t size)
{
    int32_t qualname = runtime->layout.code.co_qualname;
    text_at(runtime, code, qualname >= 0 ? qualname : runtime->layout.code.co_name, buffer, size);
    return qualname >= 0;
}

uint32_t mx_code_first_line(const struct mx_runtime *runtime, mx_addr code)
{
    return u32_at(runtime, code, runtime->layout.code.co_firstlineno);
}

mx_addr mx_code_entry(const struct mx_runtime *runtime, mx_addr code)
{
    const struct mx_layout *layout = &runtime->layout;
    if (layout->code.co_code_adaptive >= 0)
        return code + (mx_addr)layout->code.co_code_adaptive;
    mx_addr bytes = word_at(runtime, code, layout->code.co_code);
    return bytes ? bytes + (mx_addr)layout->bytes.ob_sval : 0;
}

bool mx_code_is_function(const struct mx_runtime *runtime, mx_addr code)
{
    return u32_at(runtime, code, runtime->layout.code.co_flags) & CO_OPTIMIZED;
}

mx_addr mx_code_next_inner(const struct mx_types *types, mx_addr code, uint32_t *index)
{
    const struct mx_runtime *runtime = types->runtime;
    mx_addr constants = word_at(runtime, code, runtime->layout.code.co_consts);
    uint64_t count = constants ? word_at(runtime, constants, runtime->layout.var_object.ob_size) : 0;
    count = count < MOST_CONSTANTS ? count : 0;
    while (*index < count) {
        mx_addr item = word_at(runtime, constants + 8 * (mx_addr)(*index)++, runtime->layout.tuple.ob_item);
        if (mx_is_code(types, item))
            return item;
    }
    return 0;
}
