"""Archives and data files that lie, are cut short, or want out: one DataError each."""

import gzip
import io
import os
import stat
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from minidl import data
from minidl.data import archives
from minidl.data.formats import read_cifar, read_idx
from minidl.errors import DataError, MinidlError

GOOD = {"a.txt": b"alpha", "sub/b.bin": bytes(1000), "sub/deep/c": b""}
MB = 2**20


def tar(entries, mode="w:gz"):
    """Return a tar file of (name, content) or of TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT) as out:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                out.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            out.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def link(kind, target):
    info = tarfile.TarInfo("evil")
    info.type, info.linkname = kind, target
    return info


def zipped(entries, kind=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name stands there twice
        with zipfile.ZipFile(buffer, "w", kind) as out:
            for name, content in entries:
                out.writestr(name, content)
    return buffer.getvalue()


def symlink():
    info = zipfile.ZipInfo("evil")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def zip_with(name):
    """Put in a name that zipfile would not write."""
    return zipped([("X" * len(name), b"x")]).replace(b"X" * len(name), name.encode())


def encrypted():
    content = bytearray(zipped([("a", b"secret")]))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + place] |= 1
    return bytes(content)


def cut(content, share=0.6):
    return content[: int(len(content) * share)]


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 0xFF
    return bytes(changed)


def big_name():
    """A header that announces a name of 4 MB, in a file of 20 kB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 * MB
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(4 * MB), 1)


def negative():
    info = tarfile.TarInfo("a")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 11 + b"\0"  # −256, in base 256
    total = 256 + sum(block[:148]) + sum(block[156:])
    block[148:156] = f"{total:06o}\0 ".encode()
    return bytes(block) + bytes(1024)


