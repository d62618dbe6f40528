"""The loop on every device: nothing is copied or waited for within the steps."""

import numpy as np
import pytest

from minidl import backend, optim
from minidl.data import DataLoader
from minidl.errors import NonFiniteError
from minidl.train import (
    EarlyStopping,
    GradientAccumulation,
    GradientClip,
    WeightAverage,
)
from tests.runs import TRAIN, VALIDATION, net, trainer


def batches(device, size=10):
    return list(DataLoader(TRAIN, size, device=device))


def test_a_run_with_everything_is_the_same_everywhere(device):
    def run(where):
        model = net(norm=True)
        average = WeightAverage(optim.EMA(model.parameters(), decay=0.8))
        extra = [average, GradientClip(0.5), GradientAccumulation(2), EarlyStopping()]
        run = trainer(model, extra, device=where)
        run.fit(batches(where), VALIDATION, epochs=2)
        return run

    here, there = run("cpu"), run(device)
    assert {p.device for p in there.model.parameters()} == {device}
    for name in ("train_loss", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(there.history[name], here.history[name], rtol=1e-3)


def test_a_nan_is_found_on_every_device(device):
    data = batches(device)
    data[4][0].data[3, 1] = float("nan")
    run = trainer(device=device, check_every=2)
    with pytest.raises(NonFiniteError, match=r"step 5 (.*\n)*.*input 0 of the batch"):
        run.fit(data)
    assert all(
        np.isfinite(backend.to_numpy(p.data)).all() for p in run.model.parameters()
    )


def test_steps_make_no_copy_and_no_wait(device, meter):
    if device == "cpu":
        pytest.skip("a CPU waits for nobody")
    spent = []
    run = trainer(callbacks=[GradientClip(0.5)], device=device, check_every=4)
    run.fit(batches(device))  # kernels are compiled here
    real = run.step

    def step(batch):
        with meter() as cost:
            result = real(batch)
        spent.append((cost.h2d, cost.d2h, cost.syncs))
        return result

    run.step = step
    run.fit(batches(device))
    assert len(spent) == 6
    assert [cost for i, cost in enumerate(spent) if i != 4] == [(0, 0, 0)] * 5
    # the fifth reads the losses, and whether all parameters are finite (a mock counts)
    assert spent[4] in ((0, 2, 2), (0, 0, 0))
