"""Transfer: a new head, features, fine-tuning in two stages, retrieval; what is frozen."""

import gc

import numpy as np
import pytest

from minidl import data, lab, nn, ops, optim
from minidl.errors import DTypeError, NonFiniteError, RangeError, ShapeError
from minidl.files import FileError
from minidl.lab import transfer
from minidl.models import CNN, MLP, EfficientNetLite0
from minidl.train import Trainer


def net(classes=4):
    return CNN(1, classes, (3, 5), dropout=0.5, rng=0)


def images(rng, n=20, size=8):
    return rng.random((n, 1, size, size), dtype=np.float32)


def labeled(rng, n=20, classes=2):
    """Bright images are of class 1: easy."""
    y = np.arange(n) % classes
    return images(rng, n) + y[:, None, None, None].astype(np.float32), y


def state(model):
    return model.state_dict()


def changed(model, before):
    return [n for n, x in state(model).items() if (x != before[n]).any()]


# ---------------------------------------------------------------------- the head


class HeadFirst(nn.Module):
    """Assigns its head before its body."""

    def __init__(self):
        self.head = nn.Linear(6, 3, rng=0)
        self.body = nn.Linear(4, 6, rng=1)

    def forward(self, x):
        return self.head(ops.relu(self.body(x)))


class Held(nn.Module):
    """Keeps its head in a container of Python."""

    def __init__(self, container, key):
        self.body, self.key = nn.Linear(4, 6, rng=0), key
        self.kept = container([nn.Linear(6, 3, rng=1)])

    def forward(self, x):
        return self.kept[self.key](self.body(x))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (MLP([4, 6, 3], rng=0), "layers.3"),
        (net(), "head"),
        (nn.Sequential(nn.Linear(4, 6, rng=0), nn.Dropout(0.5)), "0"),
        (Held(list, 0), "kept.0"),
        (Held(lambda layers: {"a": layers[0]}, "a"), "kept.a"),
        (EfficientNetLite0(rng=0), "head"),
    ],
)
def test_a_new_head_changes_nothing_else(model, name, rng):
    old = dict(model.named_parameters())
    before = state(model)
    assert lab.replace_head(model, 7, rng=1) is model
    new = dict(model.named_parameters())
    assert list(new) == list(old)
    for key in old:
        if key.rpartition(".")[0] == name:
            assert new[key].shape == (*old[key].shape[:-1], 7)
        else:
            assert new[key] is old[key]
            np.testing.assert_array_equal(new[key].data, before[key])


def test_the_first_loss_of_a_new_head_is_that_of_a_guess(rng):
    model = lab.replace_head(CNN(1, 10, rng=0), 5, rng=1).eval()
    loss = ops.cross_entropy(model(images(rng, 50, 28)), np.arange(50) % 5)
    assert abs(loss.item() - np.log(5)) < 0.05


def test_a_new_head_fits_its_model(device):
    model = MLP([4, 6, 3], rng=0).astype("float64").to(device).freeze().eval()
    lab.replace_head(model, 2, rng=0)
    head = model.layers[3]
    assert head.weight.dtype == np.float64
    assert head.weight.device == device
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert not head.training
    assert [m.training for m in model.train().layers] == [False, False, False, True]
    bare = nn.Sequential(nn.Linear(4, 3, bias=False, rng=0))
    assert lab.replace_head(bare, 2, rng=0)[0].bias is None


def test_a_head_elsewhere_is_named():
    model = lab.replace_head(HeadFirst(), 5, head="head", rng=0)
    assert model.head.weight.shape == (6, 5)
    assert model.body.weight.shape == (4, 6)


def tied():
    model = nn.Sequential(nn.Linear(4, 4, rng=0), nn.Linear(4, 4, rng=1))
    model[0].weight = model[1].weight
    return model


@pytest.mark.parametrize(
    ("model", "settings", "says"),
    [
        (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), {}, "'1' is a BatchNorm1d.*0"),
        (nn.Sequential(nn.ReLU()), {}, "there are none"),
        (net(), {"head": "tail"}, "no 'tail'.*there are head"),
        (net(), {"classes": 0}, "1 at least"),
        (tied(), {}, "shared: 0.weight and 1.weight"),
    ],
)  # fmt: skip
def test_no_head_to_replace(model, settings, says):
    with pytest.raises(RangeError, match=says):
        lab.replace_head(model, **{"classes": 2, **settings})


