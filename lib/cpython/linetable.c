/* SPDX-License-Identifier: Apache-2.0
 *
 * The three forms of a code object's line table: pairs that add up (3.8, 3.9),
 * pairs of ranges (3.10), and the compressed locations since 3.11.
 */
#include "cpython/linetable.h"

enum { MOST_TABLE = 1 << 26 };

struct table {
    const uint8_t *at, *end;
    int64_t line;   /* may leave what a line can be, in damaged tables */
    int64_t wanted; /* offset */
    bool found;
};

/* co_lnotab: the line changes where the address has been passed. */
static void walk_pairs(struct table *table)
{
    int64_t address = 0;
    for (; table->end - table->at >= 2; table->at += 2) {
        address += table->at[0];
        if (address > table->wanted)
            break;
        table->line += (int8_t)table->at[1];
    }
    table->found = true;
}

/* 3.10: each pair is a range and how its line differs from that of the last range; -128 = no line. */
static void walk_ranges(struct table *table)
{
    enum { NO_LINE = -128 };
    int64_t end = 0;
    for (; table->end - table->at >= 2; table->at += 2) {
        int8_t delta = (int8_t)table->at[1];
        end += table->at[0];
        table->line += delta == NO_LINE ? 0 : delta;
        if (end > table->wanted) {
            table->found = delta != NO_LINE;
            return;
        }
    }
}

static int64_t read_signed(struct table *table)
{
    uint64_t value = 0;
    for (unsigned shift = 0; table->at < table->end && shift < 60; shift += 6) {
        uint8_t byte = *table->at++;
        value |= (uint64_t)(byte & 63) << shift;
        if (!(byte & 64))
            break;
    }
    int64_t magnitude = (int64_t)(value >> 1) & INT32_MAX;
    return value & 1 ? -magnitude : magnitude;
}

/* 3.11+: an entry begins with a byte whose bit 7 is set; what follows the line is skipped up to the next such byte. */
static void walk_locations(struct table *table)
{
    enum { NO_LOCATION = 15, LONG = 14, NO_COLUMNS = 13, ONE_LINE0 = 10 };
    int64_t end = 0;
    while (table->at < table->end) {
        unsigned first = *table->at++, form = first >> 3 & 15;
        end += ((int64_t)(first & 7) + 1) * 2;
        if (form == LONG || form == NO_COLUMNS)
            table->line += read_signed(table);
        else if (form >= ONE_LINE0 && form < NO_COLUMNS)
            table->line += form - ONE_LINE0;
        if (end > table->wanted) {
            table->found = form != NO_LOCATION;
            return;
        }
        while (table->at < table->end && !(*table->at & 0x80))
            table->at++;
    }
}

static bool open_table(const struct mx_runtime *runtime, mx_addr code, struct table *ret)
{
    const struct mx_layout *layout = &runtime->layout;
    mx_addr bytes = mx_memory_pointer(runtime->memory, code + (mx_addr)layout->code.co_linetable);
    uint64_t length;
    if (!bytes || !mx_memory_u64(runtime->memory, bytes + (mx_addr)layout->var_object.ob_size, &length) ||
        length > MOST_TABLE)
        return false;
    ret->at = mx_memory_view(runtime->memory, bytes + (mx_addr)layout->bytes.ob_sval, length);
    ret->end = ret->at ? ret->at + length : NULL;
    return ret->at;
}

uint32_t mx_code_line(const struct mx_runtime *runtime, mx_addr code, int64_t offset)
{
    const struct mx_layout *layout = &runtime->layout;
    uint32_t first = 0;
    mx_memory_u32(runtime->memory, code + (mx_addr)layout->code.co_firstlineno, &first);
    struct table table = {.line = first, .wanted = offset};
    if (offset < 0 || layout->code.co_linetable < 0 || !open_table(runtime, code, &table))
        return first;
    if (layout->frame_shape != MX_FRAME_OBJECTS)
        walk_locations(&table);
    else if (layout->frame.f_stackdepth != MX_ABSENT)
        walk_ranges(&table);
    else
        walk_pairs(&table);
    return table.found && table.line > 0 && table.line <= INT32_MAX ? (uint32_t)table.line : first;
}
