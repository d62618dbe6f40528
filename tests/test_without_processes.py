"""What the Python of a browser lacks is hidden here: the package works without it.

Pyodide has no lzma, fcntl, resource and no processes, and its whole numbers have 32
bits. A process of its own hides these modules, and makes NumPy draw such numbers.
tests/browser/ runs the same package in Pyodide itself.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minidl as md
from tests import tiny_course

ROOT = Path(__file__).parents[1]
HIDE = """
import importlib, importlib.util, pkgutil, sys, types
for name in ("lzma", "_lzma", "resource", "_multiprocessing", "fcntl"):
    sys.modules[name] = None
"""
# the loader's processes, and what needs a GPU or a file of its own to import
EXPECTED = {"minidl.data.ahead", "minidl.__main__", "minidl_course.__main__"}
IMPORTS = """
import minidl, minidl_course
lost = {}
for package in (minidl, minidl_course):
    walk = pkgutil.walk_packages(package.__path__, package.__name__ + ".", lost.get)
    for module in walk:
        try:
            importlib.import_module(module.name)
        except BaseException as error:
            lost[module.name] = repr(error)
lost = {k: v for k, v in lost.items() if "cupy" not in v}
print(*(f"{k}: {v}" for k, v in sorted(lost.items())), sep="\\n")
"""
NARROW = """
import json
import numpy as np

def narrow(function):
    def made(x, dtype=None, **kwargs):
        y = function(x, dtype=dtype, **kwargs)
        given = isinstance(x, (np.ndarray, np.generic)) or dtype is not None
        return y.astype(np.int32) if y.dtype == np.int64 and not given else y
    return made

np.array, np.asarray = narrow(np.array), narrow(np.asarray)
assert np.array(3).dtype == np.int32
from minidl_course.answers import inputs_of
from minidl_course.assignment import all_assignments
from minidl_course.manifest import digest
from pathlib import Path
for paper in all_assignments(Path(sys.argv[1])):
    written = json.loads((paper.folder / "manifest.json").read_text("utf-8"))
    stored = {(row["name"], task["task"]): row["inputs"]
              for task in written["tasks"] for row in task["rows"]}
    for row in paper.rows:
        if digest(inputs_of(row, paper.seed)) != stored[row.name, row.task]:
            print(f"{row.task}, {row.name}")
"""


def python(code, *args, cwd=ROOT):
    """What a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", HIDE + code, *args],
        cwd=cwd, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(cwd)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("fcntl", ["None", "types.ModuleType('fcntl')"])
def test_every_module_can_be_imported(fcntl):
    lost = python(f"sys.modules['fcntl'] = {fcntl}\n" + IMPORTS).splitlines()
    assert {line.partition(":")[0] for line in lost} <= EXPECTED, "\n".join(lost)


def test_a_model_is_saved_and_loaded():
    code = """
import tempfile, minidl as md
model = md.nn.Linear(2, 3)
with tempfile.TemporaryDirectory() as folder:
    md.save(model, f"{folder}/model.safetensors")
    md.load(f"{folder}/model.safetensors", model)
print(model.weight.shape)
"""
    assert python(code) == "(2, 3)"


@pytest.mark.parametrize("how", [{"prefetch": 2}, {"workers": 2}])
def test_batches_are_made_in_place_and_are_the_same(how, monkeypatch):
    def epoch(**how):
        loader = md.data.DataLoader(
            (np.arange(10.0), np.arange(10)), 4, True, seed=3, **how
        )
        return [y.data.tolist() for _, y in loader], loader._pool

    monkeypatch.setitem(sys.modules, "_multiprocessing", None)
    assert epoch(**how) == epoch()


def test_what_is_asked_has_whole_numbers_of_64_bits():
    assert python(NARROW, str(ROOT)) == ""


SCORES = """
import minidl
from minidl_course.assignment import find
from minidl_course.regions import region_of, replace
from minidl_course.score import score
from pathlib import Path
root = Path(sys.argv[1])
file, engine = root / "minidl/tiny.py", sys.modules["minidl.engine.tensor"]
before = file.read_text("utf-8")
for name, code in ANSWERS.items():
    code = code or region_of(before, "t1.1").code
    file.write_text(replace(before, region_of(before, "t1.1"), code), encoding="utf-8")
    said = {}
    for sys.platform in ("linux", "emscripten"):
        found = [(t.points, t.of, t.note) for t in score(find("", root))]
        said[sys.platform] = found
        assert sys.modules["minidl.engine.tensor"] is engine
    assert said["linux"] == said["emscripten"], said
    print(name, *found[0])
"""
ANSWERS = {
    "right": "    d = x - shift\n    y = d * d\n",
    "wrong": "    d = y = x - shift\n",
    "raises": "    d = x - nobody\n",
    "unwritten": "",
}


def test_a_score_in_this_process_is_that_of_another(tmp_path):
    from minidl_course.assignment import find
    from minidl_course.author.release import release

    root = tiny_course.clone(tmp_path / "clone")
    edition = release(find("t1_tiny", root), tmp_path)[0]
    code = f"ANSWERS = {ANSWERS!r}\n{SCORES}"
    said = python(code, str(edition), cwd=edition)
    found = [line for line in said.splitlines() if not line.startswith("hint")]
    assert [line.split()[:2] for line in found] == [
        ["right", "30"], ["wrong", "0"], ["raises", "0"], ["unwritten", "0"]
    ]  # fmt: skip
    assert "int: look at both factors" in said
    assert "NameError" in said
