"""Run every kernel of the package under the address sanitizer: `python -m` this file.

Each array is memory of its own, so that a kernel that reads or writes beside one ends
the process, with a report that names the line of the kernel. The process needs

    LD_PRELOAD        libasan.so of the g++ that compiles the kernels
    LD_LIBRARY_PATH   where NVRTC lies: without its caller's own search path it is lost
    DRYCUDA_ASAN=1    see execute.py

What is run is the table of tests (tests/rows), as far as an op has kernels, forward and
backward in float32; a few larger shapes; and every optimizer. Printed are the kernels
of the package that were not run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests import drycuda

drycuda.install()

import cupy  # noqa: E402

import minidl as md  # noqa: E402
import minidl.kernels  # noqa: E402
from minidl import Tensor, grad, nn, ops, optim  # noqa: E402
from minidl.backend import to_device  # noqa: E402
from tests.rows import all_rows, is_float  # noqa: E402

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(')
RULES = [
    (optim.SGD, {}),
    (optim.Momentum, {}),
    (optim.Adagrad, {}),
    (optim.RMSProp, {"centered": True, "momentum": 0.9}),
    (optim.Adadelta, {}),
    (optim.Adam, {"amsgrad": True}),
    (optim.NAdam, {}),
    (optim.Adamax, {}),
]


def calls() -> Iterator[Call]:
    """Yield what to run: an op, its inputs and settings."""
    for row in all_rows():
        if "cuda" in getattr(row.op, "fasts", ()):
            yield row.op, row.inputs, row.settings
    floats = np.random.default_rng(0).standard_normal
    key = np.array([3, 0], np.uint64)
    yield ops.affine_relu, (floats((1030, 3)), floats((3, 35)), floats(35)), {}
    yield ops.layer_norm, (floats((1030, 3)), floats(3), floats(3)), {}
    yield ops.layer_norm, (floats((2, 700)), floats(700), floats(700)), {}
    yield ops.cross_entropy, (floats((300, 40)), np.arange(300) % 40), {}
    for pool in (ops.max_pool2d, ops.avg_pool2d):
        yield pool, (floats((2, 3, 11, 13)),), {"kernel_size": 3, "padding": 1}
    for settings in ({"stride": 2}, {"padding": 2, "dilation": 2}):
        images, filters = floats((2, 3, 11, 13)), floats((5, 3, 3, 3))
        yield ops.conv2d, (images, filters, floats(5)), settings
    yield ops.dropout, (floats(777), key), {"p": 0.5}
    yield ops.gaussian_noise, (floats(777), key), {"std": 0.5}


def placed(x: Any) -> Any:
    """Return an input on the device: floats as leaves of float32."""
    if is_float(x):
        return Tensor(x.astype(np.float32), requires_grad=True, device="cuda")
    if isinstance(x, (tuple, list)):
        return type(x)(placed(item) for item in x)
    return to_device(x, "cuda") if isinstance(x, np.ndarray) else x


def run(op: Callable[..., Any], inputs: Any, settings: dict[str, Any]) -> None:
    """Run an op forward, and backward from ones."""
    xs = [placed(x) for x in inputs]
    on_device = {name: placed(x) for name, x in settings.items()}
    ys = op(*xs, **on_device)
    ys = [y for y in (ys if isinstance(ys, (tuple, list)) else [ys]) if tracked(y)]
    leaves = [x for x in xs if isinstance(x, Tensor)]
    if ys and leaves:
        grad(ys, leaves, [cupy.ones_like(y.data) for y in ys], allow_unused=True)


def tracked(y: Any) -> bool:
    return isinstance(y, Tensor) and y.requires_grad


def step(rule: Any, settings: dict[str, Any]) -> None:
    """Make two steps with parameters of odd sizes."""
    params = [nn.Parameter(cupy.ones(n, np.float32)) for n in (1, 2049, 3)]
    opt = rule(params, lr=0.1, **settings)
    for _ in range(2):
        for p in params:
            p.grad = cupy.ones_like(p.data)
        opt.step()


def capture() -> None:
    """Capture a training step whose rate changes, and replay it."""
    layer = nn.Linear(3, 2).to("cuda")
    opt = optim.Adam(layer.parameters(), lr=optim.schedules.linear(0.1, 4))

    @md.compile
    def learn(x: Any) -> Any:
        loss = layer(x).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    for _ in range(5):
        learn(Tensor(cupy.ones((5, 3), np.float32)))


def main() -> None:
    """Run everything, and print the kernels that were left out."""
    cupy.cuda.set_allocator(None)  # no pool: the sanitizer sees where each array ends
    for op, inputs, settings in calls():
        run(op, inputs, settings)
    for rule, settings in RULES:
        step(rule, settings)
    capture()
    folder = Path(minidl.kernels.__file__).parent / "cuda"
    named = {
        k for file in folder.glob("*.cu") for k in KERNEL.findall(file.read_text())
    }
    missing = sorted(named - set(drycuda.ledger.kernels))
    print("not run:", *missing or ["none"])
    print("errors:", *drycuda.ledger.errors or ["none"])


if __name__ == "__main__":
    main()
