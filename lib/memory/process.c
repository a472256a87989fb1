/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a live process by its files in /proc, and reading its bytes.
 */
#include "memory/process.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "memory/corenotes.h"
#include "memory/mapping.h"
#include "memory/procfile.h"

struct process_source {
    struct mx_memory_source base;
    int pid;
    int descriptor;       /* of /proc/PID/mem; -1 = not to be had */
    _Atomic bool by_file; /* process_vm_readv() is missing or forbidden here */
};

struct remote_source {
    struct mx_memory_source base;
    pthread_t owner; /* the only thread that may read */
};

struct process {
    int pid;
    const struct mx_remote *remote; /* NULL: of this machine */
    struct mx_memory *lines;        /* as /proc/PID/maps has them */
    struct mx_memory *memory;
    struct mx_mappings mappings;
    struct mx_modules modules;
    struct mx_threads threads;
    mx_addr inside_executable;
};

static void close_process_source(struct mx_memory_source *base)
{
    struct process_source *source = (struct process_source *)base;
    if (source->descriptor >= 0)
        close(source->descriptor);
    mx_source_deinit(base);
    free(source);
}

/* An ended process reads as end of file, an unreadable page as EIO. */
static size_t read_by_file(struct process_source *source, const struct iovec *local, const struct iovec *remote,
                           size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t done = 0; done < local[i].iov_len;) {
            ssize_t read = pread(source->descriptor, (char *)local[i].iov_base + done, local[i].iov_len - done,
                                 (off_t)((uintptr_t)remote[i].iov_base + done));
            if (read < 0 && errno == EINTR)
                continue;
            if (!read || source->descriptor < 0)
                atomic_store(&source->base.gone, true);
            if (read <= 0)
                return total;
            done += (size_t)read;
            total += (size_t)read;
        }
    return total;
}

static size_t read_process(struct mx_memory_source *base, const struct iovec *local, const struct iovec *remote,
                           size_t count)
{
    struct process_source *source = (struct process_source *)base;
    if (atomic_load_explicit(&base->gone, memory_order_relaxed))
        return 0;
    if (atomic_load_explicit(&source->by_file, memory_order_relaxed))
        return read_by_file(source, local, remote, count);
    ssize_t read = process_vm_readv(source->pid, local, count, remote, count, 0);
    if (read >= 0)
        return (size_t)read;
    if (errno == ESRCH)
        atomic_store(&base->gone, true);
    if (errno != ENOSYS && errno != EPERM)
        return 0;
    atomic_store(&source->by_file, true);
    return read_by_file(source, local, remote, count);
}

static void close_remote_source(struct mx_memory_source *base)
{
    mx_source_deinit(base);
    free(base);
}

/* Debuggers' functions are not for other threads: those get nothing. */
static size_t read_remote(struct mx_memory_source *base, const struct iovec *local, const struct iovec *remote,
                          size_t count)
{
    const struct remote_source *source = (const struct remote_source *)base;
    size_t total = 0;
    for (size_t i = 0; i < count && pthread_equal(source->owner, pthread_self()); i++) {
        size_t read = base->remote->read(base->remote->context, (uintptr_t)remote[i].iov_base, local[i].iov_base,
                                         local[i].iov_len);
        total += read;
        if (read != local[i].iov_len)
            break;
    }
    return total;
}

static struct mx_error *open_remote_source(struct process *process)
{
    struct remote_source *source = mx_calloc(1, sizeof(*source));
    if (!source)
        return mx_error_no_memory();
    mx_source_init(&source->base);
    source->base.read = read_remote;
    source->base.close = close_remote_source;
    source->base.remote = process->remote;
    source->owner = pthread_self();
    process->memory->source = &source->base;
    return NULL;
}

static struct mx_error *open_source(struct process *process)
{
    if (process->remote)
        return open_remote_source(process);
    struct process_source *source = mx_calloc(1, sizeof(*source));
    if (!source)
        return mx_error_no_memory();
    mx_source_init(&source->base);
    source->base.read = read_process;
    source->base.close = close_process_source;
    source->pid = process->pid;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", process->pid);
    source->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    process->memory->source = &source->base;
    return NULL;
}

