"""The path "from nothing": its reference passes, and wrong engines stop where they should."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

from minidl_course.author.path import faults
from minidl_course.command import main
from minidl_course.errors import CourseError
from minidl_course.path import STAGES, walk

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "assignments" / "path"
TINY = (FOLDER / "tiny.py").read_text(encoding="utf-8")

MUTANTS = runpy.run_path(str(FOLDER / "mutants.py"))["MUTANTS"]

spec = importlib.util.spec_from_file_location("path_stages", FOLDER / "stages.py")
stages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stages)


@pytest.mark.parametrize(("stage", "old", "new", "words"), MUTANTS)
def test_a_wrong_engine_stops_at_its_stage(
    stage, old, new, words, tmp_path, monkeypatch
):
    monkeypatch.setattr(stages, "CHAIN", 2000)
    assert old in TINY
    path = tmp_path / "my_engine.py"
    path.write_text(TINY.replace(old, new), encoding="utf-8")
    said = [stages.wrong(path, earlier) for earlier in range(1, stage)]
    assert said == [""] * (stage - 1)
    assert words in stages.wrong(path, stage)


def test_every_stage_has_two_wrong_engines():
    assert len(stages.STAGES) == len(STAGES) == 8
    found = [stage for stage, *_ in MUTANTS]
    assert all(found.count(stage) >= 2 for stage in range(1, 9))


def test_the_proof_names_what_does_not_hold(tmp_path):
    reference = tmp_path / "tiny.py"
    reference.write_text(TINY.replace("g * b, g * a", "g, g"), encoding="utf-8")
    early, gone = (1, "class Tensor", "class T", "no Tensor yet"), (1, "@@", "", "")
    late = (3, "class Tensor", "class T", "no Tensor yet")
    said = faults(ROOT, reference, [early, gone, late])
    assert [text.split(":")[0].split(" for ")[0] for text in said] == [
        "tiny.py is stopped at stage 2",
        "tiny.py has no '@@'",
        "wrong engine of stage 3, not 'no Tensor yet'",
    ]


def test_the_reference_passes_all_stages(capsys):
    words = ["path", str(FOLDER / "tiny.py"), "--root", str(ROOT)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("✓") == 8
    assert "nothing is left to do" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "my_engine.py has no Tensor yet; write it as stage 1 says"),
        ("x = 1\nclass Tensor\n", "my_engine.py, line 2, is not Python yet: expected"),
        ("import sys\nsys.exit()\n", "my_engine.py ends the program; remove exit()"),
        ("1 / 0\n", "raised ZeroDivisionError: division by zero in line 1;"),
    ],
)
def test_a_file_that_does_not_run_is_one_sentence(text, says, tmp_path):
    path = tmp_path / "my_engine.py"
    path.write_text(text, encoding="utf-8")
    assert stages.wrong(path, 1).startswith(says) or says in stages.wrong(path, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("while True: pass\n", "my_engine.py took longer than 0.5 s; look for a loop"),
        ("import os\nos._exit(3)\n", "my_engine.py ended the process; look for a loop"),
    ],
)
def test_a_file_that_never_answers_is_one_sentence(text, says, tmp_path):
    path = tmp_path / "my_engine.py"
    path.write_text(text, encoding="utf-8")
    ((stage, wrong),) = walk(path, ROOT, seconds=0.5)
    assert stage == 1
    assert wrong.startswith(says)


def test_the_command_says_what_is_next(tmp_path, capsys):
    path = tmp_path / "my_engine.py"
    path.write_text(TINY.replace("g * b, g * a", "g, g"), encoding="utf-8")
    words = ["path", str(path), "--root", str(ROOT)]
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "✓ stage 1  values" in out
    assert "next: stage 2 of assignments/path/README.md" in out
    assert main([*words, "--stage", "1"]) == 0
    assert "next: stage 2, graph order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "root", "stage", "says"),
    [
        ("none.py", ROOT, 0, "none.py is no file; begin one as"),
        (FOLDER / "tiny.py", ROOT, 9, "there is no stage 9; stages are 1 to 8"),
        (FOLDER / "tiny.py", None, 0, "there are no assignments in"),
    ],
)
def test_what_cannot_be_checked_is_said(file, root, stage, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=re.escape(says)):
        list(walk(Path(file), root, stage))
