"""Fast bodies: which of several is taken, and that all of `kernels/` can be deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import minidl as md
from minidl import kernels
from minidl.backend import optional
from minidl.engine.op import op

REPOSITORY = Path(__file__).parent.parent
LEFT_OUT = ("course", "cli", "data/vendored", "data/rebuild")


# An editable installation would find in the clone what a copy lacks.
ALONE = """
import sys
sys.meta_path[:] = [x for x in sys.meta_path if "Editable" not in repr(x)]
"""


def python(code: str, root: Path) -> str:
    """Run a program that imports minidl from this folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE + textwrap.dedent(code)],
        cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# Ranks


def ranked(**ranks):
    """Return an op whose bodies give their rank, by the size of x they want."""

    @op
    def f(x):
        return x * 0, (lambda g: g * 0,)

    for name, (rank, smallest) in ranks.items():

        def body(x, rank=rank, smallest=smallest):
            return (x * 0 + rank, (lambda g: g,)) if x.size >= smallest else None

        body.__name__ = name
        f.fast("cpu", rank=rank)(body)
    return f


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("names", [("numpy", "numba"), ("numba", "numpy")])
def test_the_highest_rank_that_accepts_is_taken(names, size):
    bodies = {"numpy": (1, 2), "numba": (2, 3)}
    f = ranked(**{name: bodies[name] for name in names})
    want = {1: 0, 2: 1, 3: 2}[size]
    x = np.ones(size)
    assert f(x)[0] == want
    assert f(md.Tensor(x, requires_grad=True)).data[0] == want


def test_two_bodies_of_one_rank_are_an_error():
    with pytest.raises(ValueError, match="f has a body of rank 2"):
        ranked(one=(2, 0), other=(2, 0))
    f = ranked(one=(2, 0))
    f.fast("cuda", rank=2)(lambda x: None)  # another device is another list


# Deleted


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The package in two folders: as it is, and without `kernels/`."""
    found = {}
    for name, extra in (("whole", ()), ("plain", ("kernels",))):
        found[name] = tmp_path_factory.mktemp(name)

        def unwanted(folder, names, extra=extra):
            here = Path(folder).relative_to(REPOSITORY / "minidl")
            gone = {*LEFT_OUT, *extra, "__pycache__"}
            return [n for n in names if (here / n).as_posix() in gone or n in gone]

        shutil.copytree(REPOSITORY / "minidl", found[name] / "minidl", ignore=unwanted)
    return found


TRAINING = """
    import numpy as np
    import minidl as md
    from minidl import nn, ops, optim
    from minidl.optim.optimizer import FAST

    draw = np.random.default_rng(0)
    x = draw.normal(size=(16, 1, 12, 12)).astype("float32")
    y = draw.integers(0, 10, 16)
    md.seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(100, 32), nn.ReLU(), nn.Dropout(0.2), nn.LayerNorm(32),
        nn.Linear(32, 10),
    )
    opt = optim.Adam(net.parameters(), lr=0.01)
    for step in range(4):
        loss = ops.cross_entropy(net(md.Tensor(x)), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(float(loss))
    for op, shapes in (
        (ops.softmax, [(5, 7)]), (ops.erf, [(5, 7)]), (ops.layer_norm, [(5, 7)]),
        (ops.scaled_dot_product_attention, [(2, 3, 8, 4)] * 3),
        (ops.gru, [(2, 5, 3), None, (3, 12), (4, 12), (12,), (12,)]),
    ):
        xs = [s and md.Tensor(draw.normal(size=s).astype("float32"), True)
              for s in shapes]
        z = op(*xs)
        z = z[0] if isinstance(z, tuple) else z
        (z * z).sum().backward()
        print(float(z.sum()), *(float((x.grad ** 2).sum()) for x in xs if x is not None))
    print(bool(ops.conv2d.fasts), bool(FAST))
"""


def test_without_the_folder_everything_is_computed_by_the_printed_lines(copies):
    said = {name: python(TRAINING, root).split() for name, root in copies.items()}
    assert (said["whole"][-2:], said["plain"][-2:]) == (["True"] * 2, ["False"] * 2)
    whole, plain = (np.array(x[:-2], float) for x in (said["whole"], said["plain"]))
    assert len(whole) > 15
    np.testing.assert_allclose(plain, whole, rtol=2e-4, atol=1e-4)


def test_what_is_deleted_is_none_and_what_is_broken_is_an_error(monkeypatch, tmp_path):
    assert optional("minidl.kernels.nothing") is None
    assert optional("minidl.nothing.at.all") is None
    (tmp_path / "broken.py").write_text("import nowhere_at_all")
    elsewhere = [*kernels.__path__, str(tmp_path)]
    monkeypatch.setattr(kernels, "__path__", elsewhere)
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        optional("minidl.kernels.broken")


def test_another_copy_of_minidl_does_not_lend_what_is_deleted_here(monkeypatch):
    class Editable:  # as the finder of an editable install, which asks no __path__
        @staticmethod
        def find_spec(name, path=None, target=None):
            return spec_from_file_location(name, __file__)

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable])
    assert optional("minidl.kernels.nothing") is None


# Imports in any order


ORDER = """
    import random, sys
    from importlib import import_module
    from pathlib import Path

    sys.modules["cupy"] = None  # as where it is not installed
    names = sorted(
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in Path("minidl").rglob("*.py")
        if path.stem != "__main__"
    )
    names = [n for n in names if "cuda" not in n and n != "minidl.capture.graph"]
    random.Random({seed}).shuffle(names)
    if {seed} == 0:
        names.sort(reverse=True)
    for name in names:
        import_module(name)
    from minidl import ops
    from minidl.optim.optimizer import FAST

    assert not [n for n in sys.modules if n.startswith("minidl.kernels.cuda")]
    print(len(names), *sorted(
        f"{{name}}:{{device}}:{{body.__name__}}"
        for name in dir(ops)
        for device, bodies in getattr(getattr(ops, name), "fasts", {{}}).items()
        for body in bodies
    ), *sorted(f"{{rule.__name__}}:{{device}}" for rule, device in FAST))
"""


def test_imports_in_any_order_register_the_same_and_need_no_file_of_cuda(copies):
    said = [python(ORDER.format(seed=i), copies["whole"]).split() for i in range(3)]
    assert said[0] == said[1] == said[2]
    assert int(said[0][0]) > 150
    assert "AdamW:cpu" in said[0]
    assert [name for name in said[0] if name.startswith("conv2d:cpu:")]
