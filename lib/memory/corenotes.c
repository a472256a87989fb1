/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding a core's notes.
 */
#include "memory/corenotes.h"

#include <elf.h>

#include "memory/note.h"

/* Offsets in the structs, not the host's own: a core may be read on another machine. */
enum {
    PRSTATUS_SIGNAL = 12,
    PRSTATUS_TID = 32,
    PRSTATUS_REGISTERS = 112,
    PRPSINFO_PID = 24,
    PRPSINFO_NAME = 40,
    PRPSINFO_ARGUMENTS = 56,
    PRPSINFO_SIZE = 136,
    FILE_HEADER = 16, /* of NT_FILE: count, page size */
    FILE_ENTRY = 24   /* start, end, offset in pages */
};

const char *mx_clean_path(struct mx_strtab *names, const char *path, size_t length)
{
    static const char deleted[] = " (deleted)";
    size_t suffix = sizeof(deleted) - 1;
    if (length > suffix && !memcmp(path + length - suffix, deleted, suffix))
        length -= suffix;
    return mx_strtab_add(names, path, length);
}

static mx_addr thread_register(const uint8_t *desc, size_t index)
{
    return index == MX_NO_REGISTER ? 0 : mx_load_u64(desc + PRSTATUS_REGISTERS + index * sizeof(uint64_t));
}

static struct mx_error *add_thread(const struct mx_note *note, const struct mx_machine *machine,
                                   struct mx_threads *threads)
{
    if (note->desc_size < PRSTATUS_REGISTERS + machine->registers * sizeof(uint64_t))
        return NULL;
    struct mx_thread thread = {.tid = mx_load_i32(note->desc + PRSTATUS_TID),
                               .stack_pointer = thread_register(note->desc, machine->stack_pointer),
                               .fs_base = thread_register(note->desc, machine->thread_pointer),
                               .signal = mx_load_u16(note->desc + PRSTATUS_SIGNAL)};
    return mx_array_push(&threads->threads, thread) ? NULL : mx_error_no_memory();
}

static void copy_text(char *to, const uint8_t *from, size_t size)
{
    size_t length = strnlen((const char *)from, size);
    while (length && from[length - 1] == ' ')
        length--;
    memcpy(to, from, length);
    to[length] = '\0';
}

static void read_process(const struct mx_note *note, struct mx_threads *threads)
{
    if (note->desc_size < PRPSINFO_SIZE)
        return;
    threads->pid = mx_load_i32(note->desc + PRPSINFO_PID);
    copy_text(threads->command, note->desc + PRPSINFO_ARGUMENTS, PRPSINFO_SIZE - PRPSINFO_ARGUMENTS);
    if (!threads->command[0])
        copy_text(threads->command, note->desc + PRPSINFO_NAME, PRPSINFO_ARGUMENTS - PRPSINFO_NAME);
}

static void read_auxv(const struct mx_note *note, struct mx_core_notes *notes)
{
    for (size_t at = 0; note->desc_size - at >= 16; at += 16) {
        uint64_t type = mx_load_u64(note->desc + at);
        mx_addr value = mx_load_u64(note->desc + at + 8);
        if (type == AT_PHDR)
            notes->program_headers = value;
        else if (type == AT_ENTRY)
            notes->entry = value;
        else if (type == AT_SYSINFO_EHDR)
            notes->vdso = value;
        else if (type == AT_RANDOM)
            notes->stack_top = value;
    }
}

/* gcore counts offsets in bytes (page size 1), the kernel in pages. An offset that overflows is no offset. */
static struct mx_error *read_files(const struct mx_note *note, struct mx_core_notes *notes)
{
    if (note->desc_size < FILE_HEADER)
        return NULL;
    uint64_t count = mx_load_u64(note->desc);
    uint64_t page_size = mx_load_u64(note->desc + 8);
    if (count > (note->desc_size - FILE_HEADER) / FILE_ENTRY)
        return NULL;
    const uint8_t *entry = note->desc + FILE_HEADER;
    const char *path = (const char *)entry + count * FILE_ENTRY;
    const char *end = (const char *)note->desc + note->desc_size;
    for (; count; count--, entry += FILE_ENTRY) {
        size_t length = strnlen(path, (size_t)(end - path));
        if (length == (size_t)(end - path))
            return NULL;
        struct mx_mapping mapping = {.start = mx_load_u64(entry), .end = mx_load_u64(entry + 8)};
        mapping.path = mx_clean_path(notes->names, path, length);
        if (!mapping.path)
            return mx_error_no_memory();
        path += length + 1;
        if (__builtin_mul_overflow(mx_load_u64(entry + 16), page_size, &mapping.offset))
            continue;
        if (!mx_array_push(&notes->mappings->mappings, mapping))
            return mx_error_no_memory();
    }
    return NULL;
}

struct mx_error *mx_core_notes_read(const uint8_t *bytes, size_t size, size_t alignment, struct mx_core_notes *notes)
{
    struct mx_note note;
    for (size_t offset = 0; mx_note_next(bytes, size, alignment, &offset, &note);) {
        if (mx_note_is(&note, "CORE", NT_PRSTATUS))
            MX_TRY(add_thread(&note, notes->machine, notes->threads));
        else if (mx_note_is(&note, "CORE", NT_FILE))
            MX_TRY(read_files(&note, notes));
        else if (mx_note_is(&note, "CORE", NT_PRPSINFO))
            read_process(&note, notes->threads);
        else if (mx_note_is(&note, "CORE", NT_AUXV))
            read_auxv(&note, notes);
    }
    return NULL;
}
