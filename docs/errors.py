"""Write docs/errors.md: every error that a student can meet, and what makes it.

python -m docs.errors            runs the cases of tests/error_cases.py
python -m docs.errors --check    fails if the file is not what they say
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from tests.error_cases import CHAPTERS, Case, said

TARGET = Path(__file__).with_suffix(".md")
HEAD = """# What minidl says when something is wrong

An error says where it happened (in a model, which layer), what came, what would fit,
and what to try. Each was made by running the lines above it: `python -m docs.errors`
writes this page from `tests/error_cases.py`, and `tests/test_errors.py` runs each case.
All errors are in `minidl.errors`, and derive from `MinidlError`; what works and is
hardly ever meant is a `MistakeWarning`.

In all of them: `import numpy as np, minidl as md` and
`from minidl import nn, ops, optim, train`. Two devices in one operation are missing
here, since this page is written without a GPU; they say: "add got arrays on cpu and
cuda; bring them to one device with x.to('cuda') or x.to('cpu')".
"""


def entry(case: Case) -> str:
    """A case: its title, its lines, and what minidl says."""
    title = case.what[0].upper() + case.what[1:]
    code = textwrap.indent(case.code, "    ")  # a block that no formatter changes
    return f"### {title}\n\n{code}\n\n> {said(case)}\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for chapter, cases in CHAPTERS.items():
        parts += [f"## {chapter}\n", *(entry(case) for case in cases)]
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TARGET.write_text(page(), "utf-8")
    elif TARGET.read_text("utf-8") != page():
        sys.exit(f"{TARGET} is old: python -m docs.errors")
