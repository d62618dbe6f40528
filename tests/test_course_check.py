"""The proof of an assignment, and that it would see what is wrong with one."""

import os
import subprocess
import sys
from dataclasses import replace as changed

import numpy as np
import pytest

from minidl_course import manifest
from minidl_course.assignment import find
from minidl_course.author.check import Report, changed_faults, check, prove
from minidl_course.author.consistency import paper_faults
from minidl_course.author.edition import edition_faults
from minidl_course.author.mutation import patched
from minidl_course.author.release import edition
from minidl_course.author.trial import Trial, depends
from minidl_course.errors import CourseError
from minidl_course.source_tree import reference_tree
from tests.tiny_course import REPOSITORY, altered, clone, write

EXPECTED = [  # of t1 alone: an assignment has more
    "it has 3 tasks; 6 to 14 make an assignment",
    "it has 4 mutants; there should be 10",
    "it has 0 variants; there should be 8",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def tiny(root):
    return find("t1", root)


@pytest.fixture(scope="module")
def tree(root, tmp_path_factory):
    return reference_tree(tmp_path_factory.mktemp("tree"), root)


# ----------------------------------------------------------------------- check, proved


@pytest.mark.slow
def test_the_proof_of_an_assignment(tiny):
    report = check(tiny, write=True)
    assert report.faults == EXPECTED
    assert report.reference == {"t1.1": 50, "t1.2": 30, "t1.3": 20}
    assert report.skeleton == {"t1.1": 0, "t1.2": 0, "t1.3": 0}
    assert report.alone["t1.2"] == {"t1.1": 50, "t1.2": 0, "t1.3": 20}
    assert report.caught == {"t1.1": [True, True], "t1.2": [True], "t1.3": [True]}
    assert "reference 100 of 100, skeleton 0" in report.table()
    assert not (tiny.folder / "manifest.json").exists()  # there were faults


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("README.md", "| t1.2 | 30 |", "| t1.2 | 31 |", "README.md has no line with t1.2"),
        ("README.md", "(20 points)", "(21 points)", "README.md has no line with t1.3"),
        ("README.md", "Then t1.3", "Then t1.9 and t1.3", "README.md names t1.9"),
        ("assignment.cfg", "points = 50", "points = 51", "add up to 101, not 100"),
        ("assignment.cfg", "points = 50", "points = 51", "t1.1 has 51 points, and its rows have 50"),
        ("assignment.cfg", "hours = 0.5", "hours = 0", "estimates no hours"),
        ("assignment.cfg", "t1.3", "t1.4", "not numbered in order"),
        ("assignment.cfg", "t1.3", "t1.4", "minidl/tiny.py: no task for t1.3"),
        ("assignment.cfg", "t1.3", "t1.4", "minidl/tiny.py has no region t1.4"),
        ("rows.py", '"t1.3", "forward"', '"t1.9", "forward"', "there is no such task"),
        ("rows.py", '10, "length"', '10, "lengths"', "lengths is not in calls.py"),
        ("rows.py", "1, \"square\"", "2, \"square\"", "a kind row has 1"),
        ("rows.py", '"d appears twice"', '" "', "it has no hint"),
        ("rows.py", '"d appears twice"', '"d", draws=0', "it is never drawn"),
        ("rows.py", '"t1.1", "forward"', '"t1.1", "shape"', "it is there twice"),
        ("rows.py", '"d appears twice"', '"d", hidden=True', "rows.py has only public rows"),
        ("README.md", "Then t1.3", "### t1.1 x\n\n    Beware of overflow.\n\n    Then t1.3", "overflow in t1.1, no public row"),
        ("tests/test_t1.py", "checks(__file__)", "[]", "test_t1.py is missing"),
    ],
)  # fmt: skip
def test_papers_that_do_not_agree(root, tiny, name, old, new, says):
    found = paper_faults(altered(root, name, old, new))
    assert [fault for fault in found if says in fault], found


def run(assignment, tree, students=0):
    """The faults of everything that runs."""
    report = Report(assignment)
    prove(report, Trial(assignment, tree, students))
    return report.faults


def by_luck(assignment, tree, students):
    """The faults that only so many students together show."""
    return [f for f in run(assignment, tree, students) if "students" in f]


BAD_MUTANTS = """
    from minidl_course import Mutant

    MUTANTS = [
        Mutant("t1.2", "no mutant", "- return (g * d + g * d) * 1.0\\n+ return g * d * 2"),
        Mutant("t1.1", "what?", "- d = x + shift\\n+ d = x"),
        Mutant("t1.4", "lost", "+ root = total * 1.0"),
        Mutant("t1.3", "of old times", "+ root = sum_of(total)"),
    ]
"""


