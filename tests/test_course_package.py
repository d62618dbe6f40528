"""The distribution ships the machinery of courses as the package minidl_course."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import minidl_course
from minidl.cli.course import machinery

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info", "docs")
BUILD = (
    "from setuptools import build_meta; import sys; print(build_meta.{}(sys.argv[1]))"
)


def python(*words, cwd, **env):
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_finds_what_lies_beside_it():
    folder = Path(minidl_course.__file__).parent
    assert folder == ROOT / "assignments" / "course"
    assert machinery() is minidl_course
    assert machinery("rows").Row is minidl_course.Row


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_a_distribution_has_both_packages(kind, tmp_path):
    pytest.importorskip(
        "setuptools", minversion="77", reason="it builds a distribution"
    )
    clone, out = tmp_path / "clone", tmp_path / "out"
    shutil.copytree(ROOT, clone, ignore=LEFT_OUT)
    name = python("-c", BUILD.format(f"build_{kind}"), str(out), cwd=clone).split()[-1]
    if kind == "sdist":
        with tarfile.open(out / name) as file:
            file.extractall(out, filter="data")
        (root,) = (path for path in out.iterdir() if path.is_dir())
    else:
        root = out / "site"
        with zipfile.ZipFile(out / name) as file:
            file.extractall(root)
    if kind == "editable":
        (path,) = root.glob("__editable___*_finder.py")
        code = f"import {path.stem} as f; f.install(); import minidl_course as m; "
    else:
        code = "from minidl.cli.course import machinery; m = machinery(); "
    code += "import minidl_course.grade.batch, minidl_course.sandbox; print(m.__file__)"
    place = Path(python("-c", code, cwd=tmp_path, PYTHONPATH=str(root)).strip())
    home = {"wheel": root / "minidl_course", "sdist": root / "assignments/course"}
    assert place.parent == home.get(kind, clone / "assignments/course")
    if kind == "wheel":
        said = python("-m", "minidl", "course", "--help", cwd=root)
        assert "prove that assignments grade" in said


@pytest.mark.slow
def test_an_editable_install_wins_over_the_folder_that_holds_the_clone(tmp_path):
    pytest.importorskip(
        "setuptools", minversion="77", reason="it builds a distribution"
    )
    clone, site = tmp_path / "work" / "minidl", tmp_path / "site"
    other = tmp_path / "other" / "minidl"
    for folder in (clone / "minidl", clone / "assignments/course", other):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('__version__ = "0"')
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    code = BUILD.format("build_editable")
    name = python("-c", code, str(tmp_path), cwd=clone).split()[-1]
    with zipfile.ZipFile(tmp_path / name) as file:
        file.extractall(site)
        listed = file.read("minidl-0.dist-info/RECORD").decode()
        assert {line.split(",")[0] for line in listed.split()} == set(file.namelist())
    code = f"import site; site.addsitedir({str(site)!r}); import minidl, minidl_course"
    show = f"{code}; print(minidl.__file__, minidl_course.__file__)"
    course = clone / "assignments/course/__init__.py"
    ours = python("-S", "-c", show, cwd=clone.parent, PYTHONPATH="").split()
    assert ours == [str(clone / "minidl/__init__.py"), str(course)]
    nearer = python("-S", "-c", show, cwd=other.parent, PYTHONPATH="").split()
    assert nearer[0] == str(other / "__init__.py")  # a real package in the way wins


ELSEWHERE = """
import selectors, subprocess, sys, tarfile, tempfile, zipfile, numpy
from minidl import cli
sys.platform = sys.argv[1]
sys.modules["resource"] = None
if sys.platform == "win32":
    sys.modules["fcntl"] = None
import signal
for name in ("SIGKILL", "SIGHUP"):
    if sys.platform == "win32" and hasattr(signal, name):
        delattr(signal, name)
status = cli.main(["course", "grade", ".", "--out", "out"])
import minidl_course.export.exporting, minidl_course.grade.batch
sys.exit(status)
"""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_where_it_cannot_grade_it_says_what_to_do(platform, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, platform], cwd=tmp_path, capture_output=True,
        text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"this is {platform}" in line
    assert "assignments/grader.Dockerfile" in line


def test_the_container_file_names_what_is_here():
    text = (ROOT / "assignments/grader.Dockerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    known = {"FROM", "RUN", "COPY", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps} == known
    assert steps[0][0] == "FROM"
    for name, words in steps:
        if name == "COPY":
            source, target = words.split()
            assert (ROOT / source).is_dir()
            assert target.startswith("/grader/")
        elif name in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(word, str) for word in json.loads(words))
