/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts about one object, for the reports that list objects.
 */
#ifndef MX_REPORT_OBJECT_H
#define MX_REPORT_OBJECT_H

#include "heap/target.h"

/* sys.getsizeof of the object at `address`; 0 when there is none. */
uint64_t mx_object_shallow_size(const struct mx_target *target, mx_addr address);

#endif
