"""lr_finder: a rate that works, and everything as it was before."""

import math

import numpy as np
import pytest

import minidl as md
from minidl import backend, nn, ops, optim
from minidl.data import DataLoader, blobs, load_digits, moons
from minidl.errors import DTypeError, GraphError, RangeError
from minidl.lab import lr_finder
from minidl.lab.lr_finder import BURN_IN, ending, growing_rates, read, smoothed
from minidl.optim.schedules import cosine
from minidl.train import Trainer


def net(seed=0):
    return nn.Sequential(
        nn.Linear(2, 16, rng=seed), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1, rng=seed),
        nn.Linear(16, 2, rng=seed + 1),
    )  # fmt: skip


def find(model=None, data=None, **how):
    return lr_finder(
        model or net(), ops.cross_entropy, data or moons(200, rng=0), **how
    )


# ------------------------------------------------------------------- all is as it was


def state(model, optimizer, loader):
    for name, array in model.state_dict().items():
        yield name, array.tobytes()
    for member in optimizer.members:
        yield member.name, member.t
        yield from ((n, slot.tobytes()) for n, slot in member.slots.items())
        grad = member.parameter.grad
        yield "gradient", None if grad is None else grad.tobytes()
    yield "rates", [(g.lr, g.lr_scale) for g in optimizer.groups]
    yield "modes", [m.training for m in model.modules()]
    yield "loader", loader.state_dict()


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training):
    model = net()
    optimizer = optim.Adam(model.parameters(), lr=cosine(0.1, 50))
    optimizer.lr_scale = 0.5
    loader = DataLoader(moons(200, rng=0), 20, shuffle=True, seed=0)
    Trainer(model, optimizer, ops.cross_entropy, progress=False).fit(loader)
    x, y = moons(10, rng=2).arrays
    ops.cross_entropy(model(x), y).backward()  # gradients that wait
    model.train(training)
    before = list(state(model, optimizer, loader))
    expected = np.random.SeedSequence(5).spawn(2)[1].generate_state(1)
    md.seed(5)
    backend.generator()
    find(model, loader, optimizer=optimizer)
    assert list(state(model, optimizer, loader)) == before
    assert backend.seeds().spawn(1)[0].generate_state(1) == expected


def test_a_second_call_says_the_same():
    model = net()
    assert find(model).suggestion == find(model).suggestion


def test_it_is_restored_when_the_loss_fails():
    model, seeds = net(), backend.seeds()
    before = {k: v.tobytes() for k, v in model.state_dict().items()}

    def broken(scores, y):
        broken.calls += 1
        if broken.calls == 7:
            raise KeyError("enough")
        return ops.cross_entropy(scores, y)

    broken.calls = 0
    with pytest.raises(KeyError):
        lr_finder(model, broken, moons(200, rng=0))
    assert {k: v.tobytes() for k, v in model.state_dict().items()} == before
    assert backend.seeds().entropy == seeds.entropy


# ------------------------------------------------------------------------ what it finds


@pytest.mark.parametrize("rule", [optim.SGD, optim.Momentum, optim.Adam])
def test_the_suggestion_trains(rule):
    digits = load_digits()

    def model():
        layers = nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1)
        return nn.Sequential(nn.Flatten(), *layers)

    def ends(lr):
        mine = model()
        trainer = Trainer(
            mine, rule(mine.parameters(), lr=lr), ops.cross_entropy, progress=False
        )
        loader = DataLoader(digits.train, 50, shuffle=True, seed=0)
        return trainer.fit(loader, digits.validation, epochs=2)["val_loss"][-1]

    found = lr_finder(model(), ops.cross_entropy, digits.train, optimizer=rule)
    best = min(ends(lr) for lr in (1e-4, 1e-3, 1e-2, 1e-1, 1))
    assert ends(found.suggestion) < 1.5 * best
    assert found.steepest <= found.lowest


def curve(noise=0.0, spikes=0.0, explode=1.0, seed=0):
    """A loss that falls from 2.3 around a rate of 0.01 and explodes around 1."""
    rng, rates = np.random.default_rng(seed), growing_rates(1e-5, 10, 100)
    fall = 2.0 / (1 + np.exp(-3 * np.log(rates / 0.01)))
    with np.errstate(over="ignore"):
        losses = (
            2.3 - fall + explode * (rates / 1.0) ** 4 + noise * rng.normal(size=100)
        )
    losses[rng.random(100) < spikes] *= 20
    return rates, losses


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("spikes", [0.0, 0.03])
def test_spikes_and_noise_move_it_by_less_than_a_factor_of_three(seed, spikes):
    calm = read(*curve()).suggestion
    assert 0.005 < calm < 0.2
    rough = read(*curve(0.1, spikes, seed=seed)).suggestion
    assert 1 / 3 < rough / calm < 3


