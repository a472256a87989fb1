/* SPDX-License-Identifier: Apache-2.0
 *
 * One ELF file, read with libelf: segments, symbols, sections, build-id. The
 * file's bytes are also mapped, for serving read-only data that a core leaves
 * out.
 */
#ifndef MX_MEMORY_ELF_H
#define MX_MEMORY_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "memory/symbols.h"

struct mx_elf;

/*
 * A descriptor of the regular file at `path`, for the caller to close. Nothing else is opened: what a target names may
 * be a device, which could do something then, or a FIFO.
 */
struct mx_error *mx_elf_descriptor(const char *path, int *ret);

/* Opens a file; errors name the path and what is wrong with it (not ELF, 32-bit, another machine). */
struct mx_error *mx_elf_open(const char *path, struct mx_elf **ret);
void mx_elf_close(struct mx_elf *elf);

const char *mx_elf_path(const struct mx_elf *elf);
const uint8_t *mx_elf_bytes(const struct mx_elf *elf, size_t *size);

size_t mx_elf_segment_count(const struct mx_elf *elf);
bool mx_elf_segment(const struct mx_elf *elf, size_t index, Elf64_Phdr *ret);

/* The build-id note's bytes (owned by the elf), or NULL. */
const uint8_t *mx_elf_build_id(const struct mx_elf *elf, size_t *size);

/* A defined symbol of .dynsym, else of .symtab ("name" also matches "name.lto_priv.0"); value is a file address. */
bool mx_elf_symbol(const struct mx_elf *elf, const char *name, Elf64_Sym *ret);

/* All of them: built at the first call. */
const struct mx_symbols *mx_elf_symbols(const struct mx_elf *elf);

bool mx_elf_section(const struct mx_elf *elf, const char *name, Elf64_Shdr *ret);

#endif
