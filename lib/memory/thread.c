/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread list's end of life; core.c and process.c fill it.
 */
#include "memory/thread.h"

void mx_threads_deinit(struct mx_threads *threads)
{
    mx_array_free(&threads->threads);
    *threads = (struct mx_threads){0};
}
