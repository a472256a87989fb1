"""The pages in a real browser: they load without a complaint, and what moves moves. Each check returns problems."""
import contextlib
import json
import os

import browser
from stage import Skip

CHECKS = {}
PACKAGE = "/usr/share/nodejs/d3-hierarchy/dist/d3-hierarchy.min.js"
# No page is larger, whatever the heap.
MOST_BYTES = 5000000
# What the target's strings try to do to a page.
EVIL = r"""
import os, sys
class Evil:
    pass
TEXTS = ["</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>",
         "\u2028]]>-->", "\x00\x1b[31m", "\"'><b onmouseover=window.hacked=1>", "\ud800", "&lt;b&gt;"]
CACHE = {}
for number in range(2000):
    one = CACHE[TEXTS[number % len(TEXTS)] + str(number)] = Evil()
    one.text = TEXTS[number % len(TEXTS)] * 9
    # The first ones are large enough to have boxes of their own in the map.
    setattr(one, TEXTS[number % 2] + str(number % 3), [number] * (20000 if number < 14 else 9))
TYPES = [type("<img src=x onerror=window.hacked=1>%d" % n, (), {})() for n in range(9)]
print("READY {}", flush=True)
sys.stdin.read()
"""


def check(function):
    CHECKS[function.__name__] = function
    return function


@contextlib.contextmanager
def opened(path, **how):
    """The page in Chromium; Skip where there is none."""
    if not browser.find():
        raise Skip("Chromium is not installed")
    with browser.Browser() as chromium:
        yield chromium.open(path, **how)


def report(stage, core, name, *options):
    """The path of the page that py-report wrote of `core`, and what it printed."""
    if not os.path.exists(PACKAGE):
        raise Skip("node-d3-hierarchy is not installed")
    path = stage.path(name)
    text = stage.gdb(["-c", core], " ".join(("py-report", path) + options))
    if not os.path.exists(path):
        raise RuntimeError("no page was written: " + text)
    return path, text


def expect(problems, page, script, wanted, what):
    found = page.evaluate(script)
    if found != wanted:
        problems.append("%s: %r instead of %r" % (what, found, wanted))


CELLS = "Array.from(document.querySelectorAll('.cell b')).map(one => one.textContent)"
ROW = "getComputedStyle(document.querySelectorAll('#types tbody tr')[15]).display"
COLUMN = ("Array.from(document.querySelectorAll('#types tbody tr')).map(row => row.cells[%d]).map("
          "cell => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value))")


@check
def report_page_loads(stage):
    """Light and dark, without a complaint or a look at the network, and small."""
    path, text = report(stage, stage.later_core(), "loads.html")
    problems = [] if "wrote %s" % path in text and len(text.splitlines()) == 2 else ["it prints %r" % text]
    if os.path.getsize(path) > MOST_BYTES:
        problems.append("the page has %d bytes" % os.path.getsize(path))
    with opened(path) as page:
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.look(dark=True)
        if page.evaluate("getComputedStyle(document.body).backgroundColor") == light:
            problems.append("dark is as light: %s" % light)
        page.look(media="print")
        expect(problems, page, "getComputedStyle(document.querySelector('button.plain')).display", "none", "in print")
        if not page.evaluate("document.getElementById('verdict').textContent").count("module global __main__.CACHE"):
            problems.append("the verdict is %r" % page.evaluate("document.getElementById('verdict').textContent"))
        return problems + page.problems()


CRUMBS = "[...document.querySelectorAll('#crumbs button')].map(one => one.textContent)"


@check
def report_page_zooms(stage):
    """A click into the map goes in; on the first box, on a crumb, or Escape, out again."""
    problems = []
    path, _text = report(stage, stage.later_core(), "zooms.html")
    with opened(path) as page:
        names = page.evaluate(CELLS)
        if "the heap" not in names or "['CACHE']" not in names:
            return ["the map begins with %r" % names[:9]]
        page.click(".cell b", names.index("['CACHE']"))
        page.wait_for("document.querySelector('#crumbs b').textContent === \"['CACHE']\"")
        inside = page.evaluate(CELLS)
        if not any(name.endswith(" × __main__.Session") for name in inside) or "the heap" in inside:
            problems.append("inside CACHE there are %r" % inside[:9])
        above = page.evaluate(CRUMBS)
        if above[:2] != ["the heap", "module __main__"]:
            problems.append("the way to CACHE is %r" % above)
        page.key("Escape")
        expect(problems, page, "document.querySelector('#crumbs b').textContent", above[-1], "Escape")
        page.click(".cell", page.evaluate(CELLS).index(above[-1]))
        expect(problems, page, "document.querySelector('#crumbs b').textContent", above[-2], "the first box")
        page.click("#crumbs button", 0)
        page.click(".cell b", page.evaluate(CELLS).index("['CACHE']"))
        page.click("#crumbs button", 0)
        expect(problems, page, "document.querySelector('#crumbs b').textContent", "the heap", "a crumb")
        return problems + page.problems()


