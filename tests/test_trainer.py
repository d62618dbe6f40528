import os
import signal
from functools import partial

import numpy as np
import pytest

from minidl import Tensor, nn, ops, optim
from minidl.data import DataLoader
from minidl.errors import (
    DTypeError,
    RangeError,
    ShapeError,
)
from minidl.train import (
    Trainer,
    accuracy,
    f1_score,
)
from tests.runs import (
    TRAIN,
    VALIDATION,
    At,
    assert_same,
    loader,
    net,
    press,
    trainer,
    weights,
)

# ---------------------------------------------------------------------------- the loop


def test_it_is_the_loop_that_one_writes_by_hand():
    model, batches = net(norm=True, drop=0.3), loader()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(2):
        for x, y in batches:
            loss = ops.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    run = trainer(net(norm=True, drop=0.3))
    history = run.fit(loader(), VALIDATION, epochs=2)
    assert_same(weights(model), run)
    assert history.steps["loss"] == losses


def test_history_tells_what_happened():
    run = trainer(rule=optim.SGD, lr=optim.schedules.step(0.1, 6))
    history = run.fit(loader(batch=25), VALIDATION, epochs=2)
    assert history.steps["step"] == [1, 2, 3, 4, 5, 6]
    assert history.steps["epoch"] == [1, 1, 1, 2, 2, 2]
    assert history.steps["samples"] == [25, 25, 10] * 2
    assert history.steps["lr"] == [pytest.approx(0.1)] * 6
    a, b, c = history.steps["loss"][:3]
    assert history["train_loss"][0] == pytest.approx((25 * a + 25 * b + 10 * c) / 60)
    assert history["epoch"] == [1, 2]
    assert history["step"] == [3, 6]
    assert history["lr"] == [pytest.approx(0.1), pytest.approx(0.01)]
    assert min(history["seconds"]) > 0
    judged = run.evaluate(VALIDATION)
    assert history.last["val_loss"] == judged["loss"]
    assert history.last["val_accuracy"] == judged["accuracy"]
    assert 0 < history["train_accuracy"][0] <= 1


def test_a_second_fit_goes_on():
    once, twice = trainer(), trainer()
    once.fit(loader(), epochs=3)
    batches = loader()
    twice.fit(batches, epochs=1)
    history = twice.fit(batches, epochs=2)
    assert_same(once, twice)
    assert history["epoch"] == [1, 2, 3]


def test_the_train_accuracy_is_that_of_the_newest_thousand(monkeypatch):
    monkeypatch.setattr("minidl.train.evaluation.RECENT", 20)
    seen = []
    run = trainer(lr=0.0)
    run.metrics = {"count": lambda scores, y: seen.append(len(y)) or 0.0}
    assert run.fit(loader(batch=15))["train_count"] == [0.0]
    assert seen == [30]


def test_mixed_labels_have_no_training_metric():
    def halves(x, y, rng):
        return x, np.full((len(y), 3), 1 / 3, np.float32)

    record = trainer().fit(loader(mix=halves), VALIDATION).last
    assert "val_accuracy" in record
    assert "train_accuracy" not in record


def test_several_inputs_come_before_the_truth():
    class Sum(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 3, rng=0)

        def forward(self, a, b):
            return self.layer(a + b)

    a, b, y = (
        np.ones((4, 2), np.float32),
        np.zeros((4, 2), np.float32),
        np.arange(4) % 3,
    )
    run = trainer(Sum())
    run.fit([(a, b, y)], [(a, b, y)], epochs=2)
    assert run.t == 2
    assert run.predict([(a, b, y)]).shape == (4, 3)


def test_any_callable_will_do():
    w = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    run = Trainer(
        lambda x: x @ w, optim.SGD([w], lr=0.001), ops.cross_entropy, progress=False
    )
    before = run.evaluate(VALIDATION)["loss"]
    run.fit(loader(), epochs=3)
    assert run.evaluate(VALIDATION)["loss"] < before


# -------------------------------------------------------------------- judging and using


