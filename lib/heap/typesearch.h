/* SPDX-License-Identifier: Apache-2.0
 *
 * Types that the tree below `object` did not give, for parts of it are missing.
 */
#ifndef MX_HEAP_TYPESEARCH_H
#define MX_HEAP_TYPESEARCH_H

#include "heap/target.h"

/* Adds to the target's types those that stand in blocks of its heap. */
void mx_search_types(struct mx_target *target, struct mx_work *work);

#endif
