"""Trainer(compile=True): the same run, of captured steps on a GPU, bit for bit."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from minidl import backend, optim
from minidl.data import DataLoader
from minidl.errors import NonFiniteError
from minidl.optim import schedules
from minidl.train import GradientAccumulation, GradientClip, PlateauLR, WeightAverage
from tests.runs import TRAIN, VALIDATION, Script, net, trainer
from tests.steps import same_products


def batches(device, size=10):
    return DataLoader(TRAIN, size, device=device, shuffle=True, seed=0)


def pair(device, callbacks=lambda model: [], lr=0.01, epochs=3, **settings):
    """Return a run that is compiled and one that is not, both over."""
    runs = []
    for compiled in (True, False):
        model = net(norm=True, drop=0.3)
        run = trainer(
            model, callbacks(model), lr=lr, device=device, compile=compiled, **settings
        )
        products = contextlib.nullcontext() if compiled else same_products(device)
        with products:
            run.fit(batches(device), VALIDATION, epochs=epochs)
        runs.append(run)
    return runs


def assert_same_run(one, two):
    for name in ("loss", "lr", "step", "samples"):
        assert one.history.steps[name] == two.history.steps[name]
    a, b = one.model.state_dict(), two.model.state_dict()
    for name, x in a.items():
        np.testing.assert_array_equal(backend.to_numpy(x), backend.to_numpy(b[name]))
    assert one.optimizer.t == two.optimizer.t


def captures(run):
    learn = run.captured.learn
    assert learn.reason == ""
    return sum(map(len, learn.graphs.values()))


def test_it_is_the_same_run(device):
    one, two = pair(device, lr=schedules.cosine(0.02, 18))
    assert_same_run(one, two)
    assert two.captured is None
    assert captures(one) == (device == "cuda")


CALLBACKS = {
    "clip": lambda model: [GradientClip(max_value=0.05)],
    "accumulate": lambda model: [GradientAccumulation(2)],
    "average": lambda model: [WeightAverage(optim.EMA(model.parameters(), 0.8))],
    "plateau": lambda model: [Script([1.0] * 9), PlateauLR(patience=1, factor=0.5)],
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_have_their_say(name, device):
    one, two = pair(device, CALLBACKS[name])
    assert_same_run(one, two)
    assert captures(one) <= 3 * (device == "cuda")


def test_a_last_batch_that_is_smaller_has_a_graph_of_its_own(device):
    runs = []
    for compiled in (True, False):
        run = trainer(net(), device=device, compile=compiled)
        plain = contextlib.nullcontext() if compiled else same_products(device)
        with plain:
            run.fit(DataLoader(TRAIN, 25, device=device), epochs=3)
        runs.append(run)
    assert_same_run(*runs)
    assert captures(runs[0]) == 2 * (device == "cuda")


def test_a_nan_is_found_and_undone(device):
    data = list(DataLoader(TRAIN, 10, device=device))
    data[4][0].data[3, 1] = float("nan")
    run = trainer(device=device, check_every=2, compile=True)
    with pytest.raises(NonFiniteError, match=r"step 5 (.*\n)*.*input 0 of the batch"):
        run.fit(data)
    state = run.model.state_dict()
    assert all(np.isfinite(backend.to_numpy(x)).all() for x in state.values())
    data[4][0].data[3, 1] = 0
    for batch in data[:3]:  # it goes on, with what was brought back
        run.step(batch)
    assert all(map(np.isfinite, run.history.read()))
    assert captures(run) >= (device == "cuda")


def test_steps_make_no_copy_and_no_wait_on_cuda(device, meter):
    run = trainer(device=device, check_every=0, compile=True)
    data = list(DataLoader(TRAIN, 10, device=device))
    run.fit(data)
    with meter() as spent:
        run.step(data[0])
    assert (spent.h2d, spent.d2h, spent.syncs) == (0, 0, 0), spent
    assert spent.launches <= 4, (
        spent
    )  # the batch in, the rate, copies of what comes out
