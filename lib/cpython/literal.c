/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what repr() writes and what people type instead.
 */
#include "cpython/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "cpython/show.h"
#include "cpython/str.h"

enum { DEEPEST = 16, MOST_WORD = 4096 };

void mx_literal_deinit(struct mx_literal *literal)
{
    for (size_t i = 0; i < literal->items.count; i++)
        mx_literal_deinit(&literal->items.items[i]); /* as deep as reading went: DEEPEST */
    mx_array_free(&literal->items);
    mx_array_free(&literal->text);
}

static struct mx_error *bad_literal(const char *at)
{
    return mx_error_new(MX_ERROR_ARGUMENT,
                        "'%.40s' is no literal: give a str, bytes, int, float, bool, None or a tuple of these", at);
}

static struct mx_error *push(struct mx_literal *literal, uint32_t point)
{
    return mx_array_push(&literal->text, point) ? NULL : mx_error_no_memory();
}

static int digit_value(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits of a number escape: `least` to `most` of them; false when there are too few. */
static bool read_digits(const char **at, int base, int least, int most, uint32_t *ret)
{
    int count = 0;
    for (*ret = 0; count < most && digit_value(**at) < base; count++, ++*at)
        *ret = *ret * (uint32_t)base + (uint32_t)digit_value(**at);
    return count >= least;
}

static struct mx_error *read_escape(const char **at, struct mx_literal *ret)
{
    static const char names[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    const char *start = *at - 1, *named = **at ? strchr(names, **at) : NULL;
    uint32_t point = 0;
    bool is_bytes = ret->kind == MX_LITERAL_BYTES, good;
    if (named) {
        ++*at;
        return push(ret, (uint32_t)(unsigned char)values[named - names]);
    }
    char kind = **at;
    int width = kind == 'x' ? 2 : kind == 'u' && !is_bytes ? 4 : kind == 'U' && !is_bytes ? 8 : 0;
    *at += width != 0;
    good = width ? read_digits(at, 16, width, width, &point) : read_digits(at, 8, 1, 3, &point);
    return good && (!is_bytes || point < 256) ? push(ret, point) : bad_literal(start);
}

/* A character of the UTF-8 that the literal is written in; a broken one stands for its byte. */
static struct mx_error *read_character(const char **at, struct mx_literal *ret)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    int more = bytes[0] >= 0xf0 ? 3 : bytes[0] >= 0xe0 ? 2 : bytes[0] >= 0xc0 ? 1 : 0;
    uint32_t point = bytes[0];
    int good = 0;
    while (good < more && (bytes[good + 1] & 0xc0) == 0x80)
        good++;
    if (more && good == more) {
        point = bytes[0] & (0x3fu >> more);
        for (int i = 1; i <= more; i++)
            point = point << 6 | (bytes[i] & 0x3fu);
        *at += more;
    }
    ++*at;
    return push(ret, point);
}

static struct mx_error *read_quoted(const char **text, struct mx_literal *ret)
{
    const char *start = *text;
    char quote = **text;
    for (++*text; **text != quote;) {
        if (!**text)
            return bad_literal(start);
        bool is_escape = **text == '\\';
        *text += is_escape;
        MX_TRY((is_escape ? read_escape : read_character)(text, ret));
    }
    ++*text;
    return NULL;
}

static struct mx_error *set_word(struct mx_literal *ret, const char *word)
{
    ret->kind = MX_LITERAL_WORD;
    for (; *word; word++)
        MX_TRY(push(ret, (unsigned char)*word));
    return NULL;
}

/* Other bases are turned to decimal, which is how values are compared. */
static struct mx_error *read_int(const char *word, struct mx_literal *ret)
{
    char *end, decimal[32];
    errno = 0;
    bool is_prefixed = word[0] && strchr("+-0", word[0]) && word[1];
    long long value = strtoll(word, &end, is_prefixed && strpbrk(word, "xX") ? 16 : 10);
    if (*end || end == word)
        return bad_literal(word);
    ret->is_index = errno == 0;
    ret->index = value;
    snprintf(decimal, sizeof(decimal), "%lld", value);
    return set_word(ret, errno ? word : decimal);
}

static struct mx_error *read_word(const char **text, struct mx_literal *ret)
{
    char word[MOST_WORD], *end;
    size_t length = 0;
    const char *at = *text;
    while (isalnum((unsigned char)*at) || (*at && strchr("+-._", *at))) {
        if (length + 1 >= sizeof(word))
            return bad_literal(*text);
        word[length++] = *at++;
    }
    word[length] = '\0';
    bool is_name = !strcmp(word, "None") || !strcmp(word, "True") || !strcmp(word, "False");
    bool is_hex = length > 2 && strpbrk(word, "xX");
    if (is_name) {
        MX_TRY(set_word(ret, word));
    } else if (length && !is_hex && strpbrk(word, ".eEn")) {
        ret->kind = MX_LITERAL_FLOAT;
        ret->number = strtod(word, &end);
        if (*end)
            return bad_literal(*text);
    } else {
        MX_TRY(read_int(word, ret));
    }
    *text = at;
    return NULL;
}

static void skip_blanks(const char **text)
{
    while (**text == ' ' || **text == '\t')
        ++*text;
}

static struct mx_error *read_any(const char **text, struct mx_literal *ret, unsigned depth);

static struct mx_error *read_tuple(const char **text, struct mx_literal *ret, unsigned depth)
{
    const char *start = *text;
    ret->kind = MX_LITERAL_TUPLE;
    ++*text;
    for (skip_blanks(text); **text != ')'; skip_blanks(text)) {
        if (!mx_array_push(&ret->items, (struct mx_literal){0}))
            return mx_error_no_memory();
        MX_TRY(read_any(text, &ret->items.items[ret->items.count - 1], depth + 1));
        skip_blanks(text);
        if (**text == ',')
            ++*text;
        else if (**text != ')')
            return bad_literal(start);
    }
    ++*text;
    return NULL;
}

static struct mx_error *read_any(const char **text, struct mx_literal *ret, unsigned depth)
{
    skip_blanks(text);
    if (depth > DEEPEST)
        return bad_literal(*text);
    if (**text == '(')
        return read_tuple(text, ret, depth);
    bool is_bytes = (**text == 'b' || **text == 'B') && ((*text)[1] == '\'' || (*text)[1] == '"');
    *text += is_bytes;
    if (**text == '\'' || **text == '"') {
        ret->kind = is_bytes ? MX_LITERAL_BYTES : MX_LITERAL_STR;
        return read_quoted(text, ret);
    }
    return read_word(text, ret);
}

struct mx_error *mx_literal_read(const char **text, struct mx_literal *ret)
{
    return read_any(text, ret, 0);
}

static bool equals_str(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    struct mx_str str;
    if (!mx_str_read(types->runtime, object, &str) || str.length != literal->text.count)
        return false;
    for (size_t i = 0; i < str.length; i++)
        if (mx_str_at(&str, i) != literal->text.items[i])
            return false;
    return true;
}

static bool equals_bytes(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr length = mx_memory_pointer(types->runtime->memory, object + (mx_addr)layout->var_object.ob_size);
    if (length != literal->text.count)
        return false;
    const uint8_t *bytes =
        mx_memory_view(types->runtime->memory, object + (mx_addr)layout->bytes.ob_sval, literal->text.count);
    for (size_t i = 0; bytes && i < literal->text.count; i++)
        if (bytes[i] != literal->text.items[i])
            return false;
    return bytes;
}

static bool equals_word(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    const struct mx_show_options options = {.one_line = true};
    char *shown = NULL;
    struct mx_error *error = mx_show(types, object, &options, &shown);
    bool equal = !error && strlen(shown) == literal->text.count;
    for (size_t i = 0; equal && i < literal->text.count; i++)
        equal = (unsigned char)shown[i] == literal->text.items[i];
    mx_error_free(error);
    free(shown);
    return equal;
}

static bool equals_float(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    uint64_t word;
    double value;
    if (!mx_memory_u64(types->runtime->memory, object + (mx_addr)layout->float_.ob_fval, &word))
        return false;
    memcpy(&value, &word, sizeof(value));
    return !(value < literal->number) && !(value > literal->number);
}

static bool equals_tuple(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    const struct mx_layout *layout = &types->runtime->layout;
    mx_addr items = object + (mx_addr)layout->tuple.ob_item;
    if (mx_memory_pointer(types->runtime->memory, object + (mx_addr)layout->var_object.ob_size) != literal->items.count)
        return false;
    /* As deep as the literal: DEEPEST. */
    for (size_t i = 0; i < literal->items.count; i++)
        if (!mx_literal_equals(&literal->items.items[i], types,
                               mx_memory_pointer(types->runtime->memory, items + 8 * i)))
            return false;
    return true;
}

bool mx_literal_equals(const struct mx_literal *literal, const struct mx_types *types, mx_addr object)
{
    const struct mx_type *type = object && object % 8 == 0 ? mx_type_of(types, object) : NULL;
    if (!type)
        return false;
    switch (literal->kind) {
    case MX_LITERAL_STR:
        return type->kind == MX_KIND_STR && equals_str(literal, types, object);
    case MX_LITERAL_BYTES:
        return type->kind == MX_KIND_BYTES && equals_bytes(literal, types, object);
    case MX_LITERAL_FLOAT:
        return type->kind == MX_KIND_FLOAT && equals_float(literal, types, object);
    case MX_LITERAL_TUPLE:
        return type->kind == MX_KIND_TUPLE && equals_tuple(literal, types, object);
    default:
        return (type->kind == MX_KIND_INT || type->kind == MX_KIND_BOOL || type->kind == MX_KIND_NONE) &&
               equals_word(literal, types, object);
    }
}
