"""What students get, what they do with it, and the proof that it grades as it says."""

import compileall
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from minidl.cli import main
from minidl_course.answers import Group, answered
from minidl_course.assignment import find
from minidl_course.author.release import edition, release, shown_config
from minidl_course.author.trial import Trial
from minidl_course.errors import CourseError
from minidl_course.regions import region_of, replace
from minidl_course.source_tree import reference_tree
from minidl_course.submission import submit
from minidl_course.zips import zipped
from tests.tiny_course import FILES, altered, clone, write


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def tiny(root):
    return find("t1", root)


@pytest.fixture(scope="module")
def tree(root, tmp_path_factory):
    return reference_tree(tmp_path_factory.mktemp("tree"), root)


@pytest.fixture(scope="module")
def released(tiny, tmp_path_factory):
    """The folder of a student, and the zip that was handed out."""
    return release(tiny, tmp_path_factory.mktemp("out"))


# ------------------------------------------------------------------------- the edition


def test_released_twice_it_is_the_same(tiny, released):
    folder, archive = released
    files = edition(tiny)
    assert zipped(files, "t1") == archive.read_bytes()
    found = {p.relative_to(folder).as_posix(): p.read_bytes()
             for p in folder.rglob("*") if p.is_file()}  # fmt: skip
    assert found == files
    with zipfile.ZipFile(archive) as file:
        assert {
            i.filename.removeprefix("t1/"): file.read(i) for i in file.infolist()
        } == files
        assert {i.date_time for i in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_students_get_and_do_not_get(released):
    folder, _ = released
    for name in ("README.md", "notebook.py", "rows.py", "calls.py", "expected.npz",
                 "tests/test_t1.py", "setup.cfg", "pyproject.toml", "picture.png"):  # fmt: skip
        assert (folder / name).is_file(), name
    for name in ("hidden.py", "mutants.py", "manifest.json", "minidl/kernels"):
        assert not (folder / name).exists(), name
    text = (folder / "minidl/tiny.py").read_text()
    assert 'd = y = todo("t1.1")' in text
    assert "d * d" not in text
    with np.load(folder / "expected.npz", allow_pickle=False) as file:
        assert not any("large" in name for name in file.files)


def test_the_edition_does_not_tell_where_else_answers_are(root, tiny):
    closed = "points = 50\n    closed = minidl/tiny.py:length\n"
    assignment = altered(root, "assignment.cfg", "points = 50\n", closed)
    assert assignment.tasks["t1.1"].closed == (("minidl/tiny.py", "length"),)
    assert "closed" not in shown_config(assignment)
    assert "points = 50" in shown_config(assignment)


def test_a_folder_somebody_worked_in_is_left_alone(tiny, released):
    with pytest.raises(CourseError, match="may have worked in it"):
        release(tiny, released[0].parent)


def test_an_edition_cannot_be_released(released, tmp_path):
    with pytest.raises(CourseError, match="itself a student's edition"):
        release(find("", released[0]), tmp_path)


# ---------------------------------------------------------------- the newcomer's path


def course(folder, *words):
    """Run `python -m minidl course …` where a student would."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", "minidl", "course", *words]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture(scope="module")
def unpacked(released, tmp_path_factory):
    """What was handed out, unpacked, and compiled once for all who work on it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(released[1]) as file:
        file.extractall(folder)
    compileall.compile_dir(folder, quiet=2)
    return folder / "t1"


@pytest.fixture
def student(unpacked, tmp_path):
    """A student's own folder."""
    return shutil.copytree(unpacked, tmp_path / "t1")


def fill(folder, task, code):
    path = folder / "minidl/tiny.py"
    text = path.read_text()
    path.write_text(replace(text, region_of(text, task), code))


def solve(folder, tiny, task):
    fill(folder, task, region_of(tiny.source("minidl/tiny.py"), task).code)


def test_a_newcomers_path(student, tiny, tree):
    first = course(student, "score")
    assert (first.returncode, first.stderr) == (1, "")
    assert "public part 0 of 60; 40 points are hidden" in first.stdout
    assert first.stdout.count("not written yet") == 1
    assert first.stdout.count("needs t1.1 first") == 2
    assert "hint" not in first.stdout

    solve(student, tiny, "t1.1")
    second = course(student, "score")
    assert "✓ t1.1    30 of 30  square" in second.stdout
    assert "\npublic part 30 of 60" in second.stdout

    fill(student, "t1.2", "        return g * d\n")
    third = course(student, "score")
    assert "gradient of x: dx:" in third.stdout
    assert "hint: d appears twice" in third.stdout

    done = course(student, "submit", "--student", "ada")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(student / "t1_ada.zip") as file:
        assert file.namelist() == ["minidl/tiny.py", "submission.json"]
        said = json.loads(file.read("submission.json"))
        text = file.read("minidl/tiny.py").decode()
    assert (said["assignment"], said["student"]) == ("t1", "ada")
    points = Trial(tiny, tree).submission({"minidl/tiny.py": text})
    assert points == {"t1.1": 50, "t1.2": 0, "t1.3": 0}


def test_a_failure_is_said_to_come_from_the_task_that_is_wrong(student, tiny):
    for task in tiny.tasks:
        solve(student, tiny, task)
    fill(student, "t1.1", "    d = x - shift\n    y = 3 * d * d\n")
    said = course(student, "score").stdout
    assert "t1.1:   forward: y: " in said
    assert "t1.3:   comes from t1.1: that is wrong, and every row that fails" in said
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, cwd=student, capture_output=True, text=True)
    assert "Hint: it comes from t1.1" in tests.stdout


