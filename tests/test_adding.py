"""What CONTRIBUTING.md says of adding things, done in a copy of the repository.

An activation with its layer, an optimizer, a flag on a layer: each touches at most four
files, and `pytest -m quick` judges it. A step that is left out is noticed by it, too.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_conventions import ROOT, own_files

pytestmark = pytest.mark.slow
AFTER, BEFORE = "after", "before"
Edit = tuple[str, str, str, str]  # file, after or before, what stands there, what comes

LISTED = r"__all__ = \["

ACTIVATION: dict[str, Edit] = {
    "body": ("minidl/ops/activation.py", BEFORE, "# Softmax: ", '''@op(linear=True)
def hard_tanh(x, *, limit=1.0):
    """x, but no less than −c and no more than c = limit.    Collobert 2004."""
    y = namespace(x).clip(x, -limit, limit)
    return y, lambda g: where(x == y, g, 0.0)


'''),
    "name": ("minidl/ops/activation.py", AFTER, LISTED, '"hard_tanh", '),
    "layer": ("minidl/nn/activation.py", BEFORE, "class Maxout", '''class HardTanh(UnaryLayer, op=ops.hard_tanh):
    """x, but no less than −c and no more than c."""

    limit: float = 1.0


'''),
    "layer's name": ("minidl/nn/activation.py", AFTER, LISTED, '"HardTanh", '),
    "row": ("tests/rows/activation.py", AFTER, r"ROWS = \[\n",
            '    Row(ops.hard_tanh, (off_zero(3, 4),), lambda x: np.clip(x, -1, 1)),\n'),
    "layer's row": ("tests/rows/activation.py", AFTER, r"LAYERS = \[\n",
                    '    LayerRow(nn.HardTanh, ops.hard_tanh, (X,), {"limit": 0.4}),\n'),
}  # fmt: skip
OPTIMIZER: dict[str, Edit] = {
    "rule": ("minidl/optim/sgd.py", BEFORE, "class Momentum", '''class SignSGD(Optimizer):
    """θ ← θ − η sign(g).    Bernstein et al. 2018, algorithm 1."""

    def update(self, p: Array, g: Array, lr: Any, t: Any) -> None:
        """Step by the same length along every axis."""
        p -= lr * (1.0 * (g > 0) - 1.0 * (g < 0)).astype(p.dtype)


'''),
    "import": ("minidl/optim/__init__.py", AFTER, "from minidl.optim.sgd import ", "SignSGD, "),
    "name": ("minidl/optim/__init__.py", AFTER, LISTED, '\n    "SignSGD",'),
    "resumed": ("tests/test_optim_state.py", AFTER, r"RULES = \{\n", '    "SignSGD": {},\n'),
    "oracle": ("tests/test_optim_torch.py", AFTER, r"without = \{", "optim.SignSGD, "),
}  # fmt: skip
FLAG: dict[str, Edit] = {
    "op": ("minidl/ops/pool.py", AFTER, r"def global_avg_pool2d\(x: TensorLike", ", keepdims: bool = False"),
    "sum": ("minidl/ops/pool.py", AFTER, r"return sum\(x, axis=\(2, 3\)", ", keepdims=keepdims"),
    "layer": ("minidl/nn/pool.py", BEFORE, "\n\nclass Upsample", "\n    keepdims: bool = False\n"),
    "row": ("tests/rows/conv.py", AFTER, r"LayerRow\(nn.GlobalAvgPool2d, ops.global_avg_pool2d, \(IMAGES,\)",
            ', {"keepdims": True}'),
}  # fmt: skip
ALL = {"activation": ACTIVATION, "optimizer": OPTIMIZER, "flag": FLAG}
# the quick tests of what is added, and of the source as a whole
CONCERNED = """tanh or SignSGD or avg_pool or AvgPool or every or test_conventions or
test_names or test_docs or test_levels or test_optim_state""".replace("\n", " ")


def copied(to: Path) -> Path:
    for name in own_files():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, to / name)
    return to


def apply(folder: Path, edits: dict[str, Edit]) -> None:
    for name, where, pattern, text in edits.values():
        path = folder / name
        source = path.read_text(encoding="utf-8")
        found = re.search(pattern, source)
        assert found, f"{name} has no {pattern!r}"
        at = found.end() if where == AFTER else found.start()
        path.write_text(source[:at] + text + source[at:], encoding="utf-8")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True
    )


def test_each_change_touches_at_most_four_files():
    files = {what: {name for name, *_ in edits.values()} for what, edits in ALL.items()}
    files["activation"].add("docs/operations.md")  # python docs/operations.py writes it
    assert {what: len(names) for what, names in files.items()} == {
        "activation": 4, "optimizer": 4, "flag": 3,
    }  # fmt: skip


def test_all_three_pass_the_quick_tests(tmp_path):
    folder = copied(tmp_path)
    for edits in ALL.values():
        apply(folder, edits)
    assert run(folder, "docs/operations.py").returncode == 0
    command = ["-m", "pytest", "-q", "-m", "quick", "-p", "no:cacheprovider"]
    done = run(folder, *command, "-k", CONCERNED)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    ("what", "left_out", "test"),
    [("activation", "row", "test_every_op_has_a_row"),
     ("activation", "layer's row", "test_every_layer_has_a_test"),
     ("optimizer", "resumed", "test_every_optimizer_is_saved_and_resumed"),
     ("optimizer", "oracle", "test_every_optimizer_has_six_settings")],
)  # fmt: skip
def test_a_step_that_is_left_out_is_noticed(tmp_path, what, left_out, test):
    folder = copied(tmp_path)
    apply(folder, {step: e for step, e in ALL[what].items() if step != left_out})
    files = ["tests/test_names.py", "tests/test_ops.py", "tests/test_optim_torch.py"]
    done = run(folder, "-m", "pytest", "-q", "-m", "quick", "-k", test, *files)
    assert done.returncode == 1, done.stdout[-3000:]
    assert f"{test} - " in done.stdout


def test_a_public_name_without_a_docstring_is_noticed(tmp_path):
    folder = copied(tmp_path)
    apply(folder, ACTIVATION)
    path = folder / "minidl/nn/activation.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(
        source.replace('    """x, but no less than −c and no more than c."""\n', "")
    )
    done = run(folder, "-m", "pytest", "-q", "-m", "quick", "tests/test_names.py")
    assert "nn.HardTanh" in done.stdout
