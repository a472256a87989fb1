/* SPDX-License-Identifier: Apache-2.0
 *
 * Struct layouts from DWARF, read with libdwarf. The names that are wanted are
 * looked for in one pass over the outermost entries of every unit; what is
 * kept of each is where its definition stands, and members are looked up from
 * there when asked for.
 *
 * The files come from the target's machine and may be damaged: siblings must
 * stand in increasing order, chains of types and nested members are bounded,
 * and what makes no sense is as if it were absent.
 */
#include "memory/dwarf.h"

#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "memory/elf.h"

enum {
    MOST_TYPE_LINKS = 16, /* typedef of const of typedef ... */
    MOST_NESTING = 8,     /* anonymous members within anonymous members */
    MOST_MEMBERS = 4096,
    MOST_UNITS = 1 << 20,
    MOST_DEPTH = 64, /* of entries within entries without DW_AT_sibling */
};

/* Where an entry stands in .debug_info. (Nobody builds with -fdebug-types-section, which .debug_types needs.) */
struct place {
    Dwarf_Off offset;
    bool known;
};

struct wanted {
    char *name;
    struct place place;
};

struct mx_dwarf {
    Dwarf_Debug debug;
    int descriptor;        /* what `debug` reads */
    struct wanted *wanted; /* sorted by name */
    size_t count;
};

/* An error of libdwarf carries nothing that its caller could act on here. */
static bool succeeded(const struct mx_dwarf *dwarf, int result, Dwarf_Error error)
{
    if (result == DW_DLV_ERROR)
        dwarf_dealloc_error(dwarf->debug, error);
    return result == DW_DLV_OK;
}

/* libdwarf says its version from 0.1 (Debian 13) on; before, these functions took more, which nobody needs. */
#ifdef DW_LIBDWARF_VERSION
static int init(int descriptor, Dwarf_Debug *ret, Dwarf_Error *error)
{
    return dwarf_init_b(descriptor, DW_GROUPNUMBER_ANY, NULL, NULL, ret, error);
}

static void finish_debug(Dwarf_Debug debug)
{
    dwarf_finish(debug);
}
#else
static int init(int descriptor, Dwarf_Debug *ret, Dwarf_Error *error)
{
    return dwarf_init_b(descriptor, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL, ret, error);
}

static void finish_debug(Dwarf_Debug debug)
{
    Dwarf_Error error = NULL;
    dwarf_finish(debug, &error);
}
#endif

static void finish(struct mx_dwarf *dwarf)
{
    if (!dwarf->debug)
        return;
    finish_debug(dwarf->debug);
    close(dwarf->descriptor);
    dwarf->debug = NULL;
}

/* libdwarf allocates what sections claim before it has seen that the file holds so much. */
static bool is_sound(const char *path)
{
    struct mx_elf *elf;
    struct mx_error *error = mx_elf_open(path, &elf);
    if (error) {
        mx_error_free(error);
        return false;
    }
    bool sound = mx_elf_has_its_sections(elf);
    mx_elf_close(elf);
    return sound;
}

static bool init_file(const char *path, struct mx_dwarf *dwarf)
{
    struct mx_error *refused = mx_elf_descriptor(path, &dwarf->descriptor);
    if (refused) {
        mx_error_free(refused);
        return false;
    }
    Dwarf_Error error = NULL;
    int result = init(dwarf->descriptor, &dwarf->debug, &error);
    if (result == DW_DLV_ERROR)
        dwarf_dealloc_error(NULL, error);
    if (result == DW_DLV_OK)
        return true;
    dwarf->debug = NULL;
    close(dwarf->descriptor);
    return false;
}

static bool open_file(const char *path, struct mx_dwarf *dwarf)
{
    if (!is_sound(path) || !init_file(path, dwarf))
        return false;
    Dwarf_Unsigned info = 0, ignored;
    dwarf_get_section_max_offsets_d(dwarf->debug, &info, &ignored, &ignored, &ignored, &ignored, &ignored, &ignored,
                                    &ignored, &ignored, &ignored, &ignored, &ignored, &ignored, &ignored, &ignored,
                                    &ignored, &ignored, &ignored, &ignored, &ignored);
    if (!info)
        finish(dwarf);
    return info;
}

/* A debug file that names its build must be of the same build as the file it is for. */
static bool same_build(const struct mx_elf *elf, const char *debug_path)
{
    struct mx_elf *other;
    struct mx_error *error = mx_elf_open(debug_path, &other);
    if (error) {
        mx_error_free(error);
        return false;
    }
    size_t size = 0, other_size = 0;
    const uint8_t *id = mx_elf_build_id(elf, &size);
    const uint8_t *other_id = mx_elf_build_id(other, &other_size);
    bool same = !id || !other_id || (size == other_size && !memcmp(id, other_id, size));
    mx_elf_close(other);
    return same;
}

