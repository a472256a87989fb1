# SPDX-License-Identifier: Apache-2.0
"""The diagnosis: what py-report concludes from the answers of other commands, and as text of two screens.

A Report holds rows as JSON has them; text and page (reportpage.py) are made of
it. Knows nothing of GDB, nor of how the answers were found.
"""
import re
import textwrap

from . import retaining, suspects, table, waste

WIDTH = 100
# Rows of each part in the text, without and with growth: all parts and their headings fill two screens at most.
SHOWN = {False: {"types": 8, "suspects": 5, "waste": 3}, True: {"types": 5, "suspects": 4, "growth": 4, "waste": 3}}
# Characters of a holder and of what it holds in the verdict.
HOLDER_WIDTH = 100
# Columns of a command of the next steps, as far as they are aligned.
STEP_WIDTH = 60
# A holder of this share makes the verdict alone.
MAIN_SHARE = 0.3
NEARLY_ALL = 0.99
# Below this share of the process, Python's heap is not where its memory went.
HEAP_LEAST = 0.5
# A holder, or waste, of this share is worth a step of its own.
STEP_SHARE = 0.05
CONTAINERS = ("dict", "list", "set", "frozenset", "tuple", "deque", "defaultdict", "OrderedDict", "Counter")


class Report:
    """What was found.

    `process`: (its bytes, what these are); `total`: bytes that the suspects' shares are of: the heap's, or the growth
    since `since`; `map_since`: what the map weighs only new blocks against. The names are None for the whole heap.
    """

    def __init__(self, about, process, live=True, size=table.size):
        self.about = about
        self.process = process
        self.live = live
        self.size = size
        self.since = self.map_since = None
        self.total = 0
        self.ledger = []
        self.memory = ""  # py-memory's verdict: what all of the process's memory consists of
        self.types = []
        self.suspects = []
        self.growth = None
        self.waste = {"rows": [], "kinds": [], "wasted": 0}
        self.complete = True
        self.remarks = []
        self.retained = {}

    def shown(self, part):
        """How many rows of a part the text has."""
        return SHOWN[bool(self.growth)][part]

    def used(self):
        return self.retained.get("total", 0)

    def json(self):
        """The parts as programs read them."""
        return {"verdict": verdict(self), "memory": self.memory, "ledger": self.ledger, "types": self.types,
                "suspects": [without_key(one, "is_expression") for one in self.suspects],
                "growth": self.growth, "waste": self.waste,
                "completeness": {"complete": self.complete, "remarks": self.remarks}, "next": steps(self)}


def without_key(row, key):
    return {name: value for name, value in row.items() if name != key}


def ledger(heap, retained, free_bytes, process):
    """Rows that add up to `process`, the bytes of it all (0: unknown): {kind, bytes, count}."""
    objects = heap["objects"] - heap["static_objects"]
    rows = [("python/objects", retained["total"] - heap["raw_bytes"] - retained["static_bytes"], objects),
            ("python/buffers", heap["raw_bytes"], heap["raw_blocks"]),
            ("python/static", retained["static_bytes"], heap["static_objects"]),
            ("pymalloc/free", free_bytes, heap["pool_free_blocks"])]
    rows = [(kind, max(size, 0), count) for kind, size, count in rows]
    rest = process - sum(row[1] for row in rows)
    if rest > 0:
        rows.append(("rest", rest, None))
    return [{"kind": kind, "bytes": size, "count": count} for kind, size, count in rows]


# Causes whose holder has a name of its own in Python's source.
NAMED = {"module-global": "module global", "class-attribute": "class attribute"}
LEDGER_TEXTS = {
    "python/objects": "Python objects",
    "python/buffers": "their tables and buffers, C data",
    "python/static": "static objects of the interpreter and libraries",
    "pymalloc/free": "free blocks in pymalloc's pools",
    "rest": "the rest: code, stacks, free malloc memory, other allocators",
}


def many(count):
    """1,234 or 1.2 million."""
    if count < 1000000:
        return table.number(count)
    scaled, unit = (count / 1e6, "million") if count < 1e9 else (count / 1e9, "billion")
    return "%s %s" % (("%.1f" % scaled).replace(".0", "") if scaled < 100 else "%.0f" % scaled, unit)


def share_text(share):
    """For a sentence: whole percents, unless that is nothing."""
    return "%.0f %%" % (100 * share) if share >= 0.01 or not share else retaining.percent(share)


def article(noun):
    return ("an " if noun[:1].lower() in "aeio" else "a ") + noun


def plain_path(suspect):
    """The path as Python's source would have it, `app.CACHE`; empty where there is no expression."""
    return re.sub(r"^sys\.modules\['([\w.]+)'\]", r"\1", suspect["path"]) if suspect["is_expression"] else ""


