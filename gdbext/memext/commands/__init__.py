# SPDX-License-Identifier: Apache-2.0
"""The list of commands; each lives in the file of its name."""
from . import (backrefs, count, growth, info, leaks, mark, memext, objects, path, pybreak, refcounts, refs, retained, show, sizeof,
               stacks, strings)

CLASSES = (memext.Memext, info.Info, count.Count, growth.Growth, mark.Mark, objects.Objects, show.Show, sizeof.Sizeof,
           refs.Refs, backrefs.Backrefs, path.Path, retained.Retained,
           refcounts.Refcounts, strings.Strings, leaks.Leaks, stacks.Stacks,
           pybreak.Break)


def register():
    """The commands, known to GDB from here on."""
    return [command() for command in CLASSES]
