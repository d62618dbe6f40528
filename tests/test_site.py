"""The documentation site: every name has an entry, every block runs, no link is broken.

What needs no Sphinx is quick; one slow test builds the whole site (extra `docs`).
"""

import ast
import fcntl
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl as md
from docs.site import api, book, names, order, output, stage
from docs.site.docstrings import Example, Formulas, Table, Text, parse
from docs.site.formulas import find, mathml
from tests.browser import fetch_axe, kit
from tests.test_names import FILES, PACKAGES, public

ROOT = Path(__file__).parents[1]
HOW_TO = sorted((ROOT / "docs" / "how_to").glob("*.md"))
FROM = [
    ROOT / "docs" / f"from_{name}.md"
    for name in ("numpy", "dezero", "keras", "pytorch")
]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in [*HOW_TO, *FROM]}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


# ---------------------------------------------------------------------------- reference


def entries():
    """The names that have an entry in the pages of the reference."""
    found, home = set(), ""
    for _, text in api.pages():
        for line in text.split("\n"):
            if start := re.match(r"\.\. py:\w+:: ([\w.]+)", line):
                home = start[1]
            elif module := re.match(r"   :module: (\S+)", line):
                found.add(f"{module[1]}.{home}")
    return found


def test_every_public_name_has_an_entry():
    wanted = {
        f"minidl.{package}.{name}"
        for package in PACKAGES + FILES
        for name in public(package).__all__
        if name not in ("init", "schedules")  # packages, with entries of their own
    }
    wanted |= {f"minidl.{name}" for name in md.__all__ if name not in PACKAGES}
    wanted |= {
        f"minidl.errors.{name}" for name in ("ShapeError", "GraphError", "TodoError")
    }
    wanted |= {
        f"minidl_course.{name}" for name in names.package("minidl_course").__all__
    }
    assert not wanted - entries()


@pytest.mark.parametrize(
    ("text", "near", "full"),
    [
        ("nn.Linear", "", "minidl.nn.Linear"),
        ("md.grad", "", "minidl.grad"),
        ("Module.freeze", "", "minidl.nn.Module.freeze"),
        ("uniform", "minidl.lab", "minidl.lab.uniform"),
        ("uniform", "", None),  # of ops, nn.init and lab: whose?
        ("schedules.cosine", "", "minidl.optim.schedules.cosine"),
        ("DataError", "minidl.train", "minidl.errors.DataError"),
        ("nn.Linaer", "", None),
    ],
)
def test_a_name_is_found_as_it_is_written(text, near, full):
    assert names.resolve(text, near) == full


@pytest.mark.parametrize(
    ("thing", "shown"),
    [
        (md.ops.conv2d, "(x, w, b=None, *, stride=1, padding=0, dilation=1, groups=1)"),
        (md.nn.ReLU, "()"),
        (md.lab.uniform, "(low: float, high: float) -> Uniform"),
        (md.nn.Embedding.forward, None),
        (md.errors.ShapeError, ""),
    ],
)
def test_a_signature_is_what_one_would_write(thing, shown):
    text = api.signature(thing)
    assert "<" not in text
    assert shown is None or text == shown
    ast.parse(f"def f{text or '()'}: ...")


# --------------------------------------------------------------------- docstrings, maths


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("a · b.", ["a · b"]),
        ("θ ← θ − η g, a step", ["θ ← θ − η g"]),
        ("−Σₖ qₖ log pₖ, where p = softmax(x)", ["−Σₖ qₖ log pₖ", "p = softmax(x)"]),
        ("x (N, C, H, W) -> y (N, F, OH, OW)", ["x (N, C, H, W) -> y (N, F, OH, OW)"]),
        ("a network of a few layers, as in PyTorch", []),
        ("It is a 0-d array; `x @ w` and don't", []),
        ("x where `mask` is true", ["x"]),
        ("k = pieces", ["k"]),
        ("Wu & He 2018, section 3", []),
        ("2¹⁶ of (a, b]", ["2¹⁶", "a", "b"]),
    ],
)
def test_formulas_are_found_among_words(text, formulas):
    assert [piece for is_formula, piece in find(text) if is_formula] == formulas
    assert "".join(piece for _, piece in find(text)) == text


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("x²", "<msup><mi>x</mi><mrow><mn>2</mn></mrow></msup>"),
        ("√(σ + ε)", "<msqrt><mrow><mi>σ</mi><mo>+</mo><mi>ε</mi></mrow></msqrt>"),
        ("x̂", '<mover accent="true"><mi>x</mi><mo>^</mo></mover>'),
        ("β₁ᵗ", "<msubsup><mi>β</mi><mrow><mn>1</mn></mrow><mrow><mi>t</mi></mrow></msubsup>"),
        ("a <b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        ("g / (1 + x)", None),
    ],
)  # fmt: skip
def test_a_formula_becomes_mathml(text, markup):
    inner = re.fullmatch(r"<math alttext=\"[^\"]*\">(.*)</math>", mathml(text))[1]
    assert markup is None or inner == markup
    assert ("<mfrac>" in mathml(text, fractions=True)) == ("/" in text)


