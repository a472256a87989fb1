/* SPDX-License-Identifier: Apache-2.0
 *
 * Which file on this machine a module of the target came from. Only lib/memory
 * includes this.
 */
#ifndef MX_MEMORY_LOCATE_H
#define MX_MEMORY_LOCATE_H

#include "memory/mapping.h"

/*
 * Opens the first file that may be the module's and is not of another build; sets elf, file_path, state, and build_id
 * where the target had none. `first` is the module's lowest mapping.
 */
void mx_module_open_file(struct mx_module *module, const struct mx_module_search *search,
                         const struct mx_mapping *first);

#endif
