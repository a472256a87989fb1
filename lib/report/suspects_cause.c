/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a holder holds: what lies on the shortest way to it, read from the
 * holder up to the root. The first thing on it that people know as a cause is
 * the cause; pytest's own objects go before what they are made of.
 *
 *   module app -> __dict__ -> ['load'] -> <cache> -> ...      memoization, for the wrapper is nearer than the module
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpython/function.h"
#include "heap/reach.h"
#include "report/reference.h"
#include "report/suspects.h"

enum {
    ROOM = 1536,          /* for a cause in words */
    MOST_SHOWN_STEPS = 5, /* of a path that is no expression */
    MOST_OTHERS = 16,     /* other ways that are tried, to say who else holds it: words that only look so come first */
};

/* The way to one holder. */
struct reader {
    struct mx_graph *graph;
    const struct mx_pick *pick;
    const struct mx_node *nodes;
    const struct mx_reference *references; /* [i] leads to nodes[i] */
    size_t count;
    struct mx_strtab *names;
    struct mx_suspect *ret;
    char why[ROOM];
};

static const struct mx_types *types_of(const struct reader *reader)
{
    return &reader->graph->target->types;
}

static enum mx_kind kind_of(const struct reader *reader, size_t step)
{
    const struct mx_type *type = mx_type_of(types_of(reader), reader->nodes[step].address);
    return type ? (enum mx_kind)type->kind : MX_KIND_OTHER;
}

/* What leads on from a node, or the one after that; "" behind the last. */
static const char *label_after(const struct reader *reader, size_t step, size_t further)
{
    size_t index = step + 1 + further;
    return index < reader->count && reader->references[index].name ? reader->references[index].name : "";
}

/* "['name']" or "[3]" or ".name" or "local name" without what is around the name. */
static const char *bare(const char *label, char *buffer, size_t size)
{
    size_t length = strlen(label);
    if (!strncmp(label, "local ", 6))
        label += 6;
    else if (label[0] == '.')
        label++;
    else if (length > 4 && !strncmp(label, "['", 2) && !strcmp(label + length - 2, "']"))
        return snprintf(buffer, size, "%.*s", (int)(length - 4), label + 2), buffer;
    return snprintf(buffer, size, "%s", label), buffer;
}

static uint64_t index_in(const char *label)
{
    return label[0] == '[' && label[1] >= '0' && label[1] <= '9' ? strtoull(label + 1, NULL, 10) : UINT64_MAX;
}

const char *mx_name_path(const char *expression, struct mx_strtab *names)
{
    static const char begin[] = "sys.modules['";
    size_t skipped = strlen(begin);
    const char *end = strncmp(expression, begin, skipped) ? NULL : strstr(expression + skipped, "']");
    size_t length = end ? (size_t)(end - expression) - skipped : 0;
    char text[ROOM];
    bool is_plain = length && strspn(expression + skipped, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                           "0123456789_.") == length;
    if (!is_plain || strlen(expression) >= sizeof(text))
        return mx_strtab_add(names, expression, strlen(expression));
    int written = snprintf(text, sizeof(text), "%.*s%s", (int)length, expression + skipped, end + 2);
    return mx_strtab_add(names, text, (size_t)written);
}

/* The names of the steps, of long ways those of both ends. */
static const char *name_steps(const struct mx_reference *references, size_t count, struct mx_strtab *names)
{
    char text[ROOM];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count && used + 1 < sizeof(text); i++) {
        if (count > MOST_SHOWN_STEPS && i == 2) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, " → …");
            i = count - 2;
        }
        if (used + 1 < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " → " : "", references[i].name);
    }
    return mx_strtab_add(names, text, strlen(text));
}

/* One way to an object in a line, and whether that is an expression. */
static const char *name_path(const struct mx_path *path, struct mx_strtab *names, bool *is_expression)
{
    size_t count;
    const struct mx_reference *references = mx_path_references(path, &count);
    const char *expression = mx_path_expression(path);
    *is_expression = expression && strlen(expression) < ROOM;
    return *is_expression ? mx_name_path(expression, names) : name_steps(references, count, names);
}

/* ".__dict__['name']" as ".name": it is read, not typed. */
static void shorten_attributes(char *text)
{
    static const char begin[] = ".__dict__['";
    for (char *at = strstr(text, begin); at; at = strstr(at + 1, begin)) {
        char *name = at + strlen(begin), *end = strstr(name, "']");
        if (!end)
            return;
        memmove(at + 1, name, (size_t)(end - name));
        memmove(at + 1 + (end - name), end + 2, strlen(end + 2) + 1);
    }
}

