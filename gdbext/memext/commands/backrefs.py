# SPDX-License-Identifier: Apache-2.0
"""py-backrefs: what refers to an object."""
from ..references import TreeCommand


class Backrefs(TreeCommand):
    name = "py-backrefs"
    summary = "Show what refers to an object, and so keeps it alive, as a tree, a picture or a page."
    examples = ("py-backrefs Order#-1", "py-backrefs Order#-1 -depth 5 -o order.svg", "py-backrefs $py -group -width 0")
    referrers = True
    title = "What refers to %s at %s"