static uint32_t line_flags(const char *permissions, const char *name)
{
    uint32_t flags = 0;
    flags |= permissions[0] == 'r' ? (uint32_t)(MX_REGION_READ | MX_REGION_LIVE) : (uint32_t)MX_REGION_MISSING;
    flags |= permissions[1] == 'w' ? (uint32_t)MX_REGION_WRITE : 0;
    flags |= permissions[2] == 'x' ? (uint32_t)MX_REGION_EXEC : 0;
    flags |= permissions[3] == 's' ? (uint32_t)MX_REGION_SHARED : 0;
    if (name[0] == '/')
        return flags | MX_REGION_FILE;
    if (!strcmp(name, "[heap]"))
        return flags | MX_REGION_HEAP;
    if (!strcmp(name, "[stack]"))
        return flags | MX_REGION_STACK;
    if (!strncmp(name, "[vvar", 5))
        return (flags & ~(uint32_t)MX_REGION_LIVE) | MX_REGION_KERNEL | MX_REGION_MISSING;
    if (!strcmp(name, "[vdso]") || !strcmp(name, "[vsyscall]"))
        return flags | MX_REGION_KERNEL;
    return flags;
}

/* One line of maps: start-end permissions offset device inode [name]. A line of another form is skipped. */
static struct mx_error *add_line(struct process *process, const char *line)
{
    unsigned long long start, end, offset;
    char permissions[5];
    int name_at = 0;
    if (sscanf(line, "%llx-%llx %4s %llx %*s %*u %n", &start, &end, permissions, &offset, &name_at) < 4 || !name_at ||
        strlen(permissions) < 4 || start >= end)
        return NULL;
    const char *name = line + name_at;
    struct mx_region region = {
        .start = start, .end = end, .flags = line_flags(permissions, name), .module = MX_NO_MODULE};
    if (*name && !(region.name = mx_clean_path(&process->memory->source->names, name, strlen(name))))
        return mx_error_no_memory();
    region.file_offset = region.flags & MX_REGION_FILE ? offset : 0;
    MX_TRY(mx_memory_add(process->lines, region));
    struct mx_mapping mapping = {.start = start, .end = end, .offset = offset, .path = region.name};
    if (region.flags & MX_REGION_FILE && !mx_array_push(&process->mappings.mappings, mapping))
        return mx_error_no_memory();
    return NULL;
}

static struct mx_error *read_maps(struct process *process)
{
    struct mx_proc_text text = {0};
    struct mx_error *error = mx_proc_read(process->memory->source, process->pid, "maps", &text);
    char *next = text.bytes.items;
    for (char *line; !error && (line = strsep(&next, "\n"));)
        error = add_line(process, line);
    mx_array_free(&text.bytes);
    if (!error && !process->lines->regions.count)
        error = mx_error_new(MX_ERROR_NOT_FOUND, "process %d has no memory: it has ended, or is a kernel thread",
                             process->pid);
    return error ? error : mx_memory_seal(process->lines);
}

/* Without it the executable is the lowest mapping's file: good enough for no error. */
static struct mx_error *read_auxv(struct process *process)
{
    struct mx_proc_text text = {0};
    struct mx_error *error = mx_proc_read(process->memory->source, process->pid, "auxv", &text);
    for (size_t at = 0; !error && at + 16 <= text.bytes.count; at += 16) {
        const uint8_t *entry = (const uint8_t *)text.bytes.items + at;
        if (mx_load_u64(entry) == AT_PHDR)
            process->inside_executable = mx_load_u64(entry + 8);
    }
    mx_array_free(&text.bytes);
    return error;
}

/* A 32-bit process has nothing above 4 GB, and a 64-bit one always its stack. */
static struct mx_error *check_class(const struct process *process)
{
    const struct mx_region *regions = process->lines->regions.items;
    for (size_t i = 0; i < process->lines->regions.count; i++)
        if (regions[i].start >> 32 && !(regions[i].flags & MX_REGION_KERNEL))
            return NULL;
    return mx_error_new(MX_ERROR_UNSUPPORTED, "process %d is a 32-bit one; memext reads 64-bit ones", process->pid);
}

