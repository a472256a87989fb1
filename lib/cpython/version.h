/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPython a module is: what it says itself, or what its symbols and its
 * name tell.
 */
#ifndef MX_CPYTHON_VERSION_H
#define MX_CPYTHON_VERSION_H

#include "cpython/layout.h"
#include "memory/memory.h"
#include "memory/module.h"

/*
 * Fills the key for the layout, from the `_PyRuntime` symbol of a module. In order: the cookie and version at its start
 * (3.13+), Py_Version (3.11+), the text that Py_GetVersion() made, the file's name. version_hex stays 0 when all are
 * silent.
 */
void mx_version_identify(const struct mx_memory *memory, const struct mx_symbol *runtime, struct mx_layout_key *ret);

/* By the cookie at the start of a _PyRuntime of 3.13+; false when there is none. */
bool mx_version_of_cookie(const struct mx_memory *memory, mx_addr runtime, struct mx_layout_key *ret);

/* PY_VERSION_HEX by the text of Py_GetVersion() in the module's data; 0 when there is none. */
uint32_t mx_version_of_data(const struct mx_memory *memory, const struct mx_module *module);

/* "3.11.2", "3.13.0rc2"; "3.9" when the micro version is not known (0 with no release level). */
void mx_version_text(uint32_t version_hex, char *ret, size_t room);

#endif
