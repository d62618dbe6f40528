"""What other platforms are given: against the rules of their documentation.

Gradescope: https://gradescope-autograders.readthedocs.io/en/latest/specs/
Classroom 50: https://github.com/foundation50/classroom50/wiki/Advanced-Autograding
"""

import csv
import json
import os
import re
import stat
import subprocess
import sys
import zipfile

import pytest

from minidl.cli import main
from minidl_course.errors import CourseError
from minidl_course.export import classroom50, exporting, gradescope
from minidl_course.grade.batch import LAST
from minidl_course.grade.results import Result, RowResult, TaskResult, slug, to_json
from tests import course_kit as kit
from tests.attacks import honest

VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
NUMBER = (int, float)
GRADESCOPE_TOP = {
    "score": NUMBER, "execution_time": NUMBER, "output": str, "output_format": FORMATS,
    "test_output_format": FORMATS, "test_name_format": FORMATS,
    "visibility": VISIBILITY, "stdout_visibility": VISIBILITY, "extra_data": dict,
    "tests": list, "leaderboard": list,
}  # fmt: skip
GRADESCOPE_TEST = {
    "score": NUMBER, "max_score": NUMBER, "status": {"passed", "failed"}, "name": str,
    "name_format": FORMATS, "number": str, "output": str, "output_format": FORMATS,
    "tags": list, "visibility": VISIBILITY, "extra_data": dict,
}  # fmt: skip
SAMPLE = {  # in the words of the documentation
    "execution_time": 136, "output": "Text", "visibility": "after_due_date",
    "stdout_visibility": "visible", "extra_data": {},
    "tests": [{"score": 2.0, "max_score": 2.0, "name": "A", "number": "1.1",
               "output": "B", "tags": ["tag1"], "visibility": "visible"}],
}  # fmt: skip


def fits(value, rule):
    return value in rule if isinstance(rule, set) else isinstance(value, rule)


def gradescope_faults(made):
    """Say what in a results.json is not as Gradescope's page says."""
    faults = [k for k, v in made.items() if not fits(v, GRADESCOPE_TOP.get(k, ()))]
    tests = made.get("tests", [])
    for test in tests:
        faults += [
            k for k, v in test.items() if not fits(v, GRADESCOPE_TEST.get(k, ()))
        ]
        if not 0 <= test.get("score", -1) <= test.get("max_score", 1e9):
            faults.append("score")
        if not all(isinstance(tag, str) for tag in test.get("tags", [])):
            faults.append("tags")
    scored = all("score" in test for test in tests) and tests
    return faults + ([] if "score" in made or scored else ["no score anywhere"])


def classroom50_faults(made):
    """Say what in a result.json is not as Classroom 50's page says."""
    strings = ["classroom", "assignment", "assignment_type", "owner", "submission",
               "commit", "release", "review", "datetime", "graded_at"]  # fmt: skip
    faults = [key for key in strings if not isinstance(made.get(key), str)]
    if made.get("schema") != "classroom50/result/v1":
        faults.append("schema")
    if made.get("assignment_type") not in ("individual", "group"):
        faults.append("assignment_type")
    for key in ("datetime", "graded_at"):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.get(key, "")):
            faults.append(key)
    for key in ("score", "max-score"):
        faults += _number_faults(made, key)
    kinds = [(type(t.get("passed")), type(t.get("test-name"))) for t in made["tests"]]
    return faults + ["a test"] * (set(kinds) != {(bool, str)})


def _number_faults(made, key):
    """Whole numbers, of which the sum stands on top."""
    numbers = [test.get(key) for test in made["tests"]]
    if any(type(n) is not int for n in [*numbers, made.get(key)]):
        return [key]
    return [] if sum(numbers) == made[key] else [f"the sum of {key}"]


def result(student="ada", trouble=""):
    rows = (
        RowResult("forward", 40, 40, False, "right"),
        RowResult("large", 0, 20, True, "wrong in a hidden case", "look"),
    )
    tasks = (TaskResult("a9.1", "one", "f.py", rows, 1.5, "printed"),)
    return Result("a9", "T", student, "k", "L2", tasks, ("odd",), trouble)


