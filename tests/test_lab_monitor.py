"""The Monitor: its figures by hand, its warnings on planted faults, its silence."""

import warnings

import numpy as np
import pytest

from minidl import backend, nn, ops, optim
from minidl.data import DataLoader
from minidl.errors import DTypeError, RangeError, ShapeError
from minidl.lab import Monitor, MonitorWarning
from minidl.show import monitor as draw
from minidl.train import GradientClip, Trainer
from tests.pictures import nothing_stays_open, saved, titles  # noqa: F401
from tests.runs import TRAIN, VALIDATION, assert_same, loader, net, trainer


def watched(model=None, every=1, epochs=2, callbacks=(), **how):
    monitor = Monitor(every, warn=False)
    run = trainer(model, [monitor, *callbacks], **how)
    run.fit(loader(), VALIDATION, epochs=epochs)
    return monitor, run


# ----------------------------------------------------------------------------- figures


def test_figures_are_those_of_the_formulas():
    model = net()
    x, y = (array[:10] for array in TRAIN.arrays)
    first = model[0]
    before = first.weight.data.copy()
    hidden = x @ before + first.bias.data
    monitor = Monitor(warn=False)
    run = trainer(model, [monitor], rule=optim.SGD, lr=0.1)
    run.fit([(x, y)], epochs=1)
    seen = monitor.layers
    assert list(seen) == ["0", "1", "2", "3"]
    assert seen["0"].mean == pytest.approx(hidden.mean(), rel=1e-5)
    assert seen["0"].deviation == pytest.approx(hidden.std(), rel=1e-5)
    assert seen["1"].saturation == pytest.approx((hidden <= 0).mean())
    change = np.linalg.norm(first.weight.data - before)
    assert seen["0"].update_ratio == pytest.approx(
        change / np.linalg.norm(before), rel=1e-4
    )
    assert seen["0"].gradient == pytest.approx(
        np.hypot(change / 0.1, gradient_of_bias(before, x, y)), rel=1e-3
    )


def gradient_of_bias(weight, x, y):
    """‖∂L/∂b‖ of the first layer of a net that is as it was made."""
    model = net()
    ops.cross_entropy(model(x), y).backward()
    return np.linalg.norm(model[0].bias.grad)


def test_a_unit_that_one_sample_wakes_is_not_dead():
    model = nn.Sequential(nn.Linear(1, 4, rng=0), nn.ReLU(), nn.Linear(4, 3, rng=0))
    model[0].weight.data[...] = 1
    model[0].bias.data[...] = [0, -98.5, -200, -300]  # all, one, no, no sample
    x = np.arange(100, dtype=np.float32)[:, None]
    y = np.zeros(100, np.int64)
    monitor = Monitor(data=(x, y), warn=False)
    run = trainer(model, [monitor], rule=optim.SGD, lr=0.0)
    run.fit(DataLoader((x, y), 10), epochs=1)
    assert monitor.layers["1"].dead == 0.5
    said = [message for message in monitor.warnings if "dead:" in message]
    assert "2 of the 4 units of layer 1 (ReLU) are dead" in said[0]
    assert "100 samples" in said[0]


def test_of_an_image_a_unit_is_a_channel():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Flatten(),
                          nn.Linear(16, 2, rng=0))  # fmt: skip
    model[0].bias.data[0] = -1000
    x, y = np.ones((6, 1, 4, 4), np.float32), np.zeros(6, np.int64)
    monitor = Monitor(warn=False)
    trainer(model, [monitor], rule=optim.SGD, lr=0.0).fit([(x, y)])
    alive = (np.asarray((model[1](model[0](x))).data) > 0).any(axis=(0, 2, 3))
    assert not alive[0]
    assert monitor.layers["1"].dead == 1 - alive.mean()


def test_rows_of_the_history():
    monitor, run = watched(every=3)
    assert run.history["update_ratio/0"][-1] == monitor.layers["0"].update_ratio
    assert run.history["dead/1"][-1] == monitor.layers["1"].dead
    steps = [step for step, _ in monitor.layers["0"].history["update_ratio"]]
    assert steps == [1, 4, 7, 10]  # of 12
    run.history.plot()  # the figures of layers are not drawn among the curves


def test_it_changes_nothing():
    assert_same(watched(net(norm=True, drop=0.3))[1], fitted(net(norm=True, drop=0.3)))


def fitted(model):
    run = trainer(model)
    run.fit(loader(), VALIDATION, epochs=2)
    return run


# ---------------------------------------------------------------------------- warnings


class Detached(nn.Module):
    """The first layer's output goes on without its graph."""

    def __init__(self):
        self.first, self.last = nn.Linear(2, 8, rng=0), nn.Linear(8, 3, rng=1)

    def forward(self, x):
        return self.last(ops.tanh(self.first(x).detach()))


