/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as repr() would print them, without running code of the target.
 */
#ifndef MX_CPYTHON_SHOW_H
#define MX_CPYTHON_SHOW_H

#include "cpython/type.h"

/* The caller frees *ret. An address that is no object is NOT_FOUND; anything broken inside prints as <address>. */
struct mx_error *mx_show(const struct mx_types *types, mx_addr address, const struct mx_show_options *options,
                         char **ret);

#endif
