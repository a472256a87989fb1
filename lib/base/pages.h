/* SPDX-License-Identifier: Apache-2.0
 *
 * Large zeroed arrays that take memory only where they are touched: reserve
 * for the worst case. Both kinds are released alike.
 */
#ifndef MX_BASE_PAGES_H
#define MX_BASE_PAGES_H

#include <stddef.h>

/* NULL when there is no address space. */
void *mx_pages_reserve(size_t bytes);

/* The same, of small pages: for what is touched here and there, where a large page would have to be cleared for each.
 */
void *mx_pages_reserve_sparse(size_t bytes);

/* With the bytes that were asked for; NULL is allowed. */
void mx_pages_release(void *memory, size_t bytes);

#endif
