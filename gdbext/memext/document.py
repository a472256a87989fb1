# SPDX-License-Identifier: Apache-2.0
"""The frame of every HTML page: nothing comes from elsewhere, and no script runs but the page's own."""
import html
import os

from .picture import visible

BEGIN = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
%s</style>
</head>
<body>
"""
END = "</body>\n</html>\n"
SCRIPTS = "; script-src 'unsafe-inline'"


def asset(name):
    """A file of web/."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "web", name), encoding="utf-8") as file:
        return file.read()


def escape(text):
    return html.escape(visible(text))


def begin(title, style, scripts=True):
    """All before the body's content; `style` is a file of web/."""
    return BEGIN % (SCRIPTS if scripts else "", escape(title), asset(style))


def script(text):
    return "<script>\n%s</script>\n" % text
