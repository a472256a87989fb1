# SPDX-License-Identifier: Apache-2.0
"""Numbers, names and columns as text. Knows nothing of GDB or of what is in a table."""

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def number(value):
    """1,234,567"""
    return format(value, ",d")


def delta(value):
    """+1,234 or -5 or 0"""
    return format(value, "+,d") if value else "0"


def size(value, units="human"):
    """Three significant digits and a unit, or exact bytes where `units` is "bytes"."""
    if units == "bytes":
        return number(value)
    if abs(value) < 1024:
        return "%d B" % value
    scaled, unit = float(value), 0
    while abs(scaled) >= 1023.5 and unit < len(UNITS) - 1:
        scaled /= 1024
        unit += 1
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return "%.*f %s" % (digits, scaled, UNITS[unit])


def size_delta(value, units="human"):
    return "+" + size(value, units) if value > 0 else size(value, units) if value else "0"


def plural(count, noun):
    """1 object, 2 objects"""
    return "%s %s%s" % (number(count), noun, "" if count == 1 else "s")


def shorten(text, width):
    """`text` within `width` columns, cut in the middle: both ends of a name tell."""
    if width <= 0 or len(text) <= width:
        return text
    head = max(0, (width - 1) // 2)
    tail = max(0, width - 1 - head)
    return text[:head] + "…" + (text[-tail:] if tail else "")


def clip(text, width):
    """`text` within `width` columns, cut at its end, as values are read."""
    return text if width <= 0 or len(text) <= width else text[:width - 1] + "…"


class Table:
    """Columns, all right-aligned but the last: text that `cut` makes fit, shorten or clip."""

    def __init__(self, *headers, cut=shorten):
        self.headers = headers
        self.cut = cut
        self.rows = []

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def widths(self):
        return [max(len(row[i]) for row in [self.headers] + self.rows) for i in range(len(self.headers) - 1)]

    def lines(self, width=0):
        """Lines of at most `width` columns (0: as long as they are)."""
        widths = self.widths()
        room = max(16, width - sum(widths) - 2 * len(widths)) if width else 0
        for row in [list(self.headers)] + self.rows:
            cells = [cell.rjust(w) for cell, w in zip(row, widths)] + [self.cut(row[-1], room)]
            yield "  ".join(cells).rstrip()


def fields(pairs):
    """`name  value` lines, aligned."""
    pairs = [(name, value) for name, value in pairs if value not in (None, "")]
    width = max([len(name) for name, _ in pairs] or [0])
    return ["%-*s  %s" % (width, name, value) for name, value in pairs]