TEXT = bytes(range(97, 123)) * 400
BAD = {
    "tar climbs": lambda: tar([("../evil", b"x")]),
    "tar climbs inside": lambda: tar([("a/../../evil", b"x")]),
    "tar absolute": lambda: tar([("/evil", b"x")]),
    "tar drive": lambda: tar([("C:/evil", b"x")]),
    "tar backslash": lambda: tar([("..\\evil", b"x")]),
    "tar symlink": lambda: tar([link(tarfile.SYMTYPE, "/etc"), ("evil/x", b"x")]),
    "tar hard link": lambda: tar([link(tarfile.LNKTYPE, "/etc/passwd")]),
    "tar device": lambda: tar([link(tarfile.CHRTYPE, "")]),
    "tar pipe": lambda: tar([link(tarfile.FIFOTYPE, "")]),
    "tar sparse": lambda: tar([link(tarfile.GNUTYPE_SPARSE, "")]),
    "tar bomb": lambda: tar([("bomb", bytes(3 * MB))]),
    "tar of many": lambda: tar([("x" + "0" * 9, bytes(MB)), ("y", bytes(MB))]),
    "tar twice": lambda: tar([("a", b"1"), ("a", b"2")]),
    "tar file as folder": lambda: tar([("a", b"1"), ("a/b", b"2")]),
    "tar cut": lambda: cut(tar([("a", TEXT)], "w"), 0.4),
    "tar cut between files": lambda: tar([("a", b"1"), ("b", b"2")], "w")[:1024],
    "tar header flipped": lambda: flipped(tar([("a", b"1"), ("b", b"2")], "w"), 1030),
    "tar.gz cut": lambda: cut(tar(GOOD.items())),
    "tar.gz flipped": lambda: flipped(tar(GOOD.items()), -6),
    "tar huge name": big_name,
    "tar negative": negative,
    "tar control": lambda: tar([("a\nb", b"x")]),
    "tar windows": lambda: tar([("sub/nul.txt", b"x")]),
    "zip climbs": lambda: zipped([("../evil", b"x")]),
    "zip absolute": lambda: zipped([("/evil", b"x")]),
    "zip backslash": lambda: zip_with("..\\evil"),
    "zip drive": lambda: zipped([("C:evil", b"x")]),
    "zip zero byte": lambda: zip_with("a\0/../b"),
    "zip symlink": lambda: zipped([(symlink(), b"/etc")]),
    "zip bomb": lambda: zipped([("bomb", bytes(3 * MB))]),
    "zip bombs": lambda: zipped([(str(i), bytes(MB // 2)) for i in range(6)]),
    "zip encrypted": encrypted,
    "zip twice": lambda: zipped([("a", b"1"), ("a", b"2")]),
    "zip cut": lambda: cut(zipped([("a", os.urandom(999))])),
    "zip flipped": lambda: flipped(zipped([("a", TEXT)], zipfile.ZIP_STORED), 99),
    "zip dot at end": lambda: zipped([("evil.", b"x")]),
    "empty": lambda: b"",
    "text": lambda: b"<html>404 Not Found</html>" * 99,
    "pickle": lambda: b"\x80\x04N.",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_one_error_and_leaves_nothing(tmp_path, name):
    path = tmp_path / "in" / "bad"
    path.parent.mkdir()
    path.write_bytes(BAD[name]())
    target = tmp_path / "out" / "set"
    target.mkdir(parents=True)
    (target / "mine").write_text("keep")
    with pytest.raises(DataError, match="bad") as caught:
        data.unpack(path, target, limit=2 * MB - 1)
    assert isinstance(caught.value, MinidlError)
    assert len(str(caught.value).splitlines()) == 1
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert files == ["in", "in/bad", "out", "out/set", "out/set/mine"]
    assert not os.path.exists("/evil")


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_a_good_archive_is_unpacked(tmp_path, mode):
    content = zipped(GOOD.items()) if mode == "zip" else tar(GOOD.items(), mode)
    (tmp_path / "good").write_bytes(content)
    names = data.unpack(tmp_path / "good", tmp_path / "out", limit=1005)
    assert names == list(GOOD)
    assert {n: (tmp_path / "out" / n).read_bytes() for n in names} == GOOD
    assert sorted(os.listdir(tmp_path)) == ["good", "out"]
    data.unpack(tmp_path / "good", tmp_path / "out")  # again, over the old files
    with pytest.raises(DataError, match="larger than it may"):
        data.unpack(tmp_path / "good", tmp_path / "new", limit=1004)


def test_an_error_says_what_is_wrong(tmp_path):
    path = tmp_path / "bad"
    for content, said in [
        (tar([("../evil", b"x")]), r"'../evil' in it reaches outside.* do not trust"),
        (tar([link(tarfile.SYMTYPE, "/etc")]), "'evil' in it is a link"),
        (encrypted(), "is encrypted, password"),
        (b"", r"no sound archive \(file could not be opened successfully\)"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=said):
            data.unpack(path, tmp_path / "out")


def test_what_is_skipped_counts_too(tmp_path):
    """To pass over a file in a tar.gz, it must be decompressed: that takes time."""
    (tmp_path / "bomb").write_bytes(tar([("a", bytes(3 * MB)), ("b", b"x")]))
    with pytest.raises(DataError, match="larger than it may"):
        list(archives.entries(tmp_path / "bomb", 2 * MB))
    assert len(list(archives.entries(tmp_path / "bomb", 4 * MB))) == 2


def test_a_long_name_is_not_even_read(tmp_path):
    (tmp_path / "bad").write_bytes(big_name())
    with pytest.raises(DataError, match="a header of 4,194,304 bytes"):
        data.unpack(tmp_path / "bad", tmp_path / "out")
    (tmp_path / "good").write_bytes(tar([("n" * 90 + "/" + "m" * 90, b"x")]))
    assert len(data.unpack(tmp_path / "good", tmp_path / "out")[0]) == 181


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "COUNT", 2)
    (tmp_path / "many").write_bytes(tar(GOOD.items()))
    with pytest.raises(DataError, match="more than 2 files"):
        data.unpack(tmp_path / "many", tmp_path / "out")


def test_a_full_disk_is_not_called_a_bad_archive(tmp_path, monkeypatch):
    (tmp_path / "good").write_bytes(tar(GOOD.items()))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.os, "replace", full)
    with pytest.raises(OSError, match="No space") as caught:
        data.unpack(tmp_path / "good", tmp_path / "out")
    assert not isinstance(caught.value, DataError)


def test_members_are_read_at_their_exact_size(tmp_path):
    path = tmp_path / "set.tar.gz"
    path.write_bytes(tar(GOOD.items()))
    read = archives.read_members
    assert read(path, {"a.txt": 5}) == {"a.txt": b"alpha"}
    for sizes, said in [
        ({"a.txt": 4}, "4 bytes"),
        ({"a.txt": 6}, "6 bytes"),
        ({"a.txt": 5, "d": 1}, "has no d"),
        ({"sub": 0}, "has no sub"),
    ]:
        with pytest.raises(DataError, match=said):
            read(path, sizes)
    path.write_bytes(tar([("a", b"x"), ("a", b"y")]))
    with pytest.raises(DataError, match="once"):
        read(path, {"a": 1})
    with pytest.raises(DataError, match="there is no file"):
        read(tmp_path / "nothing", {"a": 1})


BAD_GZIP = {
    "bomb": lambda: gzip.compress(bytes(9 * MB)),
    "cut": lambda: cut(gzip.compress(TEXT)),
    "crc": lambda: flipped(gzip.compress(TEXT), -5),
    "length": lambda: flipped(gzip.compress(TEXT), -1),
    "stream": lambda: flipped(gzip.compress(os.urandom(5000)), 30),
    "text": lambda: TEXT,
    "garbage after it": lambda: gzip.compress(TEXT) + b"garbage",
}


@pytest.mark.parametrize("name", BAD_GZIP)
def test_a_bad_gzip_file(tmp_path, name):
    (tmp_path / "bad.gz").write_bytes(BAD_GZIP[name]())
    with pytest.raises(DataError, match=r"bad\.gz"):
        archives.gunzip(tmp_path / "bad.gz", MB)


def test_a_good_gzip_file(tmp_path):
    (tmp_path / "good.gz").write_bytes(gzip.compress(TEXT))
    assert archives.gunzip(tmp_path / "good.gz", len(TEXT)) == TEXT
    with pytest.raises(DataError, match="more than"):
        archives.gunzip(tmp_path / "good.gz", len(TEXT) - 1)


def head(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


BAD_IDX = {
    "empty": (b"", "no IDX"),
    "short": (b"\0\0\x08", "no IDX"),
    "gzip": (gzip.compress(b"x"), "still compressed"),
    "little endian": (struct.pack("<I", 0x803) + bytes(12), "no IDX"),
    "floats": (head(0x0D, 2) + bytes(8), "type 0x0d"),
    "no axes": (head(8), "on 0 axes"),
    "five axes": (head(8, 1, 1, 1, 1, 1) + b"x", "on 5 axes"),
    "header cut": (head(8, 3, 4)[:9], "ends in its header"),
    "body cut": (head(8, 3, 4) + bytes(11), "downloaded to the end"),
    "too long": (head(8, 3, 4) + bytes(13), "downloaded to the end"),
    "huge": (head(8, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1), "has 0"),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_a_bad_idx_file(name):
    content, said = BAD_IDX[name]
    with pytest.raises(DataError, match=said):
        read_idx(content, "train-images")


def test_idx_and_cifar_are_read():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(read_idx(head(8, 2, 3, 4) + array.tobytes()), array)
    record = bytes([3]) + bytes([9]) * 1024 + bytes([8]) * 1024 + bytes([7]) * 1024
    x, y = read_cifar(record * 2, 1, 10)
    assert x.shape == (2, 3, 32, 32)
    assert x[0, :, 5, 5].tolist() == [9, 8, 7]
    assert y.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no multiple"),
        (bytes(3072), "no multiple"),
        (bytes(3073) + b"x", "no multiple"),
        (b"\x0a" + bytes(3072), "class 10"),
    ],
)
def test_a_bad_cifar_file(content, said):
    with pytest.raises(DataError, match=said):
        read_cifar(content, 1, 10, "data_batch_1")
