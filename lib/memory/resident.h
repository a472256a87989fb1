/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pages of a target are there: in RAM for a live process, by its smaps and pagemap; in the file for a core or a
 * saved target. And
 * what the kernel says of a live process as a whole. It does not know what the pages are for.
 *
 * The kernel counts pages a mapping at a time (Rss of smaps); pagemap tells which they are, but calls pages of nothing
 * but zeros, which are shared by all processes and counted to none, present as well. So the number comes from smaps
 * and the places from pagemap: the runs of a mapping always add up to its Rss.
 */
#ifndef MX_MEMORY_RESIDENT_H
#define MX_MEMORY_RESIDENT_H

#include "memory/memory.h"

struct mx_page_run {
    mx_addr start, end;
};

/* Of a live process, in bytes. (Linux Documentation/filesystems/proc.rst: smaps_rollup, statm) */
struct mx_kernel_figures {
    uint64_t rss, vms, shared, text, data; /* statm */
    uint64_t uss, pss, swap;               /* smaps_rollup */
};

struct mx_resident {
    MX_ARRAY(struct mx_page_run) runs; /* sorted, not overlapping */
    uint64_t bytes;                    /* of all runs */
    uint64_t guessed; /* of these, bytes that are known by number only: taken from the start of their mappings */
    struct mx_kernel_figures figures; /* zeros for a core, and where a connection does not tell */
};

/* `pid` of the live process that `memory` is of; 0: a core. */
struct mx_error *mx_resident_open(const struct mx_memory *memory, int pid, struct mx_resident *ret);
void mx_resident_deinit(struct mx_resident *resident);

/* Bytes of [start, end) that are in RAM, or in the file. */
uint64_t mx_resident_bytes(const struct mx_resident *resident, mx_addr start, mx_addr end);

#endif
