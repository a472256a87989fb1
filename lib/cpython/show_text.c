/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints str and bytes with Python's quotes and escapes. What it prints is
 * always valid UTF-8 without control characters. Whether a character is
 * printable follows Unicode's categories by ranges; code points that no
 * version of Unicode has assigned yet are printed as they are.
 */
#include <stdio.h>

#include "cpython/shower.h"
#include "cpython/str.h"

/* Categories C* and Z* above ASCII: format, control, surrogate and private characters, separators. */
static const struct {
    uint32_t first, last;
} unprintable[] = {
    {0x7f, 0xa0},          {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
    {0x70f, 0x70f},        {0x890, 0x891},     {0x8e2, 0x8e2},     {0x1680, 0x1680},   {0x180e, 0x180e},
    {0x2000, 0x200f},      {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},   {0xd800, 0xf8ff},
    {0xfdd0, 0xfdef},      {0xfeff, 0xfeff},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd},    {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0x323b0, 0xe00ff},
    {0xe01f0, UINT32_MAX},
};

static bool is_printable(uint32_t point)
{
    if (point < 0x7f)
        return point >= ' ';
    size_t low = 0, high = sizeof(unprintable) / sizeof(unprintable[0]);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > unprintable[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return point < unprintable[low].first;
}

static void put_escape(struct mx_shower *shower, uint32_t point)
{
    const char *format = point <= 0xff ? "\\x%02x" : point <= 0xffff ? "\\u%04x" : "\\U%08x";
    if (point == '\n' || point == '\r' || point == '\t')
        mx_show_print(shower, "\\%c", point == '\n' ? 'n' : point == '\r' ? 'r' : 't');
    else
        mx_show_print(shower, format, point);
}

/* `quote` is escaped too, as is the escape character itself; 0 = text without quotes. */
void mx_show_point(struct mx_shower *shower, uint32_t point, uint32_t quote)
{
    char encoded[4];
    if (quote && (point == quote || point == '\\'))
        mx_show_print(shower, "\\%c", (char)point);
    else if (is_printable(point))
        mx_show_put(shower, encoded, mx_utf8_encode(point, encoded));
    else
        put_escape(shower, point);
}

static uint32_t choose_quote(bool has_single, bool has_double)
{
    return has_single && !has_double ? '"' : '\'';
}

static uint32_t quote_for_str(const struct mx_str *str)
{
    bool has_single = false, has_double = false;
    for (uint64_t i = 0; i < str->length && !has_double; i++) {
        uint32_t point = mx_str_at(str, i);
        has_single |= point == '\'';
        has_double |= point == '"';
    }
    return choose_quote(has_single, has_double);
}

static uint64_t limit_characters(const struct mx_shower *shower, uint64_t length)
{
    uint64_t most = shower->options.characters;
    return most && length > most ? most : length;
}

static void close_quote(struct mx_shower *shower, uint32_t quote, uint64_t left)
{
    mx_show_print(shower, "%c", (char)quote);
    if (left)
        mx_show_print(shower, "…+%llu more", (unsigned long long)left);
}

void mx_show_str(struct mx_shower *shower, mx_addr object)
{
    struct mx_str str;
    if (!mx_str_read(shower->runtime, object, &str)) {
        mx_show_print(shower, "<str at 0x%llx>", (unsigned long long)object);
        return;
    }
    uint32_t quote = quote_for_str(&str);
    uint64_t limit = limit_characters(shower, str.length);
    mx_show_print(shower, "%c", (char)quote);
    for (uint64_t i = 0; i < limit && !mx_show_is_over(shower); i++)
        mx_show_point(shower, mx_str_at(&str, i), quote);
    close_quote(shower, quote, str.length - limit);
}

void mx_show_bytes(struct mx_shower *shower, mx_addr data, uint64_t length)
{
    const uint8_t *bytes = length <= INT64_MAX ? mx_memory_view(shower->memory, data, (size_t)length) : NULL;
    if (!bytes && length) {
        mx_show_print(shower, "<bytes at 0x%llx>", (unsigned long long)data);
        return;
    }
    bool has_single = length && memchr(bytes, '\'', (size_t)length);
    uint32_t quote = choose_quote(has_single, has_single && memchr(bytes, '"', (size_t)length));
    uint64_t limit = limit_characters(shower, length);
    mx_show_print(shower, "b%c", (char)quote);
    for (uint64_t i = 0; i < limit && !mx_show_is_over(shower); i++)
        if (bytes[i] < 0x7f)
            mx_show_point(shower, bytes[i], quote);
        else
            put_escape(shower, bytes[i]);
    close_quote(shower, quote, length - limit);
}

void mx_show_name(struct mx_shower *shower, mx_addr object)
{
    struct mx_str str;
    if (!object || !mx_str_read(shower->runtime, object, &str)) {
        mx_show_put(shower, "?", 1);
        return;
    }
    uint64_t limit = limit_characters(shower, str.length);
    for (uint64_t i = 0; i < limit && !mx_show_is_over(shower); i++)
        mx_show_point(shower, mx_str_at(&str, i), 0);
    if (limit < str.length)
        mx_show_print(shower, "…");
}

/* Reads one code point of UTF-8; false, and one byte taken, where the text is none. */
static bool decode_point(const char **text, uint32_t *ret)
{
    const unsigned char *bytes = (const unsigned char *)*text;
    int more = bytes[0] < 0x80 ? 0 : bytes[0] >= 0xf0 ? 3 : bytes[0] >= 0xe0 ? 2 : 1;
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    uint32_t point = more ? bytes[0] & (0x3fU >> more) : bytes[0];
    *ret = bytes[0];
    *text += 1;
    if ((bytes[0] >= 0x80 && bytes[0] < 0xc0) || bytes[0] >= 0xf8)
        return false;
    for (int i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < smallest[more])
        return false;
    *text += more;
    *ret = point;
    return true;
}

void mx_show_text(struct mx_shower *shower, const char *text)
{
    while (*text) {
        uint32_t point;
        if (decode_point(&text, &point))
            mx_show_point(shower, point, 0);
        else
            put_escape(shower, point);
    }
}