/* One byte read tells whether the rest will be possible. */
static struct mx_error *check_access(const struct process *process)
{
    const struct process_source *source = (const struct process_source *)process->memory->source;
    uint8_t byte;
    for (size_t i = 0; i < process->lines->regions.count; i++) {
        const struct mx_region *region = &process->lines->regions.items[i];
        if (region->flags & MX_REGION_LIVE && mx_live_read(process->memory, region->start, &byte, 1))
            return NULL;
        if (!process->remote && atomic_load(&source->by_file) && source->descriptor < 0)
            return mx_proc_error(process->memory->source, EPERM, process->pid);
        if (mx_memory_gone(process->memory))
            return mx_proc_error(process->memory->source, ESRCH, process->pid);
    }
    return mx_proc_error(process->memory->source, EPERM, process->pid);
}

/*
 * The kernel tells "running", "-1 SP PC", or "NUMBER ARGUMENTS SP PC" of a thread that waits in a system call. Without
 * the file (it takes the same right as reading the memory does) the stack is not known, which is no error.
 */
static mx_addr stack_pointer_of(int pid, int32_t tid)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
    if (fd >= 0)
        close(fd);
    line[length > 0 ? length : 0] = '\0';
    char *last = strrchr(line, ' ');
    if (!last)
        return 0;
    *last = '\0';
    char *before = strrchr(line, ' ');
    return before ? strtoull(before, NULL, 16) : 0;
}

/*
 * A thread's own block stands above its stack and begins with its own address, which its third word is again (glibc:
 * tcbhead_t). The main thread's is elsewhere. Returns 0 when there is none.
 */
static mx_addr find_thread_block(const struct mx_memory *memory, mx_addr stack_pointer)
{
    enum { ALIGNMENT = 64, SELF = 16, MOST_STACK = 64 << 20 };
    bool is_known = stack_pointer && mx_machine_here()->thread_block_names_itself;
    const struct mx_region *region = is_known ? mx_memory_region(memory, stack_pointer) : NULL;
    mx_addr at = (stack_pointer + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    mx_addr end = !region ? 0 : region->end - at < MOST_STACK ? region->end : at + MOST_STACK;
    for (; at + ALIGNMENT <= end; at += ALIGNMENT) {
        const uint8_t *block = mx_memory_view(memory, at, ALIGNMENT);
        if (!block)
            return 0;
        if (mx_load_u64(block) == at && mx_load_u64(block + SELF) == at)
            return at;
    }
    return 0;
}

static void find_thread_blocks(struct process *process)
{
    for (size_t i = 0; i < process->threads.threads.count; i++) {
        struct mx_thread *thread = &process->threads.threads.items[i];
        if (!thread->fs_base)
            thread->fs_base = find_thread_block(process->memory, thread->stack_pointer);
    }
}

static struct mx_error *copy_threads(const struct mx_remote *remote, struct mx_threads *ret)
{
    for (size_t i = 0; i < remote->thread_count; i++) {
        const struct mx_remote_thread *thread = &remote->threads[i];
        struct mx_thread copy = {
            .tid = thread->tid, .stack_pointer = thread->stack_pointer, .fs_base = thread->fs_base};
        if (!mx_array_push(&ret->threads, copy))
            return mx_error_no_memory();
    }
    return NULL;
}

static struct mx_error *read_threads(struct process *process)
{
    if (process->remote)
        return copy_threads(process->remote, &process->threads);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", process->pid);
    DIR *folder = opendir(path);
    if (!folder)
        return mx_proc_error(process->memory->source, errno, process->pid);
    struct mx_error *error = NULL;
    for (struct dirent *entry; !error && (entry = readdir(folder));) {
        struct mx_thread thread = {.tid = (int32_t)strtol(entry->d_name, NULL, 10)};
        thread.stack_pointer = stack_pointer_of(process->pid, thread.tid);
        if (thread.tid && !mx_array_push(&process->threads.threads, thread))
            error = mx_error_no_memory();
    }
    closedir(folder);
    return error;
}

static struct mx_error *read_command(struct process *process)
{
    struct mx_proc_text text = {0};
    struct mx_error *error = mx_proc_read(process->memory->source, process->pid, "cmdline", &text);
    char *command = process->threads.command;
    size_t length =
        text.bytes.count < sizeof(process->threads.command) ? text.bytes.count : sizeof(process->threads.command) - 1;
    for (size_t i = 0; !error && i < length; i++)
        command[i] = text.bytes.items[i] ? text.bytes.items[i] : ' ';
    while (length && command[length - 1] == ' ')
        command[--length] = '\0';
    mx_array_free(&text.bytes);
    return error;
}

/* Libraries that come or go change it; files that are only read do not. */
static uint64_t hash_code(const struct mx_memory *lines)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < lines->regions.count; i++) {
        const struct mx_region *line = &lines->regions.items[i];
        if (!(line->flags & MX_REGION_EXEC) || !(line->flags & MX_REGION_FILE))
            continue;
        hash = mx_hash(hash, &line->start, sizeof(line->start));
        hash = mx_hash(hash, line->name, strlen(line->name));
    }
    return hash;
}

