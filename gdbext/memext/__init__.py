# SPDX-License-Identifier: Apache-2.0
"""memext inside GDB: commands, parameters and functions over one session.

    commands/*.py  one command a file: what is asked, how it is printed
    command.py     what all commands share: options, errors, progress; mi.py: the same for programs (GDB/MI)
    session.py     the heap of this stop; marks.py: the stops before it
    guard.py       stops where memory runs out; exhaustion: what the kernel and C libraries do then
    options, objref, typenames, table, answer   text in and out; no GDB, so tested without
    report, reportpage, web/         the diagnosis as text and as a page; no GDB
    reftree                          references around an object; treetext, picture and page draw them; no GDB either

Importing registers nothing; register() does, once.
"""

_registered = []


def register():
    """Makes GDB know the commands; a second call does nothing."""
    if _registered:
        return
    from . import command, commands, functions, growthstop, mi, parameters, pybreaks, session
    parameters.register(session.SESSION.drop)
    command.host_charset()
    session.register()
    functions.register()
    pybreaks.register()
    _registered.extend(commands.register())
    growthstop.register(next(one for one in _registered if isinstance(one, commands.growth.Growth)))
    mi.register(_registered)
