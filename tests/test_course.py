"""The course's parts: questions and verdicts, and the folders of assignments."""

import numpy as np
import pytest

from minidl_course import Mutant, Row
from minidl_course.answers import ask, inputs_of
from minidl_course.assignment import find, home
from minidl_course.causes import causes
from minidl_course.errors import CourseError
from minidl_course.judge import ALONE, HIDDEN, WIDER, Failure, judge, judge_row, settled
from minidl_course.leaks import leaks, telling
from tests.tiny_course import FILES, write

# ----------------------------------------------------------------------------- asking


def row(**changes):
    given = {
        "task": "t1.1", "name": "forward", "points": 5, "call": "f", "hint": "look",
        "inputs": lambda draw: {"x": draw.normal(3), "n": draw.integer(0, 99)},
    }  # fmt: skip
    return Row(**(given | changes))


def test_inputs_depend_on_all_that_names_them_and_nothing_else():
    base = inputs_of(row(), "seed", "ada", 0)
    assert base["n"].shape == ()
    again = inputs_of(row(hint="another", points=1), "seed", "ada", 0)
    assert all((base[k] == again[k]).all() for k in base)
    for other in (
        inputs_of(row(), "other", "ada", 0),
        inputs_of(row(), "seed", "eve", 0),
        inputs_of(row(), "seed", "ada", 1),
        inputs_of(row(name="backward"), "seed", "ada", 0),
        inputs_of(row(task="t1.2"), "seed", "ada", 0),
    ):
        assert not (base["x"] == other["x"]).any()
    with pytest.raises(CourseError, match="no array of numbers"):
        inputs_of(row(inputs=lambda draw: {"x": "words"}), "seed")


class Calls:
    """Stands for a module."""

    @staticmethod
    def f(x):
        from minidl import Tensor

        x += 1
        return {"y": Tensor(x), "z": 3.0}

    @staticmethod
    def g(x):
        return x


def test_asking_gives_copies_and_takes_arrays():
    x = np.zeros(2)
    made = ask(Calls, row(), {"x": x})
    assert (x == 0).all()
    assert type(made["y"]) is np.ndarray
    assert made["z"].shape == ()
    with pytest.raises(CourseError, match=r"not in calls\.py"):
        ask(Calls, row(call="h"), {"x": x})
    with pytest.raises(CourseError, match="ndarray; it must return"):
        ask(Calls, row(call="g"), {"x": x})


# ---------------------------------------------------------------------------- verdicts

X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("given", "expected", "says"),
    [
        (X, X, ""),
        (X.astype(np.float32), X, ""),
        (X * (1 + 1e-7), X, ""),
        (X * (1 + 1e-5), X, "5 of 6 values are wrong: 1.00001 came at [0, 1], 1 is right"),
        (X[0], X, "shape (3,) came, (2, 3) fits"),
        (X.T, X, "shape (3, 2) came, (2, 3) fits"),
        (X.astype(int), X, "whole numbers came (int64), floats fit (float64)"),
        (X > 1, X.astype(int), "truth values came (bool), whole numbers fit (int64)"),
        (X * np.nan, X, "nan came at [0, 0], where a finite number should be"),
        (np.inf + X, X, "inf came at [0, 0], where a finite number should be"),
        (X - np.inf, X - np.inf, ""),
        (X + np.inf, X - np.inf, "6 of 6 values are wrong: inf came at [0, 0], -inf is right"),
        (X, X * np.nan, "6 of 6 values are wrong: 0 came at [0, 0], nan is right"),
        (X * np.nan, X * np.nan, ""),
        (X > 1, X > 2, "1 of 6 values are wrong: 1 came at [0, 2], 0 is right"),
        (np.array(2.0), np.array(3.0), "the value is wrong: 2 came, 3 is right"),
        (np.zeros((0, 2)), np.zeros((0, 2)), ""),
        (np.array(["a"]), np.array([1.0]), "<U1 came (<U1), floats fit (float64)"),
        (X.astype(object), X, "object came (object), floats fit (float64)"),
        ([1.0], np.ones(1), "a list came, not an array"),
        (np.ma.array(X, mask=True), X, "a MaskedArray came, not an array"),
    ],
)  # fmt: skip
def test_verdicts(given, expected, says):
    found = judge(row(), {"y": given, "more": X}, {"y": expected})
    assert found.what == (f"y: {says}" if says else "right")
    assert found.right is (not says)
    assert found.points == (0 if says else 5)


def test_what_is_absent_or_failed_earns_nothing():
    assert judge(row(), {}, {"y": X}).what == "y: absent"
    failed = judge(row(), Failure("took over 20 s"), {"y": X})
    assert (failed.points, failed.what) == (0, "took over 20 s")
    assert judge(row(answers=("z",)), {"z": X}, {"y": X * 2, "z": X}).right