static struct mx_error *open_parts(struct process *process, const struct mx_file_options *options)
{
    MX_TRY(mx_memory_new(&process->memory));
    MX_TRY(mx_memory_new(&process->lines));
    MX_TRY(open_source(process));
    process->lines->source = process->memory->source;
    process->threads.pid = process->pid;
    MX_TRY(read_maps(process));
    MX_TRY(check_class(process));
    MX_TRY(check_access(process));
    MX_TRY(read_auxv(process));
    MX_TRY(read_threads(process));
    MX_TRY(read_command(process));
    mx_mappings_sort(&process->mappings);
    struct mx_module_search search = {.options = options,
                                      .inside_executable = process->inside_executable,
                                      .pid = process->pid,
                                      .remote = process->remote};
    MX_TRY(mx_modules_find(process->lines, &process->mappings, &search, &process->modules));
    process->modules.code_hash = hash_code(process->lines);
    MX_TRY(mx_regions_lay(process->lines, &process->mappings, &process->modules, process->memory));
    MX_TRY(mx_memory_seal(process->memory));
    find_thread_blocks(process);
    return NULL;
}

static struct mx_error *reread_parts(struct process *process, const struct mx_modules *modules)
{
    MX_TRY(mx_memory_new(&process->lines));
    process->lines->source = process->memory->source;
    MX_TRY(read_maps(process));
    mx_mappings_sort(&process->mappings);
    mx_memory_clear(process->memory);
    MX_TRY(mx_regions_lay(process->lines, &process->mappings, modules, process->memory));
    return mx_memory_seal(process->memory);
}

static void close_lines(struct process *process)
{
    if (process->lines)
        process->lines->source = NULL;
    mx_memory_close(process->lines);
    mx_array_free(&process->mappings.mappings);
}

struct mx_error *mx_process_reread(int pid, struct mx_memory *memory, const struct mx_modules *modules, bool *ret_same)
{
    struct process process = {.pid = pid, .memory = memory};
    struct mx_error *error = reread_parts(&process, modules);
    if (!error)
        *ret_same = hash_code(process.lines) == modules->code_hash;
    close_lines(&process);
    return error;
}

static struct mx_error *open_process(struct process *process, const struct mx_file_options *options,
                                     struct mx_memory **memory, struct mx_modules *modules, struct mx_threads *threads)
{
    struct mx_error *error = open_parts(process, options);
    close_lines(process);
    if (error) {
        mx_threads_deinit(&process->threads);
        mx_modules_deinit(&process->modules);
        mx_memory_close(process->memory);
        return error;
    }
    *memory = process->memory;
    *modules = process->modules;
    *threads = process->threads;
    return NULL;
}

struct mx_error *mx_process_open(int pid, const struct mx_file_options *options, struct mx_memory **memory,
                                 struct mx_modules *modules, struct mx_threads *threads)
{
    struct process process = {.pid = pid};
    return open_process(&process, options, memory, modules, threads);
}

struct mx_error *mx_remote_open(const struct mx_remote *remote, const struct mx_file_options *options,
                                struct mx_memory **memory, struct mx_modules *modules, struct mx_threads *threads)
{
    struct process process = {.pid = remote->pid, .remote = remote};
    return open_process(&process, options, memory, modules, threads);
}
