"""Batches on their way to a device: the same numbers, one ahead, nobody waits."""

import os

import numpy as np
import pytest

from minidl import backend
from minidl.data import DataLoader
from minidl.errors import DeviceError

X = np.arange(24, dtype=np.float32).reshape(12, 2)
Y = np.arange(12)


def read(batch):
    return [backend.to_numpy(part) for part in batch]


@pytest.mark.parametrize("extra", [{}, {"prefetch": 2}], ids=str)
def test_batches_are_the_same_on_every_device(device, extra):
    settings = {"batch_size": 5, "shuffle": True, "seed": 1, **extra}
    there, here = (
        DataLoader((X, Y), device=device, **settings),
        DataLoader((X, Y), **settings),
    )
    for _ in range(2):
        kept = list(there)  # held by the reader: no batch may overwrite another
        for got, want in zip(kept, here, strict=True):
            assert [part.device for part in got] == [device] * 2
            for a, b in zip(read(got), read(want), strict=True):
                np.testing.assert_array_equal(a, b)
                assert a.dtype == b.dtype


def test_each_array_is_copied_once_and_nobody_waits(device, meter):
    loader = DataLoader((X, Y), 4, device=device)
    with meter() as spent:
        for _ in loader:
            pass
    counted = device == "cuda" and os.environ.get("MINIDL_TEST_DRYCUDA") == "1"
    copies = 2 * len(loader) if counted else 0
    assert (spent.h2d, spent.d2h, spent.syncs) == (copies, 0, 0)


def test_a_loader_left_early_goes_on_where_it_stood(device):
    loader = DataLoader((X, Y), 4, shuffle=True, seed=3, device=device)
    whole = [read(batch) for batch in loader]
    loader = DataLoader((X, Y), 4, shuffle=True, seed=3, device=device)
    next(iter(loader))  # two are sent by now; one was handed out
    state = loader.state_dict()
    assert state["position"] == 1
    again = DataLoader((X, Y), 4, shuffle=True, device=device)
    again.load_state_dict(state)
    for got, want in zip(map(read, again), whole[1:], strict=True):
        np.testing.assert_array_equal(got[0], want[0])


def test_odd_batches_travel_too(device):
    def collate(samples):
        return {"x": np.stack([x for x, _ in samples])[:, ::-1], "words": "as they are"}

    for batch in DataLoader((X, Y), 4, collate=collate, device=device):
        assert batch["words"] == "as they are"
        assert batch["x"].device == device
        assert read([batch["x"]])[0].shape == (4, 2)
    assert read([batch["x"]])[0][0].tolist() == [17.0, 16.0]


def test_a_missing_gpu_is_named():
    if "cuda" in backend.available():
        pytest.skip("needs a machine without a GPU, and this one has one")
    with pytest.raises(DeviceError, match=r"CuPy|GPU"):
        next(iter(DataLoader((X, Y), 4, device="cuda")))


def test_copies_and_steps_wait_for_each_other(device):
    if device != "cuda":
        pytest.skip("needs a GPU, or the mock one: MINIDL_TEST_DRYCUDA=1")
    import cupy

    from minidl.data.overlap import Lane

    said = []

    class Told(cupy.cuda.Stream):
        def wait_event(self, event):
            said.append("copies wait")
            return super().wait_event(event)

        def record(self, event=None):
            said.append("copied")
            return super().record(event)

    class Steps(cupy.cuda.Stream):
        def wait_event(self, event):
            said.append("steps wait")
            return super().wait_event(event)

    with Steps():
        lane = Lane()
        lane.stream = Told()
        lane.receive(*lane.send((X,)))
    assert said == ["copies wait", "copied", "steps wait"]