def everything():
    """Every docstring of the reference."""
    return [n.thing.__doc__ or "" for n in names.index().values()]


def plain(text):
    """Letters of a text as they are compared: without what MathML says by its form."""
    names_ = {"->": "→", "√": "", "′": "'"}
    for old, new in names_.items():
        text = text.replace(old, new)
    return re.sub(r"[\s(){}\[\]_^'~¯˙\u0302\u0303\u0304\u0307]", "", text)


def test_no_formula_loses_a_letter():
    import unicodedata

    found = {p for text in everything() for ok, p in find(" ".join(text.split())) if ok}
    assert len(found) > 500
    for piece in found:
        for fractions in (False, True):
            shown = re.sub(r"<[^>]+>", "", mathml(piece, fractions=fractions))
            shown = shown.replace("&lt;", "<").replace("&gt;", ">")
            want, got = (
                unicodedata.normalize("NFKC", plain(unicodedata.normalize("NFD", t)))
                for t in (piece, shown)
            )
            dropped = "/" if fractions else ""
            assert plain(want).replace(dropped, "") == plain(got).replace(
                dropped, ""
            ), piece


def words(block):
    """The words of a block, as parse() found them."""
    if isinstance(block, Text):
        return " ".join(block.pieces).split()
    if isinstance(block, Example):
        return block.text.split()
    if isinstance(block, Formulas):
        return [word for _, pieces in block.lines for word in " ".join(pieces).split()]
    cells = [
        [*key.split(), *(w for b in said for w in words(b))] for key, said in block.rows
    ]
    return [word for cell in cells for word in cell]


def test_no_docstring_loses_a_word():
    for text in everything():
        assert [w for block in parse(text) for w in words(block)] == text.split()


def test_a_docstring_is_cut_by_its_convention():
    first, table, formulas, example = parse(
        """v ← μ v + g.    x (N, D) -> y.

        mu    how much stays; it
              goes on
        beta  another

            v ← μ v + g        then
            θ ← θ − η v

        >>> 1 + 1
        2
        """
    )
    assert first == Text(["v ← μ v + g.", "x (N, D) -> y."])
    assert isinstance(table, Table)
    assert [key for key, _ in table.rows] == ["mu", "beta"]
    assert table.rows[0][1] == [Text(["how much stays; it goes on"])]
    assert formulas == Formulas([(0, ["v ← μ v + g", "then"]), (0, ["θ ← θ − η v"])])
    assert example == Example(">>> 1 + 1\n2", doctest=True)


# ------------------------------------------------------------------------------ the book


def test_every_module_is_in_the_book_once_and_the_engine_comes_first():
    paths = [page.path for page in order.pages()]
    folders = (ROOT / "minidl", ROOT / "assignments" / "course")
    files = {p.relative_to(ROOT).as_posix() for f in folders for p in f.rglob("*.py")}
    assert sorted(paths) == sorted(files)
    assert paths[:2] == ["minidl/engine/__init__.py", "minidl/engine/tensor.py"]
    assert len(order.walk()) == 12
    assert {*order.walk()} <= {*paths}


def test_a_page_of_the_book_is_its_file():
    page = next(page for page in order.pages() if page.path == "minidl/ops/conv.py")
    body = book.body(page)
    text = (ROOT / page.path).read_text(encoding="utf-8")
    code = re.sub(r"<[^>]+>", "", body.partition("<pre>")[2].partition("</pre>")[0])
    for entity, sign in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", '"'),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ):
        code = code.replace(entity, sign)
    assert code == text
    assert body.count('id="L') == text.count("\n")
    assert 'href="../../../api/ops.conv.html#minidl.ops.conv2d"' in body
    assert 'href="../../../source/minidl/engine/op.html">minidl.engine.op</a>' in body


# ------------------------------------------------------------------ pages that are written


def blocks(name):
    """The blocks of Python of a page, as one program."""
    return "\n".join(BLOCK.findall(PAGES[name].read_text(encoding="utf-8")))


