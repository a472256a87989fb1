/* SPDX-License-Identifier: Apache-2.0
 *
 * The places where a module's file is looked for, in this order: the
 * executable that the user named, the sysroot, the live process's own root,
 * the path as it stands, the library folders, and, for a file that was deleted
 * or replaced under a live process, the kernel's links to it. Of a process of
 * another machine the links are fetched, when nothing here is the same build.
 */
#include "memory/locate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory/elf.h"

static void keep_build_id(struct mx_module *module)
{
    size_t size;
    const uint8_t *id = mx_elf_build_id(module->elf, &size);
    if (module->build_id_size || !id || size > sizeof(module->build_id))
        return;
    memcpy(module->build_id, id, size);
    module->build_id_size = (uint8_t)size;
}

/* Takes `path` over. True when the file is the module's, as far as can be told. */
static bool accept_file(struct mx_module *module, char *path)
{
    struct mx_elf *elf = NULL;
    struct mx_error *error = path ? mx_elf_open(path, &elf) : mx_error_no_memory();
    if (error) {
        mx_error_free(error);
        free(path);
        return false;
    }
    size_t size;
    const uint8_t *id = mx_elf_build_id(elf, &size);
    bool differs =
        module->build_id_size && (!id || size != module->build_id_size || memcmp(id, module->build_id, size));
    free(module->file_path);
    module->file_path = path;
    if (differs) {
        module->state = MX_FILE_DIFFERS;
        mx_elf_close(elf);
        return false;
    }
    module->state = module->build_id_size ? MX_FILE_MATCHED : MX_FILE_UNCHECKED;
    module->elf = elf;
    keep_build_id(module);
    return true;
}

__attribute__((format(printf, 2, 3))) static bool try_file(struct mx_module *module, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *path;
    if (vasprintf(&path, format, args) < 0)
        path = NULL;
    va_end(args);
    return accept_file(module, path);
}

static bool try_folders(struct mx_module *module, const char *folders)
{
    const char *slash = strrchr(module->path, '/');
    const char *base = slash ? slash + 1 : module->path;
    for (const char *folder = folders; folder && *folder;) {
        size_t length = strcspn(folder, ":");
        if (length && length < 4096 && try_file(module, "%.*s/%s", (int)length, folder, base))
            return true;
        folder += length + (folder[length] == ':');
    }
    return false;
}

static bool try_named(struct mx_module *module, const struct mx_file_options *options)
{
    if (module->is_executable && options->executable && try_file(module, "%s", options->executable))
        return true;
    return options->sysroot && try_file(module, "%s%s", options->sysroot, module->path);
}

static bool try_kernel_links(struct mx_module *module, int pid, const struct mx_mapping *first)
{
    if (module->is_executable && try_file(module, "/proc/%d/exe", pid))
        return true;
    return try_file(module, "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)first->start,
                    (unsigned long long)first->end);
}

/* The other machine's own files, so that each is fetched only when none here has its build-id. */
static bool try_remote(struct mx_module *module, const struct mx_module_search *search)
{
    const struct mx_remote *remote = search->remote;
    char path[4096 + 32];
    const char *format = "/proc/%d/root%s";
    for (int i = 0; i < 2; i++, format = "/proc/%d/exe") {
        int length = snprintf(path, sizeof(path), format, search->pid, module->path);
        if (length < 0 || (size_t)length >= sizeof(path) || (i && !module->is_executable))
            continue;
        char *copy = remote->fetch(remote->context, path);
        if (copy && accept_file(module, copy))
            return true;
    }
    return false;
}

void mx_module_open_file(struct mx_module *module, const struct mx_module_search *search,
                         const struct mx_mapping *first)
{
    static const struct mx_file_options none;
    const struct mx_file_options *options = search->options ? search->options : &none;
    if (try_named(module, options))
        return;
    bool here = search->pid && !search->remote;
    if (here && try_file(module, "/proc/%d/root%s", search->pid, module->path))
        return;
    if (try_file(module, "%s", module->path) || try_folders(module, options->library_path))
        return;
    if (here)
        try_kernel_links(module, search->pid, first);
    else if (search->remote)
        try_remote(module, search);
}
