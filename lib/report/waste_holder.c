/* SPDX-License-Identifier: Apache-2.0
 *
 * Who holds many equal objects, in words: some of them are looked at, each of
 * their referrers is named three ways, and the first way in which most agree is
 * the answer.
 *
 *   by key     app.Order.currency   dict['currency']   tuple[1]    local x in f (app.py:12)
 *   by holder  app.Order.currency   values of app.PRICES   items of app.NAMES   items of dict['tags']
 *   by kind    app.Order.currency   values of dict                 items of list
 */
#include <stdio.h>
#include <string.h>

#include "cpython/dict.h"
#include "report/reference.h"
#include "report/waste.h"

enum {
    REFERRERS_EACH = 3, /* of one object */
    MOST_ASKED = 8,     /* referrers of a dict, among which its owner is looked for */
    MOST_NAME = 256,
    WAYS = 3,
    MOST_VOTES = MX_WASTE_SAMPLES * (REFERRERS_EACH + 1),
};

enum way { BY_KEY, BY_HOLDER, BY_KIND };

struct names {
    char text[WAYS][MOST_NAME]; /* "" = this way has no name for it */
    const char *word;           /* of a container's contents: "items", "keys", "values"; else NULL */
};

struct votes {
    const char *names[WAYS][MOST_VOTES]; /* interned */
    size_t count[WAYS];
    size_t referrers;
};

static bool take_first(void *context, const struct mx_edge *edge)
{
    *(struct mx_edge *)context = *edge;
    return false;
}

static struct mx_edge edge_between(const struct mx_graph *graph, uint32_t from, uint32_t to)
{
    struct mx_edge edge = {0};
    mx_edges_between(graph, from, to, take_first, &edge);
    return edge;
}

/* The module's name where sys.modules has it, the class's own, else the type's. */
static void name_owner(const struct mx_waste_holders *holders, const struct mx_type *type, mx_addr object, char *ret)
{
    const struct mx_graph *graph = holders->graph;
    const struct mx_types *types = &graph->target->types;
    const struct mx_type *class = type->kind == MX_KIND_TYPE ? mx_types_find(types, object) : NULL;
    static const char prefix[] = "module ";
    char label[MX_REFERENCE_NAME];
    uint32_t root = type->kind == MX_KIND_MODULE ? mx_map_get(&holders->modules, object) : MX_MAP_NONE;
    if (root != MX_MAP_NONE && mx_root_name(types, &graph->roots.items[root].root, MX_EDGE_LABEL, label, sizeof(label)))
        snprintf(ret, MOST_NAME, "%.*s", MOST_NAME - 1, label + (sizeof(prefix) - 1));
    else
        snprintf(ret, MOST_NAME, "%s", class ? class->name : type->name);
}

/* Modules by their own address and by their namespace's: functions refer to that by the thousand. */
static bool add_module(struct mx_waste_holders *holders, uint32_t index)
{
    const struct mx_root *root = &holders->graph->roots.items[index].root;
    const struct mx_types *types = &holders->graph->target->types;
    const struct mx_type *type = root->kind == MX_ROOT_MODULE ? mx_type_of(types, root->object) : NULL;
    if (!type || type->kind != MX_KIND_MODULE || mx_map_get(&holders->modules, root->object) != MX_MAP_NONE)
        return true;
    mx_addr dict = mx_attributes_storage(types->runtime, type, root->object).dict;
    return mx_map_set(&holders->modules, root->object, index) && (!dict || mx_map_set(&holders->modules, dict, index));
}

bool mx_waste_holders_open(const struct mx_graph *graph, struct mx_waste_holders *ret)
{
    ret->graph = graph;
    bool ok = true;
    for (size_t i = 0; graph && ok && i < graph->roots.count; i++)
        ok = add_module(ret, (uint32_t)i);
    return ok;
}

void mx_waste_holders_close(struct mx_waste_holders *holders)
{
    mx_map_deinit(&holders->modules);
}