def holder_text(suspect):
    """`the module global app.CACHE`: the cause in words, with the path where they do not name it."""
    why, path = suspect["why"], plain_path(suspect)
    if suspect["cause"] in NAMED and suspect["type"] != "module" and re.fullmatch(r"[\w.]+", path):
        return "the %s %s" % (NAMED[suspect["cause"]], path)
    if not suspect["addr"]:
        return why
    why = re.sub("^held by ", "", why) or path or article(suspect["type"])
    return why if re.match(r"(the|a|an) ", why) else "the " + why


def short_holder(suspect):
    return table.shorten(holder_text(suspect), HOLDER_WIDTH)


def example_text(suspect):
    """Where one of the things held is found, as one can type it or below the holder; empty when that is not known."""
    below = suspect["example_path"]
    return plain_path(suspect) + below if below and not re.search("[→<]", below) else ""


def counted(holds):
    """`1.2 million app.Order`, but `3 str objects`: builtin names are words."""
    noun = holds["type"]
    if noun == retaining.RAW:
        noun += "" if holds["count"] == 1 else "s"
    elif "." not in noun:
        noun += " object" if holds["count"] == 1 else " objects"
    return "%s %s" % (many(holds["count"]), noun)


def contents_text(suspect):
    """`a dict of 1.2 million app.Order`."""
    holds, kind = suspect["holds"], suspect["type"]
    held = counted(holds) if holds else ""
    if not suspect["addr"]:
        return held
    if not held:
        return article(kind)
    if kind == "functools._lru_cache_wrapper":
        return "a cache of " + held
    return "%s %s %s" % (article(kind), "of" if kind.rpartition(".")[2] in CONTAINERS else "that holds", held)


def held_sentence(report):
    """The one holder that explains most, or the largest of several."""
    first, size = report.suspects[0], report.size
    whole = "%s that came since %s" % (size(report.total), report.since) if report.since else size(report.total)
    head = "%s of %s%s, %s, " % (size(first["retained"]), "the " if report.since else "", whole,
                                 share_text(first["share"]))
    if first["share"] >= NEARLY_ALL:
        head = "Nearly all of the %s " % whole
    if first["share"] >= MAIN_SHARE or len(report.suspects) == 1:
        contents = table.clip(contents_text(first), HOLDER_WIDTH)
        if not first["addr"]:
            return "%s: %s%s." % (head.rstrip(", "), first["why"], " (%s)" % contents if contents else "")
        return "%sis held by %s%s." % (head, short_holder(first), contents and ", " + contents)
    shown = report.suspects[:3]
    named = "; ".join("%s (%s)" % (short_holder(one), share_text(one["share"])) for one in shown)
    return "No holder explains most of the %s; the largest %d hold %s, %s: %s." % (
        whole, len(shown), size(sum(one["retained"] for one in shown)),
        share_text(sum(one["share"] for one in shown)), named)


def is_elsewhere(report):
    """Whether most of the process's memory is not Python's."""
    return report.used() < HEAP_LEAST * report.process[0]


def verdict(report):
    """The sentence, or two of them, that somebody reads who reads nothing else."""
    used, size = report.used(), report.size
    if report.suspects:
        text = held_sentence(report)
    elif report.since:
        text = "Nothing that grew since %s stands out." % report.since
    else:
        text = "No holder stands out among the %s of Python's heap." % size(used)
    process, place = report.process
    if is_elsewhere(report):
        text += " Python's heap is only %s of the %s %s (%s): most of that is not Python's." % (
            size(used), size(process), place, share_text(used / process))
    return text if report.complete else text + " Parts of the target are missing: sizes are lower bounds."


def steps(report):
    """Commands to type next, each with what it tells: {command, why}."""
    result = [{"command": one["next"], "why": "suspect %d: %s" % (number + 1, holder_text(one))}
              for number, one in enumerate(report.suspects[:2]) if one["next"] and one["share"] >= STEP_SHARE]
    if report.used() and report.waste["wasted"] >= STEP_SHARE * report.used():
        result.append({"command": "py-strings", "why": "%s of waste in detail" % report.size(report.waste["wasted"])})
    if is_elsewhere(report):
        result.append({"command": "py-memory", "why": "all of the process's memory, by kind"})
        result.append({"command": "py-leaks", "why": "memory of C code that nothing reaches any more"})
    if not report.suspects:
        result.append({"command": "py-retained", "why": "the objects that keep most alive"})
    if not report.growth and not report.live:
        result.append({"command": "py-report -since CORE", "why": "what grew since an earlier core"})
    elif not report.growth:
        result.append({"command": "py-mark before", "why": "then run on, stop again, and: py-report -since before"})
    return result


def wrap(text, indent=2, width=WIDTH):
    """Lines of a paragraph; a number stays with its unit."""
    bound = re.sub(r"([0-9]) (%|[KMGT]?i?B\b)", "\\1\xa0\\2", text)
    found = textwrap.wrap(bound, width, initial_indent=" " * indent, subsequent_indent=" " * indent,
                          break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in found]


def section(title, lines):
    """A heading and what is below it, indented; nothing when there is nothing."""
    lines = list(lines)
    return ["", title] + ["  " + line if line else "" for line in lines] if lines else []


