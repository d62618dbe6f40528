"""The loader: the same batches whoever makes them, and again after an interruption."""

import copy
import json
import os
import pickle
import threading
from functools import partial

import numpy as np
import pytest

from minidl import backend
from minidl.data import (
    Compose,
    DataLoader,
    Dataset,
    GaussianNoise,
    RandomFlip,
    RandomShift,
    TensorDataset,
    mixup,
)
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, MinidlError, RangeError, ShapeError

IMAGES = np.random.default_rng(0).random((22, 1, 6, 6), np.float32)
LABELS = np.arange(22) % 10


class Slow(Dataset):
    """Samples made one by one, importable by worker processes."""

    def __len__(self):
        return 22

    def __getitem__(self, i):
        if i >= 22:
            raise IndexError(i)
        return IMAGES[i], int(LABELS[i])


class Broken(Slow):
    def __getitem__(self, i):
        if i == 9:
            raise ValueError("sample 9 is not readable")
        return super().__getitem__(i)


class Forgotten(Slow):
    """What a worker process cannot find again, as a class made in a notebook."""

    def __reduce__(self):
        return (_gone, (os.getpid(),))


def _gone(pid):
    if os.getpid() != pid:
        raise AttributeError("no such class here")
    return Forgotten()


def loader(dataset=None, **settings):
    settings = {
        "batch_size": 4,
        "shuffle": True,
        "seed": 7,
        "transform": Compose([RandomFlip(), RandomShift(2), GaussianNoise(0.1)]),
        "mix": partial(mixup, classes=10),
    } | settings
    return DataLoader(dataset or TensorDataset(IMAGES, LABELS), **settings)


def numbers(batches):
    return [(x.data.tobytes(), y.data.tobytes()) for x, y in batches]


# What a loop gets


def test_batches_are_tensors_that_own_their_numbers():
    dataset = TensorDataset(IMAGES.copy(), LABELS)
    for x, y in DataLoader(dataset, 8):
        assert isinstance(x, Tensor)
        assert isinstance(y, Tensor)
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert not np.shares_memory(x.data, dataset.x)
        assert not x.requires_grad


def test_without_shuffling_samples_come_in_order():
    batches = list(DataLoader((IMAGES, LABELS), 8))
    assert [len(y.data) for _, y in batches] == [8, 8, 6]
    assert np.array_equal(np.concatenate([x.data for x, _ in batches]), IMAGES)
    assert np.array_equal(np.concatenate([y.data for _, y in batches]), LABELS)


def test_an_epoch_has_every_sample_once_with_its_own_label():
    x = np.arange(23.0)
    loader = DataLoader((x, np.arange(23)), 4, shuffle=True, seed=0)
    orders = []
    for _ in range(3):
        batches = list(loader)
        order = np.concatenate([y.data for _, y in batches])
        assert sorted(order) == list(range(23))
        assert np.array_equal(np.concatenate([x.data for x, _ in batches]), order)
        orders.append(order.tolist())
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] != list(range(23))


def test_drop_last_and_length():
    assert len(DataLoader(np.zeros(22), 4)) == 6
    loader = DataLoader(np.zeros(22), 4, drop_last=True)
    assert len(loader) == len(list(loader)) == 5
    assert all(len(x.data) == 4 for (x,) in loader)
    assert len(DataLoader(np.zeros(8), 4)) == len(
        DataLoader(np.zeros(8), 4, drop_last=True)
    )


def test_seeds_decide_and_default_to_minidl_seed():
    assert numbers(loader(seed=1)) == numbers(loader(seed=1)) != numbers(loader(seed=2))
    backend.seed(5)
    first = loader(seed=None)
    assert first.seed != loader(seed=None).seed
    backend.seed(5)
    assert loader(seed=None).seed == first.seed


def test_a_loader_without_randomness_draws_no_seed():
    backend.seed(5)
    expected = backend.generator().random()
    backend.seed(5)
    DataLoader(np.zeros(5), 2)
    assert backend.generator().random() == expected