/* What the dict is the `__dict__` of. */
static bool find_owner(const struct mx_waste_holders *holders, uint32_t dict, char *ret)
{
    const struct mx_graph *graph = holders->graph;
    const struct mx_rows *rows = &graph->reverse;
    const struct mx_type *type;
    uint32_t end = rows->first[dict + 1];
    uint32_t root = mx_map_get(&holders->modules, mx_graph_object(graph, dict, &type));
    if (root != MX_MAP_NONE) {
        mx_addr module = graph->roots.items[root].root.object;
        name_owner(holders, mx_type_of(&graph->target->types, module), module, ret);
        return true;
    }
    if (end - rows->first[dict] > MOST_ASKED)
        end = rows->first[dict] + MOST_ASKED;
    for (uint32_t i = rows->first[dict]; i < end; i++) {
        mx_addr object = mx_graph_object(graph, rows->targets[i], &type);
        struct mx_edge edge = object ? edge_between(graph, rows->targets[i], dict) : (struct mx_edge){0};
        if (!edge.target || edge.naming != MX_NAME_FIELD || strcmp(edge.detail.text, "__dict__") != 0)
            continue;
        name_owner(holders, type, object, ret);
        return true;
    }
    return false;
}

static void name_all(struct names *ret, const char *owner, const char *label)
{
    for (int way = 0; way < WAYS; way++)
        snprintf(ret->text[way], MOST_NAME, "%.*s%.*s", MOST_NAME / 2, owner, MOST_NAME / 2 - 1, label);
}

static void name_value(const struct mx_waste_holders *holders, uint32_t from, const char *type, struct mx_edge edge,
                       const char *label, struct names *ret)
{
    char owner[MOST_NAME], attribute[MX_REFERENCE_NAME];
    if (find_owner(holders, from, owner)) {
        edge.naming = MX_NAME_ATTRIBUTE;
        mx_edge_name(&holders->graph->target->types, &edge, MX_EDGE_LABEL, attribute, sizeof(attribute));
        name_all(ret, owner, attribute);
        return;
    }
    name_all(ret, type, label);
    ret->word = "values";
}

static void name_item(const struct mx_type *type, const char *word, const char *label, struct names *ret)
{
    name_all(ret, type->name, label);
    if (type->kind != MX_KIND_TUPLE)
        ret->text[BY_KEY][0] = '\0';
    ret->word = word;
}

static void name_field(const char *owner, const struct mx_edge *edge, struct names *ret)
{
    char field[MOST_NAME];
    snprintf(field, sizeof(field), ".%.200s", edge->detail.text);
    name_all(ret, owner, field);
}

/* What a referrer is called by the reference from it; nothing where the reference has no name. */
static void name_in_object(const struct mx_waste_holders *holders, uint32_t from, const struct mx_type *type,
                           const struct mx_edge *edge, struct names *ret)
{
    char label[MX_REFERENCE_NAME], owner[MOST_NAME];
    if (!mx_edge_name(&holders->graph->target->types, edge, MX_EDGE_LABEL, label, sizeof(label)))
        return;
    mx_addr object = mx_graph_object(holders->graph, from, &type);
    name_owner(holders, type, object, owner);
    switch ((enum mx_edge_naming)edge->naming) {
    case MX_NAME_KEY:
        name_value(holders, from, type->name, *edge, label, ret);
        break;
    case MX_NAME_KEY_ITSELF:
        name_item(type, type->kind == MX_KIND_SET ? "items" : "keys", "", ret);
        break;
    case MX_NAME_INDEX:
        name_item(type, "items", label, ret);
        break;
    case MX_NAME_FIELD:
    case MX_NAME_FIELD_INDEX:
        name_field(owner, edge, ret);
        break;
    case MX_NAME_LOCAL:
        name_all(ret, label, " of ");
        name_all(ret, ret->text[BY_KEY], type->name);
        break;
    default:
        name_all(ret, owner, edge->naming == MX_NAME_OFFSET ? "" : label);
    }
}

/* A local of a running frame, without its thread and line: those differ where the pattern is one. */
static bool name_local(const struct mx_graph *graph, uint32_t block, char *ret)
{
    size_t first, count = mx_graph_roots_of(graph, block, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct mx_root *root = &graph->roots.items[graph->roots_by_block[i]].root;
        char label[MX_REFERENCE_NAME];
        if (root->kind != MX_ROOT_LOCAL ||
            !mx_root_name(&graph->target->types, root, MX_EDGE_LABEL, label, sizeof(label)))
            continue;
        char *thread = strstr(label, ", thread ");
        snprintf(ret, MOST_NAME, "%.*s", thread ? (int)(thread - label) : MOST_NAME - 1, label);
        return true;
    }
    return false;
}

