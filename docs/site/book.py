"""The source as a book: every module as a page, in the order of order.py.

Each page is the file itself, with its line numbers: `source/minidl/ops/conv.html#L36`.
An imported module is a link to its page, a public name to its entry in the reference.
"""

from __future__ import annotations

import functools
import re
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from docs.site import names
from docs.site.order import ROOT, Page, targets

MOUSE = 'tabindex="-1" aria-hidden="true"'  # a screen reader reads code, not 400 links


class _Lines(HtmlFormatter):  # type: ignore[type-arg]
    """Lines with a number that links to itself."""

    def wrap(self, source):  # type: ignore[no-untyped-def]
        """Put each line into an element of its own."""
        yield 0, "<pre>"
        number = 0
        for is_line, text in source:
            number += is_line
            place = f'id="L{number}" href="#L{number}" data-n="{number}"'
            head = f'<a class="line" {place} {MOUSE}></a>' if is_line else ""
            yield is_line, head + text
        yield 0, "</pre>"


def body(page: Page) -> str:
    """Return a module as HTML: its lines, with links to what it imports and defines."""
    text = (ROOT / page.path).read_text(encoding="utf-8")
    code = highlight(text, PythonLexer(), _Lines(cssclass="highlight book"))
    up = "../" * page.target.count("/")
    code = re.sub(
        r'<span class="nn">(minidl[\w.]*)</span>',
        lambda found: _import(found[1], up) or found[0],
        code,
    )
    for line, full in _defined().get(page.path, {}).items():
        code = re.sub(
            rf'(id="L{line}" .*?<span class="n[fc]">)(\w+)(</span>)',
            lambda found, full=full: (
                f'{found[1]}<a href="{up}{_entry(full)}" title="in the reference">'
                f"{found[2]}</a>{found[3]}"
            ),
            code,
            count=1,
        )
    contents = f'<a href="{up}source/index.html">The source as a book</a>'
    head = f'<p class="crumbs">{contents}</p><h1>{escape(page.path)}</h1>'
    summary = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(page.summary))
    return f"{head}\n<p>{summary}</p>\n{code}"


def _import(module: str, up: str) -> str:
    """Return a link to an imported module; "" if it has no page."""
    path = module.replace(".", "/")
    for file in (f"{path}.py", f"{path}/__init__.py"):
        if file in targets():
            link = f'<a href="{up}{targets()[file]}.html">{module}</a>'
            return f'<span class="nn">{link}</span>'
    return ""


@functools.cache
def _defined() -> dict[str, dict[int, str]]:
    """Return, for each file, the lines of `def` and `class` of public names."""
    found: dict[str, dict[int, str]] = {}
    for full, name in names.index().items():
        place = names.source(name) if "." not in name.short else None
        if place is not None:
            path, line = place
            lines = names.text_of(ROOT / path)
            for at, text in enumerate(lines[line - 1 : line + 7], line):
                if re.match(rf"(def|class) {name.short}\b", text):  # below decorators
                    found.setdefault(path, {})[at] = full
                    break
    return found


def _entry(full: str) -> str:
    """Return the address of an entry of the reference, from the root of the site."""
    return f"api/{names.page_of()[full]}.html#{full}"
