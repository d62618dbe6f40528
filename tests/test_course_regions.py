"""Regions: found, blanked, grafted, closed; and the tree that they are grafted into."""

import ast
import textwrap

import pytest

from minidl.errors import MinidlError, TodoError, todo
from minidl_course.blanks import imports_todo
from minidl_course.errors import RegionError
from minidl_course.graft import close, graft
from minidl_course.regions import blank, region_of, regions, replace
from minidl_course.source_tree import stripped
from tests.tiny_course import ENGINE, REPOSITORY

TINY = textwrap.dedent(ENGINE).lstrip("\n")


# ----------------------------------------------------------------------------- regions


def test_regions_are_found_in_order():
    found = regions(TINY)
    assert list(found) == ["t1.1", "t1.2", "t1.3"]
    assert found["t1.2"].title == "what is squared counts twice"
    assert found["t1.2"].code == "        return (g * d + g * d) * 1.0\n"
    assert found["t1.2"].indent == " " * 8
    lines = TINY.splitlines()
    assert lines[found["t1.1"].end - 1].strip() == "# endregion"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    # endregion\n\n    def", "\n    def", "lost between"),
        ("t1.3", "t1.1", "two regions"),
        ("# region t1.1: the square of the distance from the shift", "", "no region is open"),
        ("    # endregion\n    return root", "    return root", "has no end"),
    ],
)  # fmt: skip
def test_broken_markers_are_told(old, new, says):
    assert old in TINY
    with pytest.raises(RegionError, match=says):
        regions(TINY.replace(old, new))


def test_a_blank_names_what_it_gets_and_leaves_behind():
    empty = blank(TINY, ["t1.1", "t1.2", "t1.3"])
    ast.parse(empty)
    found = regions(empty)
    assert found["t1.1"].code.split("\n    ")[1].strip() == 'd = y = todo("t1.1")'
    assert "given: x, shift; leave behind: d, y" in found["t1.1"].code
    assert found["t1.2"].code.strip().endswith('return todo("t1.2")')
    assert "given: x, shift, d, y, g; return the answer" in found["t1.2"].code
    assert 'root = todo("t1.3")' in found["t1.3"].code
    assert "from minidl.errors import todo\nfrom minidl.ops" in empty
    for region in regions(TINY).values():
        assert region.code.strip() not in empty


def test_other_regions_stay_solved():
    half = blank(TINY, ["t1.2"])
    assert "y = d * d" in half
    assert half.count("todo(") == 1


BODY = """
def f(p, g, *, lr):
    k = 2
    for i in range(3):
        # region t1.1: x
        {region}
        # endregion
        used = {after}
    return p
"""


@pytest.mark.parametrize(
    ("region", "after", "line"),
    [
        ("p -= lr * g", "1", 'p = todo("t1.1")'),
        ("p[...] = lr * g", "1", 'todo("t1.1")'),
        ("a = k\n        b = a", "b", 'b = todo("t1.1")'),
        ("a, (b, *c) = k", "[a, c]", 'a = c = todo("t1.1")'),
        ("h = [q for q in g]", "h, [q for q in g]", 'h = todo("t1.1")'),
        ("def h(t):\n            z = t\n            return z", "h", 'h = todo("t1.1")'),
        ("z = 1\n        h = z", "lambda z: z + h", 'h = todo("t1.1")'),
        ("z = 1", "lambda: z", 'z = todo("t1.1")'),
        ("if k:\n            z = 1", "z", 'z = todo("t1.1")'),
    ],
)
def test_what_a_blank_leaves_behind(region, after, line):
    source = BODY.format(region=region, after=after)
    assert (
        line
        == blank(source, ["t1.1"])
        .split("# endregion")[0]
        .strip()
        .splitlines()[-1]
        .strip()
    )


def test_a_name_that_the_loop_brings_round_is_left_behind():
    source = BODY.format(region="k = k + 1", after="1")
    source = source.replace("range(3):\n", "range(3):\n        print(k)\n")
    assert 'k = todo("t1.1")' in blank(source, ["t1.1"])


def test_a_region_outside_of_a_function_is_refused():
    with pytest.raises(RegionError, match="outside of any function"):
        blank("# region t1.1: x\ny = 1\n# endregion\nz = y\n", ["t1.1"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from minidl.errors import ShapeError\n", "from minidl.errors import ShapeError, todo\n"),
        ("from minidl.errors import todo\n", "from minidl.errors import todo\n"),
        ("from minidl.engine.op import op\n", "from minidl.engine.op import op\nfrom minidl.errors import todo\n"),
        ("import numpy as np\n", "import numpy as np\n\nfrom minidl.errors import todo\n"),
    ],
)  # fmt: skip
def test_todo_is_imported_where_isort_would_have_it(before, after):
    assert imports_todo(before) == after


def test_a_long_import_becomes_a_block():
    names = [f"Error{i}" for i in range(9)]
    made = imports_todo(f"from minidl.errors import ({', '.join(names)})\n")
    assert made.startswith("from minidl.errors import (\n    Error0,\n")
    assert made.endswith("    todo,\n)\n")


def test_a_blank_raises():
    with pytest.raises(TodoError, match=r"t1\.1 is not written yet") as caught:
        todo("t1.1")
    assert caught.value.task == "t1.1"
    assert isinstance(caught.value, MinidlError)