# ---------------------------------------------------------------------- features


def test_features_are_what_goes_into_the_head(rng):
    model, x = net(), images(rng)
    before, modes = state(model), [m.training for m in model.modules()]
    f = lab.features(model, x, batch_size=7)
    assert f.shape == (20, 5)
    assert type(f) is np.ndarray
    assert (
        changed(model, before) == []
    )  # batch norm counted nothing, dropout drew nothing
    assert [m.training for m in model.modules()] == modes
    model.eval()
    y = f @ model.head.weight.data + model.head.bias.data
    np.testing.assert_allclose(y, model(x).data, atol=1e-5)


@pytest.mark.parametrize("kind", ["pair", "dataset", "mapped"])
def test_samples_come_in_many_shapes(kind, rng):
    x, y = labeled(rng)
    model = net()
    samples = (x, y)
    if kind == "dataset":
        samples = data.TensorDataset(x, y)
    elif kind == "mapped":
        samples = data.dataset.Subset(data.TensorDataset(x, y), np.arange(20))
    expected = lab.features(model, x)
    transfer._KEPT.clear()
    np.testing.assert_array_equal(lab.features(model, samples), expected)


def test_features_of_a_lower_layer(rng):
    model, x = net().eval(), images(rng)
    low = lab.features(model, x, layer="features.blocks.3")
    assert low.shape == (20, 3, 4, 4)
    expected = model.features.blocks[:4](x).data
    np.testing.assert_array_equal(low, expected)


def counted(model):
    runs = []
    model.head.register_forward_hook(lambda *_: runs.append(1) or None)
    return runs


def test_features_are_kept_until_something_changes(rng):
    model, x = net(), images(rng)
    runs = counted(model)
    lab.features(model, x)[:] = 0  # what is kept is nobody else's
    first = lab.features(model, x).copy()
    for _ in range(2):
        again = lab.features(model, (x, np.arange(20)))  # and labels play no part
        assert again.any()
        again[:] = 0
    assert len(runs) == 1
    norm = model.features.blocks[1]

    def write(array):
        array += 1  # without a word to anybody

    changes = [
        lambda: write(model.features.blocks[0].weight.data[0]),
        lambda: write(norm.running_mean.data),
        lambda: setattr(norm, "eps", 2.0),
        lambda: write(x[:1]),
    ]
    for n, change in enumerate(changes, 2):
        change()
        now = lab.features(model, x)
        assert len(runs) == n
        assert np.abs(now - first).max() > 1e-3
        first = now
    for i in range(transfer.KEEP):  # of several data sets, but not of all
        lab.features(model, x + i)
    assert len(runs) == n + transfer.KEEP - 1
    lab.features(model, x + 1)
    assert len(runs) == n + transfer.KEEP - 1
    assert len(transfer._KEPT[model]) == transfer.KEEP


def test_kept_features_do_not_keep_the_model(rng):
    lab.features(net(), images(rng))
    gc.collect()
    assert len(transfer._KEPT) == 0


def test_features_are_kept_for_the_next_program(rng, tmp_path):
    model, x = net(), images(rng)
    runs, folder = counted(model), tmp_path / "a" / "b"
    stored = lab.features(model, x, store=folder)
    transfer._KEPT.clear()
    np.testing.assert_array_equal(lab.features(model, x, store=folder), stored)
    assert len(runs) == 1
    transfer._KEPT.clear()
    low = lab.features(model, x, layer="features", store=folder)
    assert low.shape == (20, 5, 2, 2)
    (damaged,) = [f for f in folder.iterdir() if f.stat().st_size < 1000]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    transfer._KEPT.clear()
    with pytest.raises(FileError, match="checksum"):
        lab.features(model, x, store=folder)


