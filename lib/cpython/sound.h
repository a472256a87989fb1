/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the numbers that CPython keeps of an object agree with each other.
 * Each is an invariant that the interpreter's own debug builds assert.
 */
#ifndef MX_CPYTHON_SOUND_H
#define MX_CPYTHON_SOUND_H

#include "cpython/type.h"

/*
 * What is wrong with the lengths, counts and tables of an object, as a part of a sentence ("its length is more than was
 * allocated"); NULL when nothing is. `rest` are the bytes from the object to the end of its block. What is not in the
 * target is not wrong.
 */
const char *mx_sound_numbers(const struct mx_types *types, const struct mx_type *type, mx_addr object, uint64_t rest);

/* The same of a type object: its type is a type, its chain of bases ends at `object`, its instances have a size. */
const char *mx_sound_type(const struct mx_types *types, const struct mx_type *type);

#endif
