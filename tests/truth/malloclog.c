/* SPDX-License-Identifier: Apache-2.0
 *
 * Truth for the walk over glibc's chunks: preloaded into a process, it keeps the set of live malloc blocks and, when
 * called, writes it to a file and stops the process. It calls the C library's own __libc_* functions, allocates nothing
 * from malloc, and does not know Python.
 *
 *   build   cc -O2 -shared -fPIC -o malloclog.so malloclog.c
 *   target  LD_PRELOAD=malloclog.so python3 target.py, where target.py
 *             - starts some 12 threads that malloc (ctypes: malloc, calloc, realloc, posix_memalign of 32 to 65536,
 *               sizes from 1 byte to 4 MB, so that tcache, fastbins, bins and mmap all take part), frees half of it in
 *               another order, lets half of the threads end (their tcache is freed), the others wait;
 *             - then calls ctypes.PyDLL("malloclog.so").malloclog_stop(b"FILE") (PyDLL: the GIL is kept, nothing runs).
 *   test    waits for state T in /proc/PID/stat, then compares FILE ("address requested-size", hexadecimal) with the
 *           used chunks: each live block must start a used chunk with at least that many usable bytes; used chunks that
 *           are not in FILE may only be tcache structs (0x280 usable bytes, one for each thread), and what was malloced
 *           before this library was loaded (ld.so's own blocks are not in malloc's heap). kill -CONT, kill at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

#define EXPORT __attribute__((visibility("default")))
EXPORT void malloclog_stop(const char *path);
EXPORT int posix_memalign(void **ret, size_t alignment, size_t size);
EXPORT void *aligned_alloc(size_t alignment, size_t size);
EXPORT void *memalign(size_t alignment, size_t size);

struct entry {
    uintptr_t block; /* 0 = never used, REMOVED = was used */
    size_t size;
};

enum { SLOTS = 1 << 24, REMOVED = 1, BUFFER = 1 << 16 };

static struct entry *table;
static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_int inside; /* calls between the log and malloc, whose blocks the two see differently */

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
    if (table)
        return;
    table =
        mmap(NULL, SLOTS * sizeof(*table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED)
        _exit(99);
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

static void enter(void)
{
    lock();
    atomic_fetch_add(&inside, 1);
    unlock();
}

static void leave(void)
{
    atomic_fetch_sub(&inside, 1);
}

/* The lock, at a moment when no call is under way: threads that end free their blocks when they like. */
static void lock_at_rest(void)
{
    lock();
    while (atomic_load(&inside)) {
        unlock();
        sched_yield();
        lock();
    }
}

static size_t slot_of(uintptr_t block)
{
    return (size_t)((block >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

static void add(void *block, size_t size)
{
    if (!block)
        return;
    lock();
    size_t slot = slot_of((uintptr_t)block);
    while (table[slot].block > REMOVED)
        slot = (slot + 1) % SLOTS;
    table[slot] = (struct entry){(uintptr_t)block, size};
    unlock();
}

/* Returns the size that was asked for. */
static size_t forget(void *block)
{
    size_t size = 0;
    lock();
    size_t slot = slot_of((uintptr_t)block);
    while (table[slot].block && table[slot].block != (uintptr_t)block)
        slot = (slot + 1) % SLOTS;
    if (table[slot].block) {
        size = table[slot].size;
        table[slot].block = REMOVED;
    }
    unlock();
    return size;
}

EXPORT void *malloc(size_t size)
{
    enter();
    void *block = __libc_malloc(size);
    add(block, size);
    leave();
    return block;
}

EXPORT void *calloc(size_t count, size_t size)
{
    enter();
    void *block = __libc_calloc(count, size);
    add(block, count * size);
    leave();
    return block;
}

EXPORT void free(void *block)
{
    if (!block)
        return;
    /* First forgotten, then freed: another thread may get the same block at once. */
    enter();
    forget(block);
    __libc_free(block);
    leave();
}

EXPORT void *realloc(void *old, size_t size)
{
    enter();
    size_t old_size = old ? forget(old) : 0;
    void *block = __libc_realloc(old, size);
    if (block)
        add(block, size);
    else if (old && size)
        add(old, old_size);
    leave();
    return block;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    enter();
    void *block = __libc_memalign(alignment, size);
    add(block, size);
    leave();
    return block;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) || (alignment & (alignment - 1)) || !alignment)
        return EINVAL;
    void *block = memalign(alignment, size);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

static size_t put_hex(char *text, uintptr_t value, char end)
{
    char digits[16];
    size_t count = 0, length = 0;
    do
        digits[count++] = "0123456789abcdef"[value & 15];
    while (value >>= 4);
    while (count)
        text[length++] = digits[--count];
    text[length++] = end;
    return length;
}

static void write_all(int file, const char *text, size_t length)
{
    while (length) {
        ssize_t written = write(file, text, length);
        if (written <= 0)
            _exit(99);
        text += written;
        length -= (size_t)written;
    }
}

/* Writes the live set to `path` and stops the process. */
EXPORT void malloclog_stop(const char *path)
{
    static char buffer[BUFFER];
    size_t length = 0;
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        _exit(99);
    lock_at_rest();
    for (size_t slot = 0; slot < SLOTS; slot++) {
        if (table[slot].block <= REMOVED)
            continue;
        if (length > BUFFER - 64) {
            write_all(file, buffer, length);
            length = 0;
        }
        length += put_hex(buffer + length, table[slot].block, ' ');
        length += put_hex(buffer + length, table[slot].size, '\n');
    }
    write_all(file, buffer, length);
    close(file);
    raise(SIGSTOP);
    unlock();
}
