# SPDX-License-Identifier: Apache-2.0
"""Which type names a user means by a name, a short name or a GLOB. Knows only strings."""
import difflib
import fnmatch

from .options import UsageError


def short(name):
    """`Order` of `app.Order`; what is local to a function loses its place: `Row` of `app.load.<locals>.Row`."""
    return name.rpartition(".")[2]


def is_glob(pattern):
    return any(char in pattern for char in "*?[")


def match(pattern, names):
    """The names that `pattern` means: that very name, else a GLOB on whole names, else on last components."""
    if pattern in names:
        return {pattern}
    if not is_glob(pattern):
        return {name for name in names if short(name) == pattern}
    whole = {name for name in names if fnmatch.fnmatchcase(name, pattern)}
    return whole or {name for name in names if fnmatch.fnmatchcase(short(name), pattern)}


def require(pattern, names):
    """As match(), but none is an error that names what is near."""
    found = match(pattern, names)
    if not found:
        raise UsageError("no object here has a type named `%s'%s" % (pattern, hint(pattern, names)))
    return found


def require_one(pattern, names):
    """The one name that `pattern` means."""
    found = sorted(require(pattern, names))
    if len(found) == 1:
        return found[0]
    more = ", … (%d in all)" % len(found) if len(found) > 5 else ""
    raise UsageError("`%s' means several types; give one of %s%s" % (pattern, ", ".join(found[:5]), more))


def hint(pattern, names):
    """`; did you mean …?`, or nothing."""
    folded = {}
    for name in names:
        folded.setdefault(name.lower(), name)
        folded.setdefault(short(name).lower(), name)
    near = difflib.get_close_matches(pattern.strip("*?").lower(), folded, n=6, cutoff=0.6)
    unique = list(dict.fromkeys(folded[key] for key in near))[:3]
    return "; did you mean %s?" % " or ".join(unique) if unique else "; py-count lists the types"
