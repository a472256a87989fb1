/* SPDX-License-Identifier: Apache-2.0
 *
 * References of one node folded: those of one kind, from objects of one type, whose names differ but in an index or a
 * key are one group.
 */
#ifndef MX_REPORT_GROUPS_H
#define MX_REPORT_GROUPS_H

#include "report/reference.h"

struct mx_group {
    struct mx_reference reference; /* the first one; `from` and `to` are not set */
    const char *form;              /* what the names have in common; lives as long as the groups */
    uint32_t far;                  /* block at the other end of the first one; MX_NO_BLOCK: a root */
    uint32_t order;
};

struct mx_groups {
    MX_ARRAY(struct mx_group) items;
    struct mx_map by_key;
    struct mx_strtab keys;
};

void mx_groups_deinit(struct mx_groups *groups);

/* Counts a reference to or from an object of `type` ("" for roots); false when there is no memory. */
bool mx_groups_add(struct mx_groups *groups, uint32_t far, const char *type, const struct mx_reference *reference);

/* Exact ones first, then those that are many, then in their own order. */
void mx_groups_sort(struct mx_groups *groups);

/* "[12]" becomes "[#]", "['k']" and "[b'k']" become "[key]", in a buffer; cut to `size`. */
void mx_group_form(const char *name, char *buffer, size_t size);

#endif
