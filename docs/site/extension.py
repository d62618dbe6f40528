"""What Sphinx has to learn: our docstrings, our formulas, links to names and to files.

docstring   a directive: the docstring of a name or module, as docstrings.py cuts it
names       a directive: a table of the names of a chapter, with their first lines
summary     a directive: the first sentence of a module's docstring
formula     a node: text that becomes MathML
`nn.Linear` in any page becomes a link to its entry, `minidl/nn/linear.py` to its page
$…$ and $$…$$ become MathML, by latex2mathml: no script, no font, no request
"""

from __future__ import annotations

import functools
import inspect
import re
from html import escape
from typing import Any, ClassVar

from docutils import nodes
from latex2mathml.converter import convert
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment.adapters.toctree import global_toctree_for_doc
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from docs.site import access, book, names, order
from docs.site.docstrings import Block, Formulas, Table, Text, parse
from docs.site.formulas import find, mathml
from docs.site.names import Name

GAP = "\N{EM SPACE}"
log = logging.getLogger(__name__)


class formula(nodes.Inline, nodes.TextElement):
    """A formula, as its docstring has it; it is written as MathML."""


# ----------------------------------------------------------------- docstrings to nodes


def inline(text: str, near: str) -> list[nodes.Node]:
    """Make words, formulas, code and links of a text; names are those of `near`."""
    made: list[nodes.Node] = []
    for part in re.split(r"(`[^`]+`)", text):
        if part.startswith("`") and len(part) > 2:
            made.append(code(part.strip("`"), near))
            continue
        for is_formula, piece in find(part):
            if is_formula:
                made.append(formula(piece, piece))
            else:
                made.append(nodes.Text(piece.replace("->", "→")))
    return made


def code(text: str, near: str) -> nodes.Node:
    """Make code of a text, and a link if it is a public name."""
    full = names.resolve(text, near)
    literal = nodes.literal(text, text)
    return reference(full, literal) if full else literal


def reference(full: str, literal: nodes.Element) -> nodes.Node:
    """Return a link to the entry of a name."""
    link = addnodes.pending_xref(
        "", refdomain="py", reftype="obj", reftarget=full, refexplicit=True
    )
    link += literal
    return link


def blocks(found: list[Block], near: str) -> list[nodes.Node]:
    """Make nodes of the blocks of a docstring."""
    return [_block(block, near) for block in found]


def _block(block: Block, near: str) -> nodes.Node:
    """Make a node of a block."""
    if isinstance(block, Text):
        return nodes.paragraph("", "", *_pieces(block.pieces, near))
    if isinstance(block, Table):
        return _table(block, near)
    if isinstance(block, Formulas):
        lines = nodes.line_block(classes=["formulas"])
        for depth, pieces in block.lines:
            line = nodes.line("", "", *_pieces(pieces, near))
            line["classes"] = ["display"]
            lines += nodes.line_block("", line) if depth else line
        return lines
    language = "pycon" if block.doctest else "text"
    return nodes.literal_block(block.text, block.text, language=language)


def _pieces(pieces: list[str], near: str) -> list[nodes.Node]:
    """Set pieces side by side, a gap between two."""
    made = inline(pieces[0], near)
    for piece in pieces[1:]:
        made += [nodes.Text(GAP), *inline(piece, near)]
    return made


def _table(table: Table, near: str) -> nodes.Node:
    """Make a list of names, and what is said of each."""
    found = nodes.definition_list(classes=["settings"])
    for key, said in table.rows:
        plain = re.fullmatch(r'[\w*., "=]+', key)
        term = nodes.term("", "", nodes.literal(key, key) if plain else nodes.Text(key))
        if not plain:
            term = nodes.term("", "", *inline(key, near))
        found += nodes.definition_list_item(
            "", term, nodes.definition("", *blocks(said, near))
        )
    return found


# --------------------------------------------------------------------------- directives


class Docstring(SphinxDirective):
    """`.. docstring:: minidl.ops.conv2d`: the docstring of a name or of a module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return its blocks; the first line stands apart."""
        name = names.index().get(self.arguments[0])
        if name is not None and not said(name):
            return [nodes.paragraph("", "", shown(name))]
        thing: Any = name.thing if name else names.package(self.arguments[0])
        home = name.package if name else self.arguments[0].rpartition(".")[0]
        found = parse(inspect.getdoc(thing))
        made: list[nodes.Node] = []
        if found and isinstance(found[0], Text):
            first, *rest = found[0].pieces
            made.append(nodes.paragraph("", "", *inline(first, home), classes=["lead"]))
            if rest:
                shapes = nodes.paragraph(
                    "", "", *_pieces(rest, home), classes=["shapes"]
                )
                made.append(shapes)
            found = found[1:]
        return made + blocks(found, home)