def test_a_hidden_row_does_not_tell_its_values():
    for given in ({}, {"y": X + 1}, Failure("raised ValueError: 17")):
        assert judge(row(hidden=True), given, {"y": X}).what == HIDDEN


def test_all_draws_must_be_right():
    right, wrong = {"y": X}, {"y": X + 1}
    assert judge_row(row(), [right, right], [right, right]).points == 5
    for given in ([wrong, right], [right, wrong]):
        assert judge_row(row(), given, [right, right]).points == 0


def test_a_row_of_kinds_wants_no_values_but_another_row_that_is_right():
    kind, expected = row(compare="kind"), [{"y": X}, {"y": X[:, :2]}]
    right = judge_row(kind, [{"y": X * 7}, {"y": X[:, :2] - 1}], expected)
    assert right.right
    value, wrong = row(), judge(row(), {"y": X * np.nan}, {"y": X})
    (first, second) = settled([(kind, right), (value, wrong)])
    assert (first.points, first.what, second) == (0, ALONE, wrong)
    other = judge(value, {"y": X}, {"y": X})
    assert settled([(kind, right), (value, wrong), (value, other)])[0].points == 5
    shapes = [{"y": X}, {"y": X}]
    assert "shape" in judge_row(kind, shapes, expected).what
    wide = [{"y": y["y"].astype(np.float32)} for y in expected]
    found = judge_row(kind, expected, wide)
    assert (found.what, found.hint) == ("y: float64 came, float32 fits", WIDER)


@pytest.mark.parametrize(
    ("failed", "says"),
    [
        ({"a": [{"a"}]}, {}),
        ({"a": [{"a", "c"}], "b": [{"b", "c"}]}, {}),  # c is right
        ({"a": [{"a", "b"}], "b": [{"b"}]}, {"a": (["b"], True)}),
        ({"a": [{"a", "b"}, {"a"}], "b": [{"b"}]}, {}),  # both are wrong
        ({"a": [{"b"}], "b": [{"a", "b"}]}, {"a": (["b"], True)}),
        ({"a": [{"a", "b"}], "b": [{"a", "b"}]}, {"a": (["b"], False), "b": (["a"], False)}),
        ({"a": [set()], "b": [{"b"}]}, {}),
    ],
)  # fmt: skip
def test_where_failures_come_from(failed, says):
    assert causes(failed) == says


# ------------------------------------------------------------------ folders and documents


def test_lines_that_tell_something():
    code = "y += beta\nrstd = 1 / sqrt(var + eps)  # why\nreturn dx\n"
    assert telling(code) == ["rstd=1/sqrt(var+eps)"]
    files = {"a.md": b"x\n`rstd = 1/sqrt(var+eps)`", "b.bin": b"rstd=1/sqrt(var+eps)"}
    (found,) = leaks({"t1.1": code}, files)
    assert found.startswith("a.md, line 2 is a line of t1.1's solution")


def test_where_assignments_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="only the engine"):
        home()
    with pytest.raises(CourseError, match="--root DIR"):
        home(tmp_path)
    write(tmp_path, FILES)
    (tmp_path / "minidl/deep").mkdir()
    monkeypatch.chdir(tmp_path / "minidl/deep")
    found = find("t1")
    assert found.root == tmp_path
    assert found.folder.name == "t1_tiny"
    assert find("t1_tiny", tmp_path).name == find().name == "t1"
    assert found.files == ["minidl/tiny.py"]
    assert [r.name for r in found.rows][:3] == ["shape", "forward", "large"]
    assert isinstance(found.mutants[0], Mutant)
    with pytest.raises(
        CourseError, match="no assignment is called 'a9'; there are: t1 Tiny"
    ):
        find("a9")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("points = 50", "points = many", "many"),
        ("points = 50", "", "'points' is missing"),
        ("[t1.2]", "[a1.2]", "tasks of t1 are called"),
        ("[t1.2]", "[t1.1]", "t1.1"),
        ("seed = tiny", "", "'seed' is missing"),
        ("points = 50", "points = 50\n    closed = squared", "a function is named as"),
    ],
)
def test_a_config_that_cannot_be_understood(tmp_path, old, new, says):
    config = FILES["assignments/t1_tiny/assignment.cfg"].replace(old, new, 1)
    write(tmp_path, FILES | {"assignments/t1_tiny/assignment.cfg": config})
    with pytest.raises(CourseError, match=says):
        find("t1", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [("import nowhere_at_all", "does not run: ModuleNotFoundError"), ("ROWS = 3", "a list of Row")],
)  # fmt: skip
def test_rows_that_cannot_be_had(tmp_path, text, says):
    write(tmp_path, FILES | {"assignments/t1_tiny/rows.py": text})
    with pytest.raises(CourseError, match=says):
        _ = find("t1", tmp_path).public
