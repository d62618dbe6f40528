import numpy as np
import pytest

from minidl import optim
from minidl.data import DataLoader
from minidl.errors import MinidlError, RangeError
from minidl.train import (
    Checkpoint,
    EarlyStopping,
    GradientAccumulation,
    GradientClip,
    PlateauLR,
    WeightAverage,
    load_checkpoint,
)
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
)


def everything(folder, *extra, values=None, **settings):
    """A run with whatever has a memory."""
    model = net(norm=True, drop=0.3)
    settings.setdefault("resume", True)
    return trainer(
        model,
        [
            GradientAccumulation(4),
            GradientClip(1.0),
            WeightAverage(optim.EMA(model.parameters(), decay=0.8)),
            EarlyStopping(patience=3),
            PlateauLR(factor=0.5, patience=0),
            Script(values or [3.0, 2.0, 2.5, 1.5, 1.4, 1.6]),
            Checkpoint(folder, **settings),
            *extra,
        ],
        lr=optim.schedules.cosine(0.05, 40),
    )


def facts(run):
    """The history without the clock."""
    tables = run.history.to_dict()
    del tables["epochs"]["seconds"]
    return tables


def shifted(x, rng=None):
    return x + rng.normal(2).astype(np.float32) * 0.1 if hasattr(rng, "normal") else x


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 9, 14, 22])
def test_a_resumed_run_is_the_uninterrupted_one(stop, tmp_path):
    whole = everything(tmp_path / "whole")
    whole.fit(loader(), VALIDATION, epochs=4)
    first = everything(tmp_path / "cut", At(stop, press))
    first.fit(loader(), VALIDATION, epochs=4)
    assert first.t == stop
    second = everything(tmp_path / "cut")
    second.fit(loader(seed=99), VALIDATION, epochs=4)  # the seed is in the file
    assert_same(whole, second)
    assert facts(whole) == facts(second)
    assert whole.optimizer.lr == second.optimizer.lr
    for a, b in zip(whole.callbacks, second.callbacks, strict=True):
        assert str(a.state_dict()) == str(b.state_dict())


@pytest.mark.parametrize("batches", [loader, lambda: list(loader())])
def test_what_was_killed_goes_on_from_the_newest_file(batches, tmp_path):
    def die(_):
        raise MemoryError

    whole = everything(tmp_path / "whole")
    whole.fit(batches(), VALIDATION, epochs=3)
    with pytest.raises(MemoryError):
        everything(tmp_path / "cut", At(11, die), steps=4).fit(
            batches(), VALIDATION, epochs=3
        )
    second = everything(tmp_path / "cut", steps=4)
    seen = []
    second.callbacks.append(At(9, lambda run: seen.append(run.t)))
    second.fit(batches(), VALIDATION, epochs=3)
    assert seen == [9]  # it went on from step 8
    assert_same(whole, second)
    assert facts(whole) == facts(second)


def test_a_finished_run_is_not_trained_again(tmp_path):
    once = everything(tmp_path)
    once.fit(loader(), VALIDATION, epochs=2)
    again = everything(tmp_path)
    history = again.fit(loader(), VALIDATION, epochs=2)
    assert again.t == 12
    assert len(history) == 2
    assert_same(once, again)


def test_a_stopped_run_stays_stopped(tmp_path):
    values = [1.0, 2.0, 2.0, 2.0, 0.0]
    once = everything(tmp_path, values=values)
    once.fit(loader(), VALIDATION, epochs=5)
    again = everything(tmp_path, values=values)
    again.fit(loader(), VALIDATION, epochs=5)
    assert once.epoch == again.epoch == 4
    assert again.ending == "stopped"
    assert_same(once, again)


def test_resume_has_to_be_asked_for(tmp_path):
    everything(tmp_path).fit(loader(), VALIDATION, epochs=2)
    run = everything(tmp_path, resume=False)
    run.fit(loader(), VALIDATION, epochs=1)
    assert run.epoch == 1


def test_the_last_ones_and_the_best_stay(tmp_path):
    values = [3.0, 1.0, 2.0, 2.5, 2.6, 2.7]
    save = Checkpoint(tmp_path, "val_loss", keep=2)
    run = trainer(callbacks=[Script(values), save])
    kept = {}
    run.callbacks.append(At(12, lambda run: kept.update(run.model.state_dict())))
    run.fit(loader(), epochs=6)
    assert list(save.store.paths) == [2, 5, 6]
    best = net()
    load_checkpoint(save.store.best, {"model": best}, strict=False)
    assert_same(kept, best.state_dict())


def test_every_so_many_epochs_and_at_the_end(tmp_path):
    seen = []
    save = Checkpoint(tmp_path, every=2, keep=9)
    real = save.store.save
    save.store.save = lambda parts, metric: (
        seen.append(parts["trainer"].epoch) or real(parts, metric)
    )
    trainer(callbacks=[save]).fit(loader(), epochs=5)
    assert seen == [2, 4, 5]
    with pytest.raises(RangeError, match="at least 1"):
        Checkpoint(tmp_path, every=0)


def test_another_trainer_is_refused_and_left_alone(tmp_path):
    everything(tmp_path).fit(loader(), VALIDATION, epochs=1)
    bare = trainer(
        net(norm=True, drop=0.3),
        [Checkpoint(tmp_path, resume=True)],
        lr=optim.schedules.cosine(0.05, 40),
    )
    before = {name: x.copy() for name, x in bare.model.state_dict().items()}
    with pytest.raises(MinidlError, match="callbacks"):
        bare.fit(loader(), VALIDATION, epochs=1)
    assert_same(before, bare)
    assert bare.t == 0


def test_a_generator_of_ones_own_goes_on(tmp_path):
    def run(folder, steps):
        rng = np.random.default_rng(0)
        drawn = []
        draws = [At(t, lambda _: drawn.append(rng.random())) for t in range(1, 13)]
        save = Checkpoint(folder, resume=True, random={"noise": rng})
        trainer(callbacks=[*draws, save, At(steps, press)]).fit(loader(), epochs=2)
        return drawn

    whole = run(tmp_path / "a", 99)
    assert run(tmp_path / "b", 5) + run(tmp_path / "b", 99) == whole
    assert DataLoader(TRAIN).state_dict()["samples"] == 60
