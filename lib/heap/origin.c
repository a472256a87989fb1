/* SPDX-License-Identifier: Apache-2.0
 *
 * Origins as bytes and back. A layout goes by the names of its fields, so that
 * a memext that knows other fields can read it.
 */
#include "heap/origin.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_FIELD = 3 * 8, MOST_OFFSET = 1 << 24 };

void mx_origin_deinit(struct mx_origin *origin)
{
    free(origin->kind);
    free(origin->path);
    free(origin->malloc);
    *origin = (struct mx_origin){0};
}

static void put_layout(const struct mx_layout *layout, struct mx_blob *blob)
{
    size_t count = 0;
    while (mx_layout_field(count))
        count++;
    mx_blob_put_u64(blob, layout->version_hex);
    mx_blob_put_u64(blob, layout->free_threaded | (uint64_t)layout->debug_build << 1 | (uint64_t)layout->nearest << 2);
    mx_blob_put_text(blob, layout->origin);
    mx_blob_put_u64(blob, count);
    for (size_t i = 0; i < count; i++) {
        const struct mx_layout_field *field = mx_layout_field(i);
        mx_blob_put_text(blob, field->group);
        mx_blob_put_text(blob, field->member);
        mx_blob_put_u64(blob, (uint32_t)mx_layout_value(layout, field));
    }
}

void mx_origin_put(const struct mx_origin *origin, struct mx_blob *blob)
{
    mx_blob_put_text(blob, origin->kind);
    mx_blob_put_text(blob, origin->path);
    mx_blob_put_u64(blob, (uint64_t)origin->time);
    mx_blob_put_text(blob, origin->malloc);
    mx_blob_put_u64(blob, origin->measured);
    if (origin->measured)
        put_layout(&origin->layout, blob);
}

static bool is_text(const char *known, const char *text, size_t length)
{
    return known && text ? strlen(known) == length && !memcmp(known, text, length) : known == text;
}

static void set_field(struct mx_layout *layout, const char *group, size_t group_length, const char *member,
                      size_t member_length, int32_t value)
{
    const struct mx_layout_field *field;
    for (size_t i = 0; (field = mx_layout_field(i)); i++)
        if (is_text(field->group, group, group_length) && is_text(field->member, member, member_length))
            *(int32_t *)((char *)layout + field->position) = value;
}

static void get_field(struct mx_blob_reader *reader, struct mx_layout *layout)
{
    size_t group_length, member_length;
    const char *group = mx_blob_get_text(reader, &group_length);
    const char *member = mx_blob_get_text(reader, &member_length);
    int32_t value = (int32_t)mx_blob_get_u64(reader);
    if (value < MX_ABSENT || value > MOST_OFFSET)
        reader->broken = true;
    else if (!reader->broken)
        set_field(layout, group, group_length, member, member_length, value);
}

/* Decoders take a member for one of the bytes that they have of its struct. */
static bool is_sound(const struct mx_layout *layout)
{
    const struct mx_layout_field *field;
    int32_t size = MX_ABSENT;
    for (size_t i = 0; (field = mx_layout_field(i)); i++) {
        int32_t value = mx_layout_value(layout, field);
        if (!field->member)
            size = value;
        else if (size >= 0 && value > size)
            return false;
    }
    return true;
}

/* Fields that the file does not have are absent. */
static void get_layout(struct mx_blob_reader *reader, struct mx_layout *layout)
{
    const struct mx_layout_field *field;
    for (size_t i = 0; (field = mx_layout_field(i)); i++)
        *(int32_t *)((char *)layout + field->position) = MX_ABSENT;
    layout->version_hex = (uint32_t)mx_blob_get_u64(reader);
    uint64_t flags = mx_blob_get_u64(reader), count;
    layout->free_threaded = flags & 1;
    layout->debug_build = flags >> 1 & 1;
    layout->nearest = flags >> 2 & 1;
    size_t length;
    const char *origin = mx_blob_get_text(reader, &length);
    if (origin)
        snprintf(layout->origin, sizeof(layout->origin), "%.*s", (int)(length < 128 ? length : 128), origin);
    count = mx_blob_get_count(reader, LEAST_FIELD);
    for (uint64_t i = 0; i < count && !reader->broken; i++)
        get_field(reader, layout);
    mx_layout_shapes(layout);
    reader->broken |= !is_sound(layout);
}

static struct mx_error *get_parts(struct mx_blob_reader *reader, struct mx_origin *origin)
{
    bool copied = mx_blob_copy_text(reader, &origin->kind) && mx_blob_copy_text(reader, &origin->path);
    origin->time = (int64_t)mx_blob_get_u64(reader);
    copied = mx_blob_copy_text(reader, &origin->malloc) && copied;
    if (!copied)
        return mx_error_no_memory();
    origin->measured = mx_blob_get_u64(reader);
    if (origin->measured)
        get_layout(reader, &origin->layout);
    if (reader->broken || !origin->kind || !origin->malloc)
        return mx_error_new(MX_ERROR_BAD_DATA, "the saved target does not tell what it was saved from: it is damaged");
    return NULL;
}

struct mx_error *mx_origin_get(const struct mx_blob *blob, struct mx_origin *ret)
{
    struct mx_blob_reader reader = {.at = blob->bytes.items, .left = blob->bytes.count};
    struct mx_origin origin = {0};
    struct mx_error *error = get_parts(&reader, &origin);
    if (error)
        mx_origin_deinit(&origin);
    else
        *ret = origin;
    return error;
}