def said(name: Name) -> bool:
    """Whether a thing has a docstring of its own, and not that of its type."""
    thing = name.thing
    return inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(
        thing, (property, classmethod, staticmethod)
    )  # fmt: skip


class Summary(SphinxDirective):
    """`.. summary:: minidl.ops`: the first sentence of a module's docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return it."""
        module = names.package(self.arguments[0])
        text = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ")
        return [nodes.paragraph("", "", *inline(text, self.arguments[0]))]


class Names(SphinxDirective):
    """`.. names:: ops`: the names of a chapter, by file, with their first lines."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table."""
        key = self.arguments[0]
        rows = [
            [reference(n.full, nodes.literal(n.short, n.short)), _first_line(n)]
            for part in names.chapter(key).values()
            for n in part
        ]
        return [table(["name", "what it is"], rows, classes=["names"])]


def _first_line(name: Name) -> nodes.Node:
    if not said(name):
        return shown(name)
    return nodes.inline("", "", *inline(name.summary, name.package))


def shown(name: Name) -> nodes.Node:
    """Show a value, which has no docstring."""
    text = str(name.thing).replace("collections.abc.", "")
    return nodes.literal(text, text)


class Book(SphinxDirective):
    """`.. book::`: the contents of the book, or the walk of twelve files."""

    option_spec: ClassVar = {"walk": lambda _: True}

    def run(self) -> list[nodes.Node]:
        """Return a list for each part."""
        if "walk" in self.options:
            return [self._list(list(order.walk().values()), nodes.enumerated_list)]
        made: list[nodes.Node] = []
        for part, pages in order.parts().items():
            title = nodes.title("", order.PARTS.get(part, part))
            section = nodes.section("", title, ids=[f"part-{part or 'shared'}"])
            section += self._list(pages, nodes.bullet_list)
            made.append(section)
        return made

    def _list(self, pages: list[order.Page], kind: Any) -> nodes.Node:
        """Return a list of links, each with a sentence."""
        found = kind(classes=["book-list"])
        for page in pages:
            said = inline(f" {page.summary}", "")
            line = nodes.paragraph("", "", nodes.literal(page.path, page.path), *said)
            found += nodes.list_item("", line)
        return found


def table(
    head: list[str], rows: list[list[nodes.Node]], classes: list[str]
) -> nodes.table:
    """Make a table."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    titles = [nodes.paragraph("", "", nodes.Text(title)) for title in head]
    for kind, lines in ((nodes.thead, [titles]), (nodes.tbody, rows)):
        part = kind()
        for line in lines:
            cells = [nodes.entry("", _paragraph(cell)) for cell in line]
            part += nodes.row("", *cells)
        group += part
    return nodes.table("", group, classes=classes)


def _paragraph(node: nodes.Node) -> nodes.Node:
    is_whole = isinstance(node, nodes.paragraph)
    return node if is_whole else nodes.paragraph("", "", node)


# ----------------------------------------------------- links in pages that are written


class Links(SphinxTransform):
    """Make links of code in the text that is a public name, or a file of the book."""

    default_priority = 210

    def apply(self, **_: Any) -> None:
        """Look at every piece of code; only a table of ours gives short names."""
        docname = self.env.docname
        for node in list(self.document.findall(nodes.literal)):
            text = node.astext()
            inside = (nodes.reference, addnodes.pending_xref, nodes.title, nodes.term)
            if any(isinstance(above, inside) for above in _above(node)):
                continue
            page = order.targets().get(text)
            short = docname == "docs/operations" and isinstance(
                node.parent.parent, nodes.entry
            )
            if page:
                uri = relative_uri(self.app.builder.get_target_uri(docname), page)
                link = nodes.reference("", "", internal=True, refuri=f"{uri}.html")
                node.replace_self(link)
                link += node
            elif "." in text or short:
                near = f"minidl.{_heading(node)}" if short else ""
                full = names.resolve(text, near)
                if full:
                    link = reference(full, node.deepcopy())
                    link["refdoc"] = docname
                    node.replace_self(link)


def _above(node: nodes.Node) -> list[nodes.Node]:
    found = []
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found


def _heading(node: nodes.Node) -> str:
    """Return the package that a section's heading names, as in "Layers: minidl.nn"."""
    for above in _above(node):
        if isinstance(above, nodes.section):
            return above[0].astext().rpartition("minidl.")[2]
    return ""


