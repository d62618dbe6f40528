"""The path "from nothing": its reference passes, and wrong engines stop where they should."""

import importlib.util
import re
from pathlib import Path

import pytest

from minidl_course.command import main
from minidl_course.errors import CourseError
from minidl_course.path import STAGES, walk

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "assignments" / "path"
TINY = (FOLDER / "tiny.py").read_text(encoding="utf-8")

spec = importlib.util.spec_from_file_location("path_stages", FOLDER / "stages.py")
stages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stages)

RECURSIVE = """
def ordered(last):
    order, seen = [], set()
    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)
    visit(last)
    return order


# Stage 3: broadcasting
"""

# stage, a piece of tiny.py, what stands there instead, words of the sentence
WRONG = [
    (1, "self.grad = np.zeros_like(self.data)\n        self.parents", "self.grad = None\n        self.parents", "Tensor(x).grad is None, not an array"),
    (1, "__radd__, __rmul__ = __add__, __mul__", "__radd__ = __add__", "TypeError: unsupported operand"),
    (1, "self.data + other.data", "self.data - other.data", "(a + b).data is"),
    (1, "Tensor(a * b,", "Tensor(np.multiply(a, b, out=a),", "(a + 2).data is"),
    (2, "(g * b, g * a)", "(g * a, g * b)", "x * y: .grad of x is"),
    (2, "node.grad = node.grad + g", "node.grad = g", "after two backward() is 6, not 12"),
    (2, "stack.append((node, True))", "order.insert(0, node)", "x * y + x: .grad of x is"),
    (2, "# Stage 3: broadcasting\n", RECURSIVE, "ends in a RecursionError"),
    (3, "part = unbroadcast(part, parent.data.shape)", "pass", ".grad of y has shape (4, 3), not (3,)"),
    (3, "axis=ones, keepdims=True", "axis=ones", ".grad of x has shape (4, 4), not (4, 1)"),
    (3, "g.sum(axis=ones", "g.mean(axis=ones", "sum the gradient over each axis"),
    (4, "(g * d / n,)", "(g * d,)", "a mean over the rows"),
    (4, "scores.data - scores.data.max(axis=1, keepdims=True)", "scores.data", "is inf, not 1000"),
    (4, "(g * positive,)", "(g,)", "relu(x): .grad of x"),
    (4, "-g * a / b**2", "g * a / b**2", "x / y: .grad of y"),
    (4, "def __rsub__", "def rsub", "unsupported operand"),
    (5, "np.sqrt(2 / n_in)", "np.sqrt(1 / n_in)", "deviates by 0.05"),
    (5, "x @ self.w + self.b", "x @ self.w", "the output of two layers"),
    (5, "elif isinstance(value, Module)", "elif value is None", "parameters() is []"),
    (5, "default_rng(seed)\n        self.w", "default_rng(0)\n        self.w", "equal for seeds 5 and 6"),
    (6, "+ p.grad\n", "+ (1 - self.momentum) * p.grad\n", "w after step 1 (momentum 0.9)"),
    (6, "- self.lr * self.v[i]", "+ self.lr * self.v[i]", "w after step 1 (momentum 0.0)"),
    (6, "p.grad = np.zeros_like(p.data)", "pass", "w.grad after zero_grad()"),
    (7, "            optimizer.zero_grad()\n", "", "the gradient at a step"),
    (7, "y[chosen])\n", "y[start : start + len(chosen)])\n", "labels of the same rows"),
    (7, "range(0, len(x), batch)", "range(0, len(x) - batch, batch)", "the last one may be smaller"),
    (7, "rng.permutation(len(x))", "np.arange(len(x))", "not a new one"),
    (7, "* len(chosen)\n", "* batch\n", "weigh the loss of a batch by its rows"),
    (7, "            optimizer.step()\n", "", "there were 0 steps, not 10"),
    (8, "Path(path).write_bytes", "Path(f'{path}.npz').write_bytes", "wrote no file w.bin"),
    (8, "!= content[:32]", "is None", "is loaded, not refused"),
    (8, "{name: p.data for", "{name: p.data.astype(np.float32) for", "to the bit"),
    (8, "if came != fits", "if not fits", "a file of another model is loaded"),
    (8, "    if came != fits", "    for name, p in parameters.items():\n        p.data = arrays[name]\n    if came != fits", "was filled, not left as it was"),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "old", "new", "words"), WRONG)
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
    found = [stage for stage, *_ in WRONG]
    assert all(found.count(stage) >= 2 for stage in range(1, 9))


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