def share_of(value, total):
    return retaining.percent(value / total) if total else ""


def ledger_lines(report):
    rows = report.ledger
    total = sum(row["bytes"] for row in rows)
    result = table.Table("bytes", "share", "count", "what")
    for row in rows:
        result.add(report.size(row["bytes"]), share_of(row["bytes"], total),
                   "" if row["count"] is None else table.number(row["count"]), LEDGER_TEXTS[row["kind"]])
    result.add(report.size(total), "", "", report.process[1] if report.process[0] else "in all")
    return list(result.lines(WIDTH - 2)) + wrap(report.memory, 0, WIDTH - 2)


def type_lines(report):
    shown = report.types[:report.shown("types")]
    result = table.Table("bytes", "count", "retained", "type")
    for row in shown:
        kept = row["retained"]
        result.add(report.size(row["bytes"]), table.number(row["count"]), "" if kept is None else report.size(kept),
                   row["type"])
    return list(result.lines(WIDTH - 2)) if shown else []


def suspect_lines(report):
    """Two lines each: how much and what it is, then what it holds."""
    shown = report.suspects[:report.shown("suspects")]
    width = max([len(report.size(one["retained"])) for one in shown] or [0])
    for number, one in enumerate(shown, 1):
        yield table.shorten("%d. %*s  %7s  %s" % (
            number, width, report.size(one["retained"]), retaining.percent(one["share"]),
            re.sub("^the ", "", holder_text(one))), WIDTH - 2)
        yield (" " * (width + 14) + below(report, one, WIDTH - 16 - width)).rstrip()
    if len(report.suspects) > len(shown):
        yield "… and %s: py-suspects" % table.plural(len(report.suspects) - len(shown), "more suspect")


def below(report, suspect, room):
    """What a suspect holds; its example yields to what has to be said."""
    contents, more, example = [contents_text(suspect)], shared(report, suspect), example_text(suspect)
    text = ", ".join(contents + (["such as " + example] if example else []) + more)
    return table.clip(text if len(text) <= room or not more else ", ".join(contents + more), room)


def shared(report, suspect):
    """A list of what has to be said of a holder that is not the only one."""
    if suspect["alone"] >= suspects.ALONE_LEAST * suspect["retained"]:
        return []
    return ["shared: only %s are its alone" % report.size(suspect["alone"])]


def growth_lines(report):
    result = table.Table("+count", "+bytes", "count", "type")
    for row in report.growth["rows"][:report.shown("growth")]:
        result.add(table.delta(row["count_delta"]), size_delta(report, row["bytes_delta"]),
                   table.number(row["count"]), row["type"])
    if result.rows:
        yield from result.lines(WIDTH - 2)
    total = report.growth["total"]
    yield "total: %s objects, %s" % (table.delta(total["count_delta"]), size_delta(report, total["bytes_delta"]))


def size_delta(report, value):
    return ("+" if value > 0 else "") + report.size(value)


def waste_lines(report):
    """One line a kind that matters, with its worst case."""
    result = table.Table("wasted", "objects", "kind", "the worst of them", cut=table.clip)
    for kind in sorted(report.waste["kinds"], key=lambda one: -one["wasted"])[:report.shown("waste")]:
        worst = next((row for row in report.waste["rows"] if row["kind"] == kind["kind"]), None)
        if kind["wasted"] * 1000 >= max(report.used(), 1):
            result.add(report.size(kind["wasted"]), table.number(kind["count"]), kind["kind"],
                       worst_text(worst) if worst else "")
    return result.lines(WIDTH - 2) if result.rows else []


def worst_text(row):
    return waste.row_text(row) if row["count"] == 1 else "%s × %s" % (table.number(row["count"]), waste.row_text(row))


def completeness_lines(report):
    for remark in report.remarks:
        yield from wrap(remark, 0)


def step_lines(report):
    """Commands are never cut: they are to be typed."""
    found = steps(report)
    width = min(max(len(step["command"]) for step in found), STEP_WIDTH)
    for step in found:
        room = WIDTH - 4 - max(width, len(step["command"]))
        yield "%-*s  %s" % (width, step["command"], table.clip(step["why"], room) if room > 8 else "")


def lines(report):
    """The whole diagnosis."""
    used = report.used()
    wasted = report.waste["wasted"]
    yield report.about
    yield ""
    yield from wrap(verdict(report))
    yield from section("Ledger", ledger_lines(report))
    yield from section("Suspects%s" % (" since %s" % report.since if report.since else ""), suspect_lines(report))
    if report.growth:
        yield from section("Growth since %s" % report.growth["since"], growth_lines(report))
    yield from section("Types", type_lines(report))
    yield from section("Waste: %s%s" % (report.size(wasted), ", %s of the heap" % retaining.percent(wasted / used)
                                        if used else ""), waste_lines(report))
    yield from section("Completeness", completeness_lines(report))
    yield from section("Next", step_lines(report))
