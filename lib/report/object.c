/* SPDX-License-Identifier: Apache-2.0
 *
 * One object: what it is, its size, its reference count, its value.
 */
#include "report/object.h"

#include <string.h>

#include "cpython/header.h"
#include "cpython/show.h"
#include "cpython/size.h"

/* As many bytes from `address` as a decoder wants to see at once, or what there is up to the end of the region. */
static const uint8_t *object_bytes(const struct mx_target *target, mx_addr address, size_t *available)
{
    enum { ENOUGH = 64, LEAST = 16 };
    for (*available = ENOUGH; *available >= LEAST; *available -= 8) {
        const uint8_t *bytes = mx_memory_view(target->memory, address, *available);
        if (bytes)
            return bytes;
    }
    return NULL;
}

uint64_t mx_object_shallow_size(const struct mx_target *target, mx_addr address)
{
    size_t available;
    const struct mx_type *type = mx_type_of(&target->types, address);
    const uint8_t *bytes = object_bytes(target, address, &available);
    return type && bytes ? mx_object_size(&target->types, type, address, bytes, available, NULL) : 0;
}

bool mx_object_was_there(const struct mx_heap *earlier, mx_addr object, const char *type)
{
    uint32_t block = mx_spans_find(&earlier->spans, object);
    uint32_t old_type = block == MX_NO_BLOCK ? MX_MAP_NONE : mx_heap_type_of(earlier, block);
    if (old_type == MX_MAP_NONE)
        return false;
    mx_addr old_object = mx_heap_object(earlier, mx_spans_of(&earlier->spans, block), block, old_type);
    return old_object == object && !strcmp(earlier->types.items[old_type].name, type);
}

struct mx_error *mx_object_info(struct mx_target *target, mx_addr address, struct mx_object_info *ret)
{
    const struct mx_type *type = address % 8 ? NULL : mx_type_of(&target->types, address);
    if (!type)
        return mx_error_new(MX_ERROR_NOT_FOUND, "there is no Python object at 0x%llx", (unsigned long long)address);
    struct mx_header header;
    if (!mx_header_read(&target->types, type, address, &header))
        return mx_error_new(MX_ERROR_NOT_FOUND, "0x%llx once was a %s, but is free now", (unsigned long long)address,
                            type->name);
    *ret = (struct mx_object_info){
        .address = address,
        .type_addr = type->address,
        .type = type->name,
        .refcount = header.refcount,
        .immortal = header.immortal,
        .tracked = header.tracked,
        .size = mx_object_shallow_size(target, address),
    };
    return NULL;
}

struct mx_error *mx_object_show(struct mx_target *target, mx_addr address, const struct mx_show_options *options,
                                char **ret)
{
    return mx_show(&target->types, address, options, ret);
}
