/* SPDX-License-Identifier: Apache-2.0
 *
 * str and bytes objects from the outside. (CPython Include/cpython/unicodeobject.h, bytesobject.h)
 */
#ifndef MX_CPYTHON_STR_H
#define MX_CPYTHON_STR_H

#include "cpython/runtime.h"

struct mx_str {
    const uint8_t *data; /* length * kind bytes, in the target's byte order */
    uint64_t length;     /* code points */
    uint32_t kind;       /* bytes a code point: 1, 2 or 4 */
    bool ascii;
};

/* The state bits of the object at `object`. Only the bytes that hold bits are looked at: the rest may be garbage. */
struct mx_str_state {
    uint32_t kind; /* 1, 2, 4, or 0: legacy, wchar_t only (3.8-3.11) */
    bool compact, ascii;
};
static inline struct mx_str_state mx_str_state(const struct mx_layout *layout, const uint8_t *object)
{
    const uint8_t *bytes = object + layout->ascii.state;
    if (layout->str_shape == MX_STR_WIDE_STATE)
        return (struct mx_str_state){bytes[1] & 7U, bytes[1] >> 3 & 1, bytes[1] >> 4 & 1};
    return (struct mx_str_state){bytes[0] >> 2 & 7U, bytes[0] >> 5 & 1, bytes[0] >> 6 & 1};
}

/* Reads the str (or subclass) at `object`; false when it is not readable as one. */
bool mx_str_read(const struct mx_runtime *runtime, mx_addr object, struct mx_str *ret);

/* The bytes of the bytes object (or subclass) at `object`; NULL when it is not readable as one. */
const uint8_t *mx_bytes_read(const struct mx_runtime *runtime, mx_addr object, uint64_t *length);

/* The code point at `index`, which must be less than the length; may be a surrogate or, in a broken str, beyond
 * Unicode.
 */
static inline uint32_t mx_str_at(const struct mx_str *str, uint64_t index)
{
    if (str->kind == 1)
        return str->data[index];
    return str->kind == 2 ? mx_load_u16(str->data + index * 2) : mx_load_u32(str->data + index * 4);
}

/* Writes one code point as UTF-8, surrogates and impossible ones as U+FFFD; the bytes written, at most 4. */
size_t mx_utf8_encode(uint32_t point, char *ret);

/* The text as UTF-8 in `buffer`, cut at `size` - 1 bytes on a character's border, NUL-terminated; bytes written, or -1.
 */
int mx_str_utf8(const struct mx_runtime *runtime, mx_addr object, char *buffer, size_t size);

/* Whether the str at `object` equals ASCII `text`. */
bool mx_str_equals(const struct mx_runtime *runtime, mx_addr object, const char *text);

#endif
