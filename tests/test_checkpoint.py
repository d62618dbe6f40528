"""Checkpoints: everything comes back bit by bit, or nothing is changed."""

import copy
import os
import random

import numpy as np
import pytest

import minidl as md
from minidl import files
from minidl.errors import DTypeError, RangeError
from minidl.train.checkpoint import (
    CheckpointError,
    Randomness,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from minidl.train.packing import pack, same


class Part:
    """Anything with a state."""

    def __init__(self, **state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = dict(state)


class Stubborn(Part):
    """A part that fails after it changed something, as careless classes do."""

    def load_state_dict(self, state):
        if state != self.state:
            self.state = dict(state)
            if "wrong" in state:
                raise KeyError("wrong")


# ---------------------------------------------------------------------------- one file


def training(seed=0):
    """Everything a run keeps, after two steps, in the middle of an epoch."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((12, 1, 6, 6)).astype(np.float32)
    y = rng.integers(0, 3, 12)
    net = md.nn.Sequential(
        md.nn.Conv2d(1, 2, 3), md.nn.BatchNorm2d(2), md.nn.ReLU(), md.nn.Dropout(0.3),
        md.nn.Flatten(), md.nn.Linear(32, 3),
    )  # fmt: skip
    opt = md.optim.Adam(net.named_parameters(), lr=md.optim.schedules.cosine(0.1, 50))
    parts = {
        "model": net,
        "optimizer": opt,
        "loader": md.data.DataLoader((x, y), 4, shuffle=True, seed=seed),
        "ema": md.optim.EMA(net.parameters()),
        "plateau": md.optim.ReduceOnPlateau(opt),
        "random": Randomness(mine=rng),
        "history": Part(loss=[0.5, float("nan")], epochs=[{"accuracy": 0.1}]),
        "absent": None,
    }
    for _, (x, y) in zip(range(2), parts["loader"], strict=False):
        md.ops.cross_entropy(net(x), y).backward()
        opt.step()
        opt.zero_grad()
        parts["ema"].update()
    parts["plateau"].step(1.0 + seed)
    return parts


def states(parts):
    return {n: copy.deepcopy(p.state_dict()) for n, p in parts.items() if p is not None}


def test_everything_comes_back(tmp_path):
    parts = training()
    saved = states(parts)
    notes = {"epoch": 3, "classes": ["cat", "dog"], "mean": np.ones(2)}
    save_checkpoint(tmp_path / "a", parts, metric=0.25, notes=notes)
    assert os.listdir(tmp_path) == ["a"]
    others = training(1)
    random.random()
    assert not same(states(others)["model"], saved["model"])
    back = load_checkpoint(tmp_path / "a", others)
    assert same(states(others), saved)
    assert back.metric == 0.25
    assert same(back.notes, notes)
    assert back.versions["numpy"] == np.__version__


def test_what_is_loaded_shares_no_memory_with_what_is_read(tmp_path):
    parts = training()
    save_checkpoint(tmp_path / "a", parts)
    saved = states(parts)
    for p in parts["model"].parameters():
        p.data[...] = 7
    assert same(read_checkpoint(tmp_path / "a").states["model"], saved["model"])


def test_other_programs_read_the_arrays(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    parts = training()
    save_checkpoint(tmp_path / "a", parts)
    theirs = numpy.load_file(tmp_path / "a")
    for name, value in parts["model"].state_dict().items():
        np.testing.assert_array_equal(theirs[f"model/{name}"], value)
    ours, metadata = files.read(tmp_path / "a")  # md.load reads it as well
    assert ours.keys() == theirs.keys()
    assert metadata["format"] == "minidl checkpoint 1"


def test_a_file_without_a_checksum_is_no_checkpoint(tmp_path):
    arrays, text = pack({"checkpoint": {"notes": {}, "versions": {}, "metric": None}})
    metadata = {"format": "minidl checkpoint 1", "metric": "null", "state": text}
    files.write(tmp_path / "a", arrays, metadata, sealed=True)
    assert read_checkpoint(tmp_path / "a").states == {}
    files.write(tmp_path / "a", arrays, metadata)
    with pytest.raises(CheckpointError, match="no checksum"):
        read_checkpoint(tmp_path / "a")


def test_the_model_alone(tmp_path):
    parts, other = training(), training(1)
    save_checkpoint(tmp_path / "a", parts)
    before = states(other)
    with pytest.raises(CheckpointError, match="strict=False"):
        load_checkpoint(tmp_path / "a", {"model": other["model"]})
    assert same(states(other), before)
    only = {"model": other["model"]}
    load_checkpoint(tmp_path / "a", only, strict=False)
    assert same(other["model"].state_dict(), parts["model"].state_dict())
    assert same(other["optimizer"].state_dict(), before["optimizer"])
    with pytest.raises(CheckpointError, match="asked for were model, more"):
        load_checkpoint(tmp_path / "a", only | {"more": Part()}, strict=False)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_load_that_fails_halfway_is_taken_back(tmp_path, where):
    first, last = training(), training(1)
    names = list(first)
    names.insert([0, 3, 8][where], "stubborn")
    parts = {**first, "stubborn": Part(wrong=1)}
    save_checkpoint(tmp_path / "a", {name: parts[name] for name in names})
    mine = {**last, "stubborn": Stubborn(right=2)}
    mine = {name: mine[name] for name in names}
    before = states(mine)
    with pytest.raises(CheckpointError, match="nothing was changed: its 'stubborn'"):
        load_checkpoint(tmp_path / "a", mine)
    assert same(states(mine), before)


def test_an_interrupted_load_is_taken_back_too(tmp_path):
    class Interrupted(Part):
        def load_state_dict(self, state):
            raise KeyboardInterrupt

    parts, other = training(), training(1)
    save_checkpoint(tmp_path / "a", parts | {"last": Part()})
    before = states(other)
    with pytest.raises(KeyboardInterrupt):
        load_checkpoint(tmp_path / "a", other | {"last": Interrupted()})
    assert same(states(other), before)


@pytest.mark.parametrize("name", [3, "checkpoint", "$x"])
def test_names_that_are_taken(tmp_path, name):
    with pytest.raises(RangeError, match="cannot be called"):
        save_checkpoint(tmp_path / "a", {name: Part()})


def test_parts_without_a_state(tmp_path):
    with pytest.raises(DTypeError, match=r"Generator.*Randomness"):
        save_checkpoint(tmp_path / "a", {"rng": np.random.default_rng(0)})
    with pytest.raises(DTypeError, match="x/y"):
        save_checkpoint(tmp_path / "a", {"x": Part(y=object())})
    assert os.listdir(tmp_path) == []


def test_another_version_is_named(tmp_path, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(np, "__version__", "1.0")
        save_checkpoint(tmp_path / "a", {}, metric=0.5)
    saved = read_checkpoint(tmp_path / "a")
    assert f"metric 0.5; it was saved with numpy 1.0 (here {np.__version__})" in str(
        saved
    )


# -------------------------------------------------------------------------- randomness


def drawn(rng):
    values = [rng.random(), random.random(), np.random.rand()]  # noqa: NPY002
    return [*values, md.backend.generator().random(), random.gauss(0, 1)]


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_goes_on_where_it_was(tmp_path, kind):
    rng = np.random.Generator(getattr(np.random, kind)(3))
    random.gauss(0, 1)
    rng.integers(10, dtype=np.uint32)  # keeps the other half of 64 bits for later
    drawn(rng)
    save_checkpoint(tmp_path / "a", {"random": Randomness(mine=rng)})
    expected = drawn(rng)
    other = np.random.Generator(getattr(np.random, kind)(4))
    md.seed(9)
    drawn(other)
    load_checkpoint(tmp_path / "a", {"random": Randomness(mine=other)})
    assert drawn(other) == expected


def test_generators_of_another_kind_or_name_change_nothing(tmp_path):
    save_checkpoint(tmp_path / "a", {"r": Randomness(mine=np.random.default_rng(0))})
    for generators in (
        {"mine": np.random.Generator(np.random.Philox(0))},
        {"other": np.random.default_rng(1)},
        {},
    ):
        part = Randomness(**generators)
        random.random()
        before = copy.deepcopy(part.state_dict())
        with pytest.raises(CheckpointError, match="does not fit"):
            load_checkpoint(tmp_path / "a", {"r": part})
        assert same(part.state_dict(), before)
    with pytest.raises(DTypeError, match="default_rng"):
        Randomness(mine=3)