def test_all_solved_is_all_points(student, tiny):
    for task in tiny.tasks:
        solve(student, tiny, task)
    done = course(student, "score")
    assert done.returncode == 0
    assert "public part 60 of 60" in done.stdout
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, cwd=student, capture_output=True, text=True)
    assert "4 passed" in tests.stdout, tests.stdout


def test_what_happens_to_a_student(student, tiny):
    solve(student, tiny, "t1.1")
    fill(student, "t1.2", "        return nobody\n")
    fill(student, "t1.1", "    d = y = x.nothing\n")
    assert "AttributeError" in course(student, "score").stdout
    solve(student, tiny, "t1.1")
    path = student / "minidl/tiny.py"
    text = path.read_text().replace("    # region t1.3", "    extra = 1\n    # t1.3")
    path.write_text(text.replace("    # endregion\n    return root", "    return root"))
    done = course(student, "score")
    line = text.splitlines().index("        return nobody") + 1
    assert (
        f"raised NameError: name 'nobody' is not defined (minidl/tiny.py, line {line})"
        in done.stdout
    )
    assert '"# region t1.3: …" is missing' in done.stdout
    assert "minidl/tiny.py was changed outside of the markers" in done.stdout
    handed = course(student, "submit", "--student", "ada", "--to", "out")
    assert "careful:" in handed.stdout
    assert (student / "out/t1_ada.zip").is_file()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("expected.npz", "no zip", "take it again"),
        ("rows.py", FILES["assignments/t1_tiny/rows.py"].replace("sizes(2)", "sizes(3)"), "has no answer for"),
    ],
)  # fmt: skip
def test_a_damaged_edition_is_told(student, file, text, says):
    write(student, {file: text})
    done = course(student, "score")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_folder_s_own_engine_is_asked(student, tiny, capsys):
    solve(student, tiny, "t1.1")
    assert main(["course", "score", "--root", str(student)]) == 1
    assert "public part 30 of 60" in capsys.readouterr().out


ENDS = {  # what stands in t1.2: what is said of it
    "        return (\n": "the lines of t1.2 are no Python ('(' was never closed)",
    "        return 1 +\n": "the lines of t1.2 are no Python (invalid syntax)",
    "        while True:\n            pass\n": "gradient of x: took longer than 2 s",
    "        import sys\n        sys.exit(3)\n": "gradient of x: raised SystemExit: 3",
    "        import os\n        os._exit(3)\n": "gradient of x: ended the process",
    "        def f():\n            return f()\n        return f()\n": "raised RecursionError",
    "    return g\n": "the lines of t1.2 are no Python (expected an indented block",
}


@pytest.mark.parametrize("code", ENDS)
def test_a_task_costs_itself_only_whatever_it_does(student, tiny, code, capsys):
    for task in tiny.tasks:
        solve(student, tiny, task)
    config = student / "assignment.cfg"
    config.write_text(config.read_text().replace("seconds = 20", "seconds = 2"))
    fill(student, "t1.2", code)
    assert main(["course", "score", "--root", str(student)]) == 1
    said = capsys.readouterr().out
    assert ENDS[code] in said
    assert "✓ t1.1    30 of 30" in said
    assert "  t1.2     0 of 20" in said
    assert "✓ t1.3    10 of 10" in said
    assert main(["course", "submit", "--student", "가나", "--root", str(student)]) == 0
    assert (student / "t1_가나.zip").is_file()
    said = capsys.readouterr().out
    assert ("are no Python" in said) == ("no Python" in ENDS[code])


