/* SPDX-License-Identifier: Apache-2.0
 *
 * Struct layouts from DWARF: sizes and member offsets of C structs by name,
 * from an ELF file that has debug information, or from its separate debug file
 * (by build-id under DIR/.build-id, or .gnu_debuglink).
 */
#ifndef MX_MEMORY_DWARF_H
#define MX_MEMORY_DWARF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mx_dwarf;

/*
 * Opens the debug information of the ELF file at `path`. `debug_folder` is where separate debug files live
 * (NULL: /usr/lib/debug). NOT_FOUND when there is none.
 */
struct mx_error *mx_dwarf_open(const char *path, const char *debug_folder, struct mx_dwarf **ret);
void mx_dwarf_close(struct mx_dwarf *dwarf);

/*
 * Reads the structs named in `names` (struct tags or typedefs; all in one pass over the units). Call once, before the
 * look-ups below.
 */
struct mx_error *mx_dwarf_load(struct mx_dwarf *dwarf, const char *const *names, size_t count);

/* Size in bytes of a loaded struct, or -1. */
int64_t mx_dwarf_size(const struct mx_dwarf *dwarf, const char *struct_name);

/*
 * Offset in bytes of a member by path ("gc.generations", "ob_base.ob_size", anonymous members looked into), or -1.
 * Array elements: "builtins.initialized[0]".
 */
int64_t mx_dwarf_offset(const struct mx_dwarf *dwarf, const char *struct_name, const char *member_path);

#endif
