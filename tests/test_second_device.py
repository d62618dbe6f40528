"""The plain bodies on another library's arrays: JAX's, on its CPU, without a GPU.

Two functions say what an array is: `namespace` and `device_of`. Told of jax.numpy, they
run the table of operations (tests/rows), forward and backward, and jax.jit traces it: a
traced array has no numbers, so whatever would read one back to the host is an error.
CANNOT lists what cannot be run so, each with its reason, and that list is tested too. It
is a proof of the bodies; users have no such device.
"""

import sys

import numpy as np
import pytest

from minidl import grad, ops
from minidl.backend import device_of, namespace
from minidl.engine.backward import Sums
from minidl.engine.op import wrap
from minidl.engine.tensor import Tensor, edge_of, values
from tests.rows import all_rows, float_inputs, has_gradient, is_float

pytestmark = pytest.mark.slow
jax = pytest.importorskip("jax", reason="needs the package jax")


def first_rows():
    """One row for each operation of the table."""
    rows = {}
    for row in all_rows():
        rows.setdefault(row.op.__name__, row)
    return rows


ROWS = first_rows()
WRITES = "its body writes y[i] = …, and JAX's arrays cannot be written to"
WINDOWS = "it goes through unfold or fold, which write y[i] = …"
MAKES = "it makes a Tensor of an array, which is NumPy's or CuPy's"
SORTS = 'JAX has no argsort(kind="stable"), as NumPy and CuPy have'
HOST = "its random bits are drawn on the host, until a device has a kernel for them"
CANNOT = {
    **dict.fromkeys(("unfold", "fold", "pad", "rope"), WRITES),
    "_crop": "its way back is pad",
    "glu": "two parts of one gradient are added into an array of the engine's own",
    **dict.fromkeys(
        ("conv1d", "conv2d", "conv_transpose2d", "max_pool1d", "max_pool2d",
         "avg_pool1d", "avg_pool2d"), WINDOWS,
    ),
    **dict.fromkeys(("detach", "zeros_like", "ones_like"), MAKES),
    **dict.fromkeys(("to", "_to"), "it moves an array to a device of minidl's"),
    **dict.fromkeys(("sort", "argsort", "topk"), SORTS),
    **dict.fromkeys(("dropout", "gaussian_noise"), HOST),
    "there_and_back": "it goes through float128, which JAX has not",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def known():
    """Tell every module of minidl what JAX's arrays are."""
    ours = {
        "namespace": lambda x: jax.numpy if isinstance(x, jax.Array) else namespace(x),
        "device_of": lambda x: "jax" if isinstance(x, jax.Array) else device_of(x),
    }
    plain = {"namespace": namespace, "device_of": device_of}
    modules = [m for n, m in list(sys.modules.items()) if n.startswith("minidl")]
    places = [
        (vars(module), name)
        for module in modules
        for name, function in plain.items()
        if vars(module).get(name) is function
    ]

    def scattered(x, *, index, shape):
        """The fast body of this device, which cannot write y[index] = x."""
        return jax.numpy.zeros(shape, x.dtype).at[index].add(x), lambda g: ops.getitem(
            g, index=index
        )

    total = Sums.total
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    ops.scatter.fast("jax")(scattered)
    # who owns a gradient's memory is no question where none can be written to
    Sums.total = lambda self, x: self.arrived.get(edge_of(x)[0], [None])[edge_of(x)[1]]
    jax.config.update("jax_enable_x64", True)
    for place, name in places:
        place[name] = ours[name]
    yield
    Sums.total = total
    del ops.scatter.fasts["jax"]
    for place, name in places:
        place[name] = plain[name]
    jax.config.update("jax_enable_x64", before)


def both(row, arrays):
    """Return the outputs, and the gradients of the floats along ones."""
    leaves = [wrap(x) for x in arrays]
    for leaf in leaves:
        leaf.requires_grad = True
    given = iter(leaves)
    inputs = [next(given) if is_float(x) else x for x in row.inputs]
    others = [jax.numpy.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
    if not isinstance(arrays[0], jax.Array):
        others = inputs
    ys = row(*others)
    ys = ys if isinstance(ys, (tuple, list)) else (ys,)
    found = [values(y) for y in ys]
    if not has_gradient(row):
        return found
    tracked = [y for y in ys if isinstance(y, Tensor) and y.requires_grad]
    gs = [namespace_of(y)(values(y)) for y in tracked]
    gradients = grad(tracked, leaves, gs, allow_unused=True)
    return found + [g for g in gradients if g is not None]


def namespace_of(y):
    return jax.numpy.ones_like if isinstance(values(y), jax.Array) else np.ones_like


def traced(row):
    """Return what NumPy says, and what JAX says after tracing: nothing was read."""
    floats = [np.asarray(row.inputs[i], np.float64) for i in float_inputs(row)]
    if not floats:
        return [], []
    run = jax.jit(lambda *xs: both(row, xs))
    return both(row, floats), run(*map(jax.numpy.asarray, floats))


@pytest.mark.parametrize("name", [n for n in ROWS if n not in CANNOT])
def test_it_runs_on_jax_and_reads_nothing_back(name):
    for a, b in zip(*traced(ROWS[name]), strict=True):
        np.testing.assert_allclose(np.asarray(b), a, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_is_listed(name):
    with pytest.raises(Exception, match=r"immutable|__array__|kind|attribute|float128"):
        traced(ROWS[name])
