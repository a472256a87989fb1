/* SPDX-License-Identifier: Apache-2.0
 *
 * The notes of a Linux core: threads, command, file mappings and the
 * auxiliary vector's few facts that matter. Only lib/memory includes this.
 */
#ifndef MX_MEMORY_CORENOTES_H
#define MX_MEMORY_CORENOTES_H

#include "base/strtab.h"
#include "memory/mapping.h"
#include "memory/thread.h"

struct mx_core_notes {
    const struct mx_machine *machine; /* of the core */
    struct mx_threads *threads;
    struct mx_mappings *mappings;
    struct mx_strtab *names; /* keeps the mappings' paths */
    mx_addr program_headers; /* AT_PHDR */
    mx_addr entry;           /* AT_ENTRY */
    mx_addr vdso;            /* AT_SYSINFO_EHDR */
    mx_addr stack_top;       /* AT_RANDOM: lies on the main thread's stack */
};

/*
 * Reads one PT_NOTE segment's bytes. Notes that are cut or wrong are skipped; only a failed allocation is an error.
 * Layouts: Linux elf_prstatus, elf_prpsinfo (include/linux/elfcore.h), fill_files_note (fs/binfmt_elf.c).
 */
struct mx_error *mx_core_notes_read(const uint8_t *bytes, size_t size, size_t alignment, struct mx_core_notes *notes);

/* The path without " (deleted)", interned; NULL when there is no memory. */
const char *mx_clean_path(struct mx_strtab *names, const char *path, size_t length);

#endif
