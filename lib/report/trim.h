/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pages malloc_trim() gives back: the whole ones inside of free chunks, once those of the fastbins have joined
 * their neighbours (glibc malloc/malloc.c: malloc_consolidate(), mtrim()). Threads' caches stay as they are. It knows
 * addresses alone.
 */
#ifndef MX_REPORT_TRIM_H
#define MX_REPORT_TRIM_H

#include "memory/machine.h"
#include "memory/memory.h"

enum {
    MX_TRIM_HEADER = 48, /* what stays of a free chunk: sizeof(struct malloc_chunk) */
};

/* Free chunks one behind the other. All zeros: none. */
struct mx_trim_run {
    mx_addr start, end;
};

/* The whole pages inside of a run; false when there are none. */
static inline bool mx_trim_pages(const struct mx_trim_run *run, mx_addr *from, mx_addr *until)
{
    *from = (run->start + MX_TRIM_HEADER + MX_PAGE - 1) & ~(mx_addr)(MX_PAGE - 1);
    *until = run->end & ~(mx_addr)(MX_PAGE - 1);
    return *from < *until;
}

/* Adds a free chunk to the run, if it stands right behind it; else *run is that chunk alone, and *ret_old what was. */
static inline bool mx_trim_add(struct mx_trim_run *run, mx_addr start, mx_addr end, struct mx_trim_run *ret_old)
{
    bool joins = run->end == start;
    *ret_old = *run;
    if (!joins)
        run->start = start;
    run->end = end;
    return joins;
}

#endif
