/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading blobs: numbers are eight bytes, the lowest first; a text
 * is its length + 1 and its bytes.
 */
#include "base/blob.h"

#include <string.h>

void mx_blob_put(struct mx_blob *blob, const void *bytes, size_t length)
{
    if (!mx_array_reserve(&blob->bytes, blob->bytes.count + length)) {
        blob->no_memory = true;
        return;
    }
    if (length)
        memcpy(blob->bytes.items + blob->bytes.count, bytes, length);
    blob->bytes.count += length;
}

void mx_blob_put_u64(struct mx_blob *blob, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    mx_blob_put(blob, bytes, sizeof(bytes));
}

void mx_blob_put_text(struct mx_blob *blob, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    mx_blob_put_u64(blob, text ? length + 1 : 0);
    mx_blob_put(blob, text, length);
}

const uint8_t *mx_blob_get(struct mx_blob_reader *reader, uint64_t length)
{
    if (reader->broken || length > reader->left) {
        reader->broken = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += length;
    reader->left -= (size_t)length;
    return bytes;
}

uint64_t mx_blob_get_u64(struct mx_blob_reader *reader)
{
    const uint8_t *bytes = mx_blob_get(reader, 8);
    uint64_t value = 0;
    for (int i = 0; bytes && i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

uint64_t mx_blob_get_count(struct mx_blob_reader *reader, size_t least)
{
    uint64_t count = mx_blob_get_u64(reader);
    if (count > reader->left / least) {
        reader->broken = true;
        return 0;
    }
    return count;
}

const char *mx_blob_get_text(struct mx_blob_reader *reader, size_t *length)
{
    uint64_t stored = mx_blob_get_u64(reader);
    *length = 0;
    if (!stored)
        return NULL;
    const char *text = (const char *)mx_blob_get(reader, stored - 1);
    *length = text ? (size_t)stored - 1 : 0;
    return text;
}

bool mx_blob_copy_text(struct mx_blob_reader *reader, char **ret)
{
    size_t length;
    const char *text = mx_blob_get_text(reader, &length);
    *ret = text ? strndup(text, length) : NULL;
    return !text || *ret;
}
