"""Every error that a student can meet, as a few lines that make it.

`docs/errors.py` runs them and writes down what minidl says: docs/errors.md. A test runs
each of them, too: tests/test_errors.py.

    what    the mistake, in a few words         code   the lines that make it
    layer   the layer that the error names; "" where no layer is at work
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any, NamedTuple

import numpy as np

import minidl as md
from minidl import data, nn, ops, optim, train
from minidl.errors import MistakeWarning


class Case(NamedTuple):
    """A mistake, the lines that make it, and the layer that the error names."""

    what: str
    code: str
    layer: str = ""


NET = "net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))\n"
STEP = "x, y = np.ones((6, 4), 'f4'), np.arange(6) % 3\n"
CHAPTERS = {
    "Shapes": [
        Case("another number of features", "net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(10, 3))\nnet(np.ones((2, 4), 'f4'))", "2 (Linear)"),
        Case("images that were not flattened", "nn.Linear(784, 10)(np.ones((8, 1, 28, 28), 'f4'))", "Linear"),
        Case("channels last", "nn.Conv2d(3, 8, 3)(np.ones((2, 32, 32, 3), 'f4'))", "Conv2d"),
        Case("an image smaller than its window", "nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(4))(np.ones((1, 1, 5, 5), 'f4'))", "1 (MaxPool2d)"),
        Case("a norm for vectors, given images", "nn.BatchNorm1d(3)(np.ones((2, 3, 4, 4), 'f4'))", "BatchNorm1d"),
        Case("a norm of another width", "nn.LayerNorm(8)(np.ones((2, 4), 'f4'))", "LayerNorm"),
        Case("a sequence with other features", "nn.LSTM(4, 8)(np.ones((2, 5, 3), 'f4'))", "LSTM"),
        Case("states of another batch", "nn.GRU(4, 8)(np.ones((2, 5, 4), 'f4'), np.ones((1, 3, 8), 'f4'))", "GRU"),
        Case("heads that do not divide the features", "nn.MultiHeadAttention(10, 4)"),
        Case("labels in a column", "ops.cross_entropy(np.zeros((2, 3)), np.array([[0], [1]]))"),
        Case("labels one-hot, as integers", "ops.cross_entropy(np.zeros((2, 3)), np.array([[1, 0, 0], [0, 1, 0]]))"),
        Case("fewer labels than scores", "ops.cross_entropy(np.zeros((3, 3)), [0, 1])"),
        Case("predictions (N, 1), targets (N,)", "ops.mse_loss(np.zeros((3, 1)), np.zeros(3))"),
        Case("a product that does not fit", "md.Tensor(np.ones((2, 3))) @ md.Tensor(np.ones((2, 3)))"),
        Case("a sum that does not stretch", "md.Tensor(np.ones((2, 3))) + md.Tensor(np.ones(2))"),
        Case("a reshape to another size", "md.Tensor(np.ones((2, 3))).reshape((4, 2))"),
        Case("joining what differs", "ops.concatenate([np.ones((2, 3)), np.ones((2, 4))], axis=0)"),
        Case("rows of several lengths", "md.Tensor([[1, 2], [3]])"),
        Case("a gradient of another shape", "p = nn.Parameter(np.ones(3)); p.grad = np.ones(2)\noptim.SGD([p], 0.1).step()"),
    ],
    "Kinds of numbers": [
        Case("float64, which NumPy makes by default", NET + "net(np.ones((2, 4)))", "0 (Linear)"),
        Case("labels as floats", "ops.cross_entropy(np.zeros((2, 3), 'f4'), np.array([0.0, 1.0]))"),
        Case("words as labels", "ops.cross_entropy(np.zeros((2, 3)), ['cat', 'dog'])"),
        Case("a gradient for integers", "md.Tensor(np.arange(3), requires_grad=True)"),
        Case("floats as tokens", "nn.Embedding(10, 4)(np.ones((2, 3), 'f4'))", "Embedding"),
        Case("complex numbers", "ops.multiply(np.ones(2), np.ones(2) * 1j)"),
        Case("a masked array that hides something", "md.Tensor(np.ma.masked_equal([1, 2], 2))"),
    ],
    "Ranges": [
        Case("a label as large as the number of classes", "ops.cross_entropy(np.zeros((2, 3)), [0, 3])"),
        Case("a token beyond the table", "nn.Embedding(10, 4)(np.array([[3, 10]]))", "Embedding"),
        Case("probabilities that are none", "ops.binary_cross_entropy(np.array([0.5, 1.5]), np.array([0.0, 1.0]))"),
        Case("a target that is not yes or no", "ops.binary_cross_entropy_with_logits(np.zeros(2), np.array([0.0, 2.0]))"),
        Case("a negative learning rate", "optim.SGD([nn.Parameter(np.ones(3))], lr=-0.1)"),
        Case("dropping more than all", "nn.Dropout(1.5)"),
        Case("an empty batch", "ops.mse_loss(np.zeros((0, 3)), np.zeros((0, 3)))"),
        Case("an index beyond the end", "md.Tensor(np.ones(3))[5]"),
    ],
    "Devices": [
        Case("a GPU where there is none", "import sys; sys.modules['cupy'] = None\nmd.Tensor([1.0]).to('cuda')"),
        Case("a device of another name", "md.Tensor([1.0]).to('gpu')"),
    ],
    "Modes": [
        Case("batch norm of a single example, in training", "nn.BatchNorm1d(3)(np.ones((1, 3), 'f4'))", "BatchNorm1d"),
        Case("judged in training mode (a warning of `md.debug()`)", "net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))\nwith md.debug(), md.no_grad():\n    net(np.ones((2, 4), 'f4'))"),
    ],
    "Gradients": [
        Case("backward twice", "x = md.Tensor([1.0], requires_grad=True)\ny = (x * x).sum(); y.backward(); y.backward()"),
        Case("`md.grad` twice", "x = md.Tensor([1.0], requires_grad=True)\ny = (x * x).sum(); md.grad(y, x); md.grad(y, x)"),
        Case("backward of many numbers", "(md.Tensor([1.0, 2.0], requires_grad=True) * 2).backward()"),
        Case("backward of what nothing was recorded for", "with md.no_grad():\n    y = (md.Tensor([1.0], requires_grad=True) * 2).sum()\ny.backward()"),
        Case("a gradient of what was not used", "x, w = (md.Tensor([1.0], requires_grad=True) for _ in 'xw')\nmd.grad((x * x).sum(), w)"),
        Case("writing into what is tracked", "x = md.Tensor([1.0, 2.0], requires_grad=True)\nx[0] = 5.0"),
        Case("changing a leaf in place", "x = md.Tensor([1.0, 2.0], requires_grad=True)\nx += 1"),
        Case("overwritten before backward", "x = md.Tensor([1.0], requires_grad=True); y = x * x\nwith md.no_grad():\n    x += 1\ny.backward()"),
        Case("a NumPy function of a tracked Tensor", "np.exp(md.Tensor([1.0], requires_grad=True)).sum()\nnp.linalg.norm(md.Tensor([1.0], requires_grad=True))"),
        Case("`.numpy()` of a tracked Tensor", "md.Tensor([1.0], requires_grad=True).numpy()"),
        Case("many numbers as a condition", "if md.Tensor([1.0, 2.0]):\n    pass"),
        Case("an `@op` without a way back", "@md.op\ndef double(x):\n    return 2 * x\ndouble(md.Tensor([1.0]))"),
        Case("a forgotten `.sum(axis=0)` in an `@op`", "@md.op\ndef shift(x, b):\n    return x + b, (lambda g: g, lambda g: g)\nshift(md.Tensor(np.ones((2, 3))), md.Tensor(np.ones(3), requires_grad=True)).sum().backward()"),
        Case("NaN out of finite numbers (an error of `md.debug()`)", "with md.debug():\n    md.Tensor([1.0, 0.0], requires_grad=True).log()"),
    ],
    "Training": [
        Case("no parameters", "optim.SGD([], lr=0.1)"),
        Case("an iterator of parameters that was used up", NET + "ps = (p for p in net.parameters()); n = sum(p.size for p in ps)\noptim.SGD(ps, lr=0.1)"),
        Case("the model in place of its parameters", NET + "optim.SGD(net, lr=0.1)"),
        Case("parentheses forgotten", NET + "optim.SGD(net.parameters, lr=0.1)"),
        Case("a parameter that was computed", "optim.SGD([nn.Parameter(np.ones(3)) * 2], lr=0.1)"),
        Case("`zero_grad` forgotten (a warning of `md.debug()`)", NET + STEP + "sgd = optim.SGD(net.parameters(), lr=0.1)\nwith md.debug():\n    for _ in range(2):\n        ops.cross_entropy(net(x), y).backward(); sgd.step()"),
        Case("a step without backward (a warning of `md.debug()`)", NET + "with md.debug():\n    optim.SGD(net.parameters(), lr=0.1).step()"),
        Case("a parameter that never gets a gradient (a warning of `md.debug()`)", NET + STEP + "sgd = optim.SGD(net.named_parameters(), lr=0.1)\nwith md.debug():\n    net[0](x).sum().backward(); sgd.step()"),
        Case("softmax twice (a warning of the Trainer, of loss layers and `md.debug()`)", STEP + "net = nn.Sequential(nn.Linear(4, 3), nn.Softmax())\nsgd = optim.SGD(net.parameters(), lr=0.1)\ntrain.Trainer(net, sgd, ops.cross_entropy, progress=False).fit([(x, y)])"),
        Case("sigmoid twice (likewise)", "p = ops.sigmoid(np.random.default_rng(0).standard_normal(20))\nnn.BCEWithLogitsLoss()(p, np.zeros(20))"),
        Case("a loss that is no number", NET + STEP + "loss = lambda s, y: ops.cross_entropy(s, y, reduction='none')\ntrain.Trainer(net, optim.SGD(net.parameters(), lr=0.1), loss, progress=False).fit([(x, y)])"),
        Case("batches from an iterator that was used up", NET + STEP + "once = iter([(x, y)])\ntrain.Trainer(net, optim.SGD(net.parameters(), lr=0.1), ops.cross_entropy, progress=False).fit(once, epochs=2)"),
        Case("a loss that becomes NaN", NET + STEP + "sgd = optim.SGD(net.parameters(), lr=1e30)\ntrain.Trainer(net, sgd, ops.cross_entropy, progress=False).fit([(x, y)] * 5)"),
        Case("weights of another net", NET + "net.load_state_dict(nn.Linear(4, 8).state_dict())"),
    ],
}  # fmt: skip
CASES = [case for cases in CHAPTERS.values() for case in cases]


def said(case: Case) -> str:
    """Run the lines of a case; return the error or the warning, as one line."""
    names: dict[str, Any] = {
        "np": np, "md": md, "nn": nn, "ops": ops, "optim": optim, "train": train, "data": data,
    }  # fmt: skip
    md.seed(0)
    import sys

    cupy = sys.modules.get("cupy")
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("error", MistakeWarning)
            exec(compile(case.code, "<your program>", "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    finally:
        if cupy is None:
            sys.modules.pop("cupy", None)
        else:
            sys.modules["cupy"] = cupy
    return "nothing"