def test_mutants_that_are_none(root, tiny, tree):
    file = "assignments/t1_other/mutants.py"
    assignment = altered(root, "README.md", "", "")
    write(root, {file: BAD_MUTANTS})
    faults = run(assignment, tree)
    assert "t1.2: nobody notices the mutant 'no mutant'" in faults
    assert (
        "update t1_other/mutants.py, 'what?' of t1.1: 'd = x + shift' stands 0 times in "
        "the region, and should stand there once"
    ) in faults
    assert (
        "update t1_other/mutants.py, 'lost' of t1.4: there is no such task"
    ) in faults
    assert (
        "update t1_other/mutants.py, the mutant 'of old times' of t1.3: raised "
        "NameError: name 'sum_of' is not defined"
    ) in faults


VARIANTS = """
    from minidl_course import Variant

    VARIANTS = [
        Variant("t1.2", "a product", "+ return 2 * (g * d)"),
        Variant("t1.1", "not for large x", "+ d = x - shift\\n+ y = d * d % 1e4"),
        Variant("t1.1", "for few x", "+ d = x - shift\\n+ y = d * d * (len(d) < 5)"),
        Variant("t1.3", "of old times", "- root = sum_of(total)\\n+ root = total"),
    ]
"""


def test_variants_must_keep_their_points(root, tiny, tree):
    file = "assignments/t1_other/variants.py"
    assignment = altered(root, "README.md", "", "")
    *sound, _, end = VARIANTS.splitlines(keepends=True)
    write(root, {file: "".join([*sound, end])})
    large, few = by_luck(assignment, tree, 6)
    assert large == (
        "t1.1: the variant 'not for large x' loses points from 6 students: 30 of 50"
    )
    assert few.startswith("t1.1: the variant 'for few x' loses points from ")
    write(root, {file: VARIANTS})
    faults = run(find("t1_other", root), tree)
    (root / file).unlink()
    starts = [
        "t1.1: the variant 'not for large x' loses points in large (y: ",
        "t1.1: the variant 'for few x' loses points in ",
        "update t1_other/variants.py, 'of old times' of t1.3: ",
    ]
    assert len(faults) == 3
    assert all(map(str.startswith, faults, starts)), faults


def test_a_patch_names_lines_whatever_their_indent():
    code = "    if a:\n        b = 1\n    c = 2\n"
    patch = """
        - b = 1
        + if d:
        +     b = 2
        - c = 2
        + c = 3
    """
    made = "    if a:\n        if d:\n            b = 2\n    c = 3\n"
    assert patched(code, "    ", patch) == made
    assert patched(code, "    ", "+ pass\n+ e = 1") == "    pass\n    e = 1\n"
    for patch, says in (("b = 1", "neither with"), ("- b\n+ c", "0 times")):
        with pytest.raises(CourseError, match=says):
            patched(code, "    ", patch)


def test_a_changed_region_is_proved_again(root, tiny):
    assignment = altered(root, "README.md", "", "")
    path = assignment.folder / manifest.FILE
    path.write_text(manifest.text(assignment), encoding="utf-8")
    assert manifest.changed(assignment) == changed_faults(assignment) == []
    engine = root / "minidl/tiny.py"
    text = engine.read_text()
    try:
        engine.write_text(text.replace("root = sqrt(", "root = 0 * total + sqrt("))
        assert manifest.changed(assignment) == ["t1.3"]
        assert changed_faults(assignment) == []
        engine.write_text(text.replace("d = x - shift", "d = x - 2 * shift"))
        assert manifest.changed(assignment) == ["t1.1"]
        (fault,) = changed_faults(assignment)
        assert fault.startswith('update t1_other/mutants.py, "the shift\'s sign"')
    finally:
        engine.write_text(text)
        path.unlink()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('{"y": tiny.length(Tensor(x))}', '{"y": tiny.length(Tensor(x)).data > 0}', "the same in every draw"),
        ("tiny.length(Tensor(x))", "x[0]", "t1.3: its blank earns 20 points"),
        ("tiny.length(Tensor(x))", "1 / 0", "the reference itself raised ZeroDivision"),
    ],
)  # fmt: skip
def test_faults_that_only_a_run_shows(root, tiny, tree, old, new, says):
    assignment = altered(root, "calls.py", old, new)
    try:
        faults = run(assignment, tree)
    except CourseError as error:
        faults = [str(error)]
    assert [fault for fault in faults if says in fault], faults


def test_lines_of_the_solution_are_found_wherever_they_are(root, tiny, tree):
    leak = "d = 1.0\n\n`return (g*d + g * d)*1.0`\n"
    assignment = altered(root, "README.md", "# Tiny", f"# Tiny\n\n{leak}")
    (fault,) = edition_faults(assignment, edition(assignment, tree))
    assert fault.startswith("README.md, line 5 is a line of t1.2's solution")


