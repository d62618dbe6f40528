"""minidl.files: arrays without pickle, whole or not at all; what is wrong is named."""

import contextlib
import errno
import json
import os
import pickle

import numpy as np
import pytest

import minidl as md
from minidl import files
from minidl.errors import DTypeError, ShapeError
from minidl.files import FileError

DTYPES = [*"?BbHhIiQqefd"]


def every_kind(rng):
    arrays = {np.dtype(c).name: rng.integers(0, 2, (3, 5)).astype(c) for c in DTYPES}
    return arrays | {
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "transposed": rng.standard_normal((4, 3)).T,
        "strided": rng.standard_normal((6, 6))[::-2, 1::2],
        "big endian": np.arange(4, dtype=">i4"),
        "γ.β – 日本": np.ones(2, np.float32),
    }


def same(a, b):
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype == b[name].dtype.newbyteorder("=")
        assert a[name].shape == b[name].shape
        np.testing.assert_array_equal(a[name], b[name])


def test_there_and_back(tmp_path, rng):
    arrays = every_kind(rng)
    files.write(tmp_path / "a", arrays, {"epoch": "3"})
    back, metadata = files.read(tmp_path / "a")
    same(back, arrays)
    assert metadata == {"epoch": "3"}
    assert all(x.flags.writeable and x.flags.owndata for x in back.values())
    assert os.listdir(tmp_path) == ["a"]  # nothing was left behind
    files.write(tmp_path / "none", {})
    assert files.read(tmp_path / "none") == ({}, {})


def test_safetensors_reads_ours_and_we_read_its(tmp_path, rng):
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = every_kind(rng)
    files.write(tmp_path / "ours", arrays, {"a": "b"})
    theirs = numpy.load_file(tmp_path / "ours")
    same({name: theirs[name] for name in arrays}, arrays)
    plain = {name: np.ascontiguousarray(x) for name, x in arrays.items()}
    plain["scalar"], plain["big endian"] = arrays["scalar"], np.arange(4, dtype="<i4")
    numpy.save_file(plain, tmp_path / "its", {"c": "d"})
    back, metadata = files.read(tmp_path / "its")
    same({name: back[name] for name in plain}, plain)
    assert metadata == {"c": "d"}


def test_bfloat16_widens(tmp_path):
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    craft(tmp_path / "a", header, b"\xc0\x3f\x20\xc1")  # 1.5 and −10, upper halves
    x = files.read(tmp_path / "a")[0]["x"]
    assert x.dtype == np.float32
    assert x.tolist() == [1.5, -10.0]


def test_numbers_are_aligned(tmp_path):
    files.write(
        tmp_path / "a", {"x": np.ones(3, bool), "y": np.ones(2), "": np.ones(1)}
    )
    raw = (tmp_path / "a").read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + n])
    assert n % 8 == 0
    assert list(header) == ["x", "y", ""]  # the names in their order …
    assert header["y"]["data_offsets"] == [0, 16]  # … and the widest numbers first
    assert header["x"]["data_offsets"] == [24, 27]


# ------------------------------------------------------------------- damaged or foreign


def craft(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


BAD = {
    "no JSON": (b"{nonsense", b""),
    "not UTF-8": (b'{"\xff": 1}', b""),
    "deep": (b"{" + b'"a":{' * 100_000, b""),
    "a list": (b"[]", b""),
    "a name twice": (
        b'{"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},'
        b' "x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
        b"1",
    ),
    "an entry that is none": ({"x": 3}, b""),
    "an incomplete entry": ({"x": {"dtype": "F32"}}, bytes(8)),
    "three offsets": ({"x": entry(offsets=(0, 8, 9))}, bytes(8)),
    "an unknown type": ({"x": entry("F8_E4M3", (8,))}, bytes(8)),
    "a type that is a list": ({"x": entry(["F32"])}, bytes(8)),
    "a negative length": ({"x": entry(shape=(-2,))}, bytes(8)),
    "a float as length": ({"x": entry(shape=(2.0,))}, bytes(8)),
    "a length of true": ({"x": entry(shape=(True, 2))}, bytes(8)),
    "a huge empty shape": ({"x": entry(shape=(0, 10**30), offsets=(0, 0))}, b""),
    "a wrong length": ({"x": entry(shape=(3,))}, bytes(8)),
    "a hole": ({"x": entry(offsets=(4, 12))}, bytes(12)),
    "an overlap": ({"x": entry(), "y": entry(offsets=(4, 12))}, bytes(12)),
    "too little data": ({"x": entry()}, bytes(7)),
    "too much data": ({"x": entry()}, bytes(9)),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b""),
    "metadata that are none": ({"__metadata__": "a"}, b""),
}


