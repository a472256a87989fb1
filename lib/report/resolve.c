/* SPDX-License-Identifier: Apache-2.0
 *
 * Name paths to objects: NAME(.NAME | [LITERAL])*, the first names being a
 * module's.
 */
#include <ctype.h>
#include <stdio.h>

#include "cpython/lookup.h"
#include "heap/target.h"

enum { MOST_NAME = 256, MOST_MODULE = 1024 };

struct resolving {
    struct mx_target *target;
    struct mx_referents referents;
    const char *expression;
    const char *at; /* the first character that is not resolved */
    mx_addr object;
};

/* The name that is nearest to a wrong one, by edit distance. */
struct nearest {
    const char *wanted;
    char name[MOST_NAME];
    size_t distance; /* names that are farther are not near */
};

static size_t least(size_t a, size_t b, size_t c)
{
    size_t both = a < b ? a : b;
    return both < c ? both : c;
}

static size_t edit_distance(const char *a, const char *b)
{
    enum { MOST = 64 };
    size_t row[MOST + 1], length_a = strlen(a), length_b = strlen(b);
    if (length_a > MOST || length_b > MOST)
        return SIZE_MAX;
    for (size_t j = 0; j <= length_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1,
                           diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1])));
            diagonal = above;
        }
    }
    return row[length_b];
}

static void weigh_name(void *context, const char *name)
{
    struct nearest *nearest = context;
    size_t distance = strlen(name) < sizeof(nearest->name) ? edit_distance(nearest->wanted, name) : SIZE_MAX;
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    snprintf(nearest->name, sizeof(nearest->name), "%s", name);
}

static struct nearest find_nearest(struct resolving *resolving, const char *wanted, mx_addr object, bool keys)
{
    struct nearest nearest = {.wanted = wanted, .distance = strlen(wanted) / 3 + 2};
    mx_lookup_names(&resolving->referents, object, keys, weigh_name, &nearest);
    return nearest;
}

/* "; did you mean 'x'?", or nothing. */
static const char *hint(const struct nearest *nearest, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (nearest->name[0])
        snprintf(buffer, size, "; did you mean '%s'?", nearest->name);
    return buffer;
}

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static struct mx_error *read_name(struct resolving *resolving, char *name, size_t size)
{
    size_t length = 0;
    while (is_name_character(resolving->at[length]))
        length++;
    if (!length || length >= size || isdigit((unsigned char)resolving->at[0]))
        return mx_error_new(MX_ERROR_ARGUMENT, "'%s' is no name path: a name is expected where '%.20s' stands",
                            resolving->expression, resolving->at);
    memcpy(name, resolving->at, length);
    name[length] = '\0';
    resolving->at += length;
    return NULL;
}

/* What the path led to so far, for messages: "module app", "app.CACHE (dict)". */
static const char *describe(const struct resolving *resolving, const char *until, char *buffer, size_t size)
{
    const struct mx_type *type = mx_type_of(&resolving->target->types, resolving->object);
    int length = (int)(until - resolving->expression);
    if (type && type->kind == MX_KIND_MODULE)
        snprintf(buffer, size, "module %.*s", length, resolving->expression);
    else
        snprintf(buffer, size, "%.*s (%s)", length, resolving->expression, type ? type->name : "no object");
    return buffer;
}

static struct mx_error *step_attribute(struct resolving *resolving)
{
    char name[MOST_NAME], where[MOST_MODULE], near[MOST_NAME + 32];
    const char *dot = resolving->at++;
    MX_TRY(read_name(resolving, name, sizeof(name)));
    mx_addr found = mx_lookup_attribute(&resolving->referents, resolving->object, name);
    if (!found) {
        struct nearest nearest = find_nearest(resolving, name, resolving->object, false);
        return mx_error_new(MX_ERROR_NOT_FOUND, "no attribute '%s' in %s%s", name,
                            describe(resolving, dot, where, sizeof(where)), hint(&nearest, near, sizeof(near)));
    }
    resolving->object = found;
    return NULL;
}

