/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking ELF notes.
 */
#include "memory/note.h"

#include <elf.h>
#include <string.h>

enum { MOST_BUILD_ID = 32 };

static size_t round_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* Sizes are 32-bit, so that sums of them cannot overflow a size_t. */
bool mx_note_next(const uint8_t *bytes, size_t size, size_t alignment, size_t *offset, struct mx_note *ret)
{
    Elf64_Nhdr header;
    size_t step = alignment == 8 ? 8 : 4;
    if (*offset > size || size - *offset < sizeof(header))
        return false;
    memcpy(&header, bytes + *offset, sizeof(header));
    size_t left = size - *offset;
    size_t desc = round_up(sizeof(header) + header.n_namesz, step);
    if (desc > left || header.n_descsz > left - desc)
        return false;
    *ret = (struct mx_note){.type = header.n_type,
                            .name = (const char *)bytes + *offset + sizeof(header),
                            .name_size = header.n_namesz,
                            .desc = bytes + *offset + desc,
                            .desc_size = header.n_descsz};
    *offset += round_up(desc + header.n_descsz, step);
    return true;
}

bool mx_note_is(const struct mx_note *note, const char *name, uint32_t type)
{
    size_t length = strlen(name);
    return note->type == type && note->name_size == length + 1 && !memcmp(note->name, name, length);
}

const uint8_t *mx_note_build_id(const uint8_t *bytes, size_t size, size_t alignment, size_t *id_size)
{
    struct mx_note note;
    for (size_t offset = 0; mx_note_next(bytes, size, alignment, &offset, &note);)
        if (mx_note_is(&note, "GNU", NT_GNU_BUILD_ID) && note.desc_size && note.desc_size <= MOST_BUILD_ID) {
            *id_size = note.desc_size;
            return note.desc;
        }
    return NULL;
}
