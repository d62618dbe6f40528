"""One self-contained HTML page: no server, no network, dark and light.

Pictures are part of the page, as PNG in base64; their background stays white, for which
their colors were chosen.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from minidl.files import Path, replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --ink: #222; --ground: #fff; --card: #f4f4f2;
        --good: #00704f; --bad: #b8410a; --line: #ddd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e2; --ground: #16181b; --card: #22252a; --good: #4fd0a5;
          --bad: #ff9a63; --line: #3a3e45; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink);
       background: var(--ground); max-width: 58rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 0 0 .4rem; }
section { background: var(--card); border-radius: 8px; padding: 1rem 1.2rem;
          margin: 1rem 0; }
section p { margin: .3rem 0; } .ok h2 { color: var(--good); }
.bad h2 { color: var(--bad); } .bad { border-left: 5px solid var(--bad); }
img { max-width: 100%; background: #fff; border-radius: 6px; margin-top: .6rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .8rem;
        border-bottom: 1px solid var(--line); vertical-align: top; }
code { font-size: .92em; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page.

    >>> page("A & B", [section("One", ["fine"])]).count("<section")
    1
    """
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def section(
    title: str,
    paragraphs: Sequence[str],
    figure: Figure | None = None,
    ok: bool | None = None,
) -> str:
    """Return a card: a title, sentences, a picture; green or red if `ok` is given."""
    kind = "" if ok is None else ' class="ok"' if ok else ' class="bad"'
    body = [f"<p>{escape(text)}</p>" for text in paragraphs if text]
    shown = [picture(figure, title)] if figure is not None else []
    lines = [f"<section{kind}><h2>{escape(title)}</h2>", *body, *shown, "</section>"]
    return "\n".join(lines)


def table(rows: Iterable[tuple[str, Any]]) -> str:
    """Return names and values in two columns."""
    cells = "\n".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"


def picture(figure: Figure, what: str) -> str:
    """Return a figure as an image inside the page."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, bbox_inches="tight")
    code = base64.b64encode(out.getvalue()).decode()
    return f'<img alt="{escape(what)}" src="data:image/png;base64,{code}">'


def write(path: Path, content: str) -> None:
    """Write the page: whole, or not at all."""
    with replaced(path) as file:
        file.write(content.encode())