# ------------------------------------------------------------------------------- graft


def written(task, code):
    """The skeleton with some lines between a task's markers."""
    empty = blank(TINY, ["t1.1", "t1.2", "t1.3"])
    region = region_of(empty, task)
    lines = code.removesuffix("\n").split("\n")
    return replace(empty, region, "".join(f"{region.indent}{x}\n" for x in lines))


def test_a_graft_takes_one_region_and_nothing_else():
    student = written("t1.1", "d = x - shift\ny = d ** 2\n")
    student = student.replace("return root", "return 7")
    made = graft(TINY, student, "t1.1")
    assert "y = d ** 2" in made
    assert made.replace("y = d ** 2", "y = d * d + 0 * d * shift") == TINY
    assert graft(TINY, TINY, "t1.2") == TINY


@pytest.mark.parametrize("task", ["t1.1", "t1.2", "t1.3"])
def test_a_region_may_end_with_a_comment_or_be_longer(task):
    code = region_of(TINY, task).code
    for more in ("# done\n", "\n\n# a\n\n", "pass\n" * 9):
        student = written(task, textwrap.dedent(code) + more)
        made = region_of(graft(TINY, student, task), task).code
        assert textwrap.dedent(made).endswith(more)


def test_a_slip_in_one_task_does_not_cost_another():
    student = written("t1.2", "return (((\n").replace("root = todo", "root ===== todo")
    student = student.replace("# endregion\n    return root", "return root")
    assert graft(TINY, student, "t1.1") == graft(TINY, blank(TINY, ["t1.1"]), "t1.1")
    with pytest.raises(RegionError, match=r"t1\.3.*endregion.*missing"):
        graft(TINY, student, "t1.3")


@pytest.mark.parametrize("code", ["", "# what now?\n", "\n\n"])
def test_an_empty_region_is_grafted_as_nothing(code):
    assert "pass\n" in graft(TINY, written("t1.2", code), "t1.2")


CODE = region_of(TINY, "t1.1").code
BAD = written("t1.1", "d = x -\ny = d\n")
BAD_LINE = BAD.splitlines().index("    d = x -") + 1
ESCAPE = "    return x, ()\n\n\ndef evil(g, y, d):\n    d = 3\n"


@pytest.mark.parametrize(
    ("student", "says"),
    [
        (TINY.replace("# region t1.1: the", "# region t1.7: the"), "is missing"),
        (TINY + "    # region t1.1: again\n    # endregion\n", "there 2 times"),
        (BAD, rf"tiny\.py, line {BAD_LINE}: .* no Python \(invalid"),
        (written("t1.1", 'd = """\ny = d\n'), "no Python"),
        (written("t1.1", "d = y = (x\n"), "no Python"),
        (TINY.replace(CODE, ESCAPE), "leave their block"),
        (TINY.replace(CODE, "    y = x\n\n\nclass A:\n    d = 0\n"), "leave their block"),
        (TINY.replace(CODE, "    if x:\n        d = y = 0\n    else:\n"), "no Python"),
    ],
)  # fmt: skip
def test_what_cannot_be_grafted_is_told(student, says):
    with pytest.raises(RegionError, match=says):
        graft(TINY, student, "t1.1", "minidl/tiny.py")


def test_a_region_that_an_editor_moved_is_moved_back():
    moved = textwrap.indent("# region t1.1: x\nd = 1\ny = d\n# endregion\n", "  ")
    assert "\n    d = 1\n    y = d\n" in graft(TINY, moved, "t1.1")


def test_strange_line_ends_are_part_of_a_line():
    student = written("t1.1", "d = x  # \x0c and \u2028\ny = d * d\n")
    made = graft(TINY, student, "t1.1")
    assert "    d = x  # \x0c and \u2028\n    y = d * d\n" in made
    assert 'todo("t1.2")' in graft(TINY, student, "t1.2")


def test_windows_line_ends_are_no_matter():
    student = written("t1.1", "d = x - shift\ny = d ** 2\n").replace("\n", "\r\n")
    ast.parse(graft(TINY, student, "t1.1"))


def test_closing_a_function_leaves_its_head():
    closed = close(TINY, "squared", "not now")
    names = {}
    exec(close("def f(x):\n    '''Doc.'''\n    return x\n", "f", "not now"), names)
    assert names["f"].__doc__ == "Doc."
    with pytest.raises(NotImplementedError, match="f: not now"):
        names["f"](1)
    assert "def length" in closed
    assert "y = d * d" not in closed
    with pytest.raises(RegionError, match="no function"):
        close(TINY, "nobody")
    exec(close("class A:\n    def f(self):\n        return 1\n", "A.f", "x"), names)
    with pytest.raises(NotImplementedError, match=r"A\.f"):
        names["A"]().f()


# ---------------------------------------------------------------------------- the tree


def test_the_stripped_package_has_no_fast_bodies():
    files = stripped(REPOSITORY)
    assert not [n for n in files if "kernels" in n or "vendored" in n or ".pyc" in n]
    assert "minidl/ops/norm.py" in files


def test_a_name_that_an_earlier_inner_function_reads_is_left_behind():
    source = BODY.format(region="z = 1", after="1").replace("k = 2", "k = lambda: z")
    assert 'z = todo("t1.1")' in blank(source, ["t1.1"])