static bool open_by_build_id(const struct mx_elf *elf, const char *folder, struct mx_dwarf *dwarf)
{
    size_t size = 0;
    const uint8_t *id = mx_elf_build_id(elf, &size);
    if (!id || size < 2 || size > 32)
        return false;
    char hex[2 * 32 + 1];
    for (size_t i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", folder, hex, hex + 2);
    return length < (int)sizeof(path) && same_build(elf, path) && open_file(path, dwarf);
}

/* The file name in .gnu_debuglink, or NULL. */
static const char *debug_link(const struct mx_elf *elf)
{
    Elf64_Shdr section;
    size_t size;
    const uint8_t *bytes = mx_elf_bytes(elf, &size);
    if (!bytes || !mx_elf_section(elf, ".gnu_debuglink", &section) || section.sh_offset >= size ||
        section.sh_size > size - section.sh_offset)
        return NULL;
    const char *name = (const char *)bytes + section.sh_offset;
    return section.sh_size && memchr(name, '\0', section.sh_size) && *name && !strchr(name, '/') ? name : NULL;
}

static bool open_by_link(const struct mx_elf *elf, const char *folder, struct mx_dwarf *dwarf)
{
    const char *name = debug_link(elf), *own = mx_elf_path(elf);
    const char *slash = own ? strrchr(own, '/') : NULL;
    if (!name || !slash)
        return false;
    int own_folder = (int)(slash - own);
    char paths[3][PATH_MAX];
    snprintf(paths[0], PATH_MAX, "%.*s/%s", own_folder, own, name);
    snprintf(paths[1], PATH_MAX, "%.*s/.debug/%s", own_folder, own, name);
    snprintf(paths[2], PATH_MAX, "%s%.*s/%s", folder, own_folder, own, name);
    for (size_t i = 0; i < 3; i++)
        if (strcmp(paths[i], own) && same_build(elf, paths[i]) && open_file(paths[i], dwarf))
            return true;
    return false;
}

static struct mx_error *open_separate(const char *path, const char *folder, struct mx_dwarf *dwarf)
{
    struct mx_elf *elf;
    MX_TRY(mx_elf_open(path, &elf));
    bool found = open_by_build_id(elf, folder, dwarf) || open_by_link(elf, folder, dwarf);
    mx_elf_close(elf);
    if (found)
        return NULL;
    return mx_error_new(MX_ERROR_NOT_FOUND, "%s has no debug information, nor is there a debug file for it in %s", path,
                        folder);
}

struct mx_error *mx_dwarf_open(const char *path, const char *debug_folder, struct mx_dwarf **ret)
{
    struct mx_dwarf *dwarf = mx_calloc(1, sizeof(*dwarf));
    if (!dwarf)
        return mx_error_no_memory();
    if (!open_file(path, dwarf)) {
        struct mx_error *error = open_separate(path, debug_folder ? debug_folder : "/usr/lib/debug", dwarf);
        if (error) {
            free(dwarf);
            return error;
        }
    }
    *ret = dwarf;
    return NULL;
}

void mx_dwarf_close(struct mx_dwarf *dwarf)
{
    if (!dwarf)
        return;
    finish(dwarf);
    for (size_t i = 0; i < dwarf->count; i++)
        free(dwarf->wanted[i].name);
    free(dwarf->wanted);
    free(dwarf);
}

static Dwarf_Half tag_of(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    Dwarf_Half tag = 0;
    Dwarf_Error error = NULL;
    return succeeded(dwarf, dwarf_tag(die, &tag, &error), error) ? tag : 0;
}

/* The name's text belongs to the DWARF and lives as long as it. */
static const char *name_of(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    char *name = NULL;
    Dwarf_Error error = NULL;
    return succeeded(dwarf, dwarf_die_text(die, DW_AT_name, &name, &error), error) ? name : NULL;
}

static bool has_attribute(const struct mx_dwarf *dwarf, Dwarf_Die die, Dwarf_Half attribute)
{
    Dwarf_Bool has = 0;
    Dwarf_Error error = NULL;
    return succeeded(dwarf, dwarf_hasattr(die, attribute, &has, &error), error) && has;
}

/* A constant attribute; false when it is absent or is an expression. */
static bool constant(const struct mx_dwarf *dwarf, Dwarf_Die die, Dwarf_Half attribute, uint64_t *ret)
{
    Dwarf_Attribute found;
    Dwarf_Error error = NULL;
    if (!has_attribute(dwarf, die, attribute) || !succeeded(dwarf, dwarf_attr(die, attribute, &found, &error), error))
        return false;
    Dwarf_Unsigned value = 0;
    Dwarf_Signed signed_value = 0;
    bool known = succeeded(dwarf, dwarf_formudata(found, &value, &error), error);
    if (!known && succeeded(dwarf, dwarf_formsdata(found, &signed_value, &error), error) && signed_value >= 0) {
        value = (Dwarf_Unsigned)signed_value;
        known = true;
    }
    dwarf_dealloc(dwarf->debug, found, DW_DLA_ATTR);
    *ret = value;
    return known;
}

static struct place place_of(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    struct place place = {0};
    Dwarf_Error error = NULL;
    place.known = succeeded(dwarf, dwarf_dieoffset(die, &place.offset, &error), error);
    return place;
}

static Dwarf_Die die_at(const struct mx_dwarf *dwarf, struct place place)
{
    Dwarf_Die die = NULL;
    Dwarf_Error error = NULL;
    return place.known && succeeded(dwarf, dwarf_offdie_b(dwarf->debug, place.offset, true, &die, &error), error)
               ? die
               : NULL;
}

/* Where the DW_AT_type of an entry points. A reference into another file (dwz -m) is not followed. */
static struct place type_of(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    struct place place = {0};
    Dwarf_Attribute type;
    Dwarf_Error error = NULL;
    if (!has_attribute(dwarf, die, DW_AT_type) || !succeeded(dwarf, dwarf_attr(die, DW_AT_type, &type, &error), error))
        return place;
    Dwarf_Half form = 0;
    if (succeeded(dwarf, dwarf_whatform(type, &form, &error), error) && form != DW_FORM_GNU_ref_alt &&
        form != DW_FORM_ref_sup4 && form != DW_FORM_ref_sup8)
        place.known = succeeded(dwarf, dwarf_global_formref(type, &place.offset, &error), error);
    dwarf_dealloc(dwarf->debug, type, DW_DLA_ATTR);
    return place;
}

/* Follows typedefs and qualifiers. The caller frees the entry; NULL when there is nothing at the end. */
static Dwarf_Die strip_names(const struct mx_dwarf *dwarf, struct place place)
{
    for (int links = 0; links < MOST_TYPE_LINKS; links++) {
        Dwarf_Die die = die_at(dwarf, place);
        if (!die)
            return NULL;
        Dwarf_Half tag = tag_of(dwarf, die);
        if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
            tag != DW_TAG_atomic_type && tag != DW_TAG_restrict_type)
            return die;
        place = type_of(dwarf, die);
        dwarf_dealloc_die(die);
    }
    return NULL;
}

