"""A clone of the repository with one small assignment, t1, for the course's tests.

Its engine is a copy of the real one with a file more, minidl/tiny.py, that has three
regions: a square and its gradient, and a length that is made of the square.
"""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from minidl_course.assignment import Assignment, find

REPOSITORY = Path(__file__).parents[1]
SKIPPED = shutil.ignore_patterns("__pycache__", "vendored", "rebuild")

ENGINE = '''
    """A square and a length."""
    # mypy: disable-error-code="no-untyped-def, no-untyped-call"

    from minidl.engine.op import op
    from minidl.ops.elementwise import sqrt


    @op
    def squared(x, *, shift=1.0):
        """(x − s)²."""
        # region t1.1: the square of the distance from the shift
        d = x - shift
        y = d * d + 0 * d * shift
        # endregion

        def backward(g):
            # region t1.2: what is squared counts twice
            return (g * d + g * d) * 1.0
            # endregion

        return y, (backward,)


    def length(x):
        """√ Σ x²."""
        total = squared(x, shift=0.0).sum()
        # region t1.3: the root of the sum
        root = sqrt(total + 0 * total * 2)
        # endregion
        return root
'''
CONFIG = """
    [assignment]
    name = t1
    title = Tiny
    hours = 0.5
    seed = tiny
    seconds = 20

    [t1.1]
    title = square
    file = minidl/tiny.py
    points = 50

    [t1.2]
    title = its gradient
    file = minidl/tiny.py
    points = 30

    [t1.3]
    title = length
    file = minidl/tiny.py
    points = 20
"""
CALLS = '''
    """Calls."""

    from minidl import Tensor, tiny


    def square(x, s):
        """The square."""
        return {"y": tiny.squared(Tensor(x), shift=float(s))}


    def gradient(x, s, u):
        """Its gradient."""
        x = Tensor(x, requires_grad=True)
        tiny.squared(x, shift=float(s)).backward(u)
        return {"dx": x.grad}


    def length(x):
        """The length."""
        return {"y": tiny.length(Tensor(x))}
'''
ROWS = '''
    """Rows."""

    from minidl_course import Row


    def some(draw):
        """Some x."""
        return {"x": draw.normal(*draw.sizes(2)), "s": draw.uniform()}


    def pair(draw):
        """Some x and u."""
        n = draw.integer(2, 6)
        return {"x": draw.normal(n), "s": draw.uniform(), "u": draw.normal(n)}


    def alone(draw):
        """Some x."""
        return {"x": draw.normal(draw.integer(2, 6))}


    ROWS = [
        Row("t1.1", "shape", 1, "square", some, "look at x.shape", compare="kind"),
        Row("t1.1", "forward", 29, "square", some, "look at both factors"),
        Row("t1.2", "gradient of x", 20, "gradient", pair, "d appears twice"),
        Row("t1.3", "forward", 10, "length", alone, "look at what total is"),
    ]
'''
HIDDEN = '''
    """Hidden rows."""

    from minidl_course import Row


    def large(draw):
        """Large x."""
        return {"x": 1e3 * draw.normal(3), "s": 0.5, "u": draw.normal(3)}


    def few(draw):
        """Large x."""
        return {"x": 1e3 * draw.normal(3)}


    def far(draw):
        """Large x."""
        return {"x": 1e3 * draw.normal(3), "s": draw.uniform()}


    ROWS = [
        Row("t1.1", "large", 20, "square", far, "large", hidden=True),
        Row("t1.2", "large", 10, "gradient", large, "large", hidden=True),
        Row("t1.3", "large", 10, "length", few, "large", hidden=True),
    ]
'''
MUTANTS = '''
    """Mutants."""

    from minidl_course import Mutant

    MUTANTS = [
        Mutant("t1.1", "the distance", "- y = d * d + 0 * d * shift\\n+ y = d"),
        Mutant("t1.1", "the shift's sign", "- d = x - shift\\n+ d = x + shift"),
        Mutant("t1.2", "only once", "- return (g * d + g * d) * 1.0\\n+ return g * d"),
        Mutant("t1.3", "no root", "+ root = total * 1.0"),
    ]
'''
HANDOUT = """
    # Tiny

    | task | points |
    |---|---|
    | t1.1 | 50 |
    | t1.2 | 30 |

    Then t1.3, the length (20 points).
"""
TESTS = '''
    """Every public row of t1, one after the other."""

    import pytest

    from minidl_course.score import checks


    @pytest.mark.parametrize("check", checks(__file__), ids=str)
    def test_t1(check):
        """A row."""
        assert check.wrong() == ""
'''
FILES = {
    "minidl/tiny.py": ENGINE,
    "assignments/t1_tiny/assignment.cfg": CONFIG,
    "assignments/t1_tiny/calls.py": CALLS,
    "assignments/t1_tiny/rows.py": ROWS,
    "assignments/t1_tiny/hidden.py": HIDDEN,
    "assignments/t1_tiny/mutants.py": MUTANTS,
    "assignments/t1_tiny/README.md": HANDOUT,
    "assignments/t1_tiny/notebook.py": '\n"""A notebook."""\n',
    "assignments/t1_tiny/tests/test_t1.py": TESTS,
}


def write(root: Path, files: dict[str, str]) -> None:
    """Write texts, which may be indented, below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


def clone(root: Path) -> Path:
    """Make the clone; return `root`."""
    shutil.copytree(REPOSITORY / "minidl", root / "minidl", ignore=SKIPPED)
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    write(root, FILES)
    (root / "assignments/t1_tiny/picture.png").write_bytes(b"picture")
    return root


def altered(root: Path, name: str, old: str, new: str) -> Assignment:
    """Return the assignment with one of its files changed, in a folder beside it."""
    files = {
        key.replace("t1_tiny", "t1_other"): text
        for key, text in FILES.items()
        if key.startswith("assignments/")
    }
    key = f"assignments/t1_other/{name}"
    assert old in files[key]
    write(root, files | {key: files[key].replace(old, new, 1)})
    (root / "assignments/t1_other/picture.png").write_bytes(b"picture")
    return find("t1_other", root)