@check
def report_page_fills_its_map(stage):
    """What a box is divided into covers it from top to bottom: no bytes are left out of the picture."""
    path, _text = report(stage, stage.later_core(), "fills.html")
    with opened(path) as page:
        gaps = page.evaluate("""(function () {
            const box = document.getElementById('map').getBoundingClientRect(), height = box.height;
            const right = Array.from(document.querySelectorAll('.cell')).map(one => one.getBoundingClientRect())
              .filter(one => one.right > box.right - 2).reduce((sum, one) => sum + one.height, 0);
            return Math.abs(height - right) / height; })()""")
        return ["%.1f %% of the right edge is empty" % (100 * gaps)] if gaps > 0.03 else []


@check
def report_page_sorts(stage):
    problems = []
    path, _text = report(stage, stage.later_core(), "sorts.html")
    with opened(path) as page:
        for column, first_descending in ((1, True), (4, False)):
            for again in (False, True):
                page.click("#types th button", column)
                found = page.evaluate(COLUMN % column)
                descending = first_descending != again
                found = [one.lower() if column == 4 else one for one in found]
                if len(set(found)) < 20 or found != sorted(found, reverse=descending):
                    problems.append("column %d, click %d: %r" % (column, again + 1, found[:9]))
                expect(problems, page, "document.querySelectorAll('#types th')[%d].getAttribute('aria-sort')" % column,
                       "descending" if descending else "ascending", "the arrow")
        expect(problems, page, ROW, "none", "row 15 at first")
        page.click("#types button.plain")
        expect(problems, page, ROW, "table-row", "row 15 of all")
        return problems + page.problems()


@check
def report_page_unfolds(stage):
    """The first suspect's retainers: closed at first, a click opens them, and the module is among them."""
    problems = []
    path, _text = report(stage, stage.later_core(), "unfolds.html")
    with opened(path) as page:
        tree = "document.querySelector('#suspect1 details.tree-box')"
        expect(problems, page, tree + ".open", False, "at first")
        page.click("#suspect1 details.tree-box > summary")
        expect(problems, page, tree + ".open", True, "after a click")
        if "__main__" not in page.evaluate(tree + ".innerText"):
            problems.append("the tree is %r" % page.evaluate(tree + ".innerText")[:300])
        before = page.evaluate(tree + ".querySelectorAll('details[open]').length")
        page.click("#suspect1 details.tree-box .tree details:not([open]) > summary")
        expect(problems, page, tree + ".querySelectorAll('details[open]').length", before + 1, "a branch")
        return problems + page.problems()


@check
def report_page_tells_growth(stage):
    """Since an earlier stop of the same process: growth, and the suspects and the map of what is new."""
    before, after = stage.grown_cores()
    path, _text = report(stage, after, "growth.html", "-since", before)
    with opened(path) as page:
        problems = page.problems()
        rows = page.evaluate("Array.from(document.querySelectorAll('#growth tbody tr')).map(row => row.innerText)")
        if not any(row.startswith("+1,000\t") and row.endswith("__main__.Session") for row in rows):
            problems.append("growth is %r" % rows[:9])
        sentence = page.evaluate("document.getElementById('verdict').textContent")
        if "that came since growing.core is held by the module global __main__.CACHE, a dict of 1,000" not in sentence:
            problems.append("the verdict is %r" % sentence)
        if not page.evaluate(CELLS + ".some(name => name === '1,000 × __main__.Session')"):
            problems.append("the map has %r" % page.evaluate(CELLS))
        return problems


@check
def report_page_believes_nothing(stage):
    """Markup in keys, values, attributes and type names stays text."""
    script = stage.path("evil.py")
    with open(script, "w", encoding="utf-8", errors="surrogatepass") as f:
        f.write(EVIL)
    work = stage.start(stage.python, script)
    core = work.gcore(stage.path("evil.core"))
    work.close()
    path, _text = report(stage, core, "evil.html")
    other = stage.path("evil-refs.html")
    stage.gdb(["-c", core], "py-refs __main__.CACHE -depth 4 -o " + other)
    problems = []
    for name in (path, other):
        with opened(name) as page:
            expect(problems, page, "typeof window.hacked", "undefined", name)
            expect(problems, page, "document.querySelectorAll('img, b[onmouseover]').length", 0, name)
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            problems += page.problems()
    return problems