def test_evaluation_is_over_all_samples_and_changes_nothing():
    run = trainer(net(norm=True, drop=0.5))
    run.metrics = {"f1": f1_score, "accuracy": accuracy}
    run.model[1].train(False)  # a part that the user froze
    before, modes = weights(run), [m.training for m in run.model.modules()]
    small = run.evaluate(DataLoader(VALIDATION, 7))
    whole = run.evaluate(VALIDATION)
    assert [m.training for m in run.model.modules()] == modes
    assert_same(before, run)
    run.model.eval()
    scores = run.model(VALIDATION.x)
    assert whole["loss"] == pytest.approx(
        ops.cross_entropy(scores, VALIDATION.y).item(), rel=1e-6
    )
    assert small["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    assert small["f1"] == whole["f1"] == f1_score(scores, VALIDATION.y)


def _own(scores, y):
    return ops.cross_entropy(scores, y)


WEIGHTS = np.array([1.0, 2.0, 0.5], np.float32)


@pytest.mark.parametrize(
    "loss",
    [
        ops.cross_entropy,
        _own,
        partial(ops.cross_entropy, weight=WEIGHTS),
        partial(partial(ops.cross_entropy, weight=WEIGHTS), ignore_index=2),
        partial(ops.cross_entropy, ignore_index=0, label_smoothing=0.1),
        nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=1),
        nn.NLLLoss(ignore_index=0),
        nn.LabelSmoothingLoss(0.2),
        ops.nll_loss,
    ],
)
def test_the_loss_of_parts_is_that_of_the_whole(loss, rng):
    class Net(nn.Module):
        def __init__(self):
            self.map = nn.Linear(3, 3, rng=0)

        def forward(self, x):
            return self.map(x).log_softmax(axis=-1).swapaxes(1, 2)

    x, y = rng.standard_normal((8, 5, 3)).astype(np.float32), rng.integers(0, 3, (8, 5))
    if getattr(loss, "ignore_index", -100) == -100 and not isinstance(loss, partial):
        y[:4, 1:] = -100  # padding
    parts = [(x[:2], y[:2]), (x[2:6, :1], y[2:6, :1]), (x[2:6, 1:], y[2:6, 1:]),
             (x[6:], y[6:])]  # fmt: skip
    parts = [(a, b) for a, b in parts]
    run = trainer(Net(), loss=loss, lr=0.0)
    run.metrics = {}
    whole = run.evaluate([(x, y)])["loss"]
    assert run.evaluate(parts)["loss"] == pytest.approx(whole, rel=1e-6)
    assert run.fit(parts)["train_loss"][0] == pytest.approx(whole, rel=1e-6)


def test_a_batch_that_is_ignored_altogether_counts_nothing():
    def loss(scores, y):  # NaN for no label, as on a GPU
        total = ops.cross_entropy(scores, y, reduction="sum")
        return total / np.float32((y.data != -100).sum())

    x, y = VALIDATION.x, VALIDATION.y
    run, nothing = trainer(loss=loss), (x[:4], np.full(4, -100))
    run.metrics = {}
    with np.errstate(all="ignore"):
        right = run.evaluate([(x, y)])["loss"]
        assert run.evaluate([(x, y), nothing])["loss"] == right
        assert np.isnan(run.evaluate([nothing])["loss"])


def test_losses_that_ignore_nothing_count_all_numbers():
    x = np.ones((6, 2), np.float32)
    y = np.where(np.arange(6)[:, None] < 3, -100, 1) * np.ones((1, 3), np.int64)
    run = trainer(loss=ops.mse_loss)
    run.metrics = {}
    whole = run.evaluate([(x, y)])["loss"]
    parts = [(x[:1], y[:1]), (x[1:], y[1:])]
    assert run.evaluate(parts)["loss"] == pytest.approx(whole, rel=1e-6)


def test_predictions_come_in_order_from_whatever_holds_samples():
    run = trainer(net(drop=0.5))
    scores = run.predict(VALIDATION.x)
    run.model.eval()
    np.testing.assert_allclose(scores, run.model(VALIDATION.x).data, rtol=1e-6)
    assert type(scores) is np.ndarray
    for data in (
        VALIDATION,
        DataLoader(VALIDATION, 7),
        Tensor(VALIDATION.x),
        [VALIDATION.x],
    ):
        np.testing.assert_allclose(run.predict(data), scores, rtol=1e-5)
    assert run.model[0].weight.grad is None


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (TRAIN, DTypeError, "DataLoader"),
        ((TRAIN.x, TRAIN.y), DTypeError, "DataLoader"),
        (7, DTypeError, "iterable"),
        ([TRAIN.x], DTypeError, r"a batch is a tuple \(x, y\).*ndarray of shape"),
        ([], RangeError, "no batch"),
        ([{"x": TRAIN.x}], DTypeError, "collate"),
    ],
)
def test_what_cannot_be_trained_on_is_explained(data, error, words):
    with pytest.raises(error, match=words):
        trainer().fit(data)