# ------------------------------------------------------------------------------ writing


def visit_formula(self: Any, node: formula) -> None:
    """Write a formula; one on a line of its own has fractions."""
    display = "display" in node.parent.get("classes", ())
    self.body.append(mathml(node.astext(), fractions=display))
    raise nodes.SkipNode


def latex(node: nodes.Element, display: str) -> str:
    """Write LaTeX as MathML; warn of what is not known, and leave it as it is."""
    text = node.astext()
    try:
        return str(convert(text, display=display))
    except Exception as error:  # the converter has many kinds
        log.warning("%s: %r", text, error, location=node)
        return f"<code>{escape(text)}</code>"


def visit_math(self: Any, node: nodes.math) -> None:
    """Write $…$."""
    self.body.append(latex(node, "inline"))
    raise nodes.SkipNode


def visit_displaymath(self: Any, node: nodes.math_block) -> None:
    """Write $$…$$."""
    text = latex(node, "block")
    self.body.append(f'<div class="math">{text}</div>')
    raise nodes.SkipNode


def resolve_source(_domain: str, info: dict[str, str]) -> str | None:
    """Return the page and line of a name, for the link [source] of its entry."""
    name = names.index().get(f"{info['module']}.{info['fullname']}")
    place = names.source(name) if name else None
    target = order.targets().get(place[0]) if place else None
    return f"../{target}.html#L{place[1]}" if place and target else None


def book_pages(app: Sphinx) -> Any:
    """Write the pages of the book, each with the one before and the one behind it."""
    if app.builder.format != "html":
        return
    pages = order.pages()

    @functools.cache
    def sidebar(depth: int) -> Any:
        """Return what draws the sidebar of pages so deep: the same for all of them."""
        page = "source/" * depth + "page"
        build = functools.partial(global_toctree_for_doc, app.env, page, app.builder)
        return functools.cache(
            lambda **how: app.builder.render_partial(build(tags=app.tags, **how))[
                "fragment"
            ]
        )

    for at, page in enumerate(pages):
        up = "../" * page.target.count("/")
        beside = {
            name: {"link": f"{up}{pages[i].target}.html", "title": pages[i].path}
            for name, i in (("prev", at - 1), ("next", at + 1))
            if 0 <= i < len(pages)
        }
        parents = [{"link": f"{up}source/index.html", "title": "The source as a book"}]
        context = {
            "toctree": sidebar(page.target.count("/")),
            "title": page.path,
            "body": book.body(page),
            "parents": parents,
            **beside,
        }
        yield page.target, context, "page.html"


def open_in_lite(
    app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _tree: Any
) -> None:
    """Put a link above a notebook that opens it in JupyterLite."""
    if app.config.minidl_lite and pagename.startswith("notebooks/"):
        name = pagename.removeprefix("notebooks/")
        if name != "README":
            address = f"../{app.config.minidl_lite.format(f'{name}.ipynb')}"
            link = f'<a href="{address}">Open in JupyterLite</a>'
            context["body"] = f'<p class="lite">{link}</p>{context["body"]}'


def for_all_readers(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: Any
) -> None:
    """Mend what keyboards and screen readers need."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = access.mended(context[part])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of all this."""
    app.add_node(formula, html=(visit_formula, None))
    app.add_html_math_renderer(
        "mathml", (visit_math, None), (visit_displaymath, None)
    )  # fmt: skip
    for name, directive in {
        "docstring": Docstring, "summary": Summary, "names": Names, "book": Book,
    }.items():  # fmt: skip
        app.add_directive(name, directive)
    app.add_transform(Links)
    app.add_config_value("minidl_lite", "", "html")
    app.connect("html-collect-pages", book_pages)
    app.connect("html-page-context", open_in_lite)
    app.connect("html-page-context", for_all_readers, priority=900)  # after furo
    return {"parallel_read_safe": True, "parallel_write_safe": True}
