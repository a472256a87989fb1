/* SPDX-License-Identifier: Apache-2.0
 *
 * Raw blocks of objects that refer to nothing else: digits of decimals, locks of files, what
 * C libraries keep for one object.
 */
#include "cpython/walk.h"

/*
 * CPython Modules/_decimal/_decimal.c: PyDecObject; Modules/_io/bufferedio.c: buffered; the same since 3.8. Offsets in
 * objects are for a header of 16 bytes: see own().
 */
enum {
    DECIMAL_DIGITS = 64,
    DECIMAL_SIZE = 104,
    BUFFERED_LOCK_BEHIND_BUFFER = 48,
    CTYPES_DATA = 16, /* Modules/_ctypes/ctypes.h: b_ptr, b_needsfree of CDataObject */
    CTYPES_OWNS_DATA = 24,
    UNPICKLER_ENCODING_BEHIND_BUFFERS = 8, /* Modules/_pickle.c: encoding, errors, marks */
    UNPICKLER_TEXTS = 3,
};

/* A free-threaded header is wider, and all that follows it stands so much further on. */
static int32_t own(const struct mx_walk *walk, int32_t offset)
{
    const int32_t narrow = 16;
    return offset + walk->layout->object.size - narrow;
}

/* Few digits are in the object itself. Python's own class of that name has no digits there. */
void mx_refer_decimal(struct mx_walk *walk)
{
    mx_addr digits = mx_walk_word(walk, own(walk, DECIMAL_DIGITS));
    int32_t size = own(walk, DECIMAL_SIZE);
    if (walk->type->basicsize >= size && digits - walk->object >= (uint64_t)size)
        mx_walk_field(walk, digits, MX_EDGE_BUFFER, "<digits>");
}

void mx_refer_buffered(struct mx_walk *walk)
{
    if (walk->layout->buffered.buffer >= 0)
        mx_walk_field(walk, mx_walk_word(walk, walk->layout->buffered.buffer + BUFFERED_LOCK_BEHIND_BUFFER),
                      MX_EDGE_BUFFER, "<lock>");
}

void mx_refer_unpickler_buffers(struct mx_walk *walk)
{
    int32_t buffers = walk->layout->unpickler.buffers;
    for (int32_t i = 0; i < UNPICKLER_TEXTS && buffers >= 0; i++)
        mx_walk_field(walk, mx_walk_word(walk, buffers + UNPICKLER_ENCODING_BEHIND_BUFFERS + 8 * i), MX_EDGE_BUFFER,
                      "<settings>");
}

/* Small values are in the object itself, and those of others are theirs. */
void mx_refer_ctypes_data(struct mx_walk *walk)
{
    if (mx_walk_u32(walk, own(walk, CTYPES_OWNS_DATA)))
        mx_walk_field(walk, mx_walk_word(walk, own(walk, CTYPES_DATA)), MX_EDGE_BUFFER, "<data>");
}
