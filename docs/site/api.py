"""The pages of the reference: an entry for every public name, a chapter a package.

They hold signatures and directives; docs/site/extension.py fills in the docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import indent
from typing import Any

from docs.site import names
from docs.site.names import CHAPTERS, Name

# What a type in a signature links to.
TYPES = {
    name: names.resolve(name)
    for name in ("Tensor", "Module", "Optimizer", "Dataset", "Trainer", "History")
}
REFERENCE = """
Every public name, with its docstring: the formula, the shapes, the paper, and an
example that is run by the tests. A name stands in the chapter of its package;
``[source]`` shows the lines that compute it.
"""


def pages() -> Iterator[tuple[str, str]]:
    """Return the name and the text of each page."""
    hidden = ":maxdepth: 1\n:hidden:"
    keys = "\n".join(f"/api/{key}" for key in CHAPTERS)
    yield (
        "api/index",
        _join(
            _title("Reference"),
            REFERENCE,
            *(
                f":doc:`/api/{key}`\n   .. summary:: {CHAPTERS[key][1][0]}"
                for key in CHAPTERS
            ),
            _directive("toctree", "", hidden, keys),
        ),
    )
    for key in CHAPTERS:
        yield from _chapter(key)


def _chapter(key: str) -> Iterator[tuple[str, str]]:
    """Return the pages of a chapter: one, or one for each file of a large package."""
    title, homes = CHAPTERS[key]
    found = {
        page: parts
        for page, parts in names.pages().items()
        if page.partition(".")[0] == key
    }
    sections = [
        _join(_title(file, "-"), _about(file), *map(entry, listed))
        for file, listed in found.pop(key, {}).items()
    ]
    listed = "\n".join(f"/api/{page}" for page in found)
    yield (
        f"api/{key}",
        _join(
            _title(title),
            *(_directive("docstring", home) for home in homes),
            _directive("names", key),
            *sections,
            _directive("toctree", "", ":maxdepth: 1\n:hidden:", listed)
            if found
            else "",
        ),
    )
    for page, parts in found.items():
        for file, listed_ in parts.items():
            yield f"api/{page}", _join(_title(file), _about(file), *map(entry, listed_))


def _about(file: str) -> str:
    """Return what a file says of itself; a package has said it above."""
    whole = file in (home for _, homes in CHAPTERS.values() for home in homes)
    ours = file.startswith(("minidl", "minidl_course"))
    return _directive("docstring", file) if ours and not whole else ""


def entry(name: Name) -> str:
    """Return the entry of a name, and of its methods."""
    kind = _kind(name.thing)
    body = [_directive("docstring", name.full)]
    original = f"{name.file}.{name.short}"
    if original in names.index() and original != name.full:
        body = [f"The same as :py:obj:`{original}`."]
    else:
        body += map(_member, name.members)
    head = f"{name.short}{signature(name.thing)}"
    return _directive(f"py:{kind}", head, f":module: {name.package}", _join(*body))


def _member(name: Name) -> str:
    """Return the entry of a method or property."""
    short = name.short.partition(".")[2]
    body = _directive("docstring", name.full)
    if isinstance(name.thing, property):
        return _directive("py:property", short, "", body)
    kinds = {staticmethod: ":staticmethod:", classmethod: ":classmethod:"}
    bare = inspect.unwrap(getattr(name.thing, "__func__", name.thing))
    head = short + signature(bare, bound=not isinstance(name.thing, staticmethod))
    return _directive("py:method", head, kinds.get(type(name.thing), ""), body)


def _kind(thing: Any) -> str:
    """Return the directive of Sphinx for a thing."""
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function" if inspect.isroutine(thing) else "data"


def signature(thing: Any, bound: bool = False) -> str:
    """Return a signature as one would write it; "" where there is none."""
    try:
        found = inspect.signature(thing)
    except (ValueError, TypeError):
        return ""
    parameters = list(found.parameters.values())[bound:]
    found = found.replace(
        parameters=[_plain(parameter) for parameter in parameters],
        return_annotation=inspect.Signature.empty
        if inspect.isclass(thing)
        else _type(found.return_annotation),
    )
    text = str(found)
    return re.sub(
        r"(?<![\w.'])\w+(?=[^\w(']|$)", lambda m: TYPES.get(m[0]) or m[0], text
    )


class _Written:
    """A default that is written as it stands in the source: a function's name."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Write defaults that are functions or classes by their names; leave Any out."""
    default = parameter.default
    if isinstance(default, tuple) and any(map(callable, default)):
        default = _Written(f"({', '.join(item.__name__ for item in default)},)")
    elif default is not inspect.Parameter.empty and callable(default):
        default = _Written(default.__name__)
    elif repr(default) == "<factory>":
        default = _Written("…")
    return parameter.replace(default=default, annotation=_type(parameter.annotation))


def _type(annotation: Any) -> Any:
    """Write a type without quotes; leave Any out."""
    if annotation in ("Any", Any, inspect.Signature.empty):
        return inspect.Signature.empty
    if not isinstance(annotation, str):
        annotation = inspect.formatannotation(annotation)
    return _Written(annotation.replace("'", ""))


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


def _directive(name: str, argument: str, options: str = "", body: str = "") -> str:
    """Write a directive."""
    head = f".. {name}:: {argument}".rstrip()
    parts = [head + ("\n" + indent(options, "   ") if options else "")]
    return "\n\n".join([*parts, *([indent(body, "   ")] if body else [])])


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