def test_features_on_every_device(device, rng):
    model, x = net(), images(rng)
    expected = lab.features(model, x)
    f = lab.features(model.to(device), x)
    assert type(f) is np.ndarray
    np.testing.assert_allclose(f, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "settings", "error", "says"),
    [
        (lambda x: data.DataLoader((x, x[:, 0]), shuffle=True), {}, DTypeError, "order"),
        (lambda x: [x], {}, DTypeError, "not a list"),
        (lambda x: x, {"layer": "tail"}, RangeError, "no layer 'tail'.*head"),
    ],
)  # fmt: skip
def test_features_that_cannot_be_had(samples, settings, error, says, rng):
    with pytest.raises(error, match=says):
        lab.features(net(), samples(images(rng)), **settings)


def test_a_wrong_guess_of_the_head_is_found_out(rng):
    x = rng.random((3, 4), dtype=np.float32)
    with pytest.raises(RangeError, match=r"'body' puts out \(3, 6\) .*\(3, 3\)"):
        lab.features(HeadFirst(), x)
    assert lab.features(HeadFirst(), x, head="head").shape == (3, 6)
    twice = nn.Linear(4, 4, rng=0)
    with pytest.raises(RangeError, match="2 times"):
        lab.features(nn.Sequential(twice, twice), x, layer="0")


# ------------------------------------------------------------------- fine-tuning


def test_what_is_frozen_is_bit_equal_after_twenty_steps(rng):
    model = net(2)
    batches = data.DataLoader(labeled(rng), 10, shuffle=True, seed=0)
    optimizer = optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    trainer = Trainer(model, optimizer, ops.cross_entropy, progress=False)
    trainer.fit(batches, epochs=1)  # slots that would still move what stands still
    model.freeze("features")
    before = state(model)
    trainer.fit(batches, labeled(rng), epochs=10)
    assert trainer.t == 22
    assert changed(model, before) == ["dropout.key", "head.weight", "head.bias"]
    x = images(rng)
    held = model.train().features(x).data
    np.testing.assert_array_equal(held, model.eval().features(x).data)
    model.unfreeze("features").train()
    assert all(m.training for m in model.modules())
    trainer.fit(batches, epochs=1)
    assert changed(model, before) == list(before)


def test_the_head_first_then_all(rng):
    model, seen = net(2), []
    before = state(model)

    class Epochs:
        """Looks at the model whenever an epoch begins."""

        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            seen.append((changed(model, before), [m.training for m in model.modules()]))
            return iter(self.batches)

    batches = Epochs(data.DataLoader(labeled(rng), 10, shuffle=True, seed=0))
    history = lab.fine_tune(
        model, batches, labeled(rng), epochs=(2, 2), lr=0.01, ratio=0.5
    )
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["lr"] == pytest.approx([0.01, 0.01, 0.005, 0.005])
    assert seen[0][0] == []
    assert seen[1][0] == ["head.weight", "head.bias"]
    assert seen[2][0] == ["head.weight", "head.bias"]
    assert "features.blocks.0.weight" in seen[3][0]
    modes = [m is model.head for m in model.modules()]
    assert seen[1][1] == modes  # only the head is in training mode
    assert all(seen[3][1])
    assert changed(model, before) == list(before)


def test_what_was_frozen_stays_frozen_in_both_stages(rng):
    model = lab.replace_head(net().freeze("features.blocks.[01]"), 2, rng=0)
    before = state(model)
    batches = data.DataLoader(labeled(rng), 10, shuffle=True, seed=0)
    lab.fine_tune(model, batches, epochs=(1, 1))
    still = [n for n in before if n not in changed(model, before)]
    assert still == [n for n in before if n.startswith(("features.blocks.0.", "features.blocks.1."))]  # fmt: skip
    model.unfreeze()
    assert all(p.requires_grad for p in model.parameters())
    assert all(m.training for m in model.modules())


def test_an_interrupted_first_stage_leaves_nothing_frozen(rng):
    model = net(2)
    with pytest.raises(ZeroDivisionError):
        lab.fine_tune(model, (1 / 0 for _ in "a"), epochs=(1, 1))
    assert all(p.requires_grad for p in model.parameters())
    assert all(m.training for m in model.modules())


@pytest.mark.parametrize(
    ("frozen", "epochs", "says"),
    [
        ("head", (1, 1), "the head is frozen"),
        ("features", (1, 1), "all but the head is frozen"),
        ("features", (0, 1), "all but the head is frozen"),
    ],
)
def test_a_stage_that_would_move_nothing(frozen, epochs, says, rng):
    model = net(2).freeze(frozen)
    before = state(model)
    with pytest.raises(RangeError, match=says):
        lab.fine_tune(model, [labeled(rng)], epochs=epochs)
    assert changed(model, before) == []