static bool is_struct(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    Dwarf_Half tag = tag_of(dwarf, die);
    return (tag == DW_TAG_structure_type || tag == DW_TAG_union_type) && !has_attribute(dwarf, die, DW_AT_declaration);
}

static Dwarf_Die first_child(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    Dwarf_Die child = NULL;
    Dwarf_Error error = NULL;
    return succeeded(dwarf, dwarf_child(die, &child, &error), error) ? child : NULL;
}

/* Replaces *die by its next sibling, NULL past the last. False when libdwarf cannot tell, or it may come again. */
static bool to_sibling(const struct mx_dwarf *dwarf, Dwarf_Die *die)
{
    Dwarf_Die next = NULL;
    Dwarf_Error error = NULL;
    struct place before = place_of(dwarf, *die), after = {0};
    int result = dwarf_siblingof_b(dwarf->debug, *die, true, &next, &error);
    if (!succeeded(dwarf, result, error))
        next = NULL;
    if (next)
        after = place_of(dwarf, next);
    dwarf_dealloc_die(*die);
    *die = next;
    return next ? before.known && after.known && after.offset > before.offset : result == DW_DLV_NO_ENTRY;
}

/*
 * Without DW_AT_sibling, libdwarf finds what follows an entry by walking all that is below it; an entry there that
 * names itself as its sibling keeps it walking for ever. It may also get past one that it cannot read here.
 */
static bool can_be_passed(const struct mx_dwarf *dwarf, Dwarf_Die die, unsigned depth)
{
    Dwarf_Half has_children = 1;
    dwarf_die_abbrev_children_flag(die, &has_children);
    if (!has_children || has_attribute(dwarf, die, DW_AT_sibling))
        return true;
    Dwarf_Die child = NULL;
    Dwarf_Error error = NULL;
    int result = dwarf_child(die, &child, &error);
    bool good = succeeded(dwarf, result, error) ? depth < MOST_DEPTH : result == DW_DLV_NO_ENTRY;
    while (good && child)
        good = can_be_passed(dwarf, child, depth + 1) && to_sibling(dwarf, &child);
    if (child)
        dwarf_dealloc_die(child);
    return good;
}