@check
def report_without_the_library(stage):
    """The page is written without its map, and the package is named; the text needs nothing."""
    path = stage.path("plain.html")
    text = stage.gdb(["-c", stage.core()], "python import memext.reportpage as p; p.LIBRARY = '/nonexistent'",
                     "py-report " + path, "py-report")
    problems = [] if text.count("apt install node-d3-hierarchy") == 1 else ["it prints " + text[:300]]
    with open(path, encoding="utf-8") as f:
        if "apt install node-d3-hierarchy" not in f.read():
            problems.append("the page does not say so")
    if not browser.find():
        return problems
    with opened(path) as page:
        expect(problems, page, "document.querySelectorAll('#types th button').length", 5, "tables")
        return problems + page.problems()


@check
def tree_page_unfolds(stage):
    """py-backrefs -o FILE.html: all of it, none of it, and light and dark."""
    path = stage.path("tree.html")
    stage.gdb(["-c", stage.core()], "py-backrefs Session#7 -o " + path)
    problems = []
    with opened(path, dark=True) as page:
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.look()
        if page.evaluate("getComputedStyle(document.body).backgroundColor") == dark:
            problems.append("light is as dark: %s" % dark)
        for button, open_ones in (("#unfold", "true"), ("#fold", "false")):
            page.click(button)
            expect(problems, page, "Array.from(document.querySelectorAll('details')).every(one => one.open === %s)"
                   % open_ones, True, button)
        page.click("summary")
        expect(problems, page, "document.querySelector('details').open", True, "a click")
        return problems + page.problems()


@check
def report_is_two_screens(stage):
    """The text of a whole heap, and of what is the same in JSON."""
    text = stage.gdb(["-c", stage.core()], "py-report", "py-report -json")
    shown, _, rest = text.partition("(gdb) py-report -json\n")
    lines = shown.splitlines()[1:]
    problems = [] if len(lines) <= 60 else ["%d lines" % len(lines)]
    problems += ["%d columns: %s" % (len(line), line) for line in lines[1:] if len(line) > 100]
    answer = json.loads(rest)
    for key in ("verdict", "ledger", "types", "suspects", "waste", "completeness", "next"):
        if not answer.get(key):
            problems.append("-json has no %s" % key)
    first = answer["suspects"][0]
    if (first["path"], first["cause"], first["holds"]["count"]) != ("__main__.CACHE", "module-global", 2000):
        problems.append("the first suspect is %r" % first)
    if answer["verdict"].split()[:2] != " ".join(lines[1:3]).split()[:2]:
        problems.append("the verdicts are %r and %r" % (answer["verdict"], lines[1:3]))
    if sum(row["bytes"] for row in answer["ledger"]) != answer["total"]["process"]:
        problems.append("the ledger does not add up to %d" % answer["total"]["process"])
    return problems


@check
def report_compares_two_processes(stage):
    """Of another run, what holders have more of; a file of counts tells growth alone; and a cut core says so."""
    saved = stage.path("counts-for-report.json")
    stage.gdb(["-c", stage.core()], "py-count -json -o " + saved)
    other = stage.gdb(["-c", stage.later_core()], "py-report -since " + stage.core(), "py-report -since " + saved)
    named = " ".join(other.split()).count("module global __main__.CACHE, a dict of ")
    problems = [] if named == 2 else ["the holder is not named: " + other]
    if "holds counts only" not in other or other.count("Growth since") != 2:
        problems.append("of counts it says " + other)
    for percent in (10, 60, 95):
        text = stage.gdb(["-c", stage.cut(percent)], "py-report", "py-report %s" % stage.path("cut.html"))
        if "internal error" in text or ("lower bounds" not in text and "memext: " not in text):
            problems.append("%d %%: %s" % (percent, text[-500:]))
    return problems


@check
def report_to_a_full_disk(stage):
    """One sentence, and no half page."""
    if not os.path.exists("/dev/full"):
        raise Skip("there is no /dev/full")
    link = stage.path("full.html")
    os.symlink("/dev/full", link)
    text = stage.gdb(["-c", stage.core()], "py-report " + link, "py-report /nonexistent/x.html")
    os.remove(link)
    wanted = ("memext: cannot write %s: No space left on device" % link,
              "memext: cannot write /nonexistent/x.html: No such file or directory")
    return ["it does not say %r but %r" % (one, text) for one in wanted if one not in text]