def test_an_iterator_is_used_up_after_an_epoch():
    with pytest.raises(RangeError, match=r"epoch 2 had no batch.*iterator"):
        trainer().fit(iter(list(loader())), epochs=2)


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (
            lambda x, y: ops.cross_entropy(x, y, reduction="none"),
            ShapeError,
            "one number",
        ),
        (lambda x, y: x.data.sum(), DTypeError, "must return a Tensor"),
    ],
)
def test_a_loss_that_cannot_be_descended_is_explained(loss, error, words):
    with pytest.raises(error, match=words):
        trainer(loss=loss).fit(loader())


def test_settings_that_cannot_be():
    with pytest.raises(RangeError, match="check_every"):
        trainer(check_every=-1)
    with pytest.raises(RangeError, match="epochs"):
        trainer().fit(loader(), epochs=-1)
    with pytest.raises(DTypeError, match="a metric is a function"):
        Trainer(net(), None, None, ["accuracy"])
    with pytest.raises(RangeError, match="used up"):
        trainer().evaluate([])


def test_it_prints_itself_in_a_line():
    run = trainer(loss=partial(ops.cross_entropy, label_smoothing=0.1))
    run.fit(loader(), VALIDATION)
    text = repr(run)
    assert text.startswith("Trainer(Sequential of 51 parameters, Adam(lr=0.01")
    assert "cross_entropy, accuracy; History(1 epoch, 6 steps: epoch 1" in text
    assert "\n" not in text
    assert "lambda" in repr(Trainer(lambda x: x, None, ops.mse_loss, progress=False))


# ------------------------------------------------------------------------------ Ctrl-C


@pytest.mark.parametrize("step", [3, 6, 8])
@pytest.mark.parametrize("batches", [loader, lambda: list(loader())])
def test_ctrl_c_ends_after_the_step_and_fit_goes_on(step, batches):
    handler = signal.getsignal(signal.SIGINT)
    whole, run = trainer(net(drop=0.3)), trainer(net(drop=0.3), [At(step, press)])
    whole.fit(batches(), VALIDATION, epochs=2)
    data = batches()
    history = run.fit(data, VALIDATION, epochs=2)
    assert run.t == len(history.steps["loss"]) == step
    assert run.ending == "interrupted"
    assert signal.getsignal(signal.SIGINT) is handler
    run.fit(data, VALIDATION, epochs=2 - run.epoch)
    assert_same(whole, run)
    assert run.history["train_loss"] == whole.history["train_loss"]


def test_a_second_ctrl_c_does_not_wait():
    run = trainer(callbacks=[At(3, lambda t: (press(t), press(t)))])
    with pytest.raises(KeyboardInterrupt):
        run.fit(loader())
    assert run.ending == "failed"


def test_ctrl_c_does_not_kill_the_workers():
    data = loader(workers=1)

    def press_all(_):
        for pid in data._pool.executor._processes:
            os.kill(pid, signal.SIGINT)

    whole, run = trainer(), trainer(callbacks=[At(2, press_all)])
    whole.fit(loader(), epochs=2)
    run.fit(data, epochs=2)
    data.close()
    assert_same(whole, run)


# ------------------------------------------------------------- what is not to be trained


def test_a_layer_in_eval_mode_on_purpose_stays_there():
    run = trainer(net(norm=True, drop=0.5))
    norm = run.model[1].eval().requires_grad_(False)
    before = norm.running_mean.data.copy()
    modes = []
    run.callbacks.append(At(2, lambda t: modes.append(norm.training)))
    run.fit(loader(), VALIDATION, epochs=2)
    run.model.eval()  # as whoever uses the model by hand; then training goes on
    run.fit(loader(), VALIDATION)
    assert modes == [False]
    assert [m.training for m in run.model] == [True, False, True, True, True]
    np.testing.assert_array_equal(norm.running_mean.data, before)
    norm.train()  # and this is on purpose, too
    run.fit(loader())
    assert (norm.running_mean.data != before).any()


def test_what_is_frozen_does_not_move(rng):
    model = net(norm=True, drop=0.5).freeze("[012]")
    run, before = trainer(model, rule=optim.AdamW), weights(model)
    run.fit(loader(), VALIDATION, epochs=2)
    moved = [name for name, x in weights(model).items() if (x != before[name]).any()]
    assert moved == ["3.key", "4.weight", "4.bias"]
    model.unfreeze()
    run.fit(loader())
    assert all((x != before[name]).any() for name, x in weights(model).items())


def test_a_model_that_was_judged_is_trained_again():
    run = trainer(net(norm=True))
    run.model.eval()
    run.fit(loader())
    assert all(m.training for m in run.model.modules())