/* Replaces *die by its next sibling, NULL past the last; the order of offsets makes every walk end. */
static void next_sibling(const struct mx_dwarf *dwarf, Dwarf_Die *die)
{
    if (can_be_passed(dwarf, *die, 0) && to_sibling(dwarf, die))
        return;
    if (*die)
        dwarf_dealloc_die(*die);
    *die = NULL;
}

static int compare_wanted(const void *a, const void *b)
{
    return strcmp(((const struct wanted *)a)->name, ((const struct wanted *)b)->name);
}

static struct wanted *find_wanted(const struct mx_dwarf *dwarf, const char *name)
{
    struct wanted key = {.name = (char *)(uintptr_t)name};
    return dwarf->count ? bsearch(&key, dwarf->wanted, dwarf->count, sizeof(key), compare_wanted) : NULL;
}

/* Keeps the first definition of a name: one that is only declared in this unit is defined in another. */
static void keep_if_wanted(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    Dwarf_Half tag = tag_of(dwarf, die);
    if (tag != DW_TAG_structure_type && tag != DW_TAG_typedef)
        return;
    const char *name = name_of(dwarf, die);
    struct wanted *wanted = name ? find_wanted(dwarf, name) : NULL;
    if (!wanted || wanted->place.known)
        return;
    Dwarf_Die end = strip_names(dwarf, place_of(dwarf, die));
    if (!end)
        return;
    if (is_struct(dwarf, end))
        wanted->place = place_of(dwarf, end);
    dwarf_dealloc_die(end);
}

static void look_through_unit(const struct mx_dwarf *dwarf)
{
    Dwarf_Die unit = NULL;
    Dwarf_Error error = NULL;
    if (!succeeded(dwarf, dwarf_siblingof_b(dwarf->debug, NULL, true, &unit, &error), error))
        return;
    for (Dwarf_Die die = first_child(dwarf, unit); die; next_sibling(dwarf, &die))
        keep_if_wanted(dwarf, die);
    dwarf_dealloc_die(unit);
}

static void look_through_units(const struct mx_dwarf *dwarf)
{
    for (int units = 0; units < MOST_UNITS; units++) {
        Dwarf_Unsigned length, type_offset, next;
        Dwarf_Half version, address_size, length_size, extension_size, kind;
        Dwarf_Off abbreviations;
        Dwarf_Sig8 signature;
        Dwarf_Error error = NULL;
        int result =
            dwarf_next_cu_header_d(dwarf->debug, true, &length, &version, &abbreviations, &address_size, &length_size,
                                   &extension_size, &signature, &type_offset, &next, &kind, &error);
        if (!succeeded(dwarf, result, error))
            return;
        look_through_unit(dwarf);
    }
}

struct mx_error *mx_dwarf_load(struct mx_dwarf *dwarf, const char *const *names, size_t count)
{
    dwarf->wanted = mx_calloc(count, sizeof(*dwarf->wanted));
    if (!dwarf->wanted)
        return mx_error_no_memory();
    for (; dwarf->count < count; dwarf->count++) {
        dwarf->wanted[dwarf->count].name = strdup(names[dwarf->count]);
        if (!dwarf->wanted[dwarf->count].name)
            return mx_error_no_memory();
    }
    qsort(dwarf->wanted, count, sizeof(*dwarf->wanted), compare_wanted);
    look_through_units(dwarf);
    return NULL;
}

static Dwarf_Die open_wanted(const struct mx_dwarf *dwarf, const char *struct_name)
{
    struct wanted *wanted = find_wanted(dwarf, struct_name);
    return wanted ? die_at(dwarf, wanted->place) : NULL;
}

static int64_t size_of(const struct mx_dwarf *dwarf, Dwarf_Die die)
{
    uint64_t size;
    return constant(dwarf, die, DW_AT_byte_size, &size) && size <= INT32_MAX ? (int64_t)size : -1;
}

int64_t mx_dwarf_size(const struct mx_dwarf *dwarf, const char *struct_name)
{
    Dwarf_Die die = open_wanted(dwarf, struct_name);
    if (!die)
        return -1;
    int64_t size = size_of(dwarf, die);
    dwarf_dealloc_die(die);
    return size;
}

