# SPDX-License-Identifier: Apache-2.0
"""py-refs: what an object refers to."""
from ..references import TreeCommand


class Refs(TreeCommand):
    name = "py-refs"
    summary = "Show what an object refers to, as a tree, a picture or a page."
    examples = ("py-refs app.CACHE -depth 2", "py-refs Order#0 -o order.svg")
    title = "What %s at %s refers to"
