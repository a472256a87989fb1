/* SPDX-License-Identifier: Apache-2.0
 *
 * ELF notes, one after the other, out of bytes that may be cut or wrong.
 */
#ifndef MX_MEMORY_NOTE_H
#define MX_MEMORY_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mx_note {
    uint32_t type;
    const char *name; /* name_size bytes; ends with NUL when well-formed */
    size_t name_size;
    const uint8_t *desc;
    size_t desc_size;
};

/*
 * The note at *offset, which moves on behind it; false at the end or at a note that does not fit into `size`.
 * `alignment` is the segment's p_align: 8, or anything else for 4.
 */
bool mx_note_next(const uint8_t *bytes, size_t size, size_t alignment, size_t *offset, struct mx_note *ret);

bool mx_note_is(const struct mx_note *note, const char *name, uint32_t type);

/* The GNU build-id among the notes, at most 32 bytes long, or NULL. */
const uint8_t *mx_note_build_id(const uint8_t *bytes, size_t size, size_t alignment, size_t *id_size);

#endif