/* Offset of a member in its own struct; members of unions have none written. */
static bool member_offset(const struct mx_dwarf *dwarf, Dwarf_Die member, uint64_t *ret)
{
    *ret = 0;
    if (has_attribute(dwarf, member, DW_AT_data_member_location))
        return constant(dwarf, member, DW_AT_data_member_location, ret) && *ret <= INT32_MAX;
    if (!has_attribute(dwarf, member, DW_AT_data_bit_offset))
        return true;
    if (!constant(dwarf, member, DW_AT_data_bit_offset, ret) || *ret / 8 > INT32_MAX)
        return false;
    *ret /= 8;
    return true;
}

static Dwarf_Die find_member(const struct mx_dwarf *dwarf, Dwarf_Die in, const char *name, size_t length, int nesting,
                             uint64_t *offset);

static Dwarf_Die find_in_anonymous(const struct mx_dwarf *dwarf, Dwarf_Die member, const char *name, size_t length,
                                   int nesting, uint64_t *offset)
{
    Dwarf_Die type = nesting < MOST_NESTING ? strip_names(dwarf, type_of(dwarf, member)) : NULL;
    if (!type)
        return NULL;
    Dwarf_Die found = NULL;
    if (is_struct(dwarf, type))
        found = find_member(dwarf, type, name, length, nesting + 1, offset);
    dwarf_dealloc_die(type);
    return found;
}

/* The member of that name, which the caller frees; its offset is added to *offset. */
static Dwarf_Die find_member(const struct mx_dwarf *dwarf, Dwarf_Die in, const char *name, size_t length, int nesting,
                             uint64_t *offset)
{
    Dwarf_Die member = first_child(dwarf, in);
    for (int seen = 0; member && seen < MOST_MEMBERS; seen++, next_sibling(dwarf, &member)) {
        uint64_t own;
        if (tag_of(dwarf, member) != DW_TAG_member || !member_offset(dwarf, member, &own))
            continue;
        const char *own_name = name_of(dwarf, member);
        Dwarf_Die found = NULL;
        if (own_name && !strncmp(own_name, name, length) && !own_name[length]) {
            found = member;
            member = NULL;
        } else if (!own_name || !*own_name) {
            found = find_in_anonymous(dwarf, member, name, length, nesting, offset);
        }
        if (found) {
            dwarf_dealloc_die(member);
            *offset += own;
            return found;
        }
    }
    dwarf_dealloc_die(member);
    return NULL;
}

/* Bytes of one element of an array type; the array's entry is replaced by its element's. */
static int64_t enter_array(const struct mx_dwarf *dwarf, Dwarf_Die *type)
{
    if (!*type || tag_of(dwarf, *type) != DW_TAG_array_type)
        return -1;
    Dwarf_Die element = strip_names(dwarf, type_of(dwarf, *type));
    dwarf_dealloc_die(*type);
    *type = element;
    return element ? size_of(dwarf, element) : -1;
}

/* Reads "[N]" of the path, if it is next: adds N elements to *offset. False when it makes no sense. */
static bool step_into_element(const struct mx_dwarf *dwarf, const char **path, Dwarf_Die *type, uint64_t *offset)
{
    if (**path != '[')
        return true;
    char *end;
    unsigned long index = strtoul(*path + 1, &end, 10);
    int64_t element = enter_array(dwarf, type);
    if (*end != ']' || element < 0 || index > INT32_MAX)
        return false;
    *offset += index * (uint64_t)element;
    *path = end + 1;
    return true;
}

/* One name of the path, with its index: *type becomes the member's type (NULL for a type that leads nowhere). */
static bool step(const struct mx_dwarf *dwarf, const char **path, Dwarf_Die *type, uint64_t *offset)
{
    size_t length = strcspn(*path, ".[");
    Dwarf_Die member = *type ? find_member(dwarf, *type, *path, length, 0, offset) : NULL;
    if (*type)
        dwarf_dealloc_die(*type);
    *type = NULL;
    if (!member)
        return false;
    *type = strip_names(dwarf, type_of(dwarf, member));
    dwarf_dealloc_die(member);
    *path += length;
    if (!step_into_element(dwarf, path, type, offset))
        return false;
    if (**path != '.')
        return !**path;
    ++*path;
    return **path;
}

int64_t mx_dwarf_offset(const struct mx_dwarf *dwarf, const char *struct_name, const char *member_path)
{
    Dwarf_Die type = open_wanted(dwarf, struct_name);
    uint64_t offset = 0;
    bool found = type != NULL;
    while (found && *member_path)
        found = step(dwarf, &member_path, &type, &offset);
    if (type)
        dwarf_dealloc_die(type);
    return found && offset <= INT32_MAX ? (int64_t)offset : -1;
}