def test_any_sequence_dict_and_collate():
    (x,) = next(iter(DataLoader(IMAGES, 2)))
    assert x.shape == (2, 1, 6, 6)
    batch = next(iter(DataLoader([{"x": 1.0, "name": "a"}] * 3, 2)))
    assert batch["x"].dtype == np.float32
    assert batch["name"] == ["a", "a"]
    pairs = [(np.ones(n), n) for n in range(1, 5)]

    def padded(samples):
        longest = max(len(x) for x, _ in samples)
        rows = [np.pad(x, (0, longest - len(x))) for x, _ in samples]
        return np.stack(rows), np.array([n for _, n in samples])

    x, n = next(iter(DataLoader(pairs, 4, collate=padded)))
    assert x.shape == (4, 4)
    assert n.data.tolist() == [1, 2, 3, 4]
    with pytest.raises(ShapeError, match="collate="):
        next(iter(DataLoader(pairs, 4)))


# Who makes them does not matter


@pytest.mark.parametrize(
    "who",
    [{"prefetch": 1}, {"prefetch": 5}, {"workers": 1}, {"workers": 4, "prefetch": 3}],
    ids=str,
)
def test_threads_and_processes_make_the_same_batches(who):
    plain = loader()
    expected = [numbers(plain), numbers(plain)]
    for dataset in (None, Slow()):
        helped = loader(dataset, **who)
        assert [numbers(helped), numbers(helped)] == expected
        helped.close()


def test_augmentation_belongs_to_the_sample_not_to_the_batch():
    """Batches of another size: the same changed images, were it not for mixup."""
    small = loader(mix=None, batch_size=3, shuffle=False)
    large = loader(mix=None, batch_size=11, shuffle=False)
    small, large = (
        np.concatenate([x.data for x, _ in part]) for part in (small, large)
    )
    assert np.array_equal(small, large)
    noise = large.reshape(22, -1)
    assert len(np.unique(noise, axis=0)) == 22


def test_no_two_samples_or_epochs_share_their_noise():
    blank = TensorDataset(np.zeros((22, 1, 6, 6), np.float32), LABELS)
    noisy = loader(blank, transform=GaussianNoise(1.0), mix=None, workers=2)
    drawn = np.concatenate([x.data.ravel() for _ in range(2) for x, _ in noisy])
    noisy.close()
    assert len(np.unique(drawn)) > 0.999 * drawn.size


@pytest.mark.parametrize("who", [{}, {"prefetch": 2}, {"workers": 1}], ids=str)
def test_an_error_in_the_dataset_comes_out_as_it_is(who):
    broken = DataLoader(Broken(), 4, **who)
    batches = iter(broken)
    got = [next(batches)[1].data.tolist() for _ in range(2)]
    with pytest.raises(ValueError, match="sample 9 is not readable"):
        next(batches)
    assert got == [[0, 1, 2, 3], [4, 5, 6, 7]]
    broken.close()


def test_what_cannot_travel_to_workers_is_named():
    lost = DataLoader(TensorDataset(IMAGES), 4, transform=lambda x: x, workers=1)
    with pytest.raises(DTypeError, match=r"pickle.*lambda.*prefetch=2"):
        next(iter(lost))
    lost = DataLoader(Forgotten(), 4, workers=1)
    with pytest.raises(DTypeError, match=r"no such class here.*notebook"):
        next(iter(lost))
    lost.close()


class Deadly(Slow):
    def __getitem__(self, i):
        if i == 9:
            os._exit(1)
        return super().__getitem__(i)


def test_a_worker_that_dies_is_reported():
    deadly = DataLoader(Deadly(), 4, workers=1)
    for _ in range(2):
        with pytest.raises(MinidlError, match=r"worker process .* died.*__main__"):
            list(deadly)
    deadly.close()


