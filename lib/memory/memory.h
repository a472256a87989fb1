/* SPDX-License-Identifier: Apache-2.0
 *
 * The target's address space: sorted regions of bytes. A core file, a live
 * process and a test's array look alike from here on up.
 *
 *   address --slot table (2 MB)--> first region --> bytes, or NULL
 *
 * A core's regions point into its mapping. A live region has a reserved shadow
 * of the same size that is filled in 64 KB blocks when they are first looked
 * at, so a pointer handed out stays valid until the memory is closed. Bulk
 * passes do not want to keep what they read: they use a mx_cursor, which reads
 * a live target through one window that is used again and again.
 *
 * Nothing here knows Python.
 */
#ifndef MX_MEMORY_MEMORY_H
#define MX_MEMORY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "memory/machine.h"

enum mx_region_flags {
    MX_REGION_READ = 1 << 0,
    MX_REGION_WRITE = 1 << 1,
    MX_REGION_EXEC = 1 << 2,
    MX_REGION_SHARED = 1 << 3,
    MX_REGION_FILE = 1 << 4,       /* mapped from a file (`name`) */
    MX_REGION_BSS = 1 << 5,        /* anonymous, but inside a module's PT_LOAD */
    MX_REGION_HEAP = 1 << 6,       /* the brk heap */
    MX_REGION_STACK = 1 << 7,      /* the main thread's stack */
    MX_REGION_INITIAL = 1 << 8,    /* writable, but the bytes are the file's: initial values, never state */
    MX_REGION_MISSING = 1 << 9,    /* known to exist, bytes not to be had (cut core, filtered dump) */
    MX_REGION_KERNEL = 1 << 10,    /* vdso, vvar, vsyscall */
    MX_REGION_LIVE = 1 << 11,      /* filled on demand, from the process or a saved target */
    MX_REGION_FROM_FILE = 1 << 12, /* the core lacks it: the bytes are those of the file that was mapped */
};

#define MX_NO_MODULE UINT32_MAX

struct mx_region {
    mx_addr start, end;
    const uint8_t *bytes;      /* of `start`; NULL when missing. Live: the shadow; use mx_memory_view() */
    uint32_t flags;            /* enum mx_region_flags */
    uint32_t module;           /* index for mx_modules, or MX_NO_MODULE */
    const char *name;          /* path or "[heap]" and so on; NULL when anonymous; lives as long as the memory */
    uint64_t file_offset;      /* of `start` in the file called `name` */
    _Atomic uint64_t *fetched; /* live: one bit a 4 KB page of the shadow */
};

/* Whether it is a module's own variables, as the program has them now: C globals and static objects. */
static inline bool mx_region_is_module_data(const struct mx_region *region)
{
    return region->module != MX_NO_MODULE && (region->flags & MX_REGION_WRITE) &&
           !(region->flags & (MX_REGION_SHARED | MX_REGION_MISSING | MX_REGION_INITIAL));
}

struct mx_memory_source; /* what a kind of target needs to read and to close itself */

struct mx_memory {
    MX_ARRAY(struct mx_region) regions; /* sorted by start, not overlapping */
    uint16_t *slots;                    /* per 2 MB of address space: 1 + its first region, 0 = none; NULL = bisect */
    struct mx_memory_source *source;    /* NULL for a test's arrays */
    uint64_t missing_bytes;             /* promised by the core's headers, absent from the file */
    uint64_t expected_bytes;            /* what a whole core would hold; 0 when live */
};

/* An empty memory for tests and for the openers: add regions, then mx_memory_seal(). */
struct mx_error *mx_memory_new(struct mx_memory **ret);

/* Takes all regions out, and what was read of them; where the bytes come from stays. */
void mx_memory_clear(struct mx_memory *memory);

/* Adds a region whose bytes the caller keeps alive. Regions may come in any order but must not overlap. */
struct mx_error *mx_memory_add(struct mx_memory *memory, struct mx_region region);

