/* SPDX-License-Identifier: Apache-2.0
 *
 * Core files: kernel's and gcore's, whole or cut. Maps the file, clamps every
 * segment to it (a cut core must not be a SIGBUS), reads NT_FILE, NT_PRPSINFO,
 * NT_PRSTATUS and NT_AUXV, and fills what the core leaves out (text, read-only
 * data) from the ELF files that NT_FILE names, once their build-ids agree.
 */
#ifndef MX_MEMORY_CORE_H
#define MX_MEMORY_CORE_H

#include "memory/memory.h"
#include "memory/module.h"
#include "memory/thread.h"

/* Where files that a target names are looked for. All may be NULL. */
struct mx_file_options {
    const char *executable;             /* the main executable, overriding what the target names */
    const char *sysroot;                /* put before each absolute path */
    const char *library_path;           /* folders, ':'-separated, searched by base name */
    const struct mx_progress *progress; /* of unpacking a compressed core */
};

/*
 * Opens a core, also a compressed one (zstd, gzip, xz). The errors are sentences for the user: no such file, not an ELF
 * file, not a core, a 32-bit or foreign-machine core. A cut core opens; memory->missing_bytes tells how much is not
 * there. `modules` and `threads` are filled and are deinitialised by the caller; they and the memory are to be closed
 * in the order threads, modules, memory.
 */
struct mx_error *mx_core_open(const char *path, const struct mx_file_options *options, struct mx_memory **memory,
                              struct mx_modules *modules, struct mx_threads *threads);

#endif