def test_the_rules_know_right_from_wrong():
    assert gradescope_faults(SAMPLE) == []
    assert gradescope_faults(SAMPLE | {"visibility": "never"}) == ["visibility"]
    assert gradescope_faults(SAMPLE | {"points": 1}) == ["points"]
    assert gradescope_faults({"tests": [{"score": 3.0, "max_score": 2.0}]}) == ["score"]
    assert gradescope_faults({"output": "x"}) == ["no score anywhere"]
    made = classroom50.result(result(), {"COMMIT_URL": "https://c"})
    assert classroom50_faults(made | {"score": 41}) == ["the sum of score"]
    assert classroom50_faults(made | {"schema": "v2"}) == ["schema"]


def test_results_for_gradescope():
    made = gradescope.results(result())
    assert gradescope_faults(json.loads(json.dumps(made))) == []
    assert [t["score"] for t in made["tests"]] == [40.0, 0.0]
    assert sum(t["max_score"] for t in made["tests"]) == 60
    assert made["tests"][1]["tags"] == ["hidden"]
    assert "hint: look" in made["tests"][1]["output"]
    assert "printed" not in json.dumps(made)


def test_results_for_classroom50():
    names = {"CLASSROOM": "cs", "ASSIGNMENT": "a9", "OWNER": "ada", "COMMIT_URL": "u"}
    made = classroom50.result(result(), names)
    assert classroom50_faults(json.loads(json.dumps(made))) == []
    assert (made["owner"], made["review"], made["score"]) == ("ada", "u", 40)


EXAMPLES = (
    kit.ROOT / "tests" / "examples"
)  # written by hand, after the platforms' pages
CLASS = [("ada", ""), ("가나@x.kr", ""), ("bob", "it broke")]


@pytest.mark.parametrize("platform", ["csv", "canvas", "moodle"])
def test_a_table_is_as_the_example(platform):
    example = "excel" if platform == "csv" else platform
    made = exporting.TABLES[platform]([result(*student) for student in CLASS])
    content = (EXAMPLES / f"{example}.csv").read_bytes()
    assert made == content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_results_are_as_the_examples():
    example = json.loads((EXAMPLES / "gradescope.json").read_text())
    assert gradescope.results(result()) == example
    names = {
        "CLASSROOM": "cs",
        "COMMIT_URL": "u",
        "SUBMITTED_AT": "2026-10-01T12:00:00Z",
    }
    made = classroom50.result(result(), names)
    example = json.loads((EXAMPLES / "classroom50.json").read_text())
    assert made == example | {"graded_at": made["graded_at"]}


def test_the_workflow_is_as_the_example(course, tmp_path, capsys):
    to = tmp_path / "classroom.yml"
    words = [kit.NAME, "--format", "github", "--root", str(course.root)]
    assert main(["course", "export", *words, "--to", str(to)]) == 0
    assert to.read_text() == (EXAMPLES / "classroom.yml").read_text()
    words = [str(course.folder), "--format", "canvas", "--to", str(to)]
    assert main(["course", "export", *words]) == 2
    assert "is of a grading's OUT folder" in capsys.readouterr().err


def test_a_student_on_gradescope_is_their_address():
    users = [{"id": 2, "email": "b@x"}, {"id": 1, "email": "a@x"}]
    assert gradescope.student({"users": users}) == "a@x"
    assert gradescope.student({"users": [{"id": 7}]}) == "7"
    assert gradescope.student({}) == "unknown"


@pytest.fixture
def graded(tmp_path):
    folder = tmp_path / "out" / "results"
    folder.mkdir(parents=True)
    students = {"ada": "", "=cmd()": "", "bob": "it broke", "가나": "", "gone": ""}
    for student, trouble in students.items():
        text = to_json(result(student, trouble))
        (folder / f"{slug(student)}.json").write_text(text, encoding="utf-8")
    last = {"assignment": "a9", "students": list(students)[:-1]}  # one has withdrawn
    (tmp_path / "out" / LAST).write_text(json.dumps(last))
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("platform", "faults"),
    [("gradescope", gradescope_faults), ("classroom50", classroom50_faults)],
)
def test_results_of_a_grading_are_exported(graded, tmp_path, platform, faults):
    to = tmp_path / "exported"
    words = ["course", "export", str(graded), "--format", platform, "--to", str(to)]
    assert main(words) == 0
    files = sorted(to.iterdir())
    assert [file.stem for file in files] == [slug("=cmd()"), "ada", "가나"]
    for file in files:
        assert faults(json.loads(file.read_text())) == []


