/* SPDX-License-Identifier: Apache-2.0
 *
 * What attribute access and subscripts would give, as far as no code of the
 * target has to run: properties and __getattr__ are not called.
 */
#ifndef MX_CPYTHON_LOOKUP_H
#define MX_CPYTHON_LOOKUP_H

#include "cpython/literal.h"
#include "cpython/referents.h"

/* The attribute of an object, or 0: its own (dict, slots, fields of its struct), then those of its type's bases. */
mx_addr mx_lookup_attribute(const struct mx_referents *referents, mx_addr object, const char *name);

/* The item of a dict under a key, or of a sequence at an index, negative from the end; 0 = none. */
mx_addr mx_lookup_item(const struct mx_referents *referents, mx_addr object, const struct mx_literal *key);

/* How many items a sequence has: anything whose references have indices; false for what is none. */
bool mx_lookup_length(const struct mx_referents *referents, mx_addr object, uint64_t *ret);

/* The dict of sys.modules of the main interpreter, 0 when it is not there. */
mx_addr mx_lookup_modules(const struct mx_types *types);

/* The module called name[0..length), which is ASCII, in the dict of sys.modules; 0 = none. */
mx_addr mx_lookup_module(const struct mx_referents *referents, mx_addr modules, const char *name, size_t length);

/* Names of attributes, or of a dict's str keys when `keys`; as UTF-8. For telling what is near a wrong one. */
typedef void (*mx_name_visit)(void *context, const char *name);
void mx_lookup_names(const struct mx_referents *referents, mx_addr object, bool keys, mx_name_visit visit,
                     void *context);

#endif
