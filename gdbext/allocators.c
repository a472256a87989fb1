/* SPDX-License-Identifier: Apache-2.0
 *
 * What the allocators hold, for Python: arenas and sums as dicts.
 */
#include "allocators.h"

static PyObject *pymalloc_arena(const struct mx_pymalloc_arena *arena)
{
    return Py_BuildValue("{sK sK sK sK sK sK sK sK sN sN sK sK sK}", "address", number(arena->address), "bytes",
                         number(arena->bytes), "pools", number(arena->pools), "used_pools", number(arena->used_pools),
                         "unused_pools", number(arena->unused_pools), "used_blocks", number(arena->used_blocks),
                         "used_bytes", number(arena->used_bytes), "free_bytes", number(arena->free_bytes),
                         "nearly_empty", PyBool_FromLong(arena->nearly_empty), "type", mx_text(arena->type),
                         "type_count", number(arena->type_count), "type_bytes", number(arena->type_bytes), "example",
                         number(arena->example));
}

static PyObject *keeper_dict(const struct mx_pymalloc_keeper *keeper)
{
    return Py_BuildValue("{sN sK sK sK sK sK}", "type", mx_text(keeper->type), "arenas", number(keeper->arenas),
                         "alone", number(keeper->alone), "count", number(keeper->count), "bytes", number(keeper->bytes),
                         "example", number(keeper->example));
}

static PyObject *pymalloc_sums(const struct mx_pymalloc_info *info)
{
    return Py_BuildValue(
        "{sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sN}", "arenas", number(info->arenas), "arena_bytes",
        number(info->arena_bytes), "used_bytes", number(info->used_bytes), "free_bytes", number(info->free_bytes),
        "free_pool_bytes", number(info->free_pool_bytes), "header_bytes", number(info->header_bytes), "tail_bytes",
        number(info->tail_bytes), "alignment_bytes", number(info->alignment_bytes), "missing_bytes",
        number(info->missing_bytes), "used_blocks", number(info->used_blocks), "free_blocks", number(info->free_blocks),
        "used_pools", number(info->used_pools), "free_pools", number(info->free_pools), "nearly_empty",
        number(info->nearly_empty), "nearly_empty_bytes", number(info->nearly_empty_bytes), "nearly_empty_used",
        number(info->nearly_empty_used), "from_table", PyBool_FromLong(info->from_table));
}

static PyObject *malloc_arena(const struct mx_malloc_arena *arena)
{
    return Py_BuildValue("{sK sN sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK sK}", "address",
                         number(arena->address), "main", PyBool_FromLong(arena->main), "threads",
                         number(arena->threads), "heaps", number(arena->heaps), "system", number(arena->system), "used",
                         number(arena->used), "free", number(arena->free), "tcache", number(arena->tcache), "fast",
                         number(arena->fast), "top", number(arena->top), "other", number(arena->other), "used_chunks",
                         number(arena->used_chunks), "free_chunks", number(arena->free_chunks), "tcache_chunks",
                         number(arena->tcache_chunks), "fast_chunks", number(arena->fast_chunks), "largest_free",
                         number(arena->largest_free), "whole_pages", number(arena->whole_pages), "absent",
                         number(arena->absent), "returnable", number(arena->returnable));
}

static PyObject *malloc_sums(const struct mx_malloc_info *info)
{
    return Py_BuildValue("{sN sK sK sK sK sN}", "name", mx_text(info->name), "mapped_chunks",
                         number(info->mapped_chunks), "mapped_bytes", number(info->mapped_bytes), "largest_mapped",
                         number(info->largest_mapped), "broken", number(info->broken), "knows_resident",
                         PyBool_FromLong(info->knows_resident));
}

static PyObject *pymalloc_result(const struct mx_pymalloc *report)
{
    size_t count, keeper_count;
    struct mx_pymalloc_info info;
    const struct mx_pymalloc_arena *arenas = mx_pymalloc_arenas(report, &count);
    const struct mx_pymalloc_keeper *keepers = mx_pymalloc_keepers(report, &keeper_count);
    PyObject *list = PyList_New(0), *keeper_list = PyList_New(0);
    mx_pymalloc_info(report, &info);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, pymalloc_arena(&arenas[i]));
    for (size_t i = 0; keeper_list && i < keeper_count; i++)
        mx_append(&keeper_list, keeper_dict(&keepers[i]));
    return Py_BuildValue("(NNN)", list, keeper_list, pymalloc_sums(&info));
}

PyObject *mx_target_pymalloc(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_pymalloc *report;
    struct mx_heap_call on;
    if (!mx_heap_call_begin(&on, self, args, keywords) ||
        !mx_call_end(&on.call, mx_pymalloc_open(on.target, on.heap, &on.call.progress, &report)))
        return NULL;
    PyObject *result = pymalloc_result(report);
    mx_pymalloc_close(report);
    return result;
}

static PyObject *malloc_result(const struct mx_malloc *report)
{
    size_t count;
    struct mx_malloc_info info;
    const struct mx_malloc_arena *arenas = mx_malloc_arenas(report, &count);
    PyObject *list = PyList_New(0);
    mx_malloc_info(report, &info);
    for (size_t i = 0; list && i < count; i++)
        mx_append(&list, malloc_arena(&arenas[i]));
    return Py_BuildValue("(NN)", list, malloc_sums(&info));
}

PyObject *mx_target_malloc(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct mx_malloc *report;
    struct mx_call call;
    struct mx_target *target = mx_call_begin_alone(&call, self, args, keywords);
    if (!target || !mx_call_end(&call, mx_malloc_open(target, &call.progress, &report)))
        return NULL;
    PyObject *result = malloc_result(report);
    mx_malloc_close(report);
    return result;
}
