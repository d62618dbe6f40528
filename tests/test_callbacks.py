import math

import numpy as np
import pytest

from minidl import nn, ops, optim
from minidl.data import DataLoader
from minidl.errors import RangeError
from minidl.train import (
    Callback,
    EarlyStopping,
    GradientAccumulation,
    GradientClip,
    PlateauLR,
    WeightAverage,
    update_batch_norm,
)
from minidl.train.callback import direction
from tests.runs import (
    TRAIN,
    VALIDATION,
    At,
    Script,
    assert_same,
    loader,
    net,
    press,
    trainer,
    weights,
)

# ------------------------------------------------------------------------------- hooks


def test_hooks_come_in_their_order():
    seen = []

    class Spy(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_") or name == "evaluation":
                seen.append(name)
            return super().__getattribute__(name)

    trainer(callbacks=[Spy()]).fit(loader(batch=30), VALIDATION)
    step = ["on_loss", "on_backward", "on_update", "on_step"]
    end = ["on_train_end", "evaluation", "on_validation", "on_epoch", "on_end"]
    assert seen == ["on_begin", *step, *step, *end]


def test_on_end_comes_after_an_error_too():
    seen = []

    class End(Callback):
        def on_end(self, trainer):
            seen.append(trainer.ending)

    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer(callbacks=[End(), At(2, fail)]).fit(loader())
    assert seen == ["failed"]


# ---------------------------------------------------------------------- early stopping


def stopped(values, epochs=20, **settings):
    stop = EarlyStopping(**settings)
    kept = []

    class Keep(Callback):
        def on_epoch(self, trainer, record):
            kept.append(weights(trainer))

    run = trainer(callbacks=[Script(values), stop, Keep()])
    run.fit(loader(), epochs=epochs)
    return run, stop, kept


def test_early_stopping_waits_and_takes_the_best_back():
    run, stop, kept = stopped([3.0, 2.0, 2.5, 2.1, 2.0, 1.0], patience=3)
    assert run.epoch == 5  # the 1.0 of the sixth epoch is never seen
    assert (stop.best, stop.best_epoch) == (2.0, 2)
    assert_same(kept[1], run)
    assert run.ending == "stopped"


def test_early_stopping_counts_from_the_newest_best():
    run, _, _ = stopped([3.0, 3.1, 2.0, 2.1, 1.0, 1.1, 1.2, 9.0], patience=2)
    assert run.epoch == 7


def test_early_stopping_without_a_stop_takes_the_best_too():
    run, _, kept = stopped([3.0, 2.0, 2.5], epochs=3)
    assert_same(kept[1], run)
    run, _, kept = stopped([3.0, 2.0, 2.5], epochs=3, restore=False)
    assert_same(kept[2], run)


def test_little_is_not_better_and_nan_never():
    assert stopped([3.0, 2.95, 2.9, 2.85, 0], patience=2, min_delta=0.2)[0].epoch == 3
    run, stop, _ = stopped([math.nan, 2.0, math.nan, math.nan, 1.0], patience=2)
    assert (run.epoch, stop.best) == (4, 2.0)


def test_high_is_good_where_the_name_says_so():
    script = Script([0.5, 0.9, 0.8, 0.7], "val_accuracy")
    run = trainer(callbacks=[script, EarlyStopping("val_accuracy", patience=2)])
    run.fit(loader(), epochs=9)
    assert run.epoch == 4
    assert direction("val_wer", "min") == "min"
    with pytest.raises(RangeError, match="good or bad"):
        EarlyStopping("val_wer")


def test_what_is_not_measured_cannot_be_watched():
    with pytest.raises(RangeError, match=r"val_loss.*no validation data.*train_loss"):
        trainer(callbacks=[EarlyStopping()]).fit(loader())
    with pytest.raises(RangeError, match="patience"):
        EarlyStopping(patience=0)


def test_after_ctrl_c_the_newest_weights_stay():
    run = trainer(callbacks=[Script([1.0, 2.0, 3.0]), EarlyStopping(), At(13, press)])
    run.fit(loader(), epochs=3)
    twin = trainer(callbacks=[At(13, press)])
    twin.fit(loader(), epochs=3)
    assert_same(twin, run)


# ----------------------------------------------------------------------------- plateau


def test_plateau_is_the_rule_of_optim():
    values = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    plateau = PlateauLR(factor=0.5, patience=1)
    run = trainer(callbacks=[Script(values), plateau], lr=0.01)
    history = run.fit(loader(), epochs=8)
    other = trainer(lr=0.01).optimizer
    rule, expected = optim.ReduceOnPlateau(other, factor=0.5, patience=1), []
    for value in values:
        expected.append(other.lr)
        rule.step(value)
    assert history["lr"] == expected
    assert expected[-1] < expected[0]
    assert PlateauLR("val_accuracy").options["mode"] == "max"


# --------------------------------------------------------------------------- gradients


def one_step(*callbacks, batches=1, batch=20):
    """Return the gradients that SGD with rate 1 used, by what it changed."""
    run = trainer(callbacks=callbacks, rule=optim.SGD, lr=1.0)
    before = weights(run)
    data = DataLoader(TRAIN.subset(range(batches * batch)), batch)
    run.fit(data)
    after = weights(run)
    return {
        name: before[name] - after[name] for name in before if "key" not in name
    }, run


def norm(gradients):
    return math.sqrt(
        sum(float((g.astype(float) ** 2).sum()) for g in gradients.values())
    )


def test_clipping_shortens_and_keeps_the_direction():
    free, _ = one_step()
    clip = GradientClip(0.5)
    clipped, _ = one_step(clip)
    assert norm(free) > 1
    assert norm(clipped) == pytest.approx(0.5, rel=1e-3)
    assert float(clip.norm) == pytest.approx(norm(free), rel=1e-3)
    for name, g in clipped.items():
        np.testing.assert_allclose(g, free[name] * (0.5 / norm(free)), atol=1e-5)
    untouched, _ = one_step(GradientClip(1e6))
    assert norm(untouched) == pytest.approx(norm(free))


def test_clipping_by_value_bounds_each():
    free, _ = one_step()
    clipped, _ = one_step(GradientClip(max_value=0.1))
    for name, g in clipped.items():
        np.testing.assert_allclose(g, np.clip(free[name], -0.1, 0.1), atol=1e-6)


@pytest.mark.parametrize(
    "settings", [{}, {"max_norm": 1.0, "max_value": 1.0}, {"max_norm": 0.0}]
)
def test_clipping_wants_one_bound(settings):
    with pytest.raises(RangeError, match="GradientClip"):
        GradientClip(**settings)


@pytest.mark.parametrize("clip", [[], [GradientClip(0.5)]])
def test_accumulation_is_a_larger_batch(clip):
    large, _ = one_step(*clip, batches=1, batch=40)
    small, run = one_step(*clip, GradientAccumulation(4), batches=4, batch=10)
    assert run.optimizer.t == 1
    for name in large:
        np.testing.assert_allclose(small[name], large[name], rtol=1e-4, atol=1e-6)


def test_the_last_group_of_an_epoch_steps_with_its_own_mean():
    large, _ = one_step(batches=1, batch=30)
    small, run = one_step(GradientAccumulation(5), batches=3, batch=10)
    assert run.optimizer.t == 1
    for name in large:
        np.testing.assert_allclose(small[name], large[name], rtol=1e-4, atol=1e-6)
    with pytest.raises(RangeError, match="GradientAccumulation"):
        GradientAccumulation(0)


def _summed(scores, y):
    """A mean over the labels that are not ignored, in a loss of one's own."""
    return ops.cross_entropy(scores.swapaxes(1, 2), y)


@pytest.mark.parametrize("compile", [False, True])
def test_accumulation_of_unequal_batches_is_exact(rng, compile):
    x = rng.standard_normal((14, 4, 2)).astype(np.float32)
    y = rng.integers(0, 3, (14, 4))
    y[2:9, 1:], y[5] = -100, -100  # padding, and a sequence that is nothing else
    grads = []
    for sizes in ([14], [4, 2, 7, 1], [1, 3, 4, 6]):
        places = np.split(np.arange(14), np.cumsum(sizes)[:-1])
        run = trainer(
            nn.Linear(2, 3, rng=0), [GradientAccumulation(len(sizes))], loss=_summed, lr=0.0,
            compile=compile,
        )  # fmt: skip
        run.metrics = {}
        run.callbacks.append(Grads(grads))
        history = run.fit([(x[i], y[i]) for i in places])
        assert history["train_loss"][0] == pytest.approx(
            run.evaluate([(x, y)])["loss"], rel=1e-6
        )
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


class Grads(Callback):
    """Keeps the gradients that the optimizer steps with."""

    turn = 5

    def __init__(self, into):
        self.into = into

    def on_backward(self, trainer):
        self.into.append([p.grad.copy() for p in trainer.model.parameters()])


# ---------------------------------------------------------------------------- averages


def averaged(stop=(), epochs=2, norm=False, **options):
    model = net(norm=norm)
    average = optim.EMA(model.parameters(), decay=0.8, **options)
    return trainer(model, [WeightAverage(average), *stop]), average


def test_the_average_is_validated_and_left_in_the_model():
    run, ema = averaged()
    history = run.fit(loader(), VALIDATION, epochs=2)
    plain = trainer()
    twin = optim.EMA(plain.model.parameters(), decay=0.8)
    spy = [At(t, lambda _: twin.update()) for t in range(1, 13)]
    plain.callbacks = spy
    plain.fit(loader(), epochs=2)
    with twin.applied():
        assert_same(plain, run)
        judged = plain.evaluate(VALIDATION)
    assert history["val_loss"][-1] == judged["loss"] == run.evaluate(VALIDATION)["loss"]
    assert plain.evaluate(VALIDATION)["loss"] != judged["loss"]
    assert ema.n == 12


def test_validation_with_averages_does_not_disturb_training():
    run, _ = averaged(stop=[At(11, press)])
    run.fit(loader(), VALIDATION, epochs=2)
    plain = trainer(callbacks=[At(11, press)])
    plain.fit(loader(), VALIDATION, epochs=2)
    assert_same(plain, run)


def test_early_stopping_keeps_the_averaged_weights():
    stop = EarlyStopping(patience=2)
    run, _ = averaged(stop=[Script([1.0, 2.0, 3.0]), stop])
    run.fit(loader(), VALIDATION, epochs=5)
    other, _ = averaged()
    other.fit(loader(), VALIDATION, epochs=1)
    assert_same(other, run)


def test_batch_norm_is_recomputed_as_torch_does(torch):
    model = net(norm=True)
    data = DataLoader(TRAIN, 16, shuffle=True, seed=3)
    place = data.state_dict()
    twin = torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU()
    )
    with torch.no_grad():
        twin[0].weight.copy_(torch.tensor(model[0].weight.data.T))
        twin[0].bias.copy_(torch.tensor(model[0].bias.data))
    model.train(False)
    update_batch_norm(model, data)
    assert data.state_dict() == place
    assert not any(m.training for m in model.modules())
    assert model[1].momentum == 0.1
    batches = [(torch.tensor(x.data), y) for x, y in data]
    torch.optim.swa_utils.update_bn(batches, twin)
    np.testing.assert_allclose(
        model[1].running_mean.data, twin[1].running_mean, rtol=1e-5
    )
    np.testing.assert_allclose(
        model[1].running_var.data, twin[1].running_var, rtol=1e-5
    )


def test_batch_norm_needs_data_and_leaves_dropout_alone():
    model = net(norm=True, drop=0.5)
    key = model[3].key.data.copy()
    update_batch_norm(model, DataLoader(TRAIN, 16))
    np.testing.assert_array_equal(model[3].key.data, key)
    assert model.training
    with pytest.raises(RangeError, match="no batch"):
        update_batch_norm(model, [])
    update_batch_norm(net(), [])  # nothing to do
