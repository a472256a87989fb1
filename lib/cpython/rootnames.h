/* SPDX-License-Identifier: Apache-2.0
 *
 * What finding roots and naming them share. For roots.c and rootnames.c.
 */
#ifndef MX_CPYTHON_ROOTNAMES_H
#define MX_CPYTHON_ROOTNAMES_H

#include "cpython/roots.h"

/* What a frame holds besides words of its locals and its value stack, as low 32 bits of a root's detail. */
enum { MX_FRAME_PARTS = 0x7ffffff0, MX_FRAME_FUNCTION = MX_FRAME_PARTS, MX_FRAME_NAMESPACE, MX_FRAME_CODE };

/*
 * The index-th known field with a reference of an interpreter's or a thread's state: its name, and where it is in the
 * state (negative: not in this version). NULL past the last.
 */
const char *mx_root_field(const struct mx_layout *layout, enum mx_root_kind kind, size_t index, int32_t *offset);

#endif
