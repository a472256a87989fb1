/* SPDX-License-Identifier: Apache-2.0
 *
 * A CPython without any of its files: the symbols that the file would have
 * given, found by what they look like in the target.
 */
#ifndef MX_CPYTHON_RECOVER_H
#define MX_CPYTHON_RECOVER_H

#include "cpython/runtime.h"

/*
 * Where no module has a symbol _PyRuntime: looks for the interpreter in the data of modules without files, and gives
 * the one that has it symbols for _PyRuntime and for types. Nothing changes where there is none. Only a failed
 * allocation is an error.
 */
struct mx_error *mx_recover_symbols(const struct mx_memory *memory, struct mx_modules *modules);

/* Whether the symbols of the runtime's module were found so. */
bool mx_recovered(const struct mx_runtime *runtime);

/* The name under which a module of Python's has the type at `address`, for types whose tp_name is lost; else NULL. */
const char *mx_recovered_name(const struct mx_runtime *runtime, mx_addr address);

#endif
