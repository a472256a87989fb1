/* SPDX-License-Identifier: Apache-2.0
 *
 * For libFuzzer: an input is a program or library. Its segments, symbols and
 * sections are read, and struct layouts from its debug information.
 */
#include "libfuzzer.h"
#include "memory/dwarf.h"
#include "memory/elf.h"
#include "memory_file.h"

static void read_elf(const char *path)
{
    struct mx_elf *elf;
    struct mx_error *error = mx_elf_open(path, &elf);
    if (error) {
        mx_error_free(error);
        return;
    }
    Elf64_Phdr segment;
    Elf64_Sym symbol;
    Elf64_Shdr section;
    size_t size;
    for (size_t i = 0; i < mx_elf_segment_count(elf); i++)
        mx_elf_segment(elf, i, &segment);
    mx_elf_build_id(elf, &size);
    mx_elf_symbol(elf, "_PyRuntime", &symbol);
    mx_elf_section(elf, ".gnu_debuglink", &section);
    mx_elf_close(elf);
}

static void read_dwarf(const char *path)
{
    static const char *const names[] = {"outer", "inner", "chained", "absent"};
    static const char *const members[] = {"first", "inner.words[2]", "anonymous", "bits", "absent", "array[1].last"};
    struct mx_dwarf *dwarf;
    struct mx_error *error = mx_dwarf_open(path, "/nonexistent", &dwarf);
    if (!error) {
        error = mx_dwarf_load(dwarf, names, sizeof(names) / sizeof(*names));
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            mx_dwarf_size(dwarf, names[i]);
            for (size_t at = 0; at < sizeof(members) / sizeof(*members); at++)
                mx_dwarf_offset(dwarf, names[i], members[at]);
        }
        mx_dwarf_close(dwarf);
    }
    mx_error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file file;
    if (!*file.path)
        memory_file_open(&file);
    memory_file_set(&file, bytes, size);
    read_elf(file.path);
    read_dwarf(file.path);
    return 0;
}
