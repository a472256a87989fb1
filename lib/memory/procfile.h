/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of /proc/PID: of this machine, or of the one that a debugger is
 * connected to. Knows nothing of what they say. Only lib/memory includes this.
 */
#ifndef MX_MEMORY_PROCFILE_H
#define MX_MEMORY_PROCFILE_H

#include "memory/source.h"

struct mx_proc_text {
    MX_ARRAY(char) bytes; /* NUL-terminated, the NUL not counted */
};

/* A descriptor of /proc/PID/`name`; -1 with errno. */
int mx_proc_open(const struct mx_memory_source *source, int pid, const char *name);

/* All of it. The caller frees text->bytes, also after an error. */
struct mx_error *mx_proc_read(const struct mx_memory_source *source, int pid, const char *name,
                              struct mx_proc_text *text);

/* What the user can do where a process's file or memory is refused for `reason`, an errno value. */
struct mx_error *mx_proc_error(const struct mx_memory_source *source, int reason, int pid);

#endif