/* What is on the way, by its path, else as what it is. */
static void name_place(struct reader *reader, size_t step, char *buffer, size_t size)
{
    enum { CHARACTERS = 120 };
    struct mx_path *path;
    struct mx_show_options options = {.depth = 1, .items = 1, .characters = CHARACTERS, .one_line = true};
    char *shown = NULL;
    struct mx_error *error = mx_path_open(reader->graph, reader->nodes[step].address, 0, NULL, NULL, &path);
    const char *expression = error ? NULL : mx_path_expression(path);
    const char *name = expression ? mx_name_path(expression, reader->names) : NULL;
    if (name) {
        snprintf(buffer, size, "%s", name);
        shorten_attributes(buffer);
    } else if (!mx_object_show(reader->graph->target, reader->nodes[step].address, &options, &shown))
        snprintf(buffer, size, "%s", shown);
    free(shown);
    if (!error)
        mx_path_close(path);
    mx_error_free(error);
}

static bool say(struct reader *reader, enum mx_cause cause)
{
    reader->ret->cause = cause;
    return true;
}

static bool by_cache(struct reader *reader, size_t step)
{
    char place[ROOM / 2];
    if (strcmp(reader->nodes[step].type, "functools._lru_cache_wrapper") != 0)
        return false;
    name_place(reader, step, place, sizeof(place));
    snprintf(reader->why, ROOM, "functools.lru_cache of %s", place);
    return say(reader, MX_CAUSE_MEMOIZATION);
}

/* A function's default arguments, closure and attributes. */
static bool by_function(struct reader *reader, size_t step)
{
    char place[ROOM / 2], name[ROOM / 4];
    const char *part = label_after(reader, step, 0), *item = label_after(reader, step, 1);
    mx_addr function = reader->nodes[step].address;
    bool is_default = !strcmp(part, "__defaults__"), is_closure = !strcmp(part, "__closure__");
    bool is_keyword = !strcmp(part, "__kwdefaults__");
    if (kind_of(reader, step) != MX_KIND_FUNCTION ||
        !(is_default || is_closure || is_keyword || !strcmp(part, "__dict__")))
        return false;
    bool has_name =
        is_default   ? mx_function_default_name(types_of(reader), function, index_in(item), name, sizeof(name))
        : is_closure ? mx_function_closure_name(types_of(reader), function, index_in(item), name, sizeof(name))
                     : *bare(item, name, sizeof(name)) != '\0';
    const char *what = is_closure                 ? "variable in the closure"
                       : is_default || is_keyword ? "default of an argument"
                                                  : "attribute";
    const char *named = is_closure ? "variable" : is_default || is_keyword ? "default of argument" : "attribute";
    name_place(reader, step, place, sizeof(place));
    if (has_name)
        snprintf(reader->why, ROOM, "%s `%s` %s function %s", named, name, is_closure ? "in the closure of" : "of",
                 place);
    else
        snprintf(reader->why, ROOM, "%s of function %s", what, place);
    return say(reader, MX_CAUSE_MEMOIZATION);
}

/* Of a namespace that is a holder itself: without those elements that are holders. */
static const char *other(const struct reader *reader)
{
    return reader->pick->is_rest ? "other " : "";
}

static bool by_class(struct reader *reader, size_t step)
{
    char name[ROOM / 4];
    bool is_last = step + 1 == reader->count;
    if (kind_of(reader, step) != MX_KIND_TYPE || (!is_last && strcmp(label_after(reader, step, 0), "__dict__") != 0))
        return false;
    const struct mx_type *type = mx_types_find(types_of(reader), reader->nodes[step].address);
    const char *class = type ? type->name : "?";
    bare(label_after(reader, step, 1), name, sizeof(name));
    if (*name)
        snprintf(reader->why, ROOM, "attribute `%s` of class %s", name, class);
    else
        snprintf(reader->why, ROOM, "%sattributes of class %s, none of which stands out", other(reader), class);
    return say(reader, MX_CAUSE_CLASS_ATTRIBUTE);
}

static bool by_generator(struct reader *reader, size_t step)
{
    char name[ROOM / 4], title[ROOM / 2];
    const char *label = label_after(reader, step, 0);
    if (kind_of(reader, step) != MX_KIND_GENERATOR)
        return false;
    if (strncmp(label, "local ", 6) != 0 && !strncmp(label_after(reader, step, 1), "local ", 6))
        label = label_after(reader, step, 1);
    bare(label, name, sizeof(name));
    if (!mx_suspended_title(types_of(reader), reader->nodes[step].address, title, sizeof(title)))
        snprintf(title, sizeof(title), "at 0x%llx", (unsigned long long)reader->nodes[step].address);
    if (!strncmp(label, "local ", 6))
        snprintf(reader->why, ROOM, "local `%s` of the suspended %s %s", name, reader->nodes[step].type, title);
    else
        snprintf(reader->why, ROOM, "held by the suspended %s %s", reader->nodes[step].type, title);
    return say(reader, MX_CAUSE_GENERATOR);
}

