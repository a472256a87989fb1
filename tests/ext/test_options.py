# SPDX-License-Identifier: Apache-2.0
"""The command line: options, abbreviations, quotes, raw expressions, completion."""
import unittest

from memext import options
from memext.options import Option, UsageError

OPTIONS = (Option("sort", "choice", "", "bytes", ("count", "bytes", "name")), Option("since", "word", ""),
           Option("shrunk", "flag", ""), Option("limit", "number", ""), Option("o", "file", ""))


def parse(text, raw=False):
    return options.parse(OPTIONS, text, raw)


class Parse(unittest.TestCase):
    def test_defaults(self):
        arguments = parse("")
        self.assertEqual((arguments.sort, arguments.shrunk, arguments.limit, arguments.operands),
                         ("bytes", False, None, []))

    def test_options_on_both_sides_of_operands(self):
        arguments = parse("-limit 5 app.Order -shrunk")
        self.assertEqual((arguments.limit, arguments.operands, arguments.shrunk), (5, ["app.Order"], True))

    def test_words_of_a_program_are_taken_as_they_are(self):
        arguments = options.parse_words(OPTIONS, ["-since", "a b", "app.X['k'] \"", "-l", "3"], True)
        self.assertEqual((arguments.since, arguments.operands, arguments.limit), ("a b", "app.X['k'] \"", 3))
        self.assertEqual(options.parse_words(OPTIONS, ["'a b'", "--", "-shrunk"]).operands, ["'a b'", "-shrunk"])

    def test_abbreviations_of_names_and_choices(self):
        arguments = parse("-sor c -l 0")
        self.assertEqual((arguments.sort, arguments.limit), ("count", 0))

    def test_ambiguous_abbreviation_names_the_options(self):
        with self.assertRaisesRegex(UsageError, "-s is ambiguous: -sort, -since, -shrunk"):
            parse("-s count")

    def test_unknown_option(self):
        with self.assertRaisesRegex(UsageError, "no option -frob here"):
            parse("-frob")

    def test_wrong_values(self):
        for text, sentence in (("-limit many", "takes a whole number"), ("-limit", "needs a value"),
                               ("-limit -1", "a whole number"),
                               ("-limit 99999999999", "a whole number"),
                               ("-sort size", "takes one of count, bytes, name")):
            with self.assertRaisesRegex(UsageError, sentence):
                parse(text)

    def test_double_dash_ends_options(self):
        self.assertEqual(parse("-shrunk -- -limit 5").operands, ["-limit", "5"])

    def test_quotes_group_words(self):
        arguments = parse("'a b' -since \"c d\"")
        self.assertEqual((arguments.operands, arguments.since), (["a b"], "c d"))

    def test_open_quote(self):
        with self.assertRaisesRegex(UsageError, "not closed"):
            parse("'a b")

    def test_raw_operands_stay_as_typed(self):
        arguments = parse('$f("a b", x)  [ 3 ] -limit 2', raw=True)
        self.assertEqual((arguments.operands, arguments.limit), ('$f("a b", x) [ 3 ]', 2))

    def test_raw_minus_signs_are_no_options(self):
        self.assertEqual(parse("dict#-1", raw=True).operands, "dict#-1")
        self.assertEqual(parse("$a - 16", raw=True).operands, "$a - 16")
        self.assertEqual(parse("-shrunk -- $a -b", raw=True).operands, "$a -b")

    def test_unbalanced_brackets_do_not_hang_or_raise(self):
        self.assertEqual(parse("a)b (c d", raw=True).operands, "a)b (c d")


class Sizes(unittest.TestCase):
    def test_sizes(self):
        least = Option("min", "size", "", 0)
        cases = {"500": 500, "64K": 65536, "1.5M": 1572864, "2 GiB": 2 ** 31, "1kb": 1024, "10B": 10}
        self.assertEqual({text: least.convert(text) for text in cases}, cases)
        for text in ("", "x", "-1", "1T", "1e9", "1.2.3M", "0x10"):
            with self.assertRaises(UsageError):
                least.convert(text)


class Complete(unittest.TestCase):
    def complete(self, text):
        return options.complete(OPTIONS, text, lambda: ["app.Order", "app.Line", "dict"])

    def test_operands(self):
        self.assertEqual(self.complete("app."), ["app.Order", "app.Line"])
        self.assertEqual(self.complete(""), ["app.Order", "app.Line", "dict"])

    def test_option_names(self):
        self.assertEqual(self.complete("-s"), ["-sort", "-since", "-shrunk"])
        self.assertEqual(self.complete("dict -sh"), ["-shrunk"])

    def test_values(self):
        self.assertEqual(self.complete("-sort "), ["count", "bytes", "name"])
        self.assertEqual(self.complete("-sort b"), ["bytes"])
        self.assertIsNone(self.complete("-o /tm"))

    def test_after_a_value_or_flag_comes_an_operand(self):
        self.assertEqual(self.complete("-sort bytes d"), ["dict"])
        self.assertEqual(self.complete("-shrunk d"), ["dict"])

    def test_after_double_dash_no_options(self):
        self.assertEqual(self.complete("-- -s"), [])


class Help(unittest.TestCase):
    def test_one_aligned_line_an_option(self):
        lines = options.help_lines((Option("limit", "number", "rows"), Option("gc", "flag", "tracked only")))
        self.assertEqual(lines, ["  -limit N  rows", "  -gc       tracked only"])
