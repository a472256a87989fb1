/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts about one object, for the reports that list objects.
 */
#ifndef MX_REPORT_OBJECT_H
#define MX_REPORT_OBJECT_H

#include "heap/heap.h"

/* sys.getsizeof of the object at `address`; 0 when there is none. */
uint64_t mx_object_shallow_size(const struct mx_target *target, mx_addr address);

/* Whether an earlier heap has an object of a type of this name at the address. */
bool mx_object_was_there(const struct mx_heap *earlier, mx_addr object, const char *type);

#endif