/* The frames on from a traceback: which local of which. */
static bool by_traceback(struct reader *reader, size_t step)
{
    char name[ROOM / 4], title[ROOM / 4], place[ROOM / 4] = "an exception";
    size_t frame = step, exception = step;
    if (strcmp(reader->nodes[step].type, "traceback") != 0)
        return false;
    while (frame + 1 < reader->count && kind_of(reader, frame) != MX_KIND_FRAME)
        frame++;
    while (exception && kind_of(reader, exception) != MX_KIND_EXCEPTION)
        exception--;
    if (kind_of(reader, exception) == MX_KIND_EXCEPTION)
        name_place(reader, exception, place, sizeof(place));
    const char *label = label_after(reader, frame, 0);
    bool is_named = mx_suspended_title(types_of(reader), reader->nodes[frame].address, title, sizeof(title));
    if (is_named && !strncmp(label, "local ", 6))
        snprintf(reader->why, ROOM, "local `%s` of %s, in the traceback of %s", bare(label, name, sizeof(name)), title,
                 place);
    else
        snprintf(reader->why, ROOM, "the traceback of %s", place);
    return say(reader, MX_CAUSE_EXCEPTION);
}

/* A damaged type may be its own base: a chain is believed as far as honest ones go. */
static bool is_thread_local(const struct mx_types *types, mx_addr object)
{
    enum { MOST_BASES = 64 };
    const struct mx_type *type = mx_type_of(types, object);
    for (int i = 0; type && i < MOST_BASES; i++) {
        if (!strcmp(type->name, "_thread._local") || !strcmp(type->name, "_threading_local.local"))
            return true;
        type = type->base ? mx_types_find(types, type->base) : NULL;
    }
    return false;
}

/* threading.local keeps a dict a thread; a context keeps its variables. */
static bool by_thread_local(struct reader *reader, size_t step)
{
    char place[ROOM / 2], name[ROOM / 4];
    const char *type = reader->nodes[step].type;
    bool is_context = strstr(type, "hamt") || !strcmp(type, "_contextvars.Context") || !strcmp(type, "Context");
    bool is_local = is_thread_local(types_of(reader), reader->nodes[step].address);
    if (!is_local && !is_context)
        return false;
    name_place(reader, step, place, sizeof(place));
    if (is_context)
        snprintf(reader->why, ROOM, "context variable in %s", place);
    else if (*bare(label_after(reader, step, 2), name, sizeof(name)))
        snprintf(reader->why, ROOM, "attribute `%s` of the thread-local data of %s", name, place);
    else
        snprintf(reader->why, ROOM, "thread-local data of %s", place);
    return say(reader, MX_CAUSE_THREAD_LOCAL);
}

static bool by_module(struct reader *reader, size_t step)
{
    char name[ROOM / 4], place[ROOM / 2];
    const char *label = label_after(reader, step, 0);
    if (kind_of(reader, step) != MX_KIND_MODULE)
        return false;
    name_place(reader, step, place, sizeof(place));
    if (*label && strcmp(label, "__dict__") != 0) {
        snprintf(reader->why, ROOM, "state that the C code of module %s keeps", place);
        return say(reader, MX_CAUSE_EXTENSION_MODULE);
    }
    if (*bare(label_after(reader, step, 1), name, sizeof(name)))
        snprintf(reader->why, ROOM, "global `%s` of module %s", name, place);
    else
        snprintf(reader->why, ROOM, "%sglobals of module %s, none of which stands out", other(reader), place);
    return say(reader, MX_CAUSE_MODULE_GLOBAL);
}

static bool by_root(struct reader *reader)
{
    static const enum mx_cause causes[] = {
        [MX_ROOT_MODULE] = MX_CAUSE_MODULE_GLOBAL,
        [MX_ROOT_LOCAL] = MX_CAUSE_FRAME_LOCAL,
        [MX_ROOT_FRAME] = MX_CAUSE_FRAME_LOCAL,
        [MX_ROOT_INTERPRETER] = MX_CAUSE_OTHER,
        [MX_ROOT_THREAD] = MX_CAUSE_OTHER,
        [MX_ROOT_STATIC_TYPE] = MX_CAUSE_CLASS_ATTRIBUTE,
        [MX_ROOT_C_GLOBAL] = MX_CAUSE_EXTENSION_MODULE,
        [MX_ROOT_C_STACK] = MX_CAUSE_OTHER,
        [MX_ROOT_CACHE] = MX_CAUSE_OTHER,
    };
    uint32_t block;
    const char *label = reader->references[0].name;
    struct mx_error *error = mx_place_find(reader->graph, reader->nodes[0].address, true, &block);
    const struct mx_root *root = error ? NULL : mx_root_best(reader->graph, block);
    mx_error_free(error);
    enum mx_cause cause = root ? causes[root->kind] : MX_CAUSE_OTHER;
    if (root && root->kind == MX_ROOT_THREAD)
        cause = strstr(label, "exception") ? MX_CAUSE_EXCEPTION
                : strstr(label, ": frame") ? MX_CAUSE_FRAME_LOCAL
                                           : MX_CAUSE_THREAD_LOCAL;
    snprintf(reader->why, ROOM, "%s%s", label, cause == MX_CAUSE_EXTENSION_MODULE ? ", which C code keeps" : "");
    return say(reader, cause);
}