/* The next referrer from row entry *at on that counts and is an object; MX_NO_BLOCK behind the last. */
static uint32_t next_referrer(const struct mx_graph *graph, uint32_t block, uint32_t *at, const struct mx_type **type)
{
    const struct mx_rows *rows = &graph->reverse;
    while (*at < rows->first[block + 1]) {
        uint32_t from = rows->targets[*at];
        uint8_t class = rows->classes[*at] & MX_EDGE_CLASS;
        bool is_new = *at == rows->first[block] || rows->targets[*at - 1] != from;
        (*at)++;
        if (is_new && class != MX_EDGE_BORROWED && class != MX_EDGE_BUFFER && mx_graph_object(graph, from, type))
            return from;
    }
    return MX_NO_BLOCK;
}

/* What holds a container: a local, an attribute, a global, an entry of another one. */
static bool name_container(const struct mx_waste_holders *holders, uint32_t block, char *ret)
{
    const struct mx_graph *graph = holders->graph;
    const struct mx_type *type;
    struct names names = {0};
    uint32_t at = graph->reverse.first[block], from;
    if (name_local(graph, block, ret))
        return true;
    if ((from = next_referrer(graph, block, &at, &type)) == MX_NO_BLOCK)
        return false;
    struct mx_edge edge = edge_between(graph, from, block);
    if (edge.target)
        name_in_object(holders, from, type, &edge, &names);
    snprintf(ret, MOST_NAME, "%s", names.text[BY_KEY]);
    return ret[0];
}

/* In place of its type, its holder says which container it is. */
static void name_contents(const struct mx_waste_holders *holders, uint32_t container, const struct mx_type *type,
                          struct names *ret)
{
    char holder[MOST_NAME];
    ret->text[BY_HOLDER][0] = '\0';
    if (name_container(holders, container, holder))
        snprintf(ret->text[BY_HOLDER], MOST_NAME, "%s of %.*s", ret->word, MOST_NAME / 2, holder);
    snprintf(ret->text[BY_KIND], MOST_NAME, "%s of %.*s", ret->word, MOST_NAME / 2, type->name);
}

static bool vote(struct votes *votes, const struct names *names, struct mx_strtab *texts)
{
    votes->referrers++;
    for (int way = 0; way < WAYS; way++) {
        if (!names->text[way][0] || votes->count[way] == MOST_VOTES)
            continue;
        const char *name = mx_strtab_add(texts, names->text[way], strlen(names->text[way]));
        if (!name)
            return false;
        votes->names[way][votes->count[way]++] = name;
    }
    return true;
}

static bool ask_referrer(const struct mx_waste_holders *holders, uint32_t block, uint32_t from,
                         const struct mx_type *type, struct votes *votes, struct mx_strtab *texts)
{
    struct names names = {0};
    struct mx_edge edge = edge_between(holders->graph, from, block);
    if (!edge.target)
        return true;
    name_in_object(holders, from, type, &edge, &names);
    if (names.word)
        name_contents(holders, from, type, &names);
    return vote(votes, &names, texts);
}

static bool ask_object(const struct mx_waste_holders *holders, uint32_t block, struct votes *votes,
                       struct mx_strtab *texts)
{
    const struct mx_type *type;
    struct names names = {0};
    char local[MOST_NAME];
    uint32_t at = holders->graph->reverse.first[block], from;
    if (name_local(holders->graph, block, local)) {
        name_all(&names, local, "");
        if (!vote(votes, &names, texts))
            return false;
    }
    for (int i = 0; i < REFERRERS_EACH; i++) {
        if ((from = next_referrer(holders->graph, block, &at, &type)) == MX_NO_BLOCK)
            break;
        if (!ask_referrer(holders, block, from, type, votes, texts))
            return false;
    }
    return true;
}

/* The name that most gave, and how many they were. */
static const char *elect(const struct votes *votes, enum way way, size_t *most)
{
    const char *best = "";
    *most = 0;
    for (size_t i = 0; i < votes->count[way]; i++) {
        size_t same = 0;
        for (size_t other = i; other < votes->count[way]; other++)
            same += votes->names[way][other] == votes->names[way][i];
        if (same > *most) {
            *most = same;
            best = votes->names[way][i];
        }
    }
    return best;
}

const char *mx_waste_holder(const struct mx_waste_holders *holders, const struct mx_waste_found *found,
                            struct mx_strtab *texts)
{
    struct votes votes = {0};
    size_t most;
    for (uint32_t i = 0; i < found->sample_count; i++)
        if (!ask_object(holders, found->samples[i], &votes, texts))
            return NULL;
    for (enum way way = BY_KEY; way < BY_KIND; way++) {
        const char *name = elect(&votes, way, &most);
        if (most && 2 * most >= votes.referrers)
            return name;
    }
    return elect(&votes, BY_KIND, &most);
}
