"""The seven steps: healthy nets pass, and each planted mistake is named by its step."""

import argparse

import numpy as np
import pytest

from minidl import backend, cli, lab, nn, ops, optim
from minidl.cli import recipe as command
from minidl.data import TensorDataset, load_diabetes, load_digits, load_iris, load_wine
from minidl.data import standardize as standardized
from minidl.errors import DataError, DTypeError, RangeError
from minidl.lab import later_steps
from minidl.models import CNN, MLP
from minidl.train import History

DIGITS = load_digits()


def net():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
    )


def table(load=load_wine):
    parts = load()
    scale = standardized(parts.train.x)
    return [TensorDataset(scale(part.x), part.y) for part in parts]


def changed(x=lambda x, y, rng: x, y=lambda y, rng: y):
    """The digits, with inputs or labels changed in every part."""
    rng = np.random.default_rng(0)
    parts = []
    for part in DIGITS:
        inputs = x(part.x, part.y, rng).astype(np.float32)
        parts.append(TensorDataset(inputs, y(part.y, rng)))
    return parts


# ----------------------------------------------------------------------- healthy is well

HEALTHY = {
    "mlp": (net, DIGITS, {}),
    "batch norm": (lambda: MLP([64, 32, 32, 10], norm=True), DIGITS, {}),
    "convolutions": (lambda: CNN(1, 10, (8, 16)), DIGITS, {"optimizer": optim.Momentum}),
    "sigmoid": (lambda: MLP([64, 32, 10], nn.Sigmoid), DIGITS, {}),
    "small head": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(),
                              nn.Linear(32, 10, init=nn.init.zeros)), DIGITS, {}),
    "smoothed labels": (
        net, DIGITS,
        {"loss": lambda s, y: ops.cross_entropy(s, y, label_smoothing=0.1)}),
    "table": (lambda: MLP([13, 16, 3]), table(), {"batch_size": 20}),
    "targets": (
        lambda: MLP([10, 32, 1]),
        [TensorDataset(x, (y - 150) / 77) for x, y in (p.arrays for p in table(load_diabetes))],
        {"loss": ops.mse_loss, "batch_size": 20}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_net_passes_the_first_three_steps(name):
    make, data, how = HEALTHY[name]
    for step in (lab.first_loss, lab.overfit, lab.find_rate):
        said = step(make, data, **how)
        assert said.ok, said


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(s, marks=pytest.mark.slow) for s in range(2, 10))]
)
def test_a_healthy_net_passes_with_every_seed(seed):
    for step in (lab.first_loss, lab.overfit, lab.find_rate):
        assert step(net, DIGITS, seed=seed).ok, step(net, DIGITS, seed=seed)


def test_the_first_steps_on_every_device(device):
    backend.use(device)
    parts = table()

    def make():
        return MLP([13, 8, 3], norm=True)

    for step in (lab.first_loss, lab.overfit, lab.find_rate):
        assert step(make, parts, batch_size=20).ok, step(make, parts, batch_size=20)


# ------------------------------------------------------------------ the planted mistakes


class NeverCleared(optim.Adam):
    def zero_grad(self):
        pass


class Asleep(nn.Module):
    """Somebody called eval() in the wrong place."""

    def __init__(self):
        self.net = MLP([64, 32, 10], norm=True)

    def forward(self, x):
        return self.net.eval()(x)

    def train(self, mode=True):
        return super().train(False)


class Cut(nn.Module):
    def __init__(self):
        self.first, self.last = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x):
        hidden = self.first(x.reshape(len(x), 64)).relu()
        return self.last(hidden.detach())


def frozen():
    model = net()
    model[1].requires_grad_(False)
    return model


def dead():
    model = net()
    model[1].bias.data[...] = -100
    return model


def symmetric():
    zeros = nn.init.zeros
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32, init=zeros), nn.Tanh(), nn.Linear(32, 10, init=zeros)
    )  # fmt: skip


def with_label(x, y, rng):
    x = x.copy()
    x[:, 0, 0, 0] = y / 10
    return x


def with_one_hot(x, y, rng):
    x = x.copy()
    x.reshape(len(x), -1)[np.arange(len(x)), y] = 2.0
    x.reshape(len(x), -1)[:, :10] *= x.reshape(len(x), -1)[:, :10] == 2
    return x