@pytest.mark.parametrize("fault", BAD)
def test_damage_is_one_clear_error(tmp_path, fault):
    craft(tmp_path / "bad", *BAD[fault])
    with pytest.raises(FileError, match=r"bad.*(sound safetensors|stored as)"):
        files.read(tmp_path / "bad")


def test_every_truncation_is_seen(tmp_path):
    files.write(tmp_path / "a", {"x": np.arange(3.0), "y": np.ones(2, bool)})
    whole = (tmp_path / "a").read_bytes()
    for n in range(len(whole)):
        (tmp_path / "b").write_bytes(whole[:n])
        with pytest.raises(FileError, match="sound"):
            files.read(tmp_path / "b")


def test_noise_is_never_another_error(tmp_path, rng):
    files.write(tmp_path / "a", {"x": np.arange(3.0), "y": np.ones((2, 2), bool)})
    whole = np.frombuffer((tmp_path / "a").read_bytes(), np.uint8)
    for _ in range(500):
        bad = whole.copy()
        bad[rng.integers(0, 60, 2)] = rng.integers(0, 256, 2)
        (tmp_path / "b").write_bytes(bad.tobytes())
        with contextlib.suppress(FileError):  # a letter of a name may well change
            files.read(tmp_path / "b")


@pytest.mark.parametrize("kind", ["npz", "npy", "pickle", "torch"])
def test_foreign_files_are_named(tmp_path, kind, request):
    path = tmp_path / "foreign"
    with open(path, "wb") as file:
        if kind == "torch":
            request.getfixturevalue("torch").save({"x": 1}, file)
        elif kind == "pickle":
            pickle.dump({"x": np.ones(3)}, file)
        else:
            (np.savez if kind == "npz" else np.save)(file, np.ones(30))
    with pytest.raises(FileError, match=r"foreign is an? .*no safetensors file"):
        files.read(path)


@pytest.mark.parametrize("length", range(100, 300))
def test_a_header_of_any_length_is_no_foreign_file(tmp_path, length):
    # A header of 128 bytes makes the file begin like a pickle does.
    files.write(tmp_path / "a", {"n" * length: np.ones(1)})
    assert len(files.read(tmp_path / "a")[0]) == 1


@pytest.mark.parametrize(
    ("arrays", "metadata", "says"),
    [
        ({"x": np.ones(2, complex)}, None, "complex128"),
        ({"x": np.array(["a"])}, None, "metadata"),
        ({"x": np.array([None])}, None, "object"),
        ({3: np.ones(2)}, None, "string"),
        ({"__metadata__": np.ones(2)}, None, "name"),
        ({}, {"epoch": 3}, "json"),
    ],
)
def test_what_cannot_be_saved(tmp_path, arrays, metadata, says):
    with pytest.raises(DTypeError, match=says):
        files.write(tmp_path / "a", arrays, metadata)
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------ all, or as it was


def test_a_crash_leaves_the_old_file(tmp_path, monkeypatch):
    files.write(tmp_path / "a", {"x": np.ones(2)})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        files.write(tmp_path / "a", {"x": np.zeros(2)})
    assert files.read(tmp_path / "a")[0]["x"].tolist() == [1.0, 1.0]
    assert os.listdir(tmp_path) == ["a"]


def test_a_new_file_is_complete_before_it_has_its_name(tmp_path, monkeypatch):
    steps, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("sync"), sync(fd)))
    monkeypatch.setattr(
        os, "replace", lambda a, b: (steps.append("name"), replace(a, b))
    )
    files.write(tmp_path / "a", {"x": np.ones(2)})
    assert steps[:2] == ["sync", "name"]


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links_are_those_of_any_file(tmp_path):
    (tmp_path / "plain").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    files.write(tmp_path / "link", {"x": np.ones(2)})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_places_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        md.save({"x": np.ones(2)}, tmp_path / "nowhere" / "a")
    with pytest.raises(FileNotFoundError):
        md.load(tmp_path / "nothing")


# --------------------------------------------------------------------- a model's state