/* Sorts, checks and indexes the regions; needed before any look-up. Overlap is BAD_DATA. */
struct mx_error *mx_memory_seal(struct mx_memory *memory);

void mx_memory_close(struct mx_memory *memory);

/* A live process that has ended since it was opened: from then on every view is NULL. */
bool mx_memory_gone(const struct mx_memory *memory);

/* Whether the bytes are fetched when they are looked at (a live process, a saved target): then passes use cursors. */
bool mx_memory_on_demand(const struct mx_memory *memory);

/* How many threads may look at it at once: mx_work_threads(), but one where only the caller's thread can read. */
unsigned mx_memory_threads(const struct mx_memory *memory);

/* The region that holds `address`, missing ones included; NULL when there is none. */
const struct mx_region *mx_memory_region(const struct mx_memory *memory, mx_addr address);

/*
 * A pointer to `length` bytes of the target at `address`, valid until the
 * memory is closed, not aligned; NULL when any of them is not there or they
 * cross the end of a region. Any thread may call it.
 */
const uint8_t *mx_memory_view(const struct mx_memory *memory, mx_addr address, size_t length);

/* As mx_memory_view(), but the bytes must be state: file contents standing in for writable data do not count. */
const uint8_t *mx_memory_state(const struct mx_memory *memory, mx_addr address, size_t length);

/*
 * Copies what can be read of address..address + length from a live target now, in reads of 1 MB, for passes that will
 * look at all of it in no order. On other targets it does nothing.
 */
void mx_memory_fetch(const struct mx_memory *memory, mx_addr address, uint64_t length);

/* The NUL-terminated text at `address`; NULL when it is not there or longer than `most` bytes. */
const char *mx_memory_text(const struct mx_memory *memory, mx_addr address, size_t most);

/*
 * Copies `length` bytes at each of `count` addresses into rows of `out` (count * length bytes); rows that cannot be
 * read are zeroed. Best with sorted addresses: a live target is read in few system calls, without filling the shadow.
 * found (count bits, may be NULL) tells which rows were read. Returns how many.
 */
size_t mx_memory_gather(const struct mx_memory *memory, const mx_addr *addresses, size_t count, size_t length,
                        uint8_t *out, uint64_t *found);

static inline uint64_t mx_load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline int64_t mx_load_i64(const uint8_t *bytes)
{
    return (int64_t)mx_load_u64(bytes);
}

static inline uint32_t mx_load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline int32_t mx_load_i32(const uint8_t *bytes)
{
    return (int32_t)mx_load_u32(bytes);
}

static inline uint16_t mx_load_u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Typed reads at an address; false (and *ret untouched) when the bytes are not there. */
bool mx_memory_u64(const struct mx_memory *memory, mx_addr address, uint64_t *ret);
bool mx_memory_u32(const struct mx_memory *memory, mx_addr address, uint32_t *ret);
bool mx_memory_u8(const struct mx_memory *memory, mx_addr address, uint8_t *ret);

/* The word at `address`, or 0 when it is not there: for pointers, where both mean "nothing to follow". */
mx_addr mx_memory_pointer(const struct mx_memory *memory, mx_addr address);

/*
 * Sequential reading. A cursor belongs to one thread. Its views are valid until
 * the next view of the same cursor (live: 4 MB window; otherwise no copy).
 */
struct mx_cursor {
    const struct mx_memory *memory;
    uint8_t *window; /* live only; allocated at the first need */
    mx_addr start;   /* of the window */
    size_t length;   /* bytes in it */
};

void mx_cursor_init(struct mx_cursor *cursor, const struct mx_memory *memory);
void mx_cursor_deinit(struct mx_cursor *cursor);

/* Forgets what it read, and reads `memory` from now on; its window stays allocated. */
void mx_cursor_reset(struct mx_cursor *cursor, const struct mx_memory *memory);

/* As mx_memory_view(), with the shorter life of the view. `length` at most 2 MB on a live target. */
const uint8_t *mx_cursor_view(struct mx_cursor *cursor, mx_addr address, size_t length);

#endif