static struct mx_error *no_item(struct resolving *resolving, const struct mx_literal *key, const char *bracket)
{
    char where[MOST_MODULE], near[MOST_NAME + 32], wanted[MOST_NAME];
    int length = (int)(resolving->at - bracket);
    uint64_t items;
    describe(resolving, bracket, where, sizeof(where));
    if (mx_lookup_length(&resolving->referents, resolving->object, &items))
        return mx_error_new(MX_ERROR_NOT_FOUND, "no item %.*s in %s, which has %llu", length, bracket, where,
                            (unsigned long long)items);
    size_t count = key->kind == MX_LITERAL_STR && key->text.count < sizeof(wanted) ? key->text.count : 0;
    for (size_t i = 0; i < count; i++)
        wanted[i] = (char)key->text.items[i];
    wanted[count] = '\0';
    struct nearest nearest = find_nearest(resolving, wanted, resolving->object, true);
    return mx_error_new(MX_ERROR_NOT_FOUND, "no item %.*s in %s%s", length, bracket, where,
                        count ? hint(&nearest, near, sizeof(near)) : "");
}

static struct mx_error *find_item(struct resolving *resolving, struct mx_literal *key)
{
    const char *bracket = resolving->at++;
    MX_TRY(mx_literal_read(&resolving->at, key));
    resolving->at += strspn(resolving->at, " ");
    if (*resolving->at != ']')
        return mx_error_new(MX_ERROR_ARGUMENT, "'%s' is no name path: ']' is expected where '%.20s' stands",
                            resolving->expression, resolving->at);
    resolving->at++;
    mx_addr found = mx_lookup_item(&resolving->referents, resolving->object, key);
    if (!found)
        return no_item(resolving, key, bracket);
    resolving->object = found;
    return NULL;
}

static struct mx_error *step_item(struct resolving *resolving)
{
    struct mx_literal key = {0};
    struct mx_error *error = find_item(resolving, &key);
    mx_literal_deinit(&key);
    return error;
}

/* The longest run of dotted names that is a module; else a builtin. */
static struct mx_error *start(struct resolving *resolving)
{
    char name[MOST_NAME], near[MOST_NAME + 32];
    const char *begin = resolving->at, *end = NULL;
    mx_addr modules = mx_lookup_modules(&resolving->target->types);
    if (!modules)
        return mx_error_new(MX_ERROR_NOT_FOUND, "sys.modules of this process is not there to look names up in");
    MX_TRY(read_name(resolving, name, sizeof(name)));
    for (const char *at = begin; is_name_character(*at) || *at == '.'; at++) {
        mx_addr module = is_name_character(at[1])
                             ? 0
                             : mx_lookup_module(&resolving->referents, modules, begin, (size_t)(at + 1 - begin));
        resolving->object = module ? module : resolving->object;
        end = module ? at + 1 : end;
    }
    if (end) {
        resolving->at = end;
        return NULL;
    }
    mx_addr builtins = mx_lookup_module(&resolving->referents, modules, "builtins", strlen("builtins"));
    resolving->object = builtins ? mx_lookup_attribute(&resolving->referents, builtins, name) : 0;
    if (resolving->object)
        return NULL;
    struct nearest nearest = find_nearest(resolving, name, modules, true);
    return mx_error_new(MX_ERROR_NOT_FOUND, "no module '%s' in this process%s", name,
                        hint(&nearest, near, sizeof(near)));
}

static struct mx_error *follow(struct resolving *resolving)
{
    MX_TRY(start(resolving));
    while (*resolving->at) {
        if (*resolving->at == '.')
            MX_TRY(step_attribute(resolving));
        else if (*resolving->at == '[')
            MX_TRY(step_item(resolving));
        else
            return mx_error_new(MX_ERROR_ARGUMENT, "'%s' is no name path: '.' or '[' is expected where '%.20s' stands",
                                resolving->expression, resolving->at);
    }
    return NULL;
}

struct mx_error *mx_target_resolve(struct mx_target *target, const char *expression, mx_addr *ret)
{
    struct resolving resolving = {.target = target, .expression = expression, .at = expression};
    MX_TRY(mx_referents_open(&target->types, &resolving.referents));
    struct mx_error *error = follow(&resolving);
    mx_referents_close(&resolving.referents);
    if (!error)
        *ret = resolving.object;
    return error;
}
