/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads str objects in each of their three shapes. It knows where the code
 * points are and how to encode them; it does not know how Python quotes them.
 */
#include "cpython/str.h"

#include <limits.h>
#include <string.h>

#include "cpython/type.h"

/* A type that cannot be read is given the benefit of the doubt: a core may lack the interpreter's own data. */
static bool may_be_str(const struct mx_runtime *runtime, const uint8_t *object)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr type = mx_load_u64(object + layout->object.ob_type);
    const uint8_t *flags = mx_memory_state(runtime->memory, type + (uint64_t)layout->type.tp_flags, 8);
    return !flags || (mx_load_u64(flags) & MX_TPFLAGS_UNICODE_SUBCLASS);
}

/* Strings made by the old API and not yet looked at by Python: wchar_t only. */
static mx_addr locate_legacy(const struct mx_runtime *runtime, mx_addr object, struct mx_str *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    if (layout->str_shape != MX_STR_WSTR)
        return 0;
    if (!mx_memory_u64(runtime->memory, object + (uint64_t)layout->compact_unicode.wstr_length, &ret->length))
        return 0;
    ret->kind = 4;
    return mx_memory_pointer(runtime->memory, object + (uint64_t)layout->ascii.wstr);
}

static mx_addr locate_data(const struct mx_runtime *runtime, mx_addr object, struct mx_str_state state,
                           struct mx_str *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    if (state.kind == 0 && !state.compact)
        return locate_legacy(runtime, object, ret);
    if (state.kind != 1 && state.kind != 2 && state.kind != 4)
        return 0;
    if (state.ascii && state.compact)
        return state.kind == 1 ? object + (uint64_t)layout->ascii.size : 0;
    if (state.compact)
        return object + (uint64_t)layout->compact_unicode.size;
    return mx_memory_pointer(runtime->memory, object + (uint64_t)layout->unicode.data);
}

bool mx_str_read(const struct mx_runtime *runtime, mx_addr object, struct mx_str *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    const uint8_t *header = mx_memory_view(runtime->memory, object, (size_t)layout->ascii.size);
    if (!header)
        return false;
    struct mx_str_state state = mx_str_state(layout, header);
    struct mx_str str = {NULL, mx_load_u64(header + layout->ascii.length), state.kind, state.ascii};
    mx_addr data = locate_data(runtime, object, state, &str);
    if (!data || str.length > INT64_MAX / 4 || !may_be_str(runtime, header))
        return false;
    str.data = mx_memory_view(runtime->memory, data, (size_t)(str.length * str.kind));
    if (!str.data && str.length)
        return false;
    *ret = str;
    return true;
}

const uint8_t *mx_bytes_read(const struct mx_runtime *runtime, mx_addr object, uint64_t *length)
{
    const struct mx_layout *layout = &runtime->layout;
    uint64_t size;
    if (!mx_memory_u64(runtime->memory, object + (uint64_t)layout->var_object.ob_size, &size) || size > INT64_MAX)
        return NULL;
    *length = size;
    return mx_memory_view(runtime->memory, object + (uint64_t)layout->bytes.ob_sval, (size_t)size);
}

size_t mx_utf8_encode(uint32_t point, char *ret)
{
    if (point < 0x80) {
        ret[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        ret[0] = (char)(0xc0 | point >> 6);
        ret[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        point = 0xfffd;
    if (point < 0x10000) {
        ret[0] = (char)(0xe0 | point >> 12);
        ret[1] = (char)(0x80 | (point >> 6 & 0x3f));
        ret[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    ret[0] = (char)(0xf0 | point >> 18);
    ret[1] = (char)(0x80 | (point >> 12 & 0x3f));
    ret[2] = (char)(0x80 | (point >> 6 & 0x3f));
    ret[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

int mx_str_utf8(const struct mx_runtime *runtime, mx_addr object, char *buffer, size_t size)
{
    struct mx_str str;
    if (!size || size > INT_MAX || !mx_str_read(runtime, object, &str))
        return -1;
    size_t used = 0;
    for (uint64_t i = 0; i < str.length; i++) {
        char encoded[4];
        size_t length = mx_utf8_encode(mx_str_at(&str, i), encoded);
        if (length > size - 1 - used)
            break;
        memcpy(buffer + used, encoded, length);
        used += length;
    }
    buffer[used] = '\0';
    return (int)used;
}

bool mx_str_equals(const struct mx_runtime *runtime, mx_addr object, const char *text)
{
    struct mx_str str;
    size_t length = strlen(text);
    if (!mx_str_read(runtime, object, &str) || str.length != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (mx_str_at(&str, i) != (unsigned char)text[i])
            return false;
    return true;
}
