# SPDX-License-Identifier: Apache-2.0
"""What each test of a session left behind: judged, grouped and put in words. Knows nothing of GDB.

A test's change is measured from its beginning to the next one's, so that setup, teardown and what the framework
remembers of it are all in. What every test costs (a TestReport and the like) is the session's median, and is taken off;
so is what the framework's own holders keep. What lies in unreachable cycles is no leak: the collector will free it.
"""
import os
import re
import shlex

from . import table

FRAMEWORK, CYCLES = "test-framework", "garbage"
EVERY, ONCE, UNKNOWN, GARBAGE = "every time", "once", "?", "garbage"
# Of a test's first growth: what a repetition must add to count as growth again.
AGAIN = 0.25
# Tests that a median needs, and the most bytes that a test's record takes.
USUAL_FROM, USUAL_MOST = 8, 16 * 1024
TYPES_SHOWN = 3
ONCE_SHOWN = 3
# Options of pytest that are followed by a value of their own, which may be the name of a file that is no test.
WITH_VALUE = ("-c", "-k", "-m", "-p", "-o", "-r", "-W", "-n", "--rootdir", "--confcutdir", "--basetemp", "--ignore",
              "--ignore-glob", "--deselect", "--junitxml", "--junit-xml", "--maxfail", "--tb", "--durations", "--color",
              "--log-level", "--log-file", "--override-ini", "--import-mode", "--cov", "--cov-report", "--cov-config")


class Test:
    """One run of one test."""

    def __init__(self, name, framework, seconds):
        self.name, self.framework, self.seconds = name, framework, seconds
        self.rss = self.bytes = self.blocks = self.usual = self.own = self.garbage = 0
        self.objects = self.other = None
        self.grown = []
        self.holders = []
        self.again = []
        self.verdict = None

    @property
    def file(self):
        return self.name.split("::")[0] if self.framework == "pytest" else self.name.rsplit(".", 2)[0]

    @property
    def function(self):
        """Without the parameters: tests of one function are repetitions of each other."""
        return self.name.split("[")[0] if self.framework == "pytest" else self.name

    @property
    def class_name(self):
        return self.function.rpartition("::" if self.framework == "pytest" else ".")[0]

    @property
    def left(self):
        """Bytes that neither every test leaves nor the framework itself keeps."""
        left = self.bytes - max(self.usual, self.own)
        return left if self.other is None else min(left, self.other)

    @property
    def kept(self):
        """Bytes of `left` that the collector would not free."""
        return self.left - self.garbage

    def group(self, by):
        return {"test": self.name, "class": self.class_name, "file": self.file}[by]

    def json_row(self):
        return {"test": self.name, "file": self.file, "class": self.class_name, "seconds": round(self.seconds, 4),
                "rss_delta": self.rss, "bytes_delta": self.bytes, "blocks_delta": self.blocks,
                "objects_delta": self.objects, "left": self.left, "framework_bytes": self.own,
                "verdict": self.verdict, "again": self.again,
                "types": [{"type": row[0], "count_delta": row[1], "bytes_delta": row[2]} for row in self.grown],
                "holders": self.holders}


def shares(rows):
    """{type: (objects, bytes) a byte} of what grew while only tests ran that leave no more than others do."""
    grown = [(row[0], row[4], row[5]) for row in rows if row[5] > 0]
    total = sum(added for _, _, added in grown)
    return {name: (count / total, added / total) for name, count, added in grown}


def without_drift(rows, shared, drift):
    """(type, count, bytes) of what grew, of _memext.growth()'s rows, less `drift` bytes that went by `shared`."""
    for row in rows:
        count, added = shared.get(row[0], (0, 0))
        yield row[0], row[4] - round(count * max(0, drift)), row[5] - round(added * max(0, drift))


def objects_of(blocks, new_objects, new_blocks):
    """How many of a test's blocks are objects, where as many of the blocks are that are new since the last count."""
    return round(blocks * new_objects / new_blocks) if blocks > 0 and new_blocks >= blocks else new_objects


def grown_types(rows):
    """Of those what grew most."""
    return sorted((row for row in rows if row[2] > 0), key=lambda row: (-row[2], row[0]))[:TYPES_SHOWN]


