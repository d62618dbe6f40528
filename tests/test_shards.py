"""data.Shards: files as one dataset, mixed block by block, gone on with anywhere."""

import subprocess
import sys

import numpy as np
import pytest

from minidl import models, ops, optim
from minidl.data import DataLoader, Shards
from minidl.errors import DataError, RangeError
from minidl.train import Trainer

SIZES = (10, 7, 0, 13)
N = sum(SIZES)


def columns(start, n):
    """Sample i is x = (i, −i), y = i % 3."""
    i = np.arange(start, start + n)
    return {"x": np.stack([i, -i], axis=1).astype("f"), "y": i % 3}


def parts():
    starts = np.cumsum([0, *SIZES])[:-1]
    return [columns(int(a), n) for a, n in zip(starts, SIZES, strict=True)]


def as_npy(folder):
    for k, part in enumerate(parts()):
        for name, array in part.items():
            np.save(folder / f"{name}-{k:03}.npy", array)


def as_npz(folder):
    for k, part in enumerate(parts()):
        np.savez(folder / f"{k}.npz", y=part["y"], x=part["x"])


def as_parquet(folder):
    arrow = pytest.importorskip(
        "pyarrow", reason='needs the package pyarrow: "minidl[parquet]"'
    )
    parquet = pytest.importorskip("pyarrow.parquet")
    for k, part in enumerate(parts()):
        lists = arrow.FixedSizeListArray.from_arrays(part["x"].reshape(-1), 2)
        table = arrow.table({"x": lists, "y": part["y"]})
        parquet.write_table(table, folder / f"{k}.parquet", row_group_size=4)


KINDS = [as_npy, as_npz, as_parquet]


@pytest.mark.parametrize("write", KINDS)
def test_all_kinds_of_files_are_one_dataset(write, tmp_path):
    write(tmp_path)
    shards = Shards(tmp_path, block=4, window=2)
    assert len(shards) == N
    assert "30 samples in 3 files, x float32 (2,), y int64 ()" in repr(shards)
    want = columns(0, N)
    for got, name in zip(shards.batch([29, 0, 9, 10, 16]), "xy", strict=True):
        np.testing.assert_array_equal(got, want[name][[29, 0, 9, 10, 16]])
    np.testing.assert_array_equal(shards[12][0], [12, -12])
    np.testing.assert_array_equal(shards[-2:][1], want["y"][-2:])
    loaded = [x.numpy() for x, _ in DataLoader(shards, 7)]
    np.testing.assert_array_equal(np.concatenate(loaded), want["x"])
    y = Shards(tmp_path, ["y"])
    np.testing.assert_array_equal(y.batch([1, 2]), [1, 2])
    both = Shards(tmp_path, [("y", "x"), "y"])[4][0]
    np.testing.assert_array_equal(both, [1, 4, -4])


def flat(batches):
    return [i for batch in batches for i in batch]


def seen(loader):
    return [x.numpy()[:, 0].astype(int).tolist() for x, _ in loader]


@pytest.mark.parametrize("write", KINDS)
def test_an_epoch_is_mixed_by_blocks_and_goes_on_in_the_middle(write, tmp_path):
    write(tmp_path)
    make = lambda: DataLoader(Shards(tmp_path, block=4, window=2), 7, True, seed=3)  # noqa: E731
    loader = make()
    epochs = [seen(loader), seen(loader)]
    for epoch in epochs:
        assert sorted(flat(epoch)) == list(range(N))
        assert flat(epoch) != list(range(N))
    assert epochs[0] != epochs[1]
    assert [seen(make()), *epochs[1:]] == epochs
    first = make()
    for k, _ in enumerate(first):
        if k == 1:
            break
    later = make()
    later.load_state_dict(first.state_dict())
    assert seen(later) + seen(later) == epochs[0][2:] + epochs[1]
    # a window is two blocks: the first eight samples or so are of two neighborhoods
    shards = Shards(tmp_path, block=4, window=2)
    homes = np.searchsorted(shards.starts, shards.order(3, 0)[0:7], side="right")
    assert len(set(homes)) <= 3
    np.testing.assert_array_equal(np.asarray(shards.order(3, 0)), flat(epochs[0]))


def test_every_block_is_read_once_an_epoch(tmp_path):
    as_npz(tmp_path)
    shards, read = Shards(tmp_path, block=4, window=3), []
    for file in shards.files:
        plain = file.read
        file.read = lambda c, a, n, plain=plain: (read.append(a), plain(c, a, n))[1]
    seen(DataLoader(shards, 3, shuffle=True, seed=0))
    assert (
        len(read) <= len(shards.blocks) + 3
    )  # what a batch across windows reads again


def test_a_worker_process_and_a_trainer_take_them(tmp_path):
    as_npz(tmp_path)
    shards = Shards(tmp_path, block=4)
    with_worker = DataLoader(shards, 8, shuffle=True, seed=1, prefetch=2)
    assert seen(with_worker) == seen(DataLoader(shards, 8, shuffle=True, seed=1))
    with_worker.close()
    net = models.MLP([2, 4, 3], rng=0)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    trainer = Trainer(net, optimizer, ops.cross_entropy, progress=False)
    history = trainer.fit(DataLoader(shards, 8, shuffle=True, seed=1), shards, epochs=2)
    assert len(history.steps["loss"]) == 8


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Shards(tmp_path / "none")
    with pytest.raises(DataError, match=r"no \.npy"):
        Shards(tmp_path)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"a\.npz is compressed.*np\.savez,"):
        Shards(tmp_path)
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(2))
    with pytest.raises(DataError, match=r"a\.npz.*'x': 3, 'y': 2"):
        Shards(tmp_path)
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"b\.npz lacks.*'y'"):
        Shards(tmp_path)
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 4)), y=np.zeros(3))
    with pytest.raises(DataError, match=r"b\.npz.*same dtypes"):
        Shards(tmp_path)
    np.savez(tmp_path / "b.npz", x=np.array([{}]), y=np.zeros(1))
    with pytest.raises(DataError, match=r"b\.npz.*numbers"):
        Shards(tmp_path)
    (tmp_path / "b.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"b\.npz is no"):
        Shards(tmp_path)
    with pytest.raises(RangeError, match="block is 0"):
        Shards(tmp_path, block=0)


WALK = """
import resource, sys
from minidl.data import DataLoader, Shards
at = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loader = DataLoader(Shards(sys.argv[1], block=64, window=4), 64, shuffle=True, seed=0)
total = sum(int(x.data.sum()) for x in loader)
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts otherwise there")
def test_a_file_larger_than_the_memory_it_takes(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x-0.npy", "w+", "f", (16384, 1024))
    x[5] = 1  # 64 MB, all zeros but one row
    del x
    command = [sys.executable, "-c", WALK, str(tmp_path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    total, kilobytes = map(int, result.stdout.split())
    assert total == 1024
    assert kilobytes < 24_000