def test_loaders_can_be_copied_and_pickled():
    fresh = loader()
    _, expected = numbers(fresh), numbers(fresh)
    plain = loader(prefetch=2)
    next(iter(plain))
    for twin in (copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
        assert twin.state_dict() == plain.state_dict()
        assert numbers(twin) == expected
        twin.close()
    plain.close()


def test_leaving_a_loop_early_leaves_nothing_behind():
    before = threading.active_count()
    early = loader(prefetch=2)
    next(iter(early))
    next(iter(early))
    early.close()
    assert threading.active_count() == before
    assert len(list(early)) == 6  # and the loader still works
    early.close()


class Rationed(Slow):
    """Makes as many samples as it was allowed to, and waits for the next permission."""

    def __init__(self):
        self.permits, self.made = threading.Semaphore(0), []

    def __getitem__(self, i):
        assert self.permits.acquire(timeout=10)
        self.made.append(i)
        return super().__getitem__(i)


def test_leaving_a_loop_early_cancels_what_was_ordered_ahead():
    slow = Rationed()
    early = DataLoader(slow, 2, prefetch=4)
    batches = iter(early)
    slow.permits.release(2)
    next(batches)  # the thread hangs in the second batch at most, with more behind it
    batches.close()
    slow.permits.release(100)
    early._pool.submit((0, 9, np.array([20, 21]))).result()
    assert slow.made in ([0, 1, 2, 3, 20, 21], [0, 1, 20, 21])
    early.close()


def test_every_batch_is_mixed_with_numbers_of_its_own():
    def draw(x, y, rng):
        return x, rng.random(len(x))

    drawn = loader(mix=draw)
    y = np.concatenate([y.data for _ in range(3) for _, y in drawn])
    assert len(np.unique(y)) == 3 * 22


# Stopping and going on


@pytest.mark.parametrize("who", [{}, {"prefetch": 2}], ids=str)
@pytest.mark.parametrize("stop", range(13))
def test_resuming_after_any_batch_goes_on_bit_for_bit(stop, who):
    whole = loader()
    expected = [batch for _ in range(3) for batch in numbers(whole)]
    first, got, state = loader(**who), [], None
    while state is None:
        if len(got) == stop:  # between two loops
            state = first.state_dict()
            break
        for batch in first:
            got += numbers([batch])
            if len(got) == stop:
                state = first.state_dict()
                break
    second = loader(seed=99, **who)
    next(iter(second))  # a thread that still has the other seed
    second.load_state_dict(json.loads(json.dumps(state)))
    while len(got) < len(expected):
        got += numbers(second)
    assert got == expected
    assert second.state_dict() == whole.state_dict()
    first.close()
    second.close()


def test_every_loop_begins_a_new_epoch_except_after_loading():
    a = loader()
    epochs = [numbers(a) for _ in range(3)]
    b = loader()
    assert numbers([next(iter(b))]) == epochs[0][:1]
    assert (b.epoch, b.position) == (0, 1)
    assert numbers(b) == epochs[1]
    b.epoch = 0
    assert numbers(b) == epochs[0]


def test_loading_inside_a_loop_leaves_the_place_alone():
    a = loader()
    running = iter(a)
    next(running)
    a.load_state_dict(loader().state_dict())
    next(running)
    assert (a.epoch, a.position) == (0, 0)


def test_a_foreign_state_is_refused_and_changes_nothing():
    a = loader()
    next(iter(a))
    state = a.state_dict()
    for change, words in [
        ({"batch_size": 5}, "batch_size=5, but this loader has 4"),
        ({"samples": 21}, "samples=21"),
        ({"shuffle": False}, "shuffle=False"),
        ({"position": 7}, "no such place among 6 batches"),
        ({"epoch": -1}, "no such place"),
        ({"extra": 1}, "keys"),
    ]:
        with pytest.raises(RangeError, match=words):
            a.load_state_dict(state | change)
        assert a.state_dict() == state


def test_bad_settings_are_refused():
    for settings, words in [
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"workers": -1}, "workers must be"),
        ({"batch_size": 23, "drop_last": True}, "no batch: the dataset has 22"),
        ({"seed": -1}, "seed"),
    ]:
        with pytest.raises(RangeError, match=words):
            loader(**settings)
    with pytest.raises(DTypeError, match="generator has not"):
        DataLoader(i for i in range(3))
    with pytest.raises(DTypeError, match="mix= wants batches"):
        next(iter(DataLoader(IMAGES, 2, mix=mixup)))
    with pytest.raises(DTypeError, match="transform= wants"):
        next(iter(DataLoader([{"x": 1}] * 3, 2, transform=abs)))