static const char *pytest_name(const char *type)
{
    static const struct {
        const char *part, *name;
    } known[] = {
        {"Report", "a test report"},
        {"logging.", "log records that caplog keeps"},
        {"_code.", "the traceback of a failed test"},
        {"Fixture", "the cached value of a fixture"},
        {"fixtures.", "the cached value of a fixture"},
        {"capture.", "captured output"},
        {"python.Function", "a test that has run"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(type, known[i].part))
            return known[i].name;
    return "an object of pytest's own";
}

static bool is_pytest(const char *type)
{
    return !strncmp(type, "_pytest.", 8) || !strncmp(type, "pytest.", 7) || !strncmp(type, "pytest_", 7) ||
           !strncmp(type, "xdist.", 6);
}

/* The nearest object of pytest's; the holder itself counts, a class of its does not. */
static bool by_pytest(struct reader *reader, size_t step)
{
    if (!is_pytest(reader->nodes[step].type) || kind_of(reader, step) == MX_KIND_TYPE)
        return false;
    snprintf(reader->why, ROOM, "pytest: %s, a %s", pytest_name(reader->nodes[step].type), reader->nodes[step].type);
    return say(reader, MX_CAUSE_TEST_FRAMEWORK);
}

typedef bool (*test)(struct reader *reader, size_t step);

static bool find_on_way(struct reader *reader, const test *tests, size_t count)
{
    for (size_t step = reader->count; step-- > 0;)
        for (size_t i = 0; i < count; i++)
            if (tests[i](reader, step))
                return true;
    return false;
}

static void find_cause(struct reader *reader)
{
    static const test nearest[] = {by_cache, by_function, by_class};
    static const test pytest[] = {by_pytest};
    static const test others[] = {by_generator, by_traceback, by_thread_local, by_module};
    if (!find_on_way(reader, nearest, sizeof(nearest) / sizeof(nearest[0])) &&
        !find_on_way(reader, pytest, sizeof(pytest) / sizeof(pytest[0])) &&
        !find_on_way(reader, others, sizeof(others) / sizeof(others[0])))
        by_root(reader);
}

/* Who else holds it, where nobody holds it alone. */
static void add_others(struct reader *reader)
{
    size_t used = strlen(reader->why), count;
    mx_addr holder = reader->nodes[reader->count - 1].address;
    for (unsigned nth = 1; nth <= MOST_OTHERS; nth++) {
        struct mx_path *path;
        bool is_expression;
        struct mx_error *error = mx_path_open(reader->graph, holder, nth, NULL, NULL, &path);
        if (error) {
            mx_error_free(error);
            return;
        }
        bool is_exact = mx_path_references(path, &count)->exact;
        const char *name = is_exact ? name_path(path, reader->names, &is_expression) : NULL;
        if (name)
            snprintf(reader->why + used, ROOM - used, "; also held by %s", name);
        mx_path_close(path);
        if (name)
            return;
    }
}

static struct mx_error *read_way(struct reader *reader, const struct mx_holding *holding, const struct mx_path *path)
{
    size_t references;
    reader->nodes = mx_path_nodes(path, &reader->count);
    reader->references = mx_path_references(path, &references);
    reader->ret->path = name_path(path, reader->names, &reader->ret->is_expression);
    find_cause(reader);
    if (!mx_holding_is_space(holding, reader->pick->holder))
        add_others(reader);
    reader->ret->why = mx_strtab_add(reader->names, reader->why, strlen(reader->why));
    return reader->ret->path && reader->ret->why ? NULL : mx_error_no_memory();
}

struct mx_error *mx_cause_find(const struct mx_holding *holding, const struct mx_pick *pick, struct mx_strtab *names,
                               struct mx_suspect *ret)
{
    struct reader reader = {.graph = holding->retained->graph, .pick = pick, .names = names, .ret = ret};
    const struct mx_type *type;
    struct mx_path *path;
    MX_TRY(mx_path_open(reader.graph, mx_graph_object(reader.graph, pick->holder, &type), 0, NULL, NULL, &path));
    struct mx_error *error = read_way(&reader, holding, path);
    mx_path_close(path);
    return error;
}
