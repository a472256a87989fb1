/* SPDX-License-Identifier: Apache-2.0
 *
 * Which objects hold values and references only, so that no word of theirs can
 * be how C code keeps its memory: the digits of an int, the items of a list.
 */
#ifndef MX_HEAP_PLAIN_H
#define MX_HEAP_PLAIN_H

#include "heap/heap.h"

/* Of a built-in type or a plain class of Python's, not of what C code made of them. */
bool mx_is_plain(const struct mx_types *types, const struct mx_type *type);

/* Whether a word at `place` of a module's data belongs to such an object there, or to the instructions of frozen code.
 */
bool mx_is_in_value(const struct mx_target *target, const struct mx_heap *heap, mx_addr place);

#endif
