"""md.to_onnx: what onnxruntime computes from the file is what the model computes.

For every layer of nn and every net of models (tests/every_layer.py). The file is
written for one batch and run with another, larger one.
"""

import numpy as np
import pytest

import minidl as md
from minidl import nn, ops
from minidl.errors import GraphError, RangeError
from tests.every_layer import LAYERS, NETS, f

onnx = pytest.importorskip("onnx", reason='needs the package onnx: "minidl[onnx]"')
runtime = pytest.importorskip(
    "onnxruntime", reason='needs the package onnxruntime: "minidl[onnx]"'
)


def larger(x):
    """The batch again and two more, in another order and of other values."""
    x = np.concatenate([x, x[:1], x[-1:]])[::-1].copy()
    return x * np.float32(0.8) if x.dtype == np.float32 and (x <= 0).any() else x


def outputs(y):
    if isinstance(y, (tuple, list)):
        return [each for part in y for each in outputs(part)]
    return [np.asarray(y.data)]


def ran(path, inputs):
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {f"input{i}": x for i, x in enumerate(inputs)})


def same(model, path, inputs):
    model.eval()
    with md.no_grad():
        ours = outputs(model(*(md.Tensor(x) for x in inputs)))
    theirs = ran(path, inputs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5, strict=True)


ROWS = LAYERS + NETS


@pytest.mark.parametrize("row", ROWS, ids=[f"{k}-{r[0]}" for k, r in enumerate(ROWS)])
def test_the_file_computes_the_same(row, tmp_path):
    _, make, inputs = row
    model, path = make(), tmp_path / "net.onnx"
    for buffer in (t for n, t in model.named_state() if "running" in n):
        buffer.data += np.abs(f(*buffer.shape))
    axes = [0] * len(inputs)
    md.to_onnx(model, tuple(inputs), path, batch=axes)
    same(model, path, inputs)
    same(model, path, [larger(x) for x in inputs])


# What cannot be written says so


class Peek(nn.Module):
    """Computes with NumPy what should be in the graph."""

    def forward(self, x):
        return x * np.maximum(x.data, 0)


KEY = np.array([0, 0], np.uint64)


class Branches(nn.Module):
    def forward(self, x):
        return x.exp() if x.data[0, 0] > 0 else -x


def test_what_the_graph_cannot_know_is_an_error(tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(GraphError, match=r"multiply was given.*md\.ops"):
        md.to_onnx(Peek(), f(3, 4), path)
    x = np.array([[1.0, -1.0]], np.float32)
    with pytest.raises(GraphError, match="other operations"):
        md.to_onnx(Branches(), x, path)
    with pytest.raises(GraphError, match=r"'gaussian_noise' has no ONNX.*rows\.py"):
        md.to_onnx(lambda x: ops.gaussian_noise(x, KEY), f(3, 4), path)
    with pytest.raises(GraphError, match="batch=None"):
        md.to_onnx(lambda x: ops.stack(list(x)), f(3, 4), path)
    with pytest.raises(RangeError, match="names 1 axes"):
        md.to_onnx(nn.DotAttention(), (f(3, 2, 4), f(3, 5, 4)), path, batch=[0])
    with pytest.raises(RangeError, match="axis 2"):
        md.to_onnx(nn.ReLU(), f(3, 4), path, batch=2)
    assert not path.exists()


def test_a_fixed_batch_and_an_example_of_zeros(tmp_path):
    path, x = tmp_path / "net.onnx", np.zeros((2, 4), np.float32)
    md.to_onnx(lambda x: ops.stack(list(x)), x, path, batch=None)
    np.testing.assert_array_equal(ran(path, [x + 1])[0], x + 1)
    with pytest.raises(GraphError):
        md.to_onnx(Peek(), x, path)


# Operations that no layer above uses

OPS = {
    "square": lambda x: x.square(), "rsqrt": lambda x: ops.rsqrt(x * x + 1),
    "expm1": ops.expm1, "log1p": lambda x: ops.log1p(x * x), "sign": ops.sign,
    "clip": lambda x: x.clip(low=0.1), "pad": lambda x: ops.pad(x, ((0, 0), (1, 2)), 3.0),
    "edge": lambda x: ops.pad(x, ((0, 0), (1, 2)), mode="replicate"),
    "tril": ops.tril, "triu": lambda x: ops.triu(x, k=1), "flip": lambda x: ops.flip(x, 1),
    "roll": lambda x: ops.roll(x, 1, axis=1), "tile": lambda x: ops.tile(x, (2, 1, 2)),
    "repeat": lambda x: ops.repeat(x, 2, axis=1), "split": lambda x: ops.split(x, 2, 1),
    "unstack": lambda x: ops.unstack(x, axis=1), "std": lambda x: x.std(axis=1, ddof=1),
    "var": lambda x: x.var(axis=1), "prod": lambda x: x.prod(axis=1),
    "norm": lambda x: x.norm(axis=1), "max": lambda x: x.max(axis=1, keepdims=True),
    "min": lambda x: x.min(axis=-1), "cumsum": lambda x: x.cumsum(axis=1),
    "sort": lambda x: ops.sort(x, axis=1), "mean": lambda x: x.mean(),
    "take": lambda x: ops.take(x, [2, 0], axis=1), "cut": lambda x: x[:, 1:4:2, None],
    "last": lambda x: x[:, -1], "back": lambda x: x[:, ::-1], "one": lambda x: x[..., 0],
    "chosen": lambda x: x[:, np.array([3, 1])], "einsum": lambda x: ops.einsum("ni,nj->nij", x, x),
    "fill": lambda x: ops.masked_fill(x, np.eye(4, dtype=bool)[:1], value=9.0),
    "reshape": lambda x: x.reshape(-1, 2), "stretch": lambda x: ops.broadcast_to(x[:, None], (len(x), 3, 4)),
    "along": lambda x: ops.take_along_axis(x, np.array([[1, 0]]), axis=1),
    "normalize": ops.normalize, "astype": lambda x: x.astype("float64"),
    "maximum": lambda x: ops.maximum(x, 0.5), "power": lambda x: (x * x + 1) ** 1.5,
    "zeros": lambda x: x + ops.zeros((len(x), 4)), "logsumexp": lambda x: x.logsumexp(axis=1),
    "outer": lambda x: ops.outer(x[:, 0], np.arange(3.0, dtype="f")),
}  # fmt: skip


@pytest.mark.parametrize("name", OPS)
def test_an_operation(name, tmp_path):
    path, x = tmp_path / "net.onnx", f(3, 4)
    net = nn.Sequential(OPS[name])
    md.to_onnx(net, x, path)
    same(net, path, [x])
    same(net, path, [larger(x)])


def test_every_row_of_the_table_is_an_operation():
    from minidl.interchange import onnx as home

    private = {"_concatenate", "_stack", "_repeat", "_einsum", "_astype", "_length"}
    names = {n for n in home.TABLE if not n.startswith("numpy.")} - private
    assert {n for n in names if not hasattr(getattr(ops, n, None), "body")} == set()
