"""Lay the pages of the site side by side, as they lie in the repository.

The pages are the repository's own Markdown files and notebooks, in the same folders, so
that their links hold here as they do there. Beside them come the reference, the book's
contents, a page of pictures. A link to a file that is no page becomes a link to its
page in the book, or a download.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from docs.site import api, order
from docs.site.order import ROOT

HERE = Path(__file__).parent
PAGES = "*.md", "docs/*.md", "docs/how_to/*.md", "notebooks/*.md", "assignments/**/*.md"
TREES = {  # pages that have others below them
    "docs/how_to/README.md": "docs/how_to/*.md",
    "notebooks/README.md": "notebooks/*.ipynb",
    "assignments/README.md": "assignments/*/README.md assignments/SECURITY.md",
}
COPIED = {
    "source/index.rst": "source.rst",
    "index.rst": "index.rst",
    "docs/results.rst": "results.rst",
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def stage(folder: Path) -> None:
    """Write all sources of the site; what has not changed keeps its date."""
    wanted = dict(_texts())
    for name, text in list(wanted.items()):
        for path in _files(name, text):
            wanted.setdefault(path, None)
    for path in (HERE / "static").iterdir():
        wanted[f"static/{path.name}"] = path.read_text(encoding="utf-8")
    for name, text in wanted.items():
        _write(folder / name, ROOT / name, text)
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        if old.relative_to(folder).as_posix() not in wanted:
            old.unlink()


def _write(path: Path, source: Path, text: str | None) -> None:
    """Write a text, or copy a file, unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        if not path.exists() or path.read_bytes() != source.read_bytes():
            shutil.copyfile(source, path)
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _texts() -> Iterator[tuple[str, str]]:
    """Return the name and the text of every page."""
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            yield name, links(path.read_text(encoding="utf-8"), name) + _tree(name)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        yield path.relative_to(ROOT).as_posix(), _notebook(path)
    for name, path in COPIED.items():
        text = (HERE / path).read_text(encoding="utf-8")
        yield name, text + (_results() if path == "results.rst" else "")
    for name, text in api.pages():
        yield f"{name}.rst", text + "\n"
    yield "docs/pictures.md", _pictures()


def _tree(name: str) -> str:
    """Return a table of contents for the pages below a page."""
    patterns = TREES.get(name, "").split()
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    below = [path.relative_to(ROOT).with_suffix("").as_posix() for path in found]
    listed = "\n".join(f"/{path}" for path in below if f"{path}.md" != name)
    return f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n" if below else ""


def _results() -> str:
    """Return the lines of a table of contents: what index.rst does not list."""
    text = (HERE / "index.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (?:.+ <)?docs/(\w+)>?$", text, re.M))
    names = [path.stem for path in sorted((ROOT / "docs").glob("*.md"))]
    return "".join(f"   {name}\n" for name in names if name not in listed)


def _notebook(path: Path) -> str:
    """Return a notebook with its links set right."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    name = path.relative_to(ROOT).as_posix()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = links("".join(cell["source"]), name)
    return json.dumps(notebook, ensure_ascii=False)


def links(text: str, name: str) -> str:
    """Set right the links of a page that lead to what is no page."""
    parts, at = [], 0
    for fence in FENCE.finditer(text):  # code stays as it is
        parts += [
            LINK.sub(lambda m: _link(m, name), text[at : fence.start()]),
            fence[0],
        ]
        at = fence.end()
    return "".join([*parts, LINK.sub(lambda m: _link(m, name), text[at:])])


def _link(found: re.Match[str], name: str) -> str:
    """Return a link as the site needs it."""
    to = found["to"].partition("#")[0]
    if found["image"] or not to or ":" in to:
        return found[0]
    path = resolve(to, name)
    up = "../" * name.count("/")
    if path in order.targets():
        return f'<a href="{up}{order.targets()[path]}.html">{found["text"]}</a>'
    if path.startswith("docs/playground"):  # a site of its own: see __main__.py
        return found["text"]
    if (ROOT / path).is_dir():
        inner = f"{path}/README.md"
        page = (ROOT / inner).is_file()
        return (
            f"[{found['text']}]({to.rstrip('/')}/README.md)" if page else found["text"]
        )
    return found[0]


def resolve(to: str, name: str) -> str:
    """Return where a link of a page leads, seen from the root of the repository."""
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / to).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(part for part in parts if part != ".")


def _files(name: str, text: str | None) -> Iterator[str]:
    """Return the pictures and other files to which a page links."""
    if text is None or name.endswith(".rst"):
        return
    for found in LINK.finditer(FENCE.sub("", text)):
        path = resolve(found["to"].partition("#")[0], name)
        if ":" not in found["to"] and (ROOT / path).is_file():
            yield path


def _pictures() -> str:
    """Return a page of all pictures, each with its words and the page that shows it."""
    parts = [
        "# Pictures\n\nMade by `minidl.show` and by the programs that the pages name."
    ]
    for path in sorted(ROOT.glob("docs/*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.lstrip("<").split("# ", 1)[1].split("\n")[0]
        for found in LINK.finditer(text):
            if found["image"]:
                said = found["text"][:1].upper() + found["text"][1:]
                parts.append(
                    f"![{found['text']}]({found['to']})\n\n*{said}.* "
                    f"From [{title}]({path.name})."
                )
    return "\n\n".join(parts) + "\n"
