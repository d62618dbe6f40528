"""What Sphinx and furo leave out for readers without a mouse, or without sight.

axe-core found these (tests/test_site.py): what can be scrolled must be reached by the
keyboard; a list of definitions needs terms; a heading needs a level.
"""

from __future__ import annotations

import re

SCROLLED = re.compile(r'<(?=pre\b|div class="(?:math|table-wrapper)\b)(\w+)')
# the parameters of a long signature, a line for each
PARAMETERS = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*</dd>\n)+)</dl>')
CAPTION = 'role="heading"'


def mended(html: str) -> str:
    """Return a piece of a page as axe-core wants it."""
    html = SCROLLED.sub(r'<\1 tabindex="0"', html)
    html = PARAMETERS.sub(_parameters, html)
    return html.replace(CAPTION, f'{CAPTION} aria-level="2"')


def _parameters(found: re.Match[str]) -> str:
    lines = found[1].replace("<dd>", "<div>").replace("</dd>", "</div>")
    return f'<div class="parameters">\n{lines}</div>'
