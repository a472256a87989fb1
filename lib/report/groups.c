/* SPDX-License-Identifier: Apache-2.0
 *
 * Folding alike references.
 */
#include "report/groups.h"

#include <stdio.h>

enum { MOST_KEY = 2 * MX_REFERENCE_NAME };

void mx_groups_deinit(struct mx_groups *groups)
{
    mx_array_free(&groups->items);
    mx_map_deinit(&groups->by_key);
    mx_strtab_deinit(&groups->keys);
}

/* Where a subscript with a str or bytes begins: a key may hold brackets and quotes, so that the first one counts. */
static const char *find_key(const char *name)
{
    for (const char *at = strchr(name, '['); at; at = strchr(at + 1, '[')) {
        const char *quote = at[1] == 'b' ? at + 2 : at + 1;
        if (*quote == '\'' || *quote == '"')
            return at;
    }
    return NULL;
}

/* "[12]" at the end of the name. */
static const char *find_index(const char *name)
{
    const char *at = strrchr(name, '[');
    size_t digits = at ? strspn(at + 1, "0123456789") : 0;
    return digits && !strcmp(at + 1 + digits, "]") ? at : NULL;
}

void mx_group_form(const char *name, char *buffer, size_t size)
{
    const char *key = find_key(name), *index = key ? NULL : find_index(name), *end = strrchr(name, ']');
    const char *start = key ? key : index;
    if (!start)
        snprintf(buffer, size, "%s", name);
    else
        snprintf(buffer, size, "%.*s%s%s", (int)(start - name), name, key ? "[key]" : "[#]",
                 end && end > start ? end + 1 : "");
}

bool mx_groups_add(struct mx_groups *groups, uint32_t far, const char *type, const struct mx_reference *reference)
{
    char form[MX_REFERENCE_NAME], text[MOST_KEY];
    if (far == MX_NO_BLOCK)
        snprintf(form, sizeof(form), "%s", reference->name);
    else
        mx_group_form(reference->name, form, sizeof(form));
    int prefix =
        snprintf(text, sizeof(text), "%u %u %.*s ", far == MX_NO_BLOCK, reference->kind, MX_REFERENCE_NAME - 32, type);
    int length = prefix + snprintf(text + prefix, sizeof(text) - (size_t)prefix, "%s", form);
    const char *key = mx_strtab_add(&groups->keys, text, (size_t)length);
    uint32_t known = key ? mx_map_get(&groups->by_key, (uintptr_t)key) : MX_MAP_NONE;
    if (known != MX_MAP_NONE) {
        groups->items.items[known].reference.count++;
        return true;
    }
    uint32_t order = (uint32_t)groups->items.count;
    struct mx_group group = {*reference, key ? key + prefix : NULL, far, order};
    group.reference.name = key ? mx_strtab_add(&groups->keys, reference->name, strlen(reference->name)) : NULL;
    return group.reference.name && mx_array_push(&groups->items, group) &&
           mx_map_set(&groups->by_key, (uintptr_t)key, order);
}

static int compare_groups(const void *a, const void *b)
{
    const struct mx_group *left = a, *right = b;
    if (left->reference.exact != right->reference.exact)
        return left->reference.exact ? -1 : 1;
    if (left->reference.count != right->reference.count)
        return left->reference.count > right->reference.count ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

void mx_groups_sort(struct mx_groups *groups)
{
    if (groups->items.count)
        qsort(groups->items.items, groups->items.count, sizeof(struct mx_group), compare_groups);
}
