"""Captured steps: what goes wrong in them, and what cannot be one.

The step then runs as it is written, as if nobody had tried; one warning says why.
"""

from __future__ import annotations

import contextlib
import sys
import warnings

import numpy as np
import pytest

import minidl as md
from minidl import ops, optim
from minidl.backend import to_device, to_numpy
from minidl.errors import ShapeError
from tests.steps import Run, assert_equal, batches, mlp, same_products


def test_an_error_in_the_step_is_its_own(device):
    run = Run(mlp, device, True, lr=0.01)
    wrong = [md.Tensor(to_device(np.ones((8, 21), "float32"), device))]
    good = list(batches(device, (8, 20), 4))
    run.step(*good[0])
    for _ in range(2):
        with pytest.raises(ShapeError, match="21"):
            run.step(*wrong, good[0][1])
    run.over(good[1:])
    assert run.opt.t == 4
    assert run.step.captured.reason == ""


def test_an_error_inside_the_capture_leaves_no_trace(device):
    """It comes after the optimizer's step was captured, and counted."""

    class Breaks(Run):
        calls, bad = 0, ()

        def learn(self, x, y):
            loss = super().learn(x, y)
            self.calls += 1
            if self.calls in self.bad:
                raise RuntimeError("out of coffee")
            return loss

    data = list(batches(device, (8, 20), 6))
    run, plain = Breaks(mlp, device, True, lr=0.01), Run(mlp, device, False, lr=0.01)
    run.bad = (2, 3)  # the second call: in its capture, and as it is written
    run.step(*data[0])
    with pytest.raises(RuntimeError, match="coffee"):
        run.step(*data[1])
    if device == "cpu":
        with pytest.raises(RuntimeError, match="coffee"):
            run.step(*data[1])
    steps = [*data[:2], *([data[1]] if device == "cpu" else []), *data[2:]]
    run.over(data[2:])
    plain.over(steps)
    assert_equal(run, plain)
    assert run.step.captured.reason == ""


def test_a_failed_capture_leaves_the_gradients_on_cuda(device):
    """What backward wrote there was never computed; here nobody forgets it first."""

    class Sums(Run):
        def learn(self, x, y):
            loss = ops.cross_entropy(self.net(x), y)
            loss.backward()
            return float(loss.data)

    run, plain = (Sums(mlp, device, compiled) for compiled in (True, False))
    data = list(batches(device, (8, 20), 4))
    told = [] if device == "cpu" else [pytest.warns(RuntimeWarning, match="D2H")]
    for one, ways in ((plain, []), (run, told)):
        with same_products(device):
            one.step(*data[0])
            one.net.zero_grad()
            with contextlib.ExitStack() as stack:
                for way in ways:
                    stack.enter_context(way)
                one.step(*data[1])
            one.step(*data[2])
    pairs = zip(run.net.parameters(), plain.net.parameters(), strict=True)
    for p, q in pairs:
        np.testing.assert_array_equal(to_numpy(p.grad), to_numpy(q.grad))


REASONS = {
    "reads a number": (lambda self, loss: float(loss.data), "D2H"),
    "returns a number": (lambda self, loss: 3, "number of Python"),
    "waits": (lambda self, loss: to_numpy(loss.data), "D2H"),
    "sends": (lambda self, loss: to_device(np.ones(3), "cuda"), "H2D"),
    "branches on the rate": (lambda self, loss: None, "branch"),
    "steps now and then": (lambda self, loss: self.swa.update(), "SWA"),
}


class Branches(optim.SGD):
    def update(self, p, g, lr, t):
        if t < 9:
            p -= lr * g


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_captured_runs_as_written_on_cuda(name, device):
    if device == "cpu":
        pytest.skip("on a CPU nothing is captured")
    what, words = REASONS[name]

    class Odd(Run):
        def learn(self, x, y):
            return what(self, super().learn(x, y))

    rule = Branches if name == "branches on the rate" else optim.Adam
    run, plain = (Odd(mlp, device, on, rule, lr=0.01) for on in (True, False))
    for one in (run, plain):
        one.swa = optim.SWA(one.net.parameters())
    data = list(batches(device, (8, 20), 5))
    with same_products(device):
        for batch in data:
            plain.step(*batch)
        run.step(*data[0])
        with pytest.warns(RuntimeWarning, match=f"without a CUDA graph(.|\n)*{words}"):
            run.step(*data[1])
        for batch in data[2:]:  # and no further warning
            run.step(*batch)
    assert_equal(run, plain)
    assert words in run.step.captured.reason


def test_inputs_on_the_host_are_told_on_cuda(device):
    if device == "cpu":
        pytest.skip("there it is where they belong")
    step = md.compile(lambda x, y: x * 2)
    x, y = md.Tensor(to_device(np.ones(3, "float32"), device)), np.ones(3)
    with pytest.warns(RuntimeWarning, match="on the host"):
        step(x, y)
    step(x, y)


def test_without_the_kernels_it_says_so_on_cuda(device, monkeypatch):
    """The folder may be deleted; captures are made with what is in there."""
    if device == "cpu":
        pytest.skip("there nothing is missing")
    monkeypatch.setitem(sys.modules, "minidl.kernels.cuda.blas", None)
    step = md.compile(lambda x: x * 2)
    x = md.Tensor(to_device(np.ones(3, "float32"), device))
    with pytest.warns(RuntimeWarning, match="needs minidl/kernels/cuda"):
        assert to_numpy(step(x)).tolist() == [2, 2, 2]
    step(x)  # once


def test_ever_new_shapes_come_to_an_end(device):
    step = md.compile(lambda x: x * 2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for n in range(1, 40):
            for _ in range(2):
                y = step(md.Tensor(to_device(np.ones(n, "float32"), device)))
                assert y.shape == (n,)
    assert len(told) == (device == "cuda")


def test_on_a_cpu_it_is_the_function():
    def step(x, *, k=2):
        """Multiply."""
        return x * k

    same = md.compile(step)
    x = md.Tensor([1.0, 2.0], requires_grad=True)
    y = same(x, k=3)
    y.sum().backward()  # the graph is the step's own
    assert x.grad.tolist() == [3, 3]
    assert (same.__name__, same.__doc__) == ("step", "Multiply.")
    assert same.captured.graphs == {}