MISTAKES = {
    "no zero_grad": (net, DIGITS, {"optimizer": NeverCleared},
                     "overfit", "gradients are still there"),
    "shuffled labels": (lambda: MLP([64, 200, 10]), changed(y=lambda y, rng: rng.permutation(y)), {},
                        "rate", "labels belong to the inputs"),
    "softmax twice, in the net": (lambda: nn.Sequential(net(), nn.Softmax()), DIGITS, {},
                                  "first", "softmax"),
    "softmax twice, in the loss": (
        net, DIGITS, {"loss": lambda s, y: ops.cross_entropy(ops.softmax(s), y)},
        "first", "softmax comes before"),
    "too many classes": (lambda: MLP([64, 32, 100]), DIGITS, {}, "first", "10 classes"),
    "too few classes": (lambda: MLP([64, 32, 9]), DIGITS, {}, "first", "9) are for the labels 0 … 8"),
    "inputs × 255": (net, changed(x=lambda x, y, rng: 255 * x), {}, "first", "x / 255"),
    "raw measures": (lambda: MLP([13, 16, 3]), load_wine(), {}, "first", "standardize"),
    "dead start": (dead, DIGITS, {}, "first", "dead"),
    "lr 1e4": (net, DIGITS, {"optimizer": lambda params, lr: optim.SGD(params, lr=1e4)},
               "overfit", "10000, whatever it is asked for"),
    "frozen layer": (frozen, DIGITS, {}, "overfit", "no gradient reaches 1.bias"),
    "cut graph": (Cut, DIGITS, {}, "overfit", "first.bias"),
    "half an optimizer": (net, DIGITS,
                          {"optimizer": lambda params, lr: optim.Adam(list(params)[:2], lr)},
                          "overfit", "optimizer does not know"),
    "eval mode": (Asleep, DIGITS, {}, "overfit", "evaluation mode"),
    "wrong sign of the loss": (net, DIGITS, {"loss": lambda s, y: -ops.cross_entropy(s, y)},
                               "first", "rewards mistakes"),
    "wrong sign of the step": (
        net, DIGITS, {"optimizer": lambda params, lr: optim.SGD(params, lr, maximize=True)},
        "overfit", "wrong sign"),
    "batch norm on one": (lambda: MLP([64, 32, 10], norm=True), DIGITS, {"batch_size": 1},
                          "first", "batch"),
    "label in the input": (net, changed(x=with_label), {}, "first", "x[:, 0, 0, 0] alone"),
    "one-hot label in the input": (net, changed(x=with_one_hot), {}, "first", "label is part"),
    "all weights zero": (symmetric, DIGITS, {}, "overfit", "no gradient reaches"),
    "validation in training": (net, (DIGITS.train, DIGITS.train), {},
                               "first", "in the training set"),
    "a NaN in the data": (
        net, changed(x=lambda x, y, rng: np.where(rng.random(x.shape) < 1e-3, np.nan, x)),
        {}, "first", "NaN"),
    "the wrong shape": (lambda: MLP([63, 32, 10]), DIGITS, {}, "first", "fails"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_each_planted_mistake_is_named_by_its_step(name):
    make, data, how, where, words = MISTAKES[name]
    report = lab.recipe(make, data, progress=False, **how)
    step = report.steps[-1]
    assert not step.ok
    assert not report.ok
    assert where in step.name, step
    assert words in step.text, step
    assert len(step.text.split()) > 8
    assert "run the recipe again" in report.conclusion


def test_a_rate_of_ten_thousand_given_by_hand_is_too_high():
    step = lab.overfit(
        net, DIGITS, lr=1e4, optimizer=lambda params, lr: optim.SGD(params, lr)
    )
    assert not step.ok
    assert "too high" in step.text


def test_a_rate_that_is_too_low_is_said():
    step = lab.overfit(net, DIGITS, lr=1e-7)
    assert not step.ok
    assert "higher rate" in step.text


def test_shuffled_labels_of_a_small_set_are_found_by_validation():
    """A hundred samples are memorized in 100 steps, whatever their labels."""
    rng = np.random.default_rng(0)
    parts = [TensorDataset(p.x, rng.permutation(p.y)) for p in table()]
    step = lab.coarse_grid(lambda: MLP([13, 16, 3]), parts, 0.01, epochs=20)
    assert not step.ok
    assert "shuffled apart" in step.text


def test_the_first_loss_reads_the_classes_from_the_scores():
    step = lab.first_loss(lambda: MLP([64, 10]), DIGITS)
    assert step.facts["expected"] == pytest.approx(np.log(10), rel=1e-5)
    zeros = lab.first_loss(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, init=nn.init.zeros)), DIGITS)  # fmt: skip
    assert zeros.facts["first"] == pytest.approx(np.log(10), rel=1e-5)
    assert "nearly equal scores" in zeros.text


