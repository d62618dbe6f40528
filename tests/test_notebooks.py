"""The notebooks: they run, they hold, and what is printed is what the sources make.

notebooks/README.md describes the form that is checked here. Sources run as scripts, with
their solutions; two run through a real kernel; each .ipynb is read as the JSON it is.
"""

import doctest
import importlib.util
import itertools
import json
import re

import pytest

from notebooks import build, percent

SOURCES = percent.sources()
NEEDED = ("jupytext", "nbclient", "ipykernel")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
SECONDS = 48  # of processor time: four times the limit, for the machine may be busy
QUICK = 'QUICK = os.environ.get("QUICK") == "1"\n'

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem[:2])
kernel = pytest.mark.skipif(
    bool(MISSING), reason=f'needs {", ".join(MISSING)}: pip install "minidl[notebooks]"'
)


def read(path):
    return percent.cells(path.read_text(encoding="utf-8"))


def made(path):
    return json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))


def together(text):
    """The text of a cell or an output: a list of lines in the file."""
    return text if isinstance(text, str) else "".join(text)


def words(path):
    return "\n".join(cell.text for cell in read(path) if cell.kind == "markdown")


# -------------------------------------------------------------------------- they run


@pytest.mark.slow
@each_source
def test_it_runs_as_a_script_and_its_solution_is_right(path):
    # with other seeds too: `.ci/full seeds`
    done = build.run_as_script(path, 0, quick=True, timeout=40 * SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Your turn." in done.stdout
    assert "the solution: right" in done.stdout
    spent = re.search(r"^processor time: (.+) s$", done.stdout, re.M)
    assert float(spent[1]) <= SECONDS


@kernel
@pytest.mark.slow
@pytest.mark.parametrize("name", ["01", "04"])
def test_it_runs_through_a_kernel(name):
    (path,) = percent.sources(name)
    notebook = build.settle(build.execute(path))
    before = made(path)
    assert [cell.id for cell in notebook.cells] == [c["id"] for c in before["cells"]]
    for cell, old in zip(notebook.cells, before["cells"], strict=True):
        kinds = [output["output_type"] for output in old.get("outputs", [])]
        assert [output.output_type for output in cell.get("outputs", [])] == kinds


# ----------------------------------------------------- what is printed is what they make


@each_source
def test_the_notebook_equals_its_source(path):
    cells = [(cell.kind, cell.text) for cell in read(path)]
    notebook = made(path)["cells"]
    printed = [(cell["cell_type"], together(cell["source"])) for cell in notebook]
    assert printed == cells, f"python -m notebooks.build {path.stem[:2]}"


@each_source
def test_the_notebook_has_all_outputs_and_no_error(path):
    code = [cell for cell in made(path)["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {o["output_type"] for o in outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert all(o.get("name") != "stderr" for o in outputs)
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 3


@each_source
def test_the_notebook_is_small_and_stable(path):
    file, notebook = path.with_suffix(".ipynb"), made(path)
    assert file.stat().st_size <= build.LIMIT
    assert notebook["metadata"] == build.METADATA
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(cell["metadata"] == {} for cell in notebook["cells"])


def test_every_notebook_has_a_source_and_a_place_in_the_table():
    stems = [path.stem for path in SOURCES]
    assert [file.stem for file in sorted(percent.FOLDER.glob("*.ipynb"))] == stems
    table = (percent.FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[\d\d .*?\]\((\w+)\.ipynb\)", table, re.M) == stems


# ------------------------------------------------------------------------ their form


@each_source
def test_a_story_predicts_proves_and_ends_with_exercise_and_references(path):
    text, cells = words(path), read(path)
    title = f"# {path.stem[:2]} · "
    assert text.startswith(title)
    sections = [int(n) for n in re.findall(r"^## (\d+)\. .*\?$", text, re.M)]
    assert sections == list(range(1, len(sections) + 1))
    assert len(sections) >= 6
    assert text.count("**Predict.**") >= len(sections)
    assert re.search(r"^## Exercise: .*^## References$", text, re.M | re.S)
    assert re.search(r"CS231n|EECS 498", text.partition("## References")[2])
    assert sum("assert " in cell.text for cell in cells) >= len(sections)


@each_source
def test_a_prediction_comes_right_before_its_answer(path):
    cells = read(path)
    for cell, after in itertools.pairwise(cells):
        if "**Predict.**" in cell.text:
            assert cell.text.rpartition("\n\n")[2].startswith("**Predict.**"), cell.line
            assert after.kind == "code", f"line {after.line}"


@each_source
def test_a_cell_is_short_and_the_setup_is_the_same_everywhere(path):
    code = [cell for cell in read(path) if cell.kind == "code"]
    for cell in code[1:]:
        lines = [line for line in cell.text.splitlines() if line.strip()]
        assert len(lines) <= 12 or "def check(" in cell.text, f"line {cell.line}"
    first = next(cell for cell in read(SOURCES[0]) if cell.kind == "code")
    own = code[0].text.partition("SEED = ")[2]
    assert own.replace(QUICK, "").startswith(first.text.partition("SEED = ")[2])
    assert (QUICK in own) == any("QUICK" in cell.text for cell in code[1:])


# ----------------------------------------------------------------------- the machinery


def test_the_example_of_the_reader():
    found = doctest.testmod(percent)
    assert found.failed == 0 < found.attempted


@kernel
def test_a_source_is_read_as_jupytext_reads_it():
    import jupytext

    text = (
        "# %% [markdown]\n# # One\n#\n# - two\n\n# %%\nx = 1\n\n\ndef f():\n    pass\n"
    )
    theirs = jupytext.reads(text, fmt="py:percent").cells
    assert [(c.cell_type, c.source) for c in theirs] == [
        (c.kind, c.text) for c in percent.cells(text)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n# %%\n", "line 1: a source begins with"),
        ("# %% [raw]\n", "is neither"),
        ("# %% [markdown]\nx = 1\n", "line 2: text begins with"),
    ],
)
def test_a_source_of_another_form_is_refused(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        percent.cells(text)


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no notebook begins with '99'; there are 01_"):
        percent.sources("01", "99")


STORY = """\
# %%
import warnings
answer = None
def check(answer):
    assert answer() == 1
    return "right"
{line}
# %% [markdown]
# <details>
# ```python
# def answer():
#     return {value}
# ```
# </details>
"""


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        ("", 1, ""),
        ("", 2, "AssertionError"),  # a wrong solution
        ("assert 1 + 1 == 3", 1, "AssertionError"),  # a wrong claim
        ("warnings.warn('careful')", 1, "UserWarning"),
        ("check = lambda answer: 'right'", 1, "check accepts an answer that returns"),
    ],
)
def test_what_does_not_hold_is_seen(tmp_path, line, value, said):
    path = tmp_path / "00_story.py"
    path.write_text(STORY.format(line=line, value=value))
    done = build.run_as_script(path)
    assert (done.returncode == 0) == (said == "")
    assert said in done.stderr
