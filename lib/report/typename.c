/* SPDX-License-Identifier: Apache-2.0
 *
 * From types' names to modules.
 */
#include "report/typename.h"

#include <string.h>

#include "cpython/lookup.h"

size_t mx_type_module_length(const struct mx_referents *referents, mx_addr modules, const char *name)
{
    const char *end = strstr(name, ".<locals>");
    size_t all = end ? (size_t)(end - name) : strlen(name), longest = 0;
    for (size_t length = all; length-- > 1;) {
        if (name[length] != '.')
            continue;
        longest = longest ? longest : length;
        if (modules && mx_lookup_module(referents, modules, name, length))
            return length;
    }
    return longest;
}