def test_rates_fall_from_the_head_to_the_first_layer():
    model = CNN(1, 4, (3, 5, 7), rng=0)
    groups = lab.rates_by_depth(model, 0.9, factor=3, parts=4)
    assert [g["lr"] for g in groups] == pytest.approx([0.9 / 27, 0.1, 0.3, 0.9])
    names = [[name for name, _ in g["params"]] for g in groups]
    assert names[0] == [
        "features.blocks.0.weight", "features.blocks.1.weight", "features.blocks.1.bias",
    ]  # fmt: skip
    assert names[3] == ["head.weight", "head.bias"]
    assert [name for group in names for name in group] == [
        name for name, _ in model.named_parameters()
    ]
    few = lab.rates_by_depth(model.freeze("features.blocks"), 0.1)
    assert [len(g["params"]) for g in few] == [2]  # fewer layers than parts
    optimizer = optim.SGD(groups, lr=1.0)
    for p in model.parameters():
        p.grad = np.ones_like(p.data)
    before = state(model)
    optimizer.step()
    moved = [before[n] - x for n, x in state(model).items() if n.endswith("weight")]
    assert [float(m.mean()) for m in moved][::2] == pytest.approx(
        [0.9 / 27, 0.1, 0.3, 0.9], rel=1e-4
    )


@pytest.mark.parametrize("wrong", [{"lr": 0}, {"factor": -1}, {"parts": 0}])
def test_rates_that_make_no_sense(wrong):
    with pytest.raises(RangeError, match=next(iter(wrong))):
        lab.rates_by_depth(net(), **{"lr": 0.1, **wrong})
    with pytest.raises(RangeError, match="all is frozen"):
        lab.rates_by_depth(net().freeze(), 0.1)


# --------------------------------------------------------------------- retrieval


def by_hand(a, b, k, same):
    """One pair at a time."""
    found = []
    for i, x in enumerate(a):
        cosines = [
            (-float(x @ y) / (float(x @ x) * float(y @ y)) ** 0.5, j)
            for j, y in enumerate(b)
            if not (same and i == j)
        ]
        found.append([j for _, j in sorted(cosines)[:k]])
    return found


def test_nearest_is_the_largest_cosine(rng):
    x, y = rng.standard_normal((30, 6)), rng.standard_normal((40, 6))
    lengths = rng.uniform(0.01, 100, (30, 1))  # which play no part
    assert lab.nearest(x * lengths, 7).tolist() == by_hand(x, x, 7, True)
    assert lab.nearest(x, 3, among=y).tolist() == by_hand(x, y, 3, False)
    assert lab.nearest(x, 1, among=x).ravel().tolist() == list(range(30))


def test_nearest_never_finds_itself(rng):
    alike = np.ones((40, 3))
    others = [[j for j in range(40) if j != i] for i in range(40)]
    assert lab.nearest(alike, 39).tolist() == others
    assert lab.nearest([[1, 0], [-1, 0]], 1).tolist() == [[1], [0]]  # however far
    assert lab.nearest(images(rng, 5), 2).shape == (5, 2)  # pixels of images
    zeros = np.zeros((3, 2))
    assert lab.nearest(zeros, 2).tolist() == [[1, 2], [0, 2], [0, 1]]


@pytest.mark.parametrize(
    ("x", "settings", "error", "says"),
    [
        (np.ones((3, 2)), {"k": 3}, RangeError, "there are 2 others"),
        (np.ones((3, 2)), {"k": 0}, RangeError, "k is 0"),
        (
            np.ones((3, 2)),
            {"among": np.ones((3, 4))},
            ShapeError,
            "2 features and .* 4",
        ),
        (np.ones(3), {}, ShapeError, r"x\[None\]"),
        (np.array([[np.nan, 1.0]] * 9), {}, NonFiniteError, "NaN"),
    ],
)
def test_nearest_of_what_has_none(x, settings, error, says):
    with pytest.raises(error, match=says):
        lab.nearest(x, **settings)