RUN = [
    pytest.param(name, marks=[pytest.mark.slow] if "cluster" in name else [])
    for name in PAGES
    if blocks(name)
]


@pytest.mark.parametrize("name", RUN)
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    if "cluster" in name:
        for package in ("joblib", "distributed"):
            pytest.importorskip(package, reason='not here: pip install -e ".[search]"')
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(name), name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("name", [name for name in PAGES if "README" not in name])
def test_the_names_of_a_page_are_there(name):
    text = PAGES[name].read_text(encoding="utf-8")
    homes = [
        "md",
        "nn",
        "ops",
        "optim",
        "data",
        "train",
        "lab",
        "check",
        "show",
        "models",
    ]
    found = {*re.findall(rf"(?<![\w./])((?:{'|'.join(homes)})(?:\.\w+)+)", text)}
    assert found
    foreign = {"data.normal_"}  # of PyTorch, beside ours
    for dotted in sorted(found - foreign):
        home, *parts = dotted.split(".")
        thing = md if home == "md" else importlib.import_module(f"minidl.{home}")
        for part in parts:
            assert hasattr(thing, part), f"{name} says {dotted}"
            thing = getattr(thing, part)


def test_a_link_to_what_is_no_page_is_set_right():
    text = "[a](../minidl/ops/conv.py) [b](topics.cfg) [c](../notebooks) ![d](demo.png) [e](x.md)"
    assert stage.links(text, "docs/topics.md") == (
        '<a href="../source/minidl/ops/conv.html">a</a> [b](topics.cfg) '
        "[c](../notebooks/README.md) ![d](demo.png) [e](x.md)"
    )
    code = "```\n[a](../minidl/ops/conv.py)\n```"
    assert stage.links(code, "docs/topics.md") == code


# ------------------------------------------------------------------------- the whole site


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ('<a href="b.html">', "a.html: nothing is at b.html"),
        ('<a href="#here">', "a.html: nothing is at a.html#here"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "a.html: <script> asks for",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example/x.css" />',
            "a.html: <link> asks for",
        ),
        ('<a href="https://arxiv.org/abs/1412.6980">', ""),
        ('<p id="here"><a href="a.html#here">', ""),
    ],
)
def test_what_was_built_is_looked_at(page, says, tmp_path):
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert [f.partition(says)[1] for f in output.faults(tmp_path)] == [says] * bool(
        says
    )


def test_a_style_sheet_that_asks_for_something_elsewhere_is_a_fault(tmp_path):
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.example/a) }")
    assert "fonts.example" in output.faults(tmp_path)[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, which is built once, also for several workers of pytest."""
    for name in ("sphinx", "furo", "myst_nb", "sphinx_copybutton", "latex2mathml"):
        pytest.importorskip(name, reason='Sphinx is not here: pip install -e ".[docs]"')
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with open(folder / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "site.log").is_file():
            run = subprocess.run(
                [sys.executable, "-m", "docs.site", "--to", str(folder / "site")],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            (folder / "site.log").write_text(f"{run.returncode}\n{run.stderr[-4000:]}")
    status, _, said = (folder / "site.log").read_text().partition("\n")
    return folder / "site", int(status), said


KINDS = (  # a page of each kind, and not the longest
    "index", "search", "api/index", "api/nn.conv", "source/minidl/ops/total",
    "notebooks/01_backpropagation", "assignments/README", "docs/claims",
    "docs/pictures", "docs/errors", "docs/how_to/operation",
)  # fmt: skip


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(site):
    folder, status, said = site
    assert status == 0, said
    for page in KINDS:
        assert (folder / f"{page}.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(bool(kit.missing(python=False)), reason=kit.missing(python=False))
@pytest.mark.skipif(not fetch_axe.path().is_file(), reason=fetch_axe.MISSING)
def test_a_page_of_each_kind_fits_a_telephone_and_shuts_nobody_out(site):
    folder, status, _ = site
    assert status == 0
    with kit.served(folder) as url, kit.chromium() as browser:
        context = browser.new_context(viewport={"width": 360, "height": 800})
        watch = kit.Watch(context)
        tab = context.new_page()
        for page in KINDS:
            tab.goto(f"{url}/{page}.html")
            assert (page, kit.too_wide(tab)) == (page, [])
            for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):
                tab.emulate_media(color_scheme=scheme)
                assert (page, scheme, kit.serious(tab, *rules)) == (page, scheme, [])
        assert watch.outside + watch.wrong == []
