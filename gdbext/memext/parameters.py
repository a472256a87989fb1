# SPDX-License-Identifier: Apache-2.0
"""`set memext …` and `show memext …`. Knows the defaults of all commands."""
import gdb

from . import table


class Parameter(gdb.Parameter):
    """One setting; its class tells name, kind, default and texts."""

    def __init__(self, name, kind, default, summary, text, sequence=None, changed=None):
        self.__doc__ = text
        self.set_doc = "Set %s." % summary
        self.show_doc = "Show %s." % summary
        self.setting = name
        self.summary = summary
        self.changed = changed
        extra = (sequence,) if sequence else ()
        super().__init__("memext " + name, gdb.COMMAND_DATA, kind, *extra)
        self.value = default

    def get_set_string(self):
        if self.changed:
            self.changed()
        return ""

    def get_show_string(self, value):
        return "memext %s is %s: %s." % (self.setting, value or "not set", self.summary)


class SetPrefix(gdb.Command):
    """Set how memext works.

Usage: set memext SETTING VALUE"""

    def __init__(self):
        super().__init__("set memext", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class ShowPrefix(gdb.Command):
    """Show how memext works.

Usage: show memext [SETTING]"""

    def __init__(self):
        super().__init__("show memext", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, _text, _from_tty):
        for name in PARAMETERS:
            gdb.execute("show memext " + name)


PARAMETERS = {}


def add_number(name, default, summary, text):
    PARAMETERS[name] = Parameter(name, gdb.PARAM_ZUINTEGER_UNLIMITED, default, summary,
                                 text + " 0 or unlimited means all.")


def add_path(name, summary, text, changed):
    PARAMETERS[name] = Parameter(name, gdb.PARAM_OPTIONAL_FILENAME, "", summary, text, changed=changed)


def register(paths_changed):
    """Makes GDB know the settings; `paths_changed` is called when another file may be found."""
    SetPrefix()
    ShowPrefix()
    add_number("limit", 20, "the number of rows that listings print", "-limit N overrides it.")
    add_number("width", 10, "the number of items shown of a container, and of references of an object",
               "-width N overrides it.")
    add_number("depth", 3, "the depth to which containers and references are shown", "-depth N overrides it.")
    PARAMETERS["units"] = Parameter("units", gdb.PARAM_ENUM, "human", "the unit of sizes",
                                    "human: KiB, MiB, GiB; bytes: exact. JSON always has bytes.",
                                    sequence=["human", "bytes"])
    PARAMETERS["progress"] = Parameter("progress", gdb.PARAM_BOOLEAN, True, "whether long work shows its progress",
                                       "On a terminal only, after half a second.")
    PARAMETERS["growth-at-stop"] = Parameter("growth-at-stop", gdb.PARAM_BOOLEAN, False,
                                             "whether each stop prints what grew since the one before",
                                             "As py-growth would; the first stop only remembers.")
    add_path("sysroot", "the folder put before each absolute path that the target names",
             "For a core from another machine or container. Not set: GDB's own sysroot.", paths_changed)
    add_path("library-path", "the folders, `:'-separated, searched for the target's files by base name",
             "For a core from another machine or container. Not set: GDB's own solib-search-path.", paths_changed)
    add_path("debug-path", "the folders of separate debug files", "Not set: /usr/lib/debug.", paths_changed)


def number(name):
    """The value of a number, 0 for all."""
    value = PARAMETERS[name].value
    return value if value and value > 0 else 0


def given(value, name):
    """The value of an option, or of the setting that stands in for it."""
    return number(name) if value is None else value


def flag(name):
    return bool(PARAMETERS[name].value)


def size(value):
    """A size in the user's unit."""
    return table.size(value, PARAMETERS["units"].value)


def size_delta(value):
    return table.size_delta(value, PARAMETERS["units"].value)


def gdb_sysroot():
    """GDB's own, where it is a folder of this machine."""
    path = gdb.parameter("sysroot")
    return None if not path or path == "/" or path.startswith("target:") else path


def paths():
    """Keyword arguments for _memext.open_core and open_process; GDB's own settings stand in for those not set."""
    return {"sysroot": PARAMETERS["sysroot"].value or gdb_sysroot(),
            "library_path": PARAMETERS["library-path"].value or gdb.parameter("solib-search-path") or None,
            "debug_path": PARAMETERS["debug-path"].value or None}
