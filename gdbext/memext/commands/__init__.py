# SPDX-License-Identifier: Apache-2.0
"""The list of commands; each lives in the file of its name."""
from . import (arenas, backrefs, catch_oom, count, export, growth, info, leaks, malloc, mark, memext, memory, objects,
               path, pybreak, refcounts, refs, report, retained, save, show, sizeof, sql, stacks, strings, suspects,
               tests)

CLASSES = (memext.Memext, info.Info, count.Count, growth.Growth, mark.Mark, objects.Objects, show.Show, sizeof.Sizeof,
           refs.Refs, backrefs.Backrefs, path.Path, retained.Retained, suspects.Suspects, report.Report,
           strings.Strings, sql.Sql, save.Save, save.Open, export.Export, leaks.Leaks, refcounts.Refcounts,
           memory.Memory, arenas.Arenas, malloc.Malloc, stacks.Stacks, pybreak.Break, catch_oom.CatchOom, tests.Tests)


def register():
    """The commands, known to GDB from here on."""
    return [command() for command in CLASSES]
