"""A newcomer's walk: release, wrong answers, hints, solve, submit, be graded, read."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import unicodedata
from pathlib import Path

import pytest

from minidl_course.assignment import find
from minidl_course.author.mutation import mutated
from minidl_course.author.release import release
from minidl_course.regions import region_of, replace
from minidl_course.zips import zipped

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
A1 = find("a1", ROOT)
STUDENT = "가나"
SOFTMAX = "minidl/ops/activation.py"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def command(folder, *words):
    """Run `python -m minidl course …` where somebody would."""
    gone = ("PYTHONPATH", "PYTEST_ADDOPTS", "MINIDL_COURSE_SECRET")
    env = {k: v for k, v in os.environ.items() if k not in gone}
    return subprocess.run(
        [sys.executable, "-B", "-m", "minidl", "course", *words], cwd=folder,
        env=env | {"PYTHONUTF8": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def fill(folder, task, code):
    path = folder / A1.tasks[task].file
    text = path.read_text(encoding="utf-8")
    path.write_text(replace(text, region_of(text, task), code), encoding="utf-8")


def solve(folder, *tasks):
    for task in tasks:
        source = A1.source(A1.tasks[task].file)
        fill(folder, task, region_of(source, task).code)


def neighbors(inbox, blank, softmax):
    """Hand in twelve odd submissions; return what should be said of each."""
    one = {SOFTMAX: softmax.encode()}  # a1.6 and a1.7 are right: 16 points

    def zip_of(name, files):
        (inbox / name).write_bytes(zipped(files))

    zip_of("A1_cy.ZIP", one)
    zip_of("a1-di.zip", {f"my work/{SOFTMAX}": softmax.encode()})
    zip_of("a1_win.zip", {SOFTMAX.replace("/", "\\"): softmax.encode()})
    zip_of("a1_mac.zip", one | {"Screenshot 9.41.00\u202fAM.png": b"x"})
    zip_of("a1_Zoë.zip", one)
    zip_of(f"a1_{unicodedata.normalize('NFD', '각')}.zip", one)
    (inbox / "a1_flo.py").write_text(softmax, encoding="utf-8")
    with tarfile.open(inbox / "a1_bo.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo(SOFTMAX)
        info.size = len(softmax.encode())
        archive.addfile(info, io.BytesIO(softmax.encode()))
    cells = [{"cell_type": "code", "source": softmax}]
    (inbox / "a1_nb.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    zip_of("a1_same.zip", blank)
    zip_of("a1_empty.zip", {})
    (inbox / "a1_torn.zip").write_bytes(zipped(one)[:200])
    right = ["cy", "di", "win", "mac", "Zoë", "각", "flo", "bo", "nb"]
    return dict.fromkeys(right, ("16", "graded")) | {
        "same": ("0", "untouched"), "empty": ("0", "empty"), "torn": ("0", "damaged"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The newcomer's folder, the grading's folder, and what was said on the way."""
    place = tmp_path_factory.mktemp("walk")
    student, _ = release(A1, place / "handout")
    blank = {file: (student / file).read_bytes() for file in A1.files}
    said = {"untouched": command(student, "score").stdout}
    solve(student, "a1.2", "a1.3", "a1.4")
    wrong = next(m for m in A1.mutants if m.task == "a1.1")
    fill(student, "a1.1", mutated(A1, wrong))
    said["wrong"] = command(student, "score").stdout
    solve(student, *A1.tasks)
    said["solved"] = command(student, "score").stdout
    said["submit"] = command(student, "submit", "--student", STUDENT).stdout
    inbox, out = place / "inbox", place / "out"
    inbox.mkdir()
    shutil.copy(student / f"a1_{STUDENT}.zip", inbox)
    softmax = (student / SOFTMAX).read_text(encoding="utf-8")
    expected = neighbors(inbox, blank, softmax)
    graded = command(ROOT, "grade", str(inbox), "--out", str(out), "--jobs", "2")
    said["graded"] = graded.stdout + graded.stderr
    return out, said, expected


def test_what_the_newcomer_reads(walk):
    _, said, _ = walk
    assert "public part 0 of " in said["untouched"]
    assert "hint: write a / b as a times a power of b" in said["wrong"]
    assert "public part 76 of 76; 24 points are hidden" in said["solved"]
    assert f"a1_{STUDENT}.zip is what you hand in" in said["submit"]


def test_all_get_their_points(walk):
    out, said, expected = walk
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        table = {line["student"]: line for line in csv.DictReader(file)}
    found = {s: (r["points"], r["status"].partition(":")[0]) for s, r in table.items()}
    whole = expected | {STUDENT: ("100", "graded")}
    assert {s: p for s, (p, _) in found.items()} == {
        s: p for s, (p, _) in whole.items()
    }
    for student, (_, status) in whole.items():
        assert status in ("graded", found[student][1]), said["graded"]


def test_the_page_in_a_browser(walk, tmp_path):
    """Chromium shows the page; the screenshot is kept where the variable says."""
    out, _, _ = walk
    page = out / "feedback" / f"{STUDENT}.html"
    assert "100 of 100 points" in page.read_text(encoding="utf-8")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs a browser: install chromium")
    picture = Path(os.environ.get("MINIDL_TEST_SCREENSHOT", tmp_path / "page.png"))
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={tmp_path / 'browser'}", "--window-size=900,1500",
             f"--screenshot={picture}", page.as_uri()]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 10_000
