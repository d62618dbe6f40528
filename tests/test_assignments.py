"""The assignments of this repository: their parts agree, and each is proved.

What is proved is told in assignments/course/author/check.py; `minidl course check` prints it.
"""

import csv
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minidl_course import manifest
from minidl_course.assignment import find
from minidl_course.author.check import changed_faults, check
from minidl_course.author.consistency import paper_faults
from minidl_course.author.mutation import mutated
from minidl_course.author.release import edition, release
from minidl_course.author.trial import Trial
from minidl_course.author.walkthrough import walkthrough_faults
from minidl_course.errors import CourseError
from minidl_course.regions import region_of, replace
from minidl_course.source_tree import reference_tree
from minidl_course.submission import submit

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.parent.name for path in ROOT.glob("assignments/*/assignment.cfg"))


@functools.cache
def assignment(name):
    return find(name, ROOT)


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_agree(name):
    assert paper_faults(assignment(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_is_current(name):
    assert manifest.manifest(assignment(name))["total"] == 100


@pytest.mark.parametrize("name", NAMES)
def test_every_mutant_and_variant_is_a_patch_of_its_region(name):
    stale = []
    for patch in [*assignment(name).mutants, *assignment(name).variants]:
        try:
            mutated(assignment(name), patch)
        except CourseError as error:
            stale.append(str(error))
    assert stale == []


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_region_still_catches_its_mutants(name):
    assert changed_faults(assignment(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_handout_runs(name):
    given = assignment(name)
    assert walkthrough_faults(given, edition(given), most=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_grades_what_it_says(name):
    # untouched, solved, a slip and a mutant: `.ci/full luck` tries the other tasks too
    report = check(assignment(name), states=4)
    assert report.faults == []
    assert sum(report.reference.values()) == 100
    assert sum(report.skeleton.values()) == 0
    assert sum(map(len, report.caught.values())) >= 10


def score(folder):
    """What a student sees who asks for the score: the last line's points."""
    command = [sys.executable, "-m", "minidl", "course", "score"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")
    assert not done.stderr
    return int(done.stdout.split("public part ")[1].split()[0])


def paste(folder, given, task):
    """Fill in a task as its solution does."""
    path = folder / given.tasks[task].file
    code = region_of(given.source(given.tasks[task].file), task).code
    text = path.read_text(encoding="utf-8")
    path.write_text(replace(text, region_of(text, task), code), encoding="utf-8")


def grade(handed, folder):
    """The points that the instructor's command writes down for one submission."""
    (folder / "inbox").mkdir()
    handed.rename(folder / "inbox" / handed.name)
    command = [sys.executable, "-m", "minidl", "course", "grade", folder / "inbox"]
    command += ["--out", folder / "out", "--root", ROOT, "--i-trust-these-submissions"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with open(folder / "out" / "grades.csv", encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["student"] == "ada"
    return row["points"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES[:1])
def test_a_newcomers_path(name, tmp_path):
    given = assignment(name)
    folder, _ = release(given, tmp_path)
    first, *others = given.tasks
    assert score(folder) == 0
    paste(folder, given, first)
    assert score(folder) > 0
    handed, doubts = submit(find("", folder), "ada", tmp_path)
    assert handed.name == f"{given.name}_ada.zip"
    assert doubts == [f"not written yet: {', '.join(others)}"]
    trial = Trial(given, reference_tree(tmp_path / "tree", ROOT))
    texts = {f: (folder / f).read_text(encoding="utf-8") for f in given.files}
    points = trial.submission(texts)
    assert points.pop(first) == given.tasks[first].points
    assert set(points.values()) == {0}
    assert grade(handed, tmp_path) == str(given.tasks[first].points)
    for task in others:
        paste(folder, given, task)
    assert score(folder) == sum(row.points for row in given.public)


LONG = "a5", "a6", "a7", "a8"  # their stories train for more than half a minute
STORIES = [
    pytest.param(
        name,
        marks=pytest.mark.full if name.startswith(LONG) else pytest.mark.slow,
    )
    for name in NAMES
]


@pytest.mark.parametrize("name", STORIES)
def test_the_story_runs_and_draws_its_picture(name, tmp_path):
    script = assignment(name).folder / "notebook.py"
    settings = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "SEED": "1"}
    command = [sys.executable, "-W", "error", script]
    subprocess.run(command, cwd=tmp_path, env=os.environ | settings, check=True)
    assert (tmp_path / "picture.png").stat().st_size < 200_000
