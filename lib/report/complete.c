/* SPDX-License-Identifier: Apache-2.0
 *
 * How a name path that is being typed may go on.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/strtab.h"
#include "cpython/lookup.h"
#include "heap/target.h"

enum { MOST_PATH = 1024, MOST_NAMES = 10000 };

struct mx_names {
    struct mx_strtab strings;
    MX_ARRAY(const char *) items;
};

struct completing {
    struct mx_names *names;
    const char *typed;
    size_t kept; /* characters of it that end with the last dot */
    bool modules, no_memory;
};

static bool is_identifier(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!isalpha(c) && c != '_' && c < 0x80 && !(i && isdigit(c)))
            return false;
    }
    return length != 0;
}

/* Names that begin with an underscore are offered to those who ask for one. Of a module's name, the next part is. */
static void add_name(void *context, const char *name)
{
    struct completing *completing = context;
    struct mx_names *names = completing->names;
    char path[MOST_PATH];
    const char *rest = completing->typed + completing->kept;
    if (completing->modules && strncmp(name, completing->typed, completing->kept) != 0)
        return;
    const char *last = completing->modules ? name + completing->kept : name;
    size_t length = completing->modules ? strcspn(last, ".") : strlen(last);
    if (names->strings.strings.count >= MOST_NAMES || strncmp(last, rest, strlen(rest)) != 0 ||
        (last[0] == '_' && rest[0] != '_') || !is_identifier(last, length))
        return;
    int whole = snprintf(path, sizeof(path), "%.*s%.*s", (int)completing->kept, completing->typed, (int)length, last);
    if (whole > 0 && (size_t)whole < sizeof(path) && !mx_strtab_add(&names->strings, path, (size_t)whole))
        completing->no_memory = true;
}

/* What stands before the last dot may be no path, or lead nowhere: then there is nothing to offer. */
static void add_attributes(struct completing *completing, struct mx_target *target,
                           const struct mx_referents *referents)
{
    char before[MOST_PATH];
    mx_addr object;
    if (!completing->kept || completing->kept >= sizeof(before))
        return;
    memcpy(before, completing->typed, completing->kept - 1);
    before[completing->kept - 1] = '\0';
    struct mx_error *error = mx_target_resolve(target, before, &object);
    if (!error)
        mx_lookup_names(referents, object, false, add_name, completing);
    mx_error_free(error);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct mx_error *collect(struct completing *completing, struct mx_target *target)
{
    struct mx_names *names = completing->names;
    struct mx_referents referents;
    MX_TRY(mx_referents_open(&target->types, &referents));
    completing->modules = true;
    mx_lookup_names(&referents, mx_lookup_modules(&target->types), true, add_name, completing);
    completing->modules = false;
    add_attributes(completing, target, &referents);
    mx_referents_close(&referents);
    for (size_t i = 0; i < names->strings.strings.count && !completing->no_memory; i++)
        completing->no_memory = !mx_array_push(&names->items, names->strings.strings.items[i]);
    if (names->items.count)
        qsort(names->items.items, names->items.count, sizeof(*names->items.items), compare_names);
    return completing->no_memory ? mx_error_no_memory() : NULL;
}

struct mx_error *mx_names_complete(struct mx_target *target, const char *typed, struct mx_names **ret)
{
    struct mx_names *names = mx_calloc(1, sizeof(*names));
    if (!names)
        return mx_error_no_memory();
    const char *dot = strrchr(typed, '.');
    struct completing completing = {.names = names, .typed = typed, .kept = dot ? (size_t)(dot + 1 - typed) : 0};
    struct mx_error *error = collect(&completing, target);
    if (error) {
        mx_names_close(names);
        return error;
    }
    *ret = names;
    return NULL;
}

const char *const *mx_names(const struct mx_names *names, size_t *count)
{
    *count = names->items.count;
    return names->items.items;
}

void mx_names_close(struct mx_names *names)
{
    if (!names)
        return;
    mx_array_free(&names->items);
    mx_strtab_deinit(&names->strings);
    free(names);
}
