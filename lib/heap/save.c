/* SPDX-License-Identifier: Apache-2.0
 *
 * Saving a target: puts together what there is to be kept, and has it written.
 */
#include <time.h>

#include "heap/lighten.h"
#include "memory/saved.h"

/* A saved target that is saved once more keeps its origin. The result borrows its texts. */
static struct mx_origin origin_of(const struct mx_target *target)
{
    static const char measured[] = "DWARF";
    const struct mx_layout *layout = &target->runtime.layout;
    if (target->origin.kind)
        return target->origin;
    struct mx_origin origin = {
        .kind = target->path ? "core" : "live",
        .path = target->path,
        .time = time(NULL),
        .malloc = (char *)(uintptr_t)target->allocators.glibc.name,
        .measured = !strncmp(layout->origin, measured, sizeof(measured) - 1),
        .layout = *layout,
    };
    return origin;
}

static struct mx_error *write_file(const struct mx_target *target, struct mx_lightening *lightening, const char *path,
                                   struct mx_work *work, uint64_t *ret_bytes)
{
    struct mx_blob facts = {0};
    struct mx_saved_content content = {
        .memory = target->memory,
        .modules = &target->modules,
        .threads = &target->threads,
        .facts = &facts,
        .skips = mx_lightening_skips,
        .lighten = mx_lightening_clear,
        .context = lightening,
    };
    struct mx_origin origin = origin_of(target);
    mx_origin_put(&origin, &facts);
    struct mx_error *error = facts.no_memory ? mx_error_no_memory() : mx_saved_write(&content, path, work, ret_bytes);
    mx_array_free(&facts.bytes);
    return error;
}

struct mx_error *mx_target_save(struct mx_target *target, const struct mx_heap *heap, const char *path,
                                const struct mx_progress *progress, struct mx_save_info *ret)
{
    struct mx_lightening lightening;
    struct mx_work work;
    struct mx_save_info info = {.memory = mx_saved_extent(target->memory)};
    mx_work_begin(&work, progress, "looking at what to save", heap->spans.blocks);
    MX_TRY(mx_lightening_open(target, heap, &work, &lightening));
    mx_work_begin(&work, progress, "saving", info.memory);
    struct mx_error *error = write_file(target, &lightening, path, &work, &info.bytes);
    mx_lightening_close(&lightening);
    if (!error)
        *ret = info;
    return error;
}
