"""One self-contained HTML page: no server, no network, dark and light.

Its style is page.css, its script (where it has one) steps.js; both become part of it.
Figures are in it as PNG in base64; their background stays white, for which their colors
were chosen.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.files import Path as Name
from minidl.files import replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent


def page(title: str, parts: Iterable[str], script: str | None = None) -> str:
    """Return a whole page.    script: the name of a file beside this one, without .js

    >>> page("A & B", [section("One", ["fine"])]).count("<section")
    1
    """
    style = (HERE / "page.css").read_text(encoding="utf-8")
    code = (HERE / f"{script}.js").read_text(encoding="utf-8") if script else ""
    end = f"\n<script>\n{code}</script>" if code else ""
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + f"{end}\n</body></html>\n"
    )


class Page:
    """A page with a title: a notebook shows it, `save` writes it."""

    def __init__(self, title: str, parts: Iterable[str], script: str) -> None:
        self.title, self.html = title, page(title, parts, script)

    def save(self, path: Name) -> None:
        """Write the page to a file, which any browser opens."""
        write(path, self.html)

    def _repr_html_(self) -> str:
        """Return the page in a frame, which keeps its style and its keys apart."""
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html)}" '
            'style="width: 100%; height: 44rem; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<page {self.title!r}: .save('page.html') writes it>"


def controls(names: Sequence[str] = ()) -> str:
    """Return slider and buttons for steps, and a choice if there are several lists."""
    options = "".join(f"<option>{escape(name)}</option>" for name in names)
    choice = f'<select aria-label="order">{options}</select>' if len(names) > 1 else ""
    return (
        f'<div class="controls" hidden>{choice}<button type="button">← Back</button>'
        '<input type="range" min="0" value="0" aria-label="step">'
        '<button type="button">Next →</button><output></output></div>'
    )


def steps(items: Iterable[tuple[str, str, str]]) -> str:
    """Return a list of steps, each (title, HTML, attributes)."""
    cards = "\n".join(
        f"<li {more}><h2>{escape(title)}</h2>{body}</li>" for title, body, more in items
    )
    return f'<ol class="steps" aria-live="polite">\n{cards}\n</ol>'


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


def write(path: Name, content: str) -> None:
    """Write the page: whole, or not at all."""
    with replaced(path) as file:
        file.write(content.encode())
