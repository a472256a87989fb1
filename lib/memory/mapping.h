/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a target says about its memory to regions and modules; shared by
 * core files and live processes. Only lib/memory includes this.
 *
 *   file mappings --mx_modules_find()--> modules
 *   segments + file mappings + modules --mx_regions_lay()--> regions
 */
#ifndef MX_MEMORY_MAPPING_H
#define MX_MEMORY_MAPPING_H

#include "memory/core.h"

/* A range of the address space that a file is mapped to (NT_FILE, /proc/PID/maps). */
struct mx_mapping {
    mx_addr start, end;
    uint64_t offset;  /* of `start` in the file */
    const char *path; /* interned: equal paths are equal pointers */
};

struct mx_mappings {
    MX_ARRAY(struct mx_mapping) mappings;
};

/* Sorts by address, drops what is empty and cuts what overlaps. */
void mx_mappings_sort(struct mx_mappings *mappings);

struct mx_module_search {
    const struct mx_file_options *options; /* may be NULL */
    mx_addr inside_executable;             /* AT_PHDR or AT_ENTRY; 0 = the lowest mapping's file is the executable */
    int pid;                               /* live: files are opened through /proc/PID; 0 = core */
    const struct mx_remote *remote;        /* NULL: the process is of this machine */
};

/*
 * Finds the ELF modules among sorted mappings, opens their files and compares build-ids with what `memory` (sealed)
 * holds. Only a failed allocation is an error.
 */
struct mx_error *mx_modules_find(const struct mx_memory *memory, const struct mx_mappings *mappings,
                                 const struct mx_module_search *search, struct mx_modules *ret);

/*
 * Adds to `memory` (not yet sealed) one region for each stretch of `segments` (sealed) and `mappings` that has one
 * origin: names, modules and bss are filled in, and bytes that the segments lack are served from the modules' files.
 */
struct mx_error *mx_regions_lay(const struct mx_memory *segments, const struct mx_mappings *mappings,
                                const struct mx_modules *modules, struct mx_memory *memory);

#endif
