/* SPDX-License-Identifier: Apache-2.0
 *
 * Exports: which format writes how, and what they do with blocks alike.
 */
#include "report/export.h"

enum { STEP = 1 << 16 /* blocks between looks at the progress */ };

struct mx_error *mx_export_each(struct mx_export *export, const char *stage, mx_export_visit visit, void *context)
{
    const struct mx_spans *spans = &export->heap->spans;
    mx_work_begin(&export->work, export->work.progress, stage, spans->blocks);
    for (size_t i = 0; i < spans->spans.count; i++) {
        const struct mx_span *span = &spans->spans.items[i];
        for (uint32_t block = span->first; block - span->first < span->count; block++) {
            if (block % STEP == 0 && !mx_work_step(&export->work, STEP))
                return mx_error_cancelled();
            if (export->heap->kinds[block] == MX_BLOCK_FREE)
                continue;
            MX_TRY(visit(export, span, block, context));
        }
        if (export->out.error) /* told when the file is closed */
            return NULL;
    }
    return NULL;
}

bool mx_export_is_str(const struct mx_export *export, uint32_t block)
{
    uint32_t index = mx_heap_type_of(export->heap, block);
    if (index >= export->target->types.types.count)
        return false;
    const struct mx_type *type = &export->target->types.types.items[index];
    return type->kind == MX_KIND_STR && !type->is_python_class;
}

bool mx_bits_open(struct mx_bits *bits, uint32_t blocks)
{
    size_t words = (size_t)blocks / 64 + 1;
    *bits = (struct mx_bits){
        .words = mx_calloc(words, sizeof(uint64_t)), .before = mx_calloc(words, sizeof(uint32_t)), .blocks = blocks};
    return bits->words && bits->before;
}

void mx_bits_rank(struct mx_bits *bits)
{
    bits->count = 0;
    for (size_t i = 0; i <= bits->blocks / 64; i++) {
        bits->before[i] = bits->count;
        bits->count += (uint32_t)__builtin_popcountll(bits->words[i]);
    }
}

void mx_bits_close(struct mx_bits *bits)
{
    free(bits->words);
    free(bits->before);
    *bits = (struct mx_bits){0};
}

/* Upwards along the tree to what is known, and down again: each block is passed a few times at most. */
void mx_export_mark_garbage(const struct mx_export *export, struct mx_bits *garbage, struct mx_bits *known)
{
    const struct mx_dominators *dominators = &export->retained->dominators;
    for (uint32_t block = 0; block < dominators->blocks; block++) {
        uint32_t at = block;
        while (at < dominators->blocks && !mx_bits_has(known, at))
            at = dominators->idoms[at];
        bool is_garbage =
            at < dominators->blocks ? mx_bits_has(garbage, at) : at == mx_dominators_unreachable(dominators);
        for (uint32_t up = block; up != at; up = dominators->idoms[up]) {
            mx_bits_set(known, up);
            if (is_garbage)
                mx_bits_set(garbage, up);
        }
    }
}

static struct mx_error *write_text(struct mx_export *export, enum mx_export_format format,
                                   const struct mx_outfile *file)
{
    static struct mx_error *(*const writers[])(struct mx_export *) = {
        [MX_EXPORT_HEAPSNAPSHOT] = mx_export_heapsnapshot,
        [MX_EXPORT_DOT] = mx_export_dot,
        [MX_EXPORT_JSON_LINES] = mx_export_json_lines,
        [MX_EXPORT_COLLAPSED] = mx_export_collapsed,
    };
    MX_TRY(mx_out_open(file, &export->out));
    return mx_out_close(&export->out, writers[format](export));
}

static struct mx_error *check(const struct mx_sources *sources, enum mx_export_format format)
{
    if ((unsigned)format > MX_EXPORT_COLLAPSED)
        return mx_error_new(MX_ERROR_ARGUMENT, "there is no such format");
    if (!sources->graph || !sources->retained)
        return mx_error_new(MX_ERROR_ARGUMENT, "open the graph and the retained sizes first to export them");
    return NULL;
}

struct mx_error *mx_export(const struct mx_sources *sources, enum mx_export_format format, const char *path,
                           const struct mx_progress *progress, struct mx_export_info *ret)
{
    struct mx_outfile file;
    MX_TRY(check(sources, format));
    MX_TRY(mx_graph_referrers(sources->graph, progress));
    MX_TRY(mx_outfile_open(path, &file));
    struct mx_export export = {.path = path,
                               .sources = sources,
                               .target = sources->target,
                               .heap = sources->heap,
                               .graph = sources->graph,
                               .retained = sources->retained,
                               .work = {.progress = progress}};
    struct mx_error *error =
        format == MX_EXPORT_SQLITE ? mx_export_sqlite(&export, file.temporary) : write_text(&export, format, &file);
    MX_TRY(mx_outfile_close(&file, error));
    if (format != MX_EXPORT_SQLITE)
        export.info.bytes = export.out.written;
    *ret = export.info;
    return NULL;
}