def net():
    return md.nn.Sequential(
        md.nn.Linear(4, 3), md.nn.BatchNorm1d(3), md.nn.Dropout(), md.nn.Linear(3, 2)
    )


def test_a_model_comes_back(tmp_path, rng):
    model, x = net(), rng.standard_normal((5, 4)).astype(np.float32)
    model(x)  # batch norm remembers something, dropout counts
    md.save(model, str(tmp_path / "net"))
    twin = net()
    assert md.load(tmp_path / "net", twin) is twin
    same(twin.state_dict(), model.state_dict())
    np.testing.assert_array_equal(model.eval()(x).data, twin.eval()(x).data)
    same(md.load(tmp_path / "net"), model.state_dict())


def test_a_state_of_tensors_can_be_saved(tmp_path):
    md.save({"x": md.Tensor([1.0, 2.0], requires_grad=True)}, tmp_path / "a")
    assert md.load(tmp_path / "a")["x"].tolist() == [1.0, 2.0]


def test_another_model_is_left_as_it_was(tmp_path):
    md.save(net(), tmp_path / "net")
    other = md.nn.Sequential(md.nn.Linear(4, 3))
    before = other.state_dict()
    with pytest.raises(ShapeError, match=r"unexpected: 1\.weight"):
        md.load(tmp_path / "net", other)
    same(other.state_dict(), before)
    md.load(tmp_path / "net", other, strict=False)
    np.testing.assert_array_equal(
        other[0].weight.data, md.load(tmp_path / "net")["0.weight"]
    )


def test_devices_make_no_difference(tmp_path, device):
    model = net().to(device)
    md.save(model, tmp_path / "net")
    twin = md.load(tmp_path / "net", net())
    same(
        twin.state_dict(),
        {n: md.backend.to_numpy(x) for n, x in model.state_dict().items()},
    )


# ------------------------------------------------- what md.save promises, beyond a write


def test_a_flipped_bit_anywhere_is_noticed(tmp_path):
    path = tmp_path / "w.safetensors"
    md.save({"w": np.arange(4.0), "names": np.arange(3, dtype=np.int8)}, path)
    whole, passed = path.read_bytes(), 0
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 64]) + whole[i + 1 :])
        with contextlib.suppress(FileError):
            assert md.load(path)["w"].tolist() == [0, 1, 2, 3]
            passed += 1
    assert passed <= len('sha256":"') + 64  # the seal itself was hit, not the numbers


def test_files_of_others_need_no_checksum(tmp_path):
    files.write(tmp_path / "a", {"x": np.ones(2)}, {"sha256": "of something else"})
    back, metadata = files.read(tmp_path / "a")
    assert back["x"].tolist() == [1, 1]
    assert metadata == {"sha256": "of something else"}
    with pytest.raises(FileError, match="no checksum"):
        files.read(tmp_path / "a", sealed=True)


@pytest.mark.parametrize("ending", [".npz", ".NPZ", ".npy", ".pt", ".pth", ".pkl"])
def test_a_name_that_promises_another_layout_is_refused(tmp_path, ending):
    with pytest.raises(FileError, match=r"m\.safetensors"):
        md.save(net(), tmp_path / f"m{ending}")
    assert os.listdir(tmp_path) == []
    md.save(net(), tmp_path / "m.v2")  # an ending that promises nothing


def test_what_a_dead_writer_left_is_swept(tmp_path):
    left = [f".net.{i:012x}.tmp" for i in range(2)] + [".other.0123456789ab.tmp"]
    for name in (*left, ".net.tmp", "net.0123456789ab.tmp"):
        (tmp_path / name).touch()
    md.save(net(), tmp_path / "net")
    kept = sorted({"net", left[2], ".net.tmp", "net.0123456789ab.tmp"})
    assert sorted(os.listdir(tmp_path)) == kept


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_clearly(tmp_path, monkeypatch, number):
    md.save({"x": np.ones(2)}, tmp_path / "a")

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    words = rf"a was not saved: {os.strerror(number)} \(it needs \d+ bytes.*as it was"
    with pytest.raises(files.SaveError, match=words) as caught:
        md.save({"x": np.zeros(2)}, tmp_path / "a")
    assert isinstance(caught.value, (OSError, md.errors.MinidlError))
    assert caught.value.errno == number
    assert md.load(tmp_path / "a")["x"].tolist() == [1, 1]