def test_csv_is_exported_without_formulas(graded, tmp_path):
    to = tmp_path / "grades.csv"
    words = ["course", "export", str(graded), "--format", "csv", "--to", str(to)]
    assert main(words) == 0
    text = to.read_text(encoding="utf-8-sig")
    rows = {row[0]: row for row in csv.reader(text.splitlines())}
    assert "gone" not in rows
    assert rows["ada"][1:4] == ["40", "60", "40"]
    assert "'=cmd()" in rows
    assert rows["bob"][1] == ""


def test_what_cannot_be_exported_is_said(tmp_path):
    (tmp_path / "results").mkdir()
    with pytest.raises(CourseError, match="no results yet"):
        list(exporting.write(str(tmp_path), "csv", tmp_path / "a", None, "", ""))
    with pytest.raises(CourseError, match="holds no results"):
        list(exporting.write("a1", "csv", tmp_path / "a", None, "", ""))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return kit.make_course(tmp_path_factory.mktemp("course"))


def unpacked(archive, folder):
    """Unpack as Gradescope does: modes and all."""
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            path = source.extract(info, folder)
            os.chmod(path, info.external_attr >> 16)


def test_gradescopes_autograder_works_offline(course, tmp_path):
    archive, home = tmp_path / "auto.zip", tmp_path / "autograder"
    words = [kit.NAME, "--format", "gradescope", "--root", str(course.root)]
    assert main(["course", "export", *words, "--to", str(archive)]) == 0
    for name in ("source", "submission", "results"):
        (home / name).mkdir(parents=True)
    unpacked(archive, home / "source")
    for name in ("setup.sh", "run_autograder"):
        assert stat.S_IMODE((home / "source" / name).stat().st_mode) == 0o755
        subprocess.run(["bash", "-n", str(home / "source" / name)], check=True)
    submitted = home / "submission" / "activation.py"  # bare, as students drop it
    submitted.write_text(kit.written(forward=honest.GOOD))
    (home / "submission_metadata.json").write_text('{"users": [{"email": "a@x"}]}')
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    run = subprocess.run(
        [home / "source" / "run_autograder"], capture_output=True, text=True, check=False,
        env={"PATH": path, "AUTOGRADER": str(home), "http_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = json.loads((home / "results" / "results.json").read_text())
    assert gradescope_faults(made) == []
    assert sum(test["score"] for test in made["tests"]) == 60
    assert sum(test["max_score"] for test in made["tests"]) == 100
    assert made["extra_data"]["sandbox"] in run.stdout


def test_classroom50s_autograder_writes_result_json(course, tmp_path):
    archive, home, work = tmp_path / "auto.zip", tmp_path / "auto", tmp_path / "work"
    words = [kit.NAME, "--format", "classroom50", "--root", str(course.root)]
    assert main(["course", "export", *words, "--to", str(archive)]) == 0
    unpacked(archive, home)
    path = work / kit.FILE
    path.parent.mkdir(parents=True)
    path.write_text(kit.written(forward=honest.GOOD))
    names = {"CLASSROOM": "cs", "ASSIGNMENT": "softmax", "OWNER": "ada",
             "SUBMISSION_TAG": "submit/1", "COMMIT_URL": "https://x/commit/1"}  # fmt: skip
    run = subprocess.run(
        [sys.executable, home / "autograder.py"], cwd=work, env=os.environ | names,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    made = json.loads((work / "result.json").read_text())
    assert classroom50_faults(made) == []
    assert (made["owner"], made["assignment"], made["score"]) == ("ada", "softmax", 60)