def test_class_weights_do_not_change_what_is_expected():
    weight = np.linspace(0.1, 3, 10).astype(np.float32)
    step = lab.first_loss(
        net, DIGITS, loss=lambda s, y: ops.cross_entropy(s, y, weight=weight)
    )
    assert step.facts["expected"] == pytest.approx(np.log(10), rel=1e-4)


# -------------------------------------------------------------------------- the whole way


@pytest.fixture(autouse=True, scope="module")
def _short():
    """Searches of 40 steps a trial: here it matters how they end, not how well."""
    with pytest.MonkeyPatch.context() as m:
        m.setattr(later_steps, "SHORT", 40)
        yield


def small_recipe():
    def make():
        return MLP([13, 16, 3])

    return lab.recipe(make, table(), batch_size=10, epochs=20, progress=False, seed=1)


@pytest.fixture(scope="module")
def wine():
    return small_recipe()


def test_all_seven_steps_end_with_a_tested_model(wine):
    assert wine.ok, wine
    assert [step.name[0] for step in wine.steps] == list("1234567")
    assert wine.test["accuracy"] > 0.9
    assert set(wine.setting) == {"lr", "weight_decay"}
    assert wine.model(table()[0].x[:4]).shape == (4, 3)
    assert isinstance(wine.history, History)
    assert "on the test set, looked at once" in wine.conclusion
    assert repr(wine).startswith("✓ 1. first loss")


