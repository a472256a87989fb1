# SPDX-License-Identifier: Apache-2.0
"""`help memext`: the commands by question."""
import gdb

HELP = """Find out where a Python process's memory went: the commands, by question.

Usage: memext

Where did it all go?
  py-report                   the whole diagnosis on two screens: verdict, suspects, what next
  py-report FILE.html         the same as a page: a map that zooms, tables, trees
What do I have before me?
  py-info                     Python, allocator, threads, how complete the core is
  py-info -verify             whether it is whole and read rightly, with a line for a bug report
What is in memory?
  py-count [TYPE|GLOB]        objects by type: count and bytes
  py-memory                   every byte of the process: Python, malloc, stacks, modules
Is memory kept that nothing uses?
  py-arenas                   Python's own allocator: what keeps arenas that are nearly empty
  py-malloc                   malloc: free memory by arena, and what would give it back
What grew?
  py-growth                   what changed since the last py-growth
  py-growth -since MARK|FILE  since a mark, another core, a saved target or counts
  py-mark NAME                remember this stop under a name
Which tests leave memory behind?
  py-tests                    run pytest or unittest, and measure after every test
Which objects are they?
  py-objects TYPE             the objects of a type
  py-objects TYPE -new        only those that appeared since
What is this object?
  py-show OBJ                 its value, as repr() would print it
  py-sizeof OBJ               its size
  py-sizeof -retained OBJ     and what it keeps alive
What does it hold, what holds it, and why?
  py-refs OBJ                 what it refers to, as a tree or a picture
  py-backrefs OBJ             what refers to it
  py-path OBJ                 the shortest path to it, as a Python expression
Why is it so big?
  py-suspects                 the few holders that explain most, each with its cause
  py-suspects -since MARK|CORE
                              what holds what is new since then
  py-retained                 the objects that keep most memory alive
  py-retained -by root        the same by type, module or root
  py-retained OBJ             what OBJ's memory consists of
What is wasted?
  py-strings                  equal strings and bytes, sparse lists, dicts and sets
Is it C code that leaks?
  py-leaks                    memory of C code that nothing reaches any more
  py-refcounts                objects held by a reference that nobody has
What is it doing?
  py-stacks                   where every Python thread is; -locals, -native
When does it grow?
  py-break FUNCTION           stop where a Python function is called
  py-break FUNCTION -do py-growth
                              print what grew at each call, and go on
  set memext growth-at-stop on
                              the same at every stop
When does it run out?
  py-catch-oom                where memory runs out, with a core and the verdict
What no other command asks?
  py-sql SELECT ...           the heap's objects, references and memory in SQL
How do I look at it with other tools?
  py-export FILE              for Chrome DevTools, SQLite, Spark, Graphviz, flame graphs
How do I keep it, or look at it elsewhere?
  py-save FILE                this stop in a small file, for all of these commands
  py-open FILE                use such a file in place of a process or core
In breakpoint conditions and expressions:
  $py_count("TYPE")  $py_bytes("TYPE")  $py_rss()
  $py                         the address of the (first) object printed last
Settings:
  show memext

`help COMMAND` tells more, with examples. Nothing is run or changed in the
process: everything is read from outside."""


class Memext(gdb.Command):
    """Prints its own help. No prefix: `help memext` would end in an empty list of subcommands."""

    def __init__(self):
        self.__doc__ = HELP
        super().__init__("memext", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, _text, _from_tty):
        self.dont_repeat()
        gdb.write(HELP + "\n")
