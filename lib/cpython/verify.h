/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of a chosen layout against the target: static facts that every
 * CPython of the version must show. Nothing is repaired except what is known
 * to move between builds of one version.
 */
#ifndef MX_CPYTHON_VERIFY_H
#define MX_CPYTHON_VERIFY_H

#include "cpython/runtime.h"

/* Adds a sentence to runtime->warnings. */
struct mx_error *mx_runtime_warn(struct mx_runtime *runtime, const char *format, ...) MX_PRINTF(2, 3);

/*
 * 3.13+: compares the layout with the debug offsets at runtime->address. What differs is BAD_DATA for a row that was
 * made for this build or for DWARF; a nearest row takes the target's values.
 */
struct mx_error *mx_verify_debug_offsets(struct mx_runtime *runtime);

/* PyType_Type is its own type and named "type"; tp_basicsize of the core types is the size that the layout has. */
struct mx_error *mx_verify_types(const struct mx_runtime *runtime);

/*
 * The main interpreter's modules, sys and builtins dicts are dicts, and its GC lists close; sets layout.gc.generations
 * to where they are. For after the interpreters were listed.
 */
struct mx_error *mx_verify_interpreter(struct mx_runtime *runtime);

#endif
