"""The grader: what is taken in, what a batch remembers, what it prints."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
import unicodedata
import zipfile
from pathlib import Path

import pytest

from minidl.cli import main
from minidl_course.errors import CourseError
from minidl_course.grade import batch, class_report, feedback, grading, intake, worker
from minidl_course.grade.imports import refused
from minidl_course.grade.inbox import GRADED, Entry, look
from minidl_course.grade.results import (
    Result,
    RowResult,
    TaskResult,
    clean,
    from_json,
    slug,
    to_json,
)
from minidl_course.grade.trees import Trees
from minidl_course.sandbox import folders, probe
from minidl_course.sandbox.box import Box
from minidl_course.sandbox.process import EndedError
from tests import course_kit as kit
from tests.attacks import honest

PROOF = probe.probe("landlock")
LEVEL = "landlock" if PROOF.holds else "process"
RIGHT = kit.written(forward=honest.GOOD, backward=honest.BACK)
HALF = kit.written(forward=honest.GOOD, backward="return y * g")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return kit.make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


# ------------------------------------------------------------------- what is taken in


def test_only_the_named_files_of_a_submission_count(course, inbox, tmp_path):
    (tmp_path / "secret.py").write_text(RIGHT)
    folder = kit.hand_in_folder(inbox, "linked", RIGHT)
    (folder / kit.FILE).unlink()
    (folder / kit.FILE).symlink_to(kit.ROOT / kit.FILE)
    assert intake.take(folder, "linked", course).texts == {}
    piped = kit.hand_in_folder(inbox, "piped", RIGHT)
    (piped / kit.FILE).unlink()
    os.mkfifo(piped / kit.FILE)
    assert intake.take(piped, "piped", course).texts == {}
    outer = inbox / f"{kit.NAME}_outer"
    outer.mkdir()
    (outer / "minidl").symlink_to(kit.ROOT / "minidl")
    assert intake.take(outer, "outer", course).texts == {}


@pytest.mark.parametrize(
    "names", [f"../{kit.FILE}", f"/{kit.FILE}", f"a\\..\\{kit.FILE}", f"C:/{kit.FILE}"]
)
def test_an_archive_that_reaches_out_is_not_read(course, inbox, names):
    path = kit.hand_in(inbox, "zip", {names: RIGHT})
    found = intake.take(path, "zip", course)
    assert found.texts == {}
    assert "reaches outside" in found.notes[0]


def test_links_bombs_and_rubbish_are_notes(course, inbox):
    path = inbox / f"{kit.NAME}_link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(kit.FILE)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, str(kit.ROOT / kit.FILE))
    assert "is a link" in intake.take(path, "link", course).notes[0]
    bomb = kit.hand_in(inbox, "bomb", {kit.FILE: "#" * (intake.FILE + 1)})
    assert "larger than" in intake.take(bomb, "bomb", course).notes[0]
    path = kit.hand_in(inbox, "many", {f"{i}.py": " " * 2**20 for i in range(70)})
    assert "becomes more than" in intake.take(path, "many", course).notes[0]
    path.write_bytes(b"PK\x03\x04 no zip")
    found = intake.take(path, "many", course)
    assert found.texts == {}
    assert "cannot be read" in found.notes[0]


def test_a_file_is_found_wherever_the_student_put_it(course, inbox):
    for student, name in (("bare", "activation.py"), ("deep", f"a b/c/{kit.FILE}")):
        path = kit.hand_in(inbox, student, {name: RIGHT, "x/activation.py": "other"})
        assert intake.take(path, student, course).texts == {kit.FILE: RIGHT}


def test_imports_of_other_engines_are_seen():
    assert "torch" in refused("    from torch.nn import functional as F\n")
    assert "jax" in refused("    if x:\n        import jax.numpy as jnp\n")
    assert "finished minidl" in refused("    from . import loss\n")
    assert "tensorflow" in refused("    t = __import__('tensorflow')\n")
    assert refused("    import numpy as np, math\n    y = 'import torch'\n") == ""


def test_a_tasks_tree_has_no_reference_of_its_file(course, tmp_path):
    trees = Trees(course, tmp_path / "trees")
    trees.make()
    for task in course.tasks.values():
        names = [p.name for p in trees.tree(task).rglob("*") if p.is_file()]
        assert "loss.py" in names
        assert any(name.startswith("loss.cpython") for name in names)
        assert not any(name.startswith("softmax") for name in names)
    assert not (trees.tree(task) / "minidl" / "course").exists()


# ------------------------------------------------------------------------- the batch


def test_a_batch_remembers_what_it_knows(course, inbox, tmp_path):
    out = tmp_path / "out"
    kit.hand_in(inbox, "ada", RIGHT)
    kit.hand_in_folder(inbox, "grace", HALF)
    kit.hand_in(inbox, "blank", kit.written())
    (inbox / "notes.txt").write_text("no submission")
    kit.hand_in(inbox, "=1+1", kit.written())
    results, graded = kit.run(course, inbox, out, LEVEL)
    assert graded == 4
    assert {s: r.points for s, r in results.items()} == {
        "=1+1": 0, "ada": 100, "blank": 0, "grace": 60,
    }  # fmt: skip
    assert results["blank"].tasks[0].rows[0].what == "not written yet"
    # once more: nothing to do; a changed submission and a lost result are graded anew
    assert kit.run(course, inbox, out, LEVEL)[1] == 0
    kit.hand_in(inbox, "blank", HALF)
    (out / "results" / "ada.json").write_text("{")
    results, graded = kit.run(course, inbox, out, LEVEL)
    assert graded == 2
    assert results["blank"].points == 60
    assert not (out / ".scratch").exists()
    # a student's variant is their own
    whats = {s: results[s].tasks[1].rows[0].what for s in ("grace", "blank")}
    assert whats["grace"] != whats["blank"]
    rows = list(csv.reader((class_report.grades(list(results.values()))).splitlines()))
    assert rows[0] == ["student", "points", "of", kit.FORWARD, kit.BACKWARD, "status"]
    assert rows[1][0] == "'=1+1"
    report = class_report.markdown(list(results.values()))
    assert f"- 2 × {kit.BACKWARD} gradient of x: dx: " in report.replace("\\", "")


def test_what_is_missing_costs_its_points_and_no_others(course, inbox, tmp_path):
    files = {
        "empty": {"readme.txt": "see mail"},
        "no-markers": RIGHT.replace("# region", "# my"),
        "one-lost": RIGHT.replace(f"# region {kit.BACKWARD}", "# "),
        "no-python": RIGHT.replace("return y * (g", "return y * * (g"),
        "binary": {kit.FILE: b"\xff\xfe\x00"},
    }
    for student, content in files.items():
        kit.hand_in(inbox, student, content)
    results, _ = kit.run(course, inbox, tmp_path / "out", LEVEL)
    assert {s: kit.points(r) for s, r in results.items()} == {
        "empty": {kit.FORWARD: 0, kit.BACKWARD: 0},
        "no-markers": {kit.FORWARD: 0, kit.BACKWARD: 0},
        "one-lost": {kit.FORWARD: 60, kit.BACKWARD: 0},
        "no-python": {kit.FORWARD: 60, kit.BACKWARD: 0},
        "binary": {kit.FORWARD: 0, kit.BACKWARD: 0},
    }
    assert all(r.worth == 100 for r in results.values())
    assert "is not in the submission" in results["empty"].tasks[0].rows[0].what
    assert "missing" in results["no-markers"].tasks[0].rows[0].what
    assert "no Python" in results["no-python"].tasks[1].rows[0].what
    assert "UTF-8" in results["binary"].notes[0]


def test_killed_in_the_middle_a_rerun_continues(course, inbox, tmp_path):
    out = tmp_path / "out"
    for i in range(4):
        kit.hand_in(inbox, f"s{i}", kit.written(forward=honest.GOOD))
    command = [
        sys.executable, "-m", "minidl", "course", "grade", str(inbox), "--root",
        str(course.root), "--out", str(out), "--sandbox", LEVEL,
        "--i-trust-these-submissions",
    ]  # fmt: skip
    results = out / "results"
    with subprocess.Popen(
        command, cwd=kit.ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    ) as running:
        deadline = time.monotonic() + 120
        while not list(results.glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    known = {p.name: p.stat().st_mtime_ns for p in results.glob("*.json")}
    assert 1 <= len(known) < 4
    again = subprocess.run(command, cwd=kit.ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert f"{4 - len(known)} graded" in again.stdout
    assert f"{len(known)} as they were" in again.stdout
    assert "L2" in again.stdout or LEVEL == "process"
    assert {p.name: p.stat().st_mtime_ns for p in results.glob("*.json")}.items() >= (
        known.items()
    )
    rows = list(csv.reader((out / "grades.csv").read_text().splitlines()))
    assert [row[1] for row in rows[1:]] == ["60"] * 4
    assert os.stat(out / "secret.key").st_mode & 0o077 == 0


def test_below_l2_somebody_must_say_that_they_trust(course, inbox, tmp_path, capsys):
    kit.hand_in(inbox, "ada", kit.written())
    words = ["course", "grade", str(inbox), "--root", str(course.root), "--out",
             str(tmp_path / "out"), "--sandbox", "process"]  # fmt: skip
    assert main(words) == 2
    assert "--i-trust-these-submissions" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--i-trust-these-submissions"]) == 0
    page = (tmp_path / "out" / "feedback" / "ada.html").read_text()
    assert "L1 process" in page


def test_a_worker_that_dies_is_told_and_nothing_stops(
    course, inbox, tmp_path, monkeypatch
):
    kit.hand_in(inbox, "ada", kit.written())
    kit.hand_in(inbox, "grace", kit.written())
    inner = batch.workers.Worker.ask

    def ask(self, student, path):
        if student == "ada":
            self.process.kill()
            self.process.wait()
        inner(self, student, path)

    monkeypatch.setattr(batch.workers.Worker, "ask", ask)
    results, _ = kit.run(course, inbox, tmp_path / "out", LEVEL, jobs=1)
    assert "died" in results["ada"].trouble
    assert not results["grace"].trouble
    monkeypatch.undo()
    results, graded = kit.run(course, inbox, tmp_path / "out", LEVEL, jobs=1)
    assert graded == 1
    assert not results["ada"].trouble


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_killed_is_asked_again_and_is_never_0(
    course, inbox, tmp_path, monkeypatch, times
):
    inner, calls = grading.Grader._asked, []

    def asked(self, task, *rest):
        calls.append(task.name)
        if calls.count(kit.FORWARD) <= times and task.name == kit.FORWARD:
            raise EndedError("killed", "was killed by something else")
        return inner(self, task, *rest)

    monkeypatch.setattr(grading.Grader, "_asked", asked)
    trees = Trees(course, tmp_path / "trees")
    trees.make()
    one = grading.Grader(course, trees, Box(LEVEL), kit.SECRET, tmp_path)
    path = kit.hand_in(inbox, "ada", RIGHT)
    result = worker.graded(one, path, "ada")
    if times == 1:
        assert (result.points, result.trouble) == (100, "")
    else:
        assert f"{kit.FORWARD}: the process was killed" in result.trouble
        assert result.key == ""


@pytest.mark.parametrize("last", ["print(path, flush=True)", "raise ValueError(path)"])
def test_what_is_shown_names_no_folder_of_the_grader(course, inbox, tmp_path, last):
    trees = Trees(course, tmp_path / "trees")
    trees.make()
    one = grading.Grader(course, trees, Box(LEVEL), kit.SECRET, tmp_path)
    code = f"path = namespace.__code__.co_filename\n{last}\ny = z"
    path = kit.hand_in(inbox, "ada", kit.written(forward=code))
    result = to_json(worker.graded(one, path, "ada"))
    assert "minidl/backend.py" in result
    assert str(tmp_path) not in result


def test_a_result_knows_all_that_made_it(course, inbox, tmp_path, monkeypatch):
    path = kit.hand_in(inbox, "ada", RIGHT)
    taken = intake.take(path, "ada", course)

    def key():
        return grading.Grader(course, None, Box(LEVEL, 1), "s", tmp_path).key(taken)

    first = key()
    assert key() == first
    calls = course.folder / "calls.py"
    text = calls.read_text()
    try:
        calls.write_text(text + "# another\n")
        assert key() != first
    finally:
        calls.write_text(text)
    for name in ("minidl/engine/backward.py", "minidl_course/rows.py"):
        monkeypatch.setattr(grading, "machinery", lambda name=name: {name: b"other"})
        assert key() != first


def test_one_student_is_graded_again(course, inbox, tmp_path):
    for student in ("ada", "bob"):
        kit.hand_in(inbox, student, kit.written())
    out = tmp_path / "out"
    kit.run(course, inbox, out, LEVEL)
    again = batch.Batch(course, inbox, out, LEVEL, kit.SECRET, only="bob")
    assert [r.student for r in again.run()] == ["ada", "bob"]
    assert again.graded == 1
    with pytest.raises(CourseError, match="holds nothing of eve"):
        batch.Batch(course, inbox, out, LEVEL, kit.SECRET, only="eve").run()


# ------------------------------------------------------------- what lies in the folder

NAMES = {  # name: the student, or why there is none
    "a1_ada.zip": "ada", "A1_bo.zip": "bo", "a1-cy.zip": "cy", "a1 di.zip": "di",
    "a1_ed.ZIP": "ed", "a1_가나.zip": "가나", "a1_Zoe\u0308.zip": "Zoë", "a1_zoë.zip": "zoë",
    "zoem_12_345_a1_zoe-1.zip": "zoe", "liu_LATE_12_345_a1_liu.zip": "liu",
    "dora homework.zip": "dora homework", "a1_gus.tar.gz": "gus", "a1_hal.tgz": "hal",
    "a1_ida.tar": "ida", "a1_jo.tar.xz": "jo", "a1_kai.py": "kai", "a1_lee.ipynb": "lee",
    "notes.txt": "expected: a1_<student>", "holiday.zip": "expected: a1_<student>",
}  # fmt: skip


def packed(path, text):
    """Write a text in the way that a name promises."""
    if path.suffix == ".zip" or path.suffix == ".ZIP":
        path.write_bytes(kit.zipped({kit.FILE: text}))
    elif path.suffix == ".ipynb":
        cells = [{"cell_type": "markdown", "source": ["# mine"]},
                 {"cell_type": "code", "source": text.splitlines(keepends=True)}]  # fmt: skip
        path.write_text(json.dumps({"cells": cells}))
    elif path.suffix == ".py":
        path.write_text(text)
    else:
        ends = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".tar": ""}[path.suffix]
        with tarfile.open(path, f"w:{ends}") as archive:
            info = tarfile.TarInfo(f"a1/{kit.FILE}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))


def test_every_entry_is_graded_or_named(course, inbox):
    for name in NAMES:
        if name.startswith(("notes", "holiday")):
            (inbox / name).write_bytes(kit.zipped({"beach.py": "sand = 1"}))
        else:
            packed(inbox / name, RIGHT)
    moodle = inbox / "Fay M_123_assignsubmission_file_"
    moodle.mkdir()
    packed(moodle / "a1_fay.zip", RIGHT)
    kit.hand_in_folder(inbox / "submission_4711", "max", RIGHT)
    (inbox / f"{kit.NAME}_linked").symlink_to(moodle)
    (inbox / ".DS_Store").write_bytes(b"\0")
    entries = {entry.name: entry for entry in look(inbox, course)}
    assert len(entries) == len(list(inbox.iterdir()))
    for name, expected in NAMES.items():
        entry = entries[unicodedata.normalize("NFC", name)]
        assert expected in (entry.student, entry.why[: len(expected)]), entry
        if entry.status == GRADED:
            taken = intake.take(entry.path, entry.student, course)
            assert list(taken.texts) == [kit.FILE]
            assert not [note for note in taken.notes if "taken for" not in note]
    assert entries[moodle.name].student == "fay"
    assert entries["submission_4711"].student == "max"
    assert "a link" in entries[f"{kit.NAME}_linked"].why
    assert entries[".DS_Store"].status == "system"


def test_the_newest_of_several_counts(course, inbox):
    with pytest.raises(CourseError, match="no submissions"):
        look(inbox, course)
    for i, name in enumerate(("a1_ada.zip", "x_1_2_a1_ada-1.zip", "A1-ada.zip")):
        packed(inbox / name, RIGHT)
        os.utime(inbox / name, (100 + i % 2, 100 + i % 2))
    entries = look(inbox, course)
    assert [(e.name, e.status) for e in entries] == [
        ("A1-ada.zip", "duplicate"), ("a1_ada.zip", "duplicate"),
        ("x_1_2_a1_ada-1.zip", "graded"),
    ]  # fmt: skip
    assert "x_1_2_a1_ada-1.zip of the same student is newer" in str(entries[0])


def test_files_of_students_have_names_of_their_own():
    names = ("a/b", "a_b", "..", "ada", "Ada", "ADA", "ada (2)", "a b", "Zoë", "zoë",
             "Zoe\u0308", "zoe\u0308", "aux", "con", "가나", "가 나", "", "a" * 99, "a" * 98,
             "ﬁ", "fi", "ß", "ss", "a\udcff", "a\udcfe")  # fmt: skip
    slugs = [unicodedata.normalize("NFKC", slug(s)).casefold() for s in names]
    assert len(set(slugs)) == len(names)
    assert slug("가나") == "가나"
    assert not any("/" in slug for slug in slugs)
    assert not {"aux", "con", "", ".."} & set(slugs)


PLACES = {  # what a zip holds: notes
    "__MACOSX/minidl/ops/._activation.py": "", "Screenshot at 9.41.00\u202fAM.png": "",
    "notes 10:15.txt": "", "aux.txt": "", "a1/.DS_Store": "", "x/" * 30 + "y.txt": "",
    "x.py": "", "..\\x.py": "reaches outside", "/etc/x.py": "reaches outside",
    "C:/x.py": "reaches outside",
    "submission.json": "submission.json says that it was made by eve",
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_what_lies_beside_the_work_does_not_matter(course, inbox, name):
    said = json.dumps({"student": "eve", "assignment": kit.NAME})
    content = {kit.FILE.replace("/", "\\"): RIGHT, name: said}
    taken = intake.take(kit.hand_in(inbox, "ada", content), "ada", course)
    assert taken.texts == {kit.FILE: RIGHT}
    assert PLACES[name] in "".join(taken.notes)
    assert len(taken.notes) == bool(PLACES[name])


def test_two_copies_are_told(course, inbox):
    files = {
        f"a1/{kit.FILE}": HALF,
        f"a1 copy/{kit.FILE}": RIGHT,
        "x/y/" + kit.FILE: HALF,
    }
    taken = intake.take(kit.hand_in(inbox, "ada", files), "ada", course)
    assert taken.notes[0].startswith(f"3 copies of {kit.FILE}: a1")


NOTHING = {  # a package in which nothing is found: what is said
    "a1_ada.zip": b"", "inner.zip": b"PK", "a1.ipynb": b"{}", "b.ipynb": b"[" * 10**5,
    "minidl/ops/other.py": b"x = 1", "report.pdf": b"%PDF",
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_found_is_told(course, inbox, name):
    path = kit.hand_in(inbox, "ada", {name: NOTHING[name]})
    taken = intake.take(path, "ada", course)
    assert (taken.texts, taken.status) == ({}, "empty")
    assert "which is not opened" in taken.notes[-1] or name in taken.notes[-1]


def test_a_damaged_member_costs_itself_only(course, inbox):
    path = inbox / "a1_bo.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("minidl/ops/loss.py", "x = 1\n" * 100)
        archive.writestr(kit.FILE, RIGHT)
    content = bytearray(path.read_bytes())
    content[content.index(b"x = 1") + 50] ^= 1
    path.write_bytes(content)
    taken = intake.take(path, "bo", course)
    assert taken.texts == {kit.FILE: RIGHT}
    assert "minidl/ops/loss.py is damaged (Bad CRC-32" in taken.notes[0]
    content[-30:] = b"\0" * 30
    path.write_bytes(content)
    taken = intake.take(path, "bo", course)
    assert (taken.texts, taken.status) == ({}, "damaged")


def test_the_commonest_mistakes_have_names_and_students_need_none(
    course, inbox, tmp_path
):
    right = "y = exp(z)\ny /= y.sum(axis=axis, keepdims=True)"
    wrong = "return y * (g - g.sum(axis=axis, keepdims=True))"
    for student in ("ada", "zoe"):
        kit.hand_in(inbox, student, kit.written(forward=right, backward=wrong))
    made = course, inbox, tmp_path / "out", "process", kit.SECRET
    first = batch.Batch(*made, explain=True)
    results = first.run()
    ((mistake, said),) = first.named.items()
    assert mistake[:2] == (kit.BACKWARD, "gradient of x")
    assert said.startswith("softmax: ∂L/∂x ")
    ids = class_report.anonymous(results, kit.SECRET)
    for report in (class_report.markdown, class_report.html):
        page = report(results, first.entries, first.named)
        assert "softmax: ∂L/∂x" in page
        assert "ada" in page
        page = report(results, first.entries, first.named, ids)
        assert "ada" not in page
        assert ids["ada"] in page
    assert f"{ids['zoe']},zoe" in class_report.ids_file(ids).decode("utf-8-sig")
    again = batch.Batch(*made, explain=True)
    again.run()
    assert (again.graded, again.named) == (0, first.named)


def test_folders_in_folders_are_a_note_and_are_removed(course, inbox, tmp_path):
    for folder in (inbox / "a1_deep", tmp_path / "home"):
        folder.mkdir()
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d" * 9, dir_fd=here)
            inner = os.open("d" * 9, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(here)
    taken = intake.take(inbox / "a1_deep", "deep", course)
    assert "folders in folders" in taken.notes[0]
    assert folders.size(str(tmp_path / "home"), 10**9) > 10**9
    (tmp_path / "home" / "locked").mkdir(mode=0)
    folders.remove(tmp_path / "home")
    folders.remove(inbox / "a1_deep")
    assert not (tmp_path / "home").exists()
    assert not (inbox / "a1_deep").exists()


# ------------------------------------------------------------------------- the pages


def result(**changes):
    rows = (
        RowResult("forward", 5, 5, False, "right"),
        RowResult(
            "<b>x</b>", 0, 3, True, "raised E: <i> *_[a](http://b) | `c`", "look"
        ),
    )
    fields = {
        "assignment": "a9", "title": "T & <T>", "student": "<ada>", "key": "k",
        "sandbox": "L2", "tasks": (TaskResult("a9.1", "one", "f.py", rows),),
        "notes": ("a note",),
    }  # fmt: skip
    return Result(**(fields | changes))


def test_a_result_survives_its_file():
    assert from_json(to_json(result())) == result()
    assert json.loads(to_json(result()))["points"] == 5
    for text in ("{}", "[]", "no", '{"schema": "other"}'):
        with pytest.raises(ValueError, match=r".+"):
            from_json(text)


def test_untrusted_words_are_escaped():
    page, text = feedback.html(result()), feedback.markdown(result())
    assert "<ada>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "T &amp; &lt;T&gt;" in page
    assert "<i>" not in text
    assert "\\[a\\](http&#8203;://b)" in text
    assert "hint: look" in text
    failed = result(trouble="it broke")
    assert "Not graded yet" in feedback.markdown(failed)
    assert "Look at these yourself" in class_report.markdown([failed, result()])
    page = class_report.html([failed, result()], [Entry("<x>", Path(), "duplicate")])
    assert "&lt;ada&gt;" in page
    assert "<li>duplicate: &lt;x&gt;</li>" in page
    assert f"href='feedback/{slug('<ada>')}.html'" in page
    flagged = result(status="empty", notes=("nothing there",))
    assert class_report.flags(flagged) == "empty: nothing there"


def test_clean_takes_codes_out():
    assert clean("a\x1b[2J\x1b]0;title\x07b\x00\u202ec\td") == "ab··c d"
    assert len(clean("x" * 10_000)) <= 400


def test_security_says_what_each_level_does():
    text = (Path(kit.ROOT) / "assignments" / "SECURITY.md").read_text(encoding="utf-8")
    for word in ("L0", "L1", "L2", "L3", "Landlock", "seccomp", "bubblewrap", "trust"):
        assert word in text