def test_pytest_survives_a_slip(student, tiny):
    for task in tiny.tasks:
        solve(student, tiny, task)
    fill(student, "t1.2", "        return (\n")
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, cwd=student, capture_output=True, text=True)
    assert "1 failed, 3 passed" in tests.stdout, tests.stdout
    assert "'(' was never closed" in tests.stdout
    lines = (student / "minidl/tiny.py").read_text().splitlines()
    line = lines.index("        return (") + 1
    assert f"minidl/tiny.py, line {line}: the lines" in course(student, "score").stdout


def test_submit_tells_what_is_not_written(student, tiny):
    solve(student, tiny, "t1.2")
    done = course(student, "submit", "--student", "ada")
    assert "careful: not written yet: t1.1, t1.3\n" in done.stdout


@pytest.mark.parametrize("name", ["", "../ada", "ada lovelace", "a" * 99, ".ada"])
def test_names_that_are_no_files(tiny, tmp_path, name):
    with pytest.raises(CourseError, match="no name for a file"):
        submit(tiny, name, tmp_path)


def test_without_assignments_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["check"], ["score"], ["release", "a1", "--to", "x"]):
        assert main(["course", *words]) == 2
        assert "An installed minidl has only the engine" in capsys.readouterr().err


def test_zips_are_made_of_names_and_bytes_alone():
    one, two = zipped({"b": b"2", "a": b"1"}), zipped({"a": b"1", "b": b"2"})
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as file:
        assert file.namelist() == ["a", "b"]


def test_what_a_tree_lacks_is_not_taken_from_another_minidl(tmp_path):
    calls, tree = tmp_path / "calls.py", tmp_path / "tree"
    calls.write_text("import minidl.kernels\n")
    (tree / "minidl").mkdir(parents=True)
    (tree / "minidl/__init__.py").write_text("")
    ((given,),) = answered(tree, calls, [Group([("f", {})], 9.0)])
    assert "No module named 'minidl.kernels'" in given.answer.what


ENGINE = """
    import numpy as np
    state = []
    def f(x):
        state.append(x.sum())
        x[...] = 7
        return {"y": np.array([SIGN * state[0], len(state)])}
"""


def test_a_group_has_its_own_engine_and_its_own_inputs(tmp_path):
    calls, tree = tmp_path / "calls.py", tmp_path / "tree"
    calls.write_text("from minidl.ops import f\n")
    source = textwrap.dedent(ENGINE)
    for name, text in {"__init__": "", "ops": source.replace("SIGN", "1")}.items():
        (tree / "minidl").mkdir(parents=True, exist_ok=True)
        (tree / f"minidl/{name}.py").write_text(text)
    asked = [("f", {"x": np.array([1.0, 2.0])}), ("f", {"x": np.array([4.0])})]
    minus, broken = (
        {"minidl.ops": text} for text in (source.replace("SIGN", "-1"), "(")
    )
    endless = {"minidl.ops": "def f(x):\n    while True: pass\n"}
    ends = {"minidl.ops": "import os\nos._exit(3)\n"}
    groups = [
        Group(asked, 9.0), Group(asked, 9.0, minus), Group(asked, 9.0, broken),
        Group(asked, 0.5, endless), Group(asked, 9.0, minus), Group(asked, 9.0, minus),
        Group(asked, 9.0, ends), Group(asked[:1], 9.0, ends), Group(asked, 9.0, minus),
        Group(asked, 9.0, ends),
    ]  # fmt: skip
    plain, other, refused, hung, again, same, ended, both, between, more = [
        [given.answer for given in group] for group in answered(tree, calls, groups)
    ]
    assert [a["y"].tolist() for a in plain] == [[3, 1], [3, 2]]
    assert [a["y"].tolist() for a in other] == [[-3, 1], [-3, 2]]
    assert all("cannot be imported: SyntaxError" in a.what for a in refused)
    assert all(a.what == "took longer than 0.5 s" for a in hung)
    assert [a["y"].tolist() for a in again] == [[-3, 1], [-3, 2]]
    assert [a["y"].tolist() for a in same] == [[-3, 3], [-3, 4]]  # equal modules stay
    assert [len(ended), len(both), len(more)] == [2, 1, 2]
    assert {a.what for a in ended + both + more} == {"cannot be imported"}
    assert [a["y"].tolist() for a in between] == [[-3, 1], [-3, 2]]