def tanh_net(scale):
    model = nn.Sequential(nn.Linear(2, 8, rng=0), nn.Tanh(), nn.Linear(8, 3, rng=1))
    model[0].weight.data *= scale
    return model


# what is planted, and what is said
PLANTED = {
    "no gradient": (Detached, {}, "no gradient comes to layer first (Linear)"),
    "saturated": (lambda: tanh_net(100), {}, "ends of its range"),
    "vanished": (lambda: tanh_net(1e-6), {"lr": 1e-12}, "deviation of"),
    "rate high": (net, {"lr": 3.0}, "divide the learning rate"),
    "rate low": (net, {"lr": 1e-8}, "multiply the learning rate by"),
    "loss grows": (net, {"lr": 30.0, "rule": optim.SGD, "epochs": 1}, "the loss grows"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_said_once(name):
    make, how, says = PLANTED[name]
    monitor, _ = watched(make(), **{"epochs": 3, **how})
    assert sum(says in message for message in monitor.warnings) >= 1
    assert len(monitor.warnings) == len(set(monitor.warnings))
    causes = [message.split("(")[0] for message in monitor.warnings]
    assert len(causes) <= 2 * len(monitor.layers) + 1


def test_a_healthy_run_is_silent():
    for model in (net(width=16), net(width=16, norm=True), tanh_net(0.3)):
        monitor, _ = watched(model, epochs=4, lr=0.001)
        assert monitor.warnings == []


def test_a_frozen_layer_and_a_decayed_rate_are_meant():
    model = net()
    model[0].requires_grad_(False)
    rate = optim.schedules.multistep(0.01, [6], gamma=1e-6)
    monitor, _ = watched(model, epochs=4, lr=rate)
    assert monitor.warnings == []


def test_warnings_are_warnings():
    run = trainer(net(), [Monitor(1)], lr=3.0)
    with pytest.warns(MonitorWarning) as seen:
        run.fit(loader(), epochs=2)
    assert any("divide the learning rate" in str(w.message) for w in seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer(net(), [Monitor(1, warn=False)], lr=3.0).fit(loader(), epochs=2)


def test_what_it_refuses():
    with pytest.raises(RangeError, match="every is 0"):
        Monitor(0)
    model = net()
    run = Trainer(lambda x: model(x), optim.SGD(model.parameters(), lr=0.1),
                  ops.cross_entropy, callbacks=[Monitor()], progress=False)  # fmt: skip
    with pytest.raises(DTypeError, match="layers of a Module"):
        run.fit(loader())


# ----------------------------------------------------------------------------- devices


def test_the_same_figures_everywhere(device):
    def figures(where):
        monitor = Monitor(2, warn=False)
        run = trainer(net(norm=True), [monitor, GradientClip(0.1)], device=where)
        run.fit(list(DataLoader(TRAIN, 10, device=where)), VALIDATION, epochs=2)
        return monitor.layers

    here, there = figures("cpu"), figures(device)
    for name, layer in here.items():
        assert layer.history.keys() == there[name].history.keys()
        for figure, points in layer.history.items():
            np.testing.assert_allclose(
                there[name].history[figure], points, rtol=2e-3, atol=1e-6
            )


def test_nothing_is_read_between_two_watched_steps(device, meter):
    batches = list(DataLoader(TRAIN, 10, device=device))
    run = trainer(net(), [Monitor(4, warn=False)], device=device, check_every=0)
    run.fit(batches)
    spent, real = [], run.step

    def step(batch):
        with meter() as cost:
            result = real(batch)
        spent.append((cost.d2h, cost.syncs))
        return result

    run.step = step
    run.fit(batches)
    assert spent == [(0, 0)] * len(batches)  # the watched ones among them


def test_a_captured_step_is_watched_too(device):
    monitor = Monitor(2, warn=False)
    run = trainer(net(), [monitor], device=device, compile=True)
    run.fit(list(DataLoader(TRAIN, 10, device=device)), epochs=2)
    assert monitor.layers["0"].update_ratio > 0
    state = run.model.state_dict()
    assert all(np.isfinite(backend.to_numpy(x)).all() for x in state.values())


# ----------------------------------------------------------------------------- picture


def test_a_picture_of_the_inside(tmp_path):
    monitor, _ = watched()
    fig = monitor.plot(path=tmp_path / "inside.png")
    saved(tmp_path / "inside.png")
    assert titles(fig) == [
        "Update / weight", "Length of the gradient", "Deviation of the activations",
        "Mean of the activations", "Share where the function is flat",
        "Share of dead units",
    ]  # fmt: skip
    ratio = fig.axes[0].lines[0]
    points = monitor.layers["0"].history["update_ratio"]
    np.testing.assert_allclose(ratio.get_xydata(), points)
    with pytest.raises(ShapeError, match="nothing was measured"):
        draw({})
