/* SPDX-License-Identifier: Apache-2.0
 *
 * What the formats of exports share: a text that is written in large pieces,
 * JSON in it, and the walk over all used blocks.
 */
#ifndef MX_REPORT_EXPORT_H
#define MX_REPORT_EXPORT_H

#include <string.h>

#include "base/outfile.h"
#include "cpython/str.h"
#include "report/reference.h"
#include "report/retained.h"

/* The first failure stays in `error`; what is put after it goes nowhere. */
struct mx_text_out {
    const struct mx_outfile *file;
    char *bytes; /* not written yet */
    size_t used;
    uint64_t written;
    struct mx_error *error;
};

enum { MX_OUT_ROOM = 1 << 20, MX_OUT_NUMBER = 20 /* digits at most */ };

struct mx_error *mx_out_open(const struct mx_outfile *file, struct mx_text_out *ret);
/* Writes what is left, unless `error` says that all is lost; returns the first error. */
struct mx_error *mx_out_close(struct mx_text_out *out, struct mx_error *error);

void mx_out_flush(struct mx_text_out *out);
void mx_out_put(struct mx_text_out *out, const char *bytes, size_t length);
void mx_out_number(struct mx_text_out *out, uint64_t number);
void mx_out_print(struct mx_text_out *out, const char *format, ...) MX_PRINTF(2, 3);

/* A JSON string with its quotes: valid UTF-8 whatever the bytes are. */
void mx_out_json(struct mx_text_out *out, const char *text);
/* Of a str's text, cut to `most` characters and "…"; surrogates become U+FFFD. */
void mx_out_json_str(struct mx_text_out *out, const struct mx_str *str, uint64_t most);
/* What stands between the quotes, without them. */
void mx_out_json_text(struct mx_text_out *out, const char *text, size_t length);

static inline void mx_out_literal(struct mx_text_out *out, const char *text)
{
    mx_out_put(out, text, strlen(text));
}

static inline void mx_out_char(struct mx_text_out *out, char c)
{
    if (out->used == MX_OUT_ROOM)
        mx_out_flush(out);
    out->bytes[out->used++] = c;
}

struct mx_export {
    const char *path; /* as the user named the file */
    const struct mx_sources *sources;
    const struct mx_target *target;
    const struct mx_heap *heap;
    struct mx_graph *graph;
    struct mx_retained *retained;
    struct mx_text_out out;
    struct mx_work work;
    struct mx_export_info info;
};

/* Calls `visit` for each used block in order; stops at the first error of its own, of the file, or when cancelled. */
typedef struct mx_error *(*mx_export_visit)(struct mx_export *export, const struct mx_span *span, uint32_t block,
                                            void *context);
struct mx_error *mx_export_each(struct mx_export *export, const char *stage, mx_export_visit visit, void *context);

/* Whether the block holds a str, and none of a subclass. */
bool mx_export_is_str(const struct mx_export *export, uint32_t block);

/* One bit a block, and how many bits are set before one. */
struct mx_bits {
    uint64_t *words;
    uint32_t *before; /* by word */
    uint32_t count;   /* of set bits, once they are ranked */
    uint32_t blocks;
};

bool mx_bits_open(struct mx_bits *bits, uint32_t blocks);
void mx_bits_rank(struct mx_bits *bits);
void mx_bits_close(struct mx_bits *bits);

static inline void mx_bits_set(struct mx_bits *bits, uint32_t block)
{
    bits->words[block / 64] |= UINT64_C(1) << block % 64;
}

static inline bool mx_bits_has(const struct mx_bits *bits, uint32_t block)
{
    return bits->words[block / 64] >> block % 64 & 1;
}

static inline uint32_t mx_bits_before(const struct mx_bits *bits, uint32_t block)
{
    uint64_t lower = bits->words[block / 64] & ((UINT64_C(1) << block % 64) - 1);
    return bits->before[block / 64] + (uint32_t)__builtin_popcountll(lower);
}

/* Marks the blocks that no root reaches. */
void mx_export_mark_garbage(const struct mx_export *export, struct mx_bits *garbage, struct mx_bits *known);

struct mx_error *mx_export_heapsnapshot(struct mx_export *export);
struct mx_error *mx_export_json_lines(struct mx_export *export);
struct mx_error *mx_export_collapsed(struct mx_export *export);
struct mx_error *mx_export_dot(struct mx_export *export);
/* Writes into the file at `path`, which is empty. */
struct mx_error *mx_export_sqlite(struct mx_export *export, const char *path);

/* Ids of nodes for V8: odd numbers below 2^32 that an address keeps as long as the process lives. */
struct mx_export_ids {
    struct mx_map slots; /* piece of address space + 1 -> slot */
    uint64_t low, high;  /* pieces of the first and the last module */
    bool by_number;      /* the heap is too wide: ids are the nodes' numbers */
};
struct mx_error *mx_export_ids_open(const struct mx_export *export, struct mx_export_ids *ret);
uint32_t mx_export_id(const struct mx_export_ids *ids, mx_addr address, uint32_t number);

#endif