@pytest.mark.parametrize(
    ("end", "says"),
    [(lambda r, x: x, "exploded"), (lambda r, x: np.where(r > 1, np.nan, x), "nan"),
     (lambda r, x: np.minimum(x, 0.5), "done")],
)  # fmt: skip
def test_how_it_ended_is_said(end, says):
    rates, losses = curve()
    found = read(rates, end(rates, losses))
    assert found.ending == says
    assert f"{found.suggestion:.2g}" in found.text
    assert len(found.rates) == len(found.losses) == len(found.smoothed)
    assert np.isfinite(found.losses).all()


def test_the_mean_is_corrected_for_its_beginning():
    assert np.allclose(smoothed(np.full(20, 3.0)), 3.0)


def test_it_stops_at_four_times_the_best_and_not_at_the_first_rise():
    means = np.concatenate([np.full(20, 2.0), np.full(10, 1.0), [3.9, 4.1]])
    assert ending(means) == 31
    assert ending(means[:-1]) == 31  # that is all of it
    early = np.concatenate([[9.0] * BURN_IN, np.full(10, 1.0)])
    assert ending(early) == 20


def test_it_stops_soon_after_the_explosion():
    found = find(optimizer=optim.SGD, high=1e6)
    assert found.ending in ("exploded", "nan")
    assert found.rates[-1] < 1e6


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_gives_no_rate(seed):
    rng = np.random.default_rng(seed)
    found = read(growing_rates(1e-5, 10, 100), 2.3 + 0.2 * rng.normal(size=100))
    assert math.isnan(found.suggestion)
    assert "no rate" in found.text


def test_a_net_without_gradients_says_so():
    with pytest.raises(GraphError, match="nothing that requires a gradient"):
        find(net().requires_grad_(False))


def test_a_frozen_optimizer_gives_no_rate():
    class Still(optim.SGD):
        def step(self):
            pass

    assert math.isnan(find(optimizer=Still).suggestion)


def test_the_ascent_gives_no_rate():
    def up(params, lr):
        return optim.SGD(params, lr=lr, maximize=True)

    assert math.isnan(find(optimizer=up).suggestion)


@pytest.mark.parametrize("n", [2, 3, 5, 33])
def test_tiny_data_are_walked_through_again(n):
    found = find(nn.Linear(2, 3, rng=0), blobs(n, classes=2, rng=0))
    assert len(found.losses) > BURN_IN


def test_batches_of_any_kind(device):
    data = moons(100, rng=0)
    loader = DataLoader(data, 32, shuffle=True, seed=0, device="cpu")
    batches = list(DataLoader(data, 32, shuffle=True, seed=0, device="cpu"))
    model = net().to(device)
    kinds = loader, batches, (data.x, data.y)
    found = [find(model, d, steps=40).suggestion for d in kinds]
    assert all(0.001 < lr < 3 for lr in found)


def test_on_every_device_the_same(device, meter):
    here = find()
    with meter() as spent:
        there = find(net().to(device))
    assert np.allclose(here.losses[:60], there.losses[:60], rtol=1e-3)
    assert there.suggestion == pytest.approx(here.suggestion, rel=0.2)
    if device == "cuda":
        steps = len(there.losses)
        assert spent.syncs <= steps / 5  # not one for each step


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"low": 0.0}, RangeError, "0 < low < high"),
        ({"low": 1.0, "high": 0.1}, RangeError, "0 < low < high"),
        ({"steps": 5}, RangeError, "20 or more"),
        ({"data": []}, RangeError, "no batch"),
        ({"data": iter([])}, RangeError, "no batch"),
        ({"model": lambda x: x}, DTypeError, r"nn\.Module"),
        ({"loss": lambda scores, y: scores}, ValueError, "must be one number"),
    ],
)
def test_errors_say_what_to_write(how, error, says):
    settings = {
        "model": net(),
        "loss": ops.cross_entropy,
        "data": moons(50, rng=0),
    } | how
    with pytest.raises(error, match=says):
        lr_finder(**settings)


def test_the_optimizer_of_another_model_is_refused():
    other = optim.Adam(net().parameters())
    with pytest.raises(DTypeError, match="another model"):
        find(optimizer=other)


def test_a_picture(tmp_path):
    find().plot(path=tmp_path / "rates.png")
    flat = read(growing_rates(1e-5, 10, 100), np.full(100, 2.3))
    flat.plot(path=tmp_path / "flat.png")
    assert all((tmp_path / f"{n}.png").stat().st_size > 9000 for n in ("rates", "flat"))
    assert "Begin with a rate" in find().figure.axes[0].get_title("left")
