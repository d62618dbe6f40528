import numpy as np
import pytest

from minidl import nn, ops, optim
from minidl.data import DataLoader
from minidl.errors import (
    NonFiniteError,
)
from minidl.train import (
    Callback,
    GradientClip,
    Trainer,
    WeightAverage,
)
from tests.runs import (
    TRAIN,
    VALIDATION,
    At,
    assert_same,
    loader,
    net,
    trainer,
)

# ----------------------------------------------------------------------- NaN and infinity


class Poison(nn.Module):
    """A net whose loss meets log(0) at one call of training, and so is NaN."""

    def __init__(self, at):
        self.inner, self.at = net(drop=0.2), at
        self.calls = nn.Buffer(np.zeros((), np.int64))

    def forward(self, x):
        y = self.inner(x)
        if self.training:
            self.calls.data += 1
            self.calls.touch()
            if int(self.calls.data) == self.at:
                y = y + ops.log(y * 0.0) * 0.0
        return y


def poisoned(at, every=20, callbacks=()):
    run = trainer(Poison(at), callbacks, check_every=every)
    with pytest.raises(NonFiniteError) as caught:
        run.fit(loader(), VALIDATION, epochs=9)
    return run, str(caught.value)


def clean(steps, callbacks=()):
    run = trainer(Poison(-1), [*callbacks, At(steps, lambda t: t.stop("interrupted"))])
    run.fit(loader(), VALIDATION, epochs=9)
    return run


@pytest.mark.parametrize("every", [1, 4, 20])
@pytest.mark.parametrize("home", ["cpu", "cuda"])
def test_a_nan_is_found_reported_and_undone(every, home, monkeypatch):
    monkeypatch.setattr("minidl.train.trainer.device_of", lambda x: home)
    run, message = poisoned(at=15, every=every)
    assert "stopped at step 15 (epoch 3)" in message
    assert "the loss became nan" in message
    assert "first cause: log made -inf out of finite numbers" in message
    assert "test_guard.py" in message  # the line of the program
    assert "largest gradient" in message
    assert "advice: a log" in message
    lines = message.splitlines()
    shown = [float(x) for x in lines[1].split(":")[1].split()]
    assert len(shown) == 6
    assert_same(clean(14), run)
    assert run.ending == "failed"
    assert len(run.history.steps["loss"]) >= 15
    run.model.at = -1
    run.fit(loader(), VALIDATION, epochs=1)  # its metrics see no score of the bad step
    assert np.isfinite(run.history["train_accuracy"][-1])


def test_on_a_device_losses_are_read_every_k_steps(monkeypatch):
    monkeypatch.setattr("minidl.train.trainer.device_of", lambda x: "cuda")
    waiting = []

    class Watch(Callback):
        def on_step(self, trainer):
            waiting.append(trainer.history.waiting)

    trainer(callbacks=[Watch()], check_every=4).fit(loader())
    assert waiting == [1, 2, 3, 4, 1, 2]


def test_averages_are_undone_too():
    def average(model):
        return WeightAverage(optim.EMA(model.parameters(), decay=0.5))

    def run(at, stop):
        model = Poison(at)
        extra = [At(stop, lambda t: t.stop("interrupted"))] if stop else []
        return trainer(model, [average(model), GradientClip(0.1), *extra])

    bad, good = run(15, None), run(-1, 14)
    with pytest.raises(NonFiniteError):
        bad.fit(loader(), epochs=9)
    good.fit(loader(), epochs=9)
    assert_same(good, bad)
    a, b = (r.callbacks[1].average for r in (bad, good))
    assert a.n == b.n == 14
    for x, y in zip(a.averages, b.averages, strict=True):
        np.testing.assert_array_equal(x, y)


def test_an_explosion_is_told_from_a_bad_formula():
    model = nn.Sequential(nn.Linear(2, 1, rng=0))
    x = np.full((4, 2), 1e3, np.float32)
    run = Trainer(
        model,
        optim.SGD(model.parameters(), lr=1.0),
        lambda s, y: (s * s).sum(),
        progress=False,
    )
    with pytest.raises(NonFiniteError) as caught:
        run.fit([(x, np.zeros(4, np.int64))] * 50)
    message = str(caught.value)
    assert "GradientClip" in message
    assert "learning rate of 0.1" in message
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_nan_in_the_data_is_blamed_on_the_data():
    x = TRAIN.x.copy()
    x[31, 0] = np.nan
    run = trainer()
    with pytest.raises(
        NonFiniteError, match=r"step 4.*\n(.*\n)*.*input 0 of the batch"
    ):
        run.fit(DataLoader((x, TRAIN.y), 10))


def test_an_update_that_overflows_is_seen_before_validation():
    def steep(scores, y):
        return ops.cross_entropy(scores, y) * 1000.0

    run = trainer(rule=optim.SGD, lr=lambda t: 1e-5 if t < 5 else 1e38, loss=steep)
    with pytest.raises(NonFiniteError, match="the update made") as caught:
        run.fit(loader(), VALIDATION, epochs=1)
    assert "step 6 (epoch 1): the parameters became infinite or NaN" in str(
        caught.value
    )
    assert all(np.isfinite(p.data).all() for p in run.model.parameters())


def test_what_does_not_happen_again_is_admitted():
    calls = iter(range(100))

    def loss(scores, y):
        value = ops.cross_entropy(scores, y)
        return value * float("nan") if next(calls) == 3 else value

    with pytest.raises(NonFiniteError, match="not found"):
        trainer(loss=loss).fit(loader())


def test_nobody_looks_if_told_so():
    run = trainer(Poison(3), check_every=0)
    run.metrics = {}
    assert np.isnan(run.fit(loader())["train_loss"][0])