def test_the_last_net_has_seen_the_validation_set_too(wine):
    train, validation, _ = table()
    seen = [set(t.history.steps["samples"]) for t in (wine.trainer, wine.chosen)]
    assert seen == [{10}, {10}]
    steps = [len(t.history.steps["loss"]) // 20 for t in (wine.trainer, wine.chosen)]
    assert steps == [(len(train) + len(validation)) // 10, len(train) // 10]
    assert wine.history is wine.chosen.history
    assert "val_loss" not in wine.trainer.history.epochs
    assert "after training on all but the test set" in wine.conclusion


def test_a_net_that_breaks_on_all_data_is_not_taken():
    bench = lab.bench.Bench(lambda: MLP([13, 16, 3]), table(), batch_size=10)
    kept = object()
    for lr, same in ((1e30, True), (0.01, False)):
        plan = later_steps.Plan("it", {"lr": lr}, 2)
        step = lab.bench.Step(
            "7. go on", True, "", facts={"plan": plan, "trainer": kept}
        )
        assert (later_steps.on_all_data(bench, step) is kept) == same


def test_the_same_seed_ends_with_the_same_bits(wine):
    again = small_recipe()
    assert again.setting == wine.setting
    assert again.test == wine.test


def test_the_page_stands_alone(wine, tmp_path):
    wine.save(tmp_path / "recipe.html")
    text = (tmp_path / "recipe.html").read_text(encoding="utf-8")
    assert text.count("<section") == 8
    assert text.count("data:image/png;base64,") >= 5
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text


def test_a_step_says_what_it_found_in_one_place():
    step = lab.bench.judged("1. it", [("a < b", "c")])
    assert repr(step) == "✗ 1. it: a < b. Try: c."
    assert repr(lab.bench.judged("1. it", [], "all", "good")) == "✓ 1. it: all: good."


def test_it_goes_on_if_it_shall():
    def half_frozen():
        model = MLP([13, 8, 3])
        model.layers[1].requires_grad_(False)
        return model

    report = lab.recipe(
        half_frozen, table(), keep_going=True, epochs=2, progress=False, batch_size=10
    )
    assert len(report.steps) == 7
    assert not report.ok
    assert report.model is not None
    stopped = lab.recipe(frozen, DIGITS, progress=False)
    with pytest.raises(RangeError, match="no model yet"):
        _ = stopped.model


def test_the_optimizer_without_decay_is_searched_without():
    step = lab.coarse_grid(
        lambda: MLP([13, 16, 3]), table(), 0.1, epochs=2,
        optimizer=lambda params, lr: optim.SGD(params, lr),
    )  # fmt: skip
    assert step.ok
    assert set(step.facts["result"].best.setting) == {"lr"}


def test_among_equal_accuracies_the_loss_decides():
    bench = lab.bench.Bench(net, DIGITS)  # 300 for validation: one error is 0.33 %
    rows = [(0.90, 0.9), (0.89, 0.5), (0.80, 0.1)]
    trials = [
        lab.Trial(i, {"lr": i}, a, record={"val_accuracy": a, "val_loss": loss})
        for i, (a, loss) in enumerate(rows)
    ]
    best = later_steps.best_of(bench, lab.Result(trials, "max"))
    assert best.setting == {"lr": 1}  # 0.80 is more than one standard error away


def test_one_set_is_parted():
    step = lab.first_loss(net, (DIGITS.train.x, DIGITS.train.y))
    assert step.ok


@pytest.mark.parametrize(
    ("make", "data", "says"),
    [
        (MLP([64, 10]), DIGITS, "function that makes a new model"),
        (3, DIGITS, "is a function"),
        (net, (DIGITS.train,) * 4, "4 parts"),
        (net, (DIGITS.train, [1, 2, 3, 4]), "want arrays"),
        (net, (np.ones((4, 64)), np.eye(4, 10, dtype=int)), "argmax"),
    ],
)
def test_errors_say_what_to_give(make, data, says):
    with pytest.raises((DTypeError, RangeError), match=says):
        lab.first_loss(make, data)


# --------------------------------------------------------------------------- the command


def test_the_command_runs_on_a_set_of_the_package(tmp_path, capsys):
    out = tmp_path / "recipe.html"
    assert (
        cli.main(
            [
                "recipe",
                "iris",
                "--hidden",
                "16",
                "--batch-size",
                "10",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert said.count("✓") == 7
    assert out.stat().st_size > 50_000


def test_the_command_runs_on_a_file_and_finds_what_is_wrong_with_it(tmp_path, capsys):
    x, y = load_iris().train.arrays
    np.savez(tmp_path / "a.npz", x=np.c_[x, y], y=y)
    status = cli.main(
        ["recipe", str(tmp_path / "a.npz"), "--out", str(tmp_path / "a.html")]
    )
    assert status == 1
    assert "the label is part of the input" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrays", "says"),
    [({"a": [1]}, "it needs x and y"), ({"train_x": [[1.0]], "train_y": [1]}, "validation_x"),
     (None, "neither a file"), (b"no archive", "np.savez")],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(tmp_path, capsys, arrays, says):
    path = tmp_path / "a.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays:
        np.savez(path, **arrays)
    assert cli.main(["recipe", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_targets_are_fractions_and_labels_whole_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((10, 2)), y=np.arange(10) / 2)
    parts = command.load(str(tmp_path / "a.npz"))
    assert parts[0].y.shape == (8, 1)
    np.savez(tmp_path / "b.npz", train_x=np.ones((4, 2)), train_y=np.arange(4) % 2,
             validation_x=np.ones((4, 2)), validation_y=np.arange(4) % 2)  # fmt: skip
    assert [part.classes for part in command.load(str(tmp_path / "b.npz"))] == [2, 2]
    objects = np.array([{}, {}], dtype=object)
    np.savez(tmp_path / "c.npz", x=objects, y=objects)
    with pytest.raises(DataError, match="cannot be read"):
        command.load(str(tmp_path / "c.npz"))


def test_the_command_line_has_its_defaults():
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    options = parser.parse_args(["digits"])
    assert (options.model, options.hidden, options.seed) == ("mlp", [100], 0)