def test_a_function_with_the_solution_can_be_left_out(root, tiny, tree):
    path = root / "minidl/tiny.py"
    text = path.read_text()
    more = "\n\ndef other(g, d):\n    '''Doc.'''\n    return (g * d + g * d) * 1.0\n"
    try:
        path.write_text(text + more)
        assignment = find("t1_tiny", root)
        (fault, *_) = edition_faults(assignment, edition(assignment, tree))
        assert "is a line of t1.2's solution" in fault
        head = "seconds = 20\n"
        removed = f"{head}    removed = minidl/tiny.py:other\n"
        assignment = altered(root, "assignment.cfg", head, removed)
        found = edition_faults(assignment, edition(assignment, tree))
        assert not [f for f in found if "solution" in f]
    finally:
        path.write_text(text)


def test_formulas_are_found_whatever_their_names_and_order(root, tiny, tree):
    assignment = altered(root, "README.md", "", "")
    more = b"def f(a, b):\n    return 1.0 * (b * a + b * a), 'says the square'\n"
    files = edition(assignment, tree) | {"minidl/more.py": more}
    (fault,) = edition_faults(assignment, files)
    assert fault.startswith(
        "minidl/more.py, line 2, `1.0 * (b * a + b * a)`, is a formula of t1.2's"
    )
    config = "points = 30\n", "points = 30\n    common = (g * d + g * d) * 1.0\n"
    assert edition_faults(altered(root, "assignment.cfg", *config), files) == []


def test_words_that_state_an_answer_are_left_out(root, tiny, tree):
    words = (
        "points = 30\n",
        "points = 30\n    unsaid =\n        (x − s)²\n        (x − s)³\n",
    )
    assignment = altered(root, "assignment.cfg", *words)
    files = edition(assignment, tree)
    assert '"""…."""' in files["minidl/tiny.py"].decode()
    assert "(x − s)²" not in "".join(
        f.decode("utf-8", "replace") for f in files.values()
    )
    (fault,) = edition_faults(assignment, files)
    assert fault == "t1.2: no file has the words '(x − s)³' of `unsaid`"


def test_luck_is_found(root, tiny, tree):
    assert by_luck(tiny, tree, 6) == []
    sometimes = 'return {"x": draw.normal(3), "s": draw.choice([0.0, 0.5]), "u": draw.normal(3)}'
    whole = 'return {"x": 1e3 * draw.normal(3), "s": 0.5, "u": draw.normal(3)}'
    assignment = altered(root, "hidden.py", whole, sometimes)
    mutants = """
        from minidl_course import Mutant

        MUTANTS = [Mutant("t1.2", "s forgotten", \'\'\'
            - return (g * d + g * d) * 1.0
            + return 2 * g * (d + shift)
        \'\'\')]
    """
    write(root, {"assignments/t1_other/mutants.py": mutants})
    (fault,) = by_luck(assignment, tree, 12)
    assert fault.startswith("t1.2: the mutant 's forgotten' gets points by luck: ")


def test_where_the_reference_has_no_answer_there_is_no_proof(tiny, tree, monkeypatch):
    trial = Trial(tiny, tree, students=1)
    monkeypatch.setattr(trial.students, "questions", lambda task: [("absent", {})])
    with pytest.raises(CourseError, match=r"t1\.1: the reference itself raised A"):
        trial.points("t1.1")


@pytest.mark.slow
def test_check_as_a_command(root):
    # in a new process that finds minidl_course only where the clone has it
    command = [sys.executable, "-m", "minidl", "course", "check", "t1_tiny", "--dry"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*command, "--root", root], env=env, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("t1 Tiny")
    assert f"{len(EXPECTED)} faults" in done.stdout


# ------------------------------------------------------------------------ the manifest


def test_a_manifest_knows_when_it_is_stale(root, tiny):
    assignment = altered(root, "rows.py", "n = draw", "n = draw")
    with pytest.raises(CourseError, match="is missing"):
        manifest.manifest(assignment)
    path = assignment.folder / manifest.FILE
    path.write_text(manifest.text(assignment), encoding="utf-8")
    try:
        found = manifest.manifest(assignment)
        assert found["total"] == 100
        assert [t["points"] for t in found["tasks"]] == [50, 30, 20]
        again = altered(root, "rows.py", "draw.integer(2, 6)", "draw.integer(2, 9)")
        with pytest.raises(CourseError, match="prove the assignment again"):
            manifest.manifest(again)
    finally:
        path.unlink()


def test_a_row_that_does_not_depend_on_its_draw(tiny):
    (row,) = [r for r in tiny.public if r.task == "t1.2"]
    one = {"dx": np.ones(2), "flag": np.array(True)}
    assert not depends(row, [one, one])
    assert depends(row, [one, {**one, "dx": np.ones(3)}])
    only = changed(row, answers=("flag",))
    assert not depends(only, [one, {**one, "dx": np.ones(3)}])
