"""minidl under Pyodide, in node: programs that a reader would run, and every module.

Needs node and Pyodide's folder (fetch_pyodide.py); without them one line says so. One
process runs all programs, for Pyodide takes seconds to start.
"""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser import fetch_pyodide

NODE = shutil.which("node")
if NODE is None or not fetch_pyodide.is_here():
    pytest.skip(
        fetch_pyodide.MISSING if NODE else "node is not here", allow_module_level=True
    )
pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# what a browser lacks: the loader's processes, scikit-learn, the grader's sandbox, GPUs
NOT_THERE = ("minidl.data.ahead", "minidl.train.estimators", "minidl_course.sandbox")

PROGRAMS = {
    "README's programs": """
import doctest
text = open("/checkout/README.md", encoding="utf-8").read()
test = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
assert doctest.DocTestRunner(optionflags=flags).run(test).failed == 0 < len(test.examples)
""",
    "gradcheck": """
import numpy as np
import minidl as md
x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
assert md.check.gradcheck(lambda x, w: md.ops.tanh(x @ w).sum(), (x, w))
@md.op
def slip(x):
    return x * x, (lambda g: g * x,)
try:
    md.check.gradcheck(slip, (x,))
except AssertionError:
    pass
else:
    raise AssertionError("a wrong derivative passed")
""",
    "Trainer, checkpoint": """
import tempfile
import numpy as np
import minidl as md
from minidl import lab, nn, ops, optim, train

def run(folder, epochs):
    md.seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    calls = [lab.Monitor(5, warn=False), train.Checkpoint(folder, resume=True)]
    trainer = train.Trainer(model, optimizer, ops.cross_entropy, callbacks=calls)
    loader = md.data.DataLoader(md.data.moons(100, rng=0), 20, True, seed=0, prefetch=2)
    trainer.fit(loader, epochs=epochs)
    return model[0].weight.data

with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
    run(a, 2)
    assert np.array_equal(run(a, 4), run(b, 4))
""",
    "data in the package": """
import minidl as md
sets = (md.data.load_digits, md.data.load_mnist5k, md.data.load_emoji, md.data.load_iris)
assert all(len(load()[0]) > 50 for load in sets)
assert md.data.pca(md.data.load_mnist5k()[0].x, 3).components.shape == (3, 784)
""",
    "labels of 64 bits are counted": """
import numpy as np
import minidl as md
from minidl.lab.first_steps import find_rate
x, y = md.data.moons(60, rng=0)[:]
how = {"batch_size": 20, "loss": md.ops.cross_entropy}
find_rate(lambda: md.models.MLP([2, 8, 2]), (x, y.astype(np.int64)), **how)
assert md.train.confusion_matrix(y.astype(np.int64), y.astype(np.int64)).sum() == 60
""",
    "a picture": """
import io
import minidl as md
file = io.BytesIO()
md.show.images(md.data.load_digits()[0].x[:4]).savefig(file)
assert len(file.getvalue()) > 1000
""",
    "a page of backward": """
import minidl as md
x = md.Tensor(2.0, requires_grad=True)
assert "Back through" in md.show.backward_steps((x * x).sum(), {"x": x}).html
""",
    "every module": f"""
import importlib, pkgutil
import minidl, minidl_course
lost = {{}}
for package in (minidl, minidl_course):
    walk = pkgutil.walk_packages(package.__path__, package.__name__ + ".", lost.get)
    for name in (module.name for module in walk):
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except BaseException as error:
            if "cupy" not in repr(error) and not name.startswith({NOT_THERE!r}):
                lost[name] = repr(error)
assert not lost, lost
""",
}
NOTEBOOK = """
import sys
sys.path.append("/checkout")
from notebooks.percent import cells, solution
source = open("/checkout/notebooks/{name}", encoding="utf-8").read()
names = {{"__name__": "__main__"}}
for cell in cells(source):
    if cell.kind == "code":
        exec(compile(cell.text, f"line {{cell.line}}", "exec"), names)
exec(solution(source), names)
names["check"](names["answer"])
import matplotlib.pyplot
matplotlib.pyplot.close("all")
"""
# one in every run, all in `.ci/full lite`; QUICK=1, see node_run.mjs
CHOSEN = os.environ.get("MINIDL_NOTEBOOKS", "06")
for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py")):
    if CHOSEN == "all" or path.name.startswith(tuple(CHOSEN.split())):
        PROGRAMS[f"notebook {path.stem}"] = NOTEBOOK.format(name=path.name)

RUNNER = f"""
import contextlib, io, json, time, traceback
for name, code in {json.dumps(PROGRAMS)}.items():
    said, error, start = io.StringIO(), "", time.process_time()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exec(compile(code, name, "exec"), {{"__name__": "program"}})
        except BaseException:
            error = traceback.format_exc()[-3000:]
    error = error and said.getvalue()[-2000:] + error
    print("RESULT", json.dumps([name, error, time.process_time() - start]), flush=True)
"""


def load(path):
    """Run a Python file of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    script = folder / "programs.py"
    script.write_text(RUNNER, encoding="utf-8")
    wheel = load(ROOT / "docs/playground/wheel.py").write(folder, light=False)
    done = subprocess.run(
        [NODE, str(HERE / "node_run.mjs"), str(fetch_pyodide.place()), str(wheel),
         str(script), f"{ROOT}=/checkout"],
        capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [x[7:] for x in done.stdout.splitlines() if x.startswith("RESULT ")]
    return {name: error for name, error, _ in map(json.loads, lines)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_under_pyodide(name, results):
    assert results[name] == ""
