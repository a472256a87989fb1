/* SPDX-License-Identifier: Apache-2.0
 *
 * Text on its way to a file, and JSON's strings in it. It knows nothing of heaps.
 */
#include <stdarg.h>
#include <stdio.h>

#include "report/export.h"

struct mx_error *mx_out_open(const struct mx_outfile *file, struct mx_text_out *ret)
{
    *ret = (struct mx_text_out){.file = file, .bytes = malloc(MX_OUT_ROOM)};
    return ret->bytes ? NULL : mx_error_no_memory();
}

void mx_out_flush(struct mx_text_out *out)
{
    if (!out->error && out->used)
        out->error = mx_outfile_write(out->file, out->bytes, out->used, out->written);
    out->written += out->used;
    out->used = 0;
}

struct mx_error *mx_out_close(struct mx_text_out *out, struct mx_error *error)
{
    if (!error)
        mx_out_flush(out);
    free(out->bytes);
    out->bytes = NULL;
    if (error) {
        mx_error_free(out->error);
        return error;
    }
    return out->error;
}

void mx_out_put(struct mx_text_out *out, const char *bytes, size_t length)
{
    while (length) {
        if (out->used == MX_OUT_ROOM)
            mx_out_flush(out);
        size_t room = MX_OUT_ROOM - out->used, part = length < room ? length : room;
        memcpy(out->bytes + out->used, bytes, part);
        out->used += part;
        bytes += part;
        length -= part;
    }
}

void mx_out_number(struct mx_text_out *out, uint64_t number)
{
    unsigned digits = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        digits++;
    if (MX_OUT_ROOM - out->used < MX_OUT_NUMBER)
        mx_out_flush(out);
    for (char *at = out->bytes + out->used + digits; number || at == out->bytes + out->used + digits; number /= 10)
        *--at = (char)('0' + number % 10);
    out->used += digits;
}

void mx_out_print(struct mx_text_out *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0)
        mx_out_put(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

static void put_point(struct mx_text_out *out, uint32_t point)
{
    char encoded[4];
    if (point == '"' || point == '\\') {
        mx_out_char(out, '\\');
        mx_out_char(out, (char)point);
    } else if (point == '\n') {
        mx_out_literal(out, "\\n");
    } else if (point < ' ' || point == 0x7f || point == 0x2028 || point == 0x2029) {
        /* The last two end lines for some who read JSON line by line. */
        mx_out_print(out, "\\u%04x", point);
    } else if (point < 0x7f) {
        mx_out_char(out, (char)point);
    } else {
        mx_out_put(out, encoded, mx_utf8_encode(point, encoded));
    }
}

/* One code point of UTF-8 and its bytes; U+FFFD and one byte where there is none. (RFC 3629) */
static size_t decode_point(const unsigned char *bytes, size_t length, uint32_t *ret)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    *ret = 0xfffd;
    if (!size || size > length || bytes[0] > 0xf4)
        return 1;
    uint32_t point = size == 1 ? bytes[0] : bytes[0] & (0x7fU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 1;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    bool is_wrong = point < smallest[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000);
    *ret = is_wrong ? 0xfffd : point;
    return is_wrong ? 1 : size;
}

void mx_out_json_text(struct mx_text_out *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t point;
        at += decode_point((const unsigned char *)text + at, length - at, &point);
        put_point(out, point);
    }
}

void mx_out_json(struct mx_text_out *out, const char *text)
{
    mx_out_char(out, '"');
    mx_out_json_text(out, text, strlen(text));
    mx_out_char(out, '"');
}

void mx_out_json_str(struct mx_text_out *out, const struct mx_str *str, uint64_t most)
{
    uint64_t length = str->length < most ? str->length : most;
    mx_out_char(out, '"');
    for (uint64_t i = 0; i < length; i++)
        put_point(out, mx_str_at(str, i));
    if (length < str->length)
        mx_out_literal(out, "…");
    mx_out_char(out, '"');
}
