/* SPDX-License-Identifier: Apache-2.0
 *
 * Large zeroed arrays that take memory only where they are touched: reserve
 * for the worst case.
 */
#ifndef MX_BASE_PAGES_H
#define MX_BASE_PAGES_H

#include <stddef.h>

/* NULL when there is no address space. */
void *mx_pages_reserve(size_t bytes);

/* With the bytes that were asked for; NULL is allowed. */
void mx_pages_release(void *memory, size_t bytes);

#endif