def median(values):
    values = sorted(values)
    return values[len(values) // 2] if values else 0


def usual_so_far(tests):
    """What a test may leave before it is worth looking at: the first ones get the benefit of the doubt."""
    return usual_of(tests) if len(tests) >= USUAL_FROM else USUAL_MOST


def usual_of(tests):
    """What most tests leave: the framework's record of them. 0 where the session is too short to tell."""
    if len(tests) < USUAL_FROM:
        return 0
    return min(max(0, median([test.bytes for test in tests])), USUAL_MOST)


def take_off_usual(tests):
    usual = usual_of(tests)
    for test in tests:
        test.usual = usual


def judge(tests, least):
    """Sets the verdicts: a test that leaves `least` bytes is None no longer. Repetitions tell how often."""
    runs = {}
    for test in tests:
        runs.setdefault(test.function, []).append(test)
    for test in tests:
        if test.left < least:
            test.verdict = None
        elif test.kept < least:
            test.verdict = GARBAGE
        elif test.again:
            # The first of the repetitions fills the caches of a new process.
            bound = max(least / 2, AGAIN * test.left)
            test.verdict = EVERY if all(left >= bound for left in test.again[1:]) else ONCE
        else:
            test.verdict = verdict_of_runs(test, runs[test.function], least)


def verdict_of_runs(test, runs, least):
    """Of tests of one function: it grows every time when later runs do, too."""
    if len(runs) < 3:
        return UNKNOWN
    later = runs[1:]
    return EVERY if sum(run.left >= least / 2 for run in later) * 2 > len(later) else ONCE


def leaving(tests):
    """The tests to name, largest first; those that grew only once, or left garbage, are none."""
    found = [test for test in tests if test.verdict in (EVERY, UNKNOWN)]
    return sorted(found, key=lambda test: (test.verdict != EVERY, -test.left, test.name))


def note_again(tests, repeated, usual):
    """Adds what each run of a repeating session left to the test of its name."""
    by_name = {test.name: test for test in tests}
    for run in repeated:
        run.usual = usual
        if run.name in by_name:
            by_name[run.name].again.append(run.left)


def grouped(tests, by):
    """{group: (tests, rss, bytes, blocks, left)}, in order of what is left."""
    sums = {}
    for test in tests:
        old = sums.get(test.group(by), (0, 0, 0, 0, 0))
        new = (1, test.rss, test.bytes, test.blocks, test.left if test.verdict in (EVERY, UNKNOWN) else 0)
        sums[test.group(by)] = tuple(map(sum, zip(old, new)))
    return dict(sorted(sums.items(), key=lambda item: (-item[1][4], -item[1][2], item[0])))


def summary(tests, least, size):
    """The last line, as test runners end."""
    found = leaving(tests)
    if not tests:
        return "no test was measured"
    if not found:
        return "none of %s leaves %s or more behind" % (table.plural(len(tests), "test"), size(least))
    left = sum(test.left for test in found)
    line = "%s of %s %s memory behind: %s" % (table.number(len(found)), table.plural(len(tests), "test"),
                                              "leaves" if len(found) == 1 else "leave", size(left))
    unknown = sum(test.verdict == UNKNOWN for test in found)
    once = sum(test.verdict == ONCE for test in tests)
    line += "; %s only filled caches" % table.number(once) if once else ""
    return line + ("; -repeat 2 tells which grow every time" if unknown else "")


def once_lines(tests, size):
    """The largest of those that grew once, in short: their caches may have no bound in production."""
    found = sorted((test for test in tests if test.verdict == ONCE), key=lambda test: (-test.left, test.name))
    for test in found[:ONCE_SHOWN]:
        held = [row for row in test.holders if row["cause"] != FRAMEWORK][:1]
        yield "grew once: %s, %s%s" % (test.name, size(test.left), "".join(
            " in %s" % (row["path"] if row["is_expression"] else row["why"]) for row in held))
    if len(found) > ONCE_SHOWN:
        yield "… and %s that grew once" % table.plural(len(found) - ONCE_SHOWN, "more test")


def garbage_lines(tests, size):
    """What waits for the collector, in short."""
    found = [test for test in tests if test.verdict == GARBAGE]
    if found:
        yield "%s left %s in cycles that the collector had not freed yet: -gc calls it before each measuring" % (
            table.plural(len(found), "other test"), size(sum(test.left for test in found)))


def holder_line(holder, size):
    """Who keeps it, in one line."""
    named = holder["path"] if holder["is_expression"] else holder["why"]
    text = "%s held by %s (%s)" % (size(holder["retained"]), named, holder["cause"])
    held = holder["holds"]
    return text + (": %s %s" % (table.number(held["count"]), held["type"]) if held else "")


def detail_lines(test, size, delta):
    if test.grown:
        yield "      grew: " + ", ".join("%s %s (%s)" % (table.delta(count), name, delta(added))
                                         for name, count, added in test.grown)
    for holder in test.holders[:TYPES_SHOWN]:
        yield "      " + ("pytest's own: " if holder["cause"] == FRAMEWORK else "") + holder_line(holder, size)


def table_lines(tests, top, by, size, delta, width):
    """The table by `by`, and below each test that leaves something what grew and who holds it."""
    if by == "test":
        return test_lines(leaving(tests)[:top or None], delta, size, width)
    result = table.Table("tests", "left", "+bytes", "+blocks", "+rss", by)
    for name, sums in list(grouped(tests, by).items())[:top or None]:
        count, rss, added, blocks, left = sums
        result.add(table.number(count), delta(left), delta(added), table.delta(blocks), delta(rss), name)
    return list(result.lines(width))


def objects(test):
    """Nothing where the heap was not counted."""
    return "" if test.objects is None else table.delta(test.objects)


def test_lines(found, delta, size, width):
    if not found:
        return []
    result = table.Table("left", "+bytes", "+objects", "+rss", "grows", "test")
    for test in found:
        result.add(delta(test.left), delta(test.bytes), objects(test), delta(test.rss), test.verdict, test.name)
    head, *rows = result.lines(width)
    lines = [head]
    for test, row in zip(found, rows):
        lines.append(row)
        lines += [table.clip(line, width) for line in detail_lines(test, size, delta)]
    return lines


COLUMNS = ("test", "file", "class", "verdict", "left", "bytes_delta", "blocks_delta", "objects_delta", "rss_delta",
           "framework_bytes", "seconds")


def csv_cell(value):
    text = "" if value is None else str(value)
    return '"%s"' % text.replace('"', '""') if re.search(r'[",\n]', text) else text


def csv_lines(tests):
    yield ",".join(COLUMNS + ("types", "holders"))
    for test in tests:
        row = test.json_row()
        cells = [row[name] for name in COLUMNS]
        cells.append("; ".join("%s %+d" % (one["type"], one["count_delta"]) for one in row["types"]))
        cells.append("; ".join(one["path"] or one["why"] for one in test.holders))
        yield ",".join(map(csv_cell, cells))


def uses_xdist(words):
    """Whether tests will run in other processes: -n 4, -n4, --numprocesses=auto, --dist load."""
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        count = re.fullmatch(r"(?:-n|--numprocesses=)(\w+)", word)
        value = count.group(1) if count else following if word in ("-n", "--numprocesses") else "0"
        if value != "0" and re.fullmatch(r"[0-9]+|auto|logical", value):
            return True
    return False


def names_pytest(words):
    """Whether an interpreter with these arguments runs pytest: -m pytest, or its script."""
    previous = ""
    for word in words:
        if previous == "-m" or not (word.startswith("-") or previous in ("-W", "-X")):
            return os.path.basename(word) in ("pytest", "py.test", "pytest.py")
        previous = word
    return False


def repeat_arguments(text, tests, times, is_file):
    """The command line that runs `tests` so many times, of the session's; None when it cannot be told."""
    words = shlex.split(text)
    framework = tests[0].framework
    if framework == "unittest":
        at = words.index("unittest") + 1 if "unittest" in words else None
        return shlex.join(words[:at] + [test.name for test in tests] * times) if at else None
    kept, previous = [], ""
    for word in words:
        is_value = previous in WITH_VALUE
        if is_value and previous in ("-k", "--deselect", "--maxfail"):
            kept.pop()
        elif is_value or not is_file(word.split("::")[0]):
            kept.append(word)
        previous = word
    kept = [word for word in kept if word not in ("-x", "--exitfirst", "--lf", "--ff", "--nf", "--sw")]
    files = list(dict.fromkeys(test.file for test in tests))
    names = list(dict.fromkeys(test.function.rpartition("::")[2] for test in tests))
    return shlex.join(kept + ["--keep-duplicates", "-k", " or ".join(names)] + files * times)
