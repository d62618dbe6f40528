"""Damaged, foreign and hostile checkpoints: one CheckpointError, and nothing is changed.

A hostile file can bear a right checksum, so most of these are sealed again after the harm.
"""

import contextlib
import copy
import json
import os
import pickle
import socket
import sys

import numpy as np
import pytest

from minidl import files
from minidl.files.layout import DIGEST, digest
from minidl.train.checkpoint import (
    CheckpointError,
    Checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from minidl.train.packing import pack, same
from tests.test_checkpoint import training
from tests.test_files import BAD

STAMP = {"format": "minidl checkpoint 1", "metric": "null"}
FORBIDDEN = ("compile", "exec", "import", "marshal", "os.system", "os.exec", "pickle",
             "subprocess", "ctypes", "code.", "socket.")  # fmt: skip


class Watch:
    """Notes whatever would run code: an audit hook cannot be removed, but can sleep."""

    on, seen, installed = False, [], False

    @classmethod
    def hook(cls, event, arguments):
        if cls.on and event.startswith(FORBIDDEN):
            cls.seen.append((event, arguments))


@contextlib.contextmanager
def no_code_runs():
    if not Watch.installed:
        sys.addaudithook(Watch.hook)
        Watch.installed = True
    Watch.on, Watch.seen = True, []
    try:
        yield
    finally:
        Watch.on = False
    assert Watch.seen == []


def sealed_again(raw):
    """Return the bytes with the checksum that they should have."""
    raw = bytes(raw)
    return (
        raw[: DIGEST.start]
        + digest([raw[DIGEST.stop :]], raw[: DIGEST.start])
        + raw[DIGEST.stop :]
    )


def snapshot(parts):
    return {n: copy.deepcopy(p.state_dict()) for n, p in parts.items() if p is not None}


def refused(path, parts, says=None):
    """The file is refused in one way by all doors, and changes nothing."""
    before = snapshot(parts)
    with no_code_runs(), pytest.raises(CheckpointError, match=says) as caught:
        load_checkpoint(path, parts, limit=2**30)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert same(snapshot(parts), before)


@pytest.fixture(scope="module")
def parts():
    return training()


@pytest.fixture(scope="module")
def good(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "a"
    save_checkpoint(path, parts, metric=1.0)
    return path


# ---------------------------------------------------------------- the layout, and before


def with_seal(header, data):
    """Return a file with this header behind a right seal."""
    seal = {"sha256": "0" * 64, **STAMP, "state": "{}"}
    if isinstance(header, bytes):
        text = b'{"__metadata__":' + json.dumps(seal, separators=(",", ":")).encode()
        text += b"," + header.lstrip(b"{")
    else:
        metadata = header.get("__metadata__", {})
        metadata = seal | metadata if isinstance(metadata, dict) else metadata
        header = {"__metadata__": metadata} | header | {"__metadata__": metadata}
        text = json.dumps(header, separators=(",", ":")).encode()
    return sealed_again(len(text).to_bytes(8, "little") + text + data)


def without_seal(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


class Bomb:
    """Whoever unpickles this makes a folder."""

    def __reduce__(self):
        return os.mkdir, ("bomb",)


def word(n):
    return n.to_bytes(8, "little")


WHOLE = {
    "empty": b"",
    "seven bytes": bytes(7),
    "eight zeros": bytes(8),
    "zeros": bytes(10_000),
    "no header": word(0) + b"{}",
    "a header without end": word(2**63) + b"{}",
    "the longest header": word(2**64 - 1) + b'{"a":1}',
    "a header beyond the limit": word(files.HEADER_LIMIT + 1) + b"{}" + bytes(100),
    "text": b"once upon a time" * 9,
    "JSON": b'{"model": {"weight": [1, 2, 3]}}',
    "a pickle": pickle.dumps(Bomb()),
    "an old pickle": pickle.dumps(Bomb(), protocol=0),
    "a pickle in a header": word(len(pickle.dumps(Bomb()))) + pickle.dumps(Bomb()),
    "a zip archive": b"PK\x03\x04" + bytes(1000),
    "an .npy file": b"\x93NUMPY\x01\x00" + bytes(1000),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(1000),
    "gzip": b"\x1f\x8b\x08" + bytes(1000),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(1000),
    "a script": b"#!/bin/sh\nmkdir bomb\n",
    "Python": b"__import__('os').mkdir('bomb')",
}
SPECIAL = {
    "65 axes": {"x": {"dtype": "F32", "shape": [0] + [1] * 80, "data_offsets": [0, 0]}},
    "too large and empty": {
        "x": {"dtype": "F32", "shape": [0, 2**47, 2**47], "data_offsets": [0, 0]}
    },
    "more than there is": {
        "x": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}
    },
    "a name as long as a book": {"x" * 100_000: 3},
    "a type as long as a book": {
        "x": {"dtype": "F" * 100_000, "shape": [0], "data_offsets": [0, 0]}
    },
    "a number as long as a book": b'{"x": ' + b"9" * 5000 + b"}",
    "control characters": {"\x1b[2J\ud800": 3},
}


@pytest.mark.parametrize("kind", WHOLE)
def test_foreign_files(tmp_path, parts, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").write_bytes(WHOLE[kind])
    refused(tmp_path / "bad", parts)
    assert os.listdir(tmp_path) == ["bad"]  # no bomb


@pytest.mark.parametrize("kind", [*BAD, *SPECIAL])
@pytest.mark.parametrize("seal", [with_seal, without_seal])
def test_malformed_headers(tmp_path, parts, kind, seal):
    header, data = BAD[kind] if kind in BAD else (SPECIAL[kind], b"")
    (tmp_path / "bad").write_bytes(seal(header, data))
    refused(tmp_path / "bad", parts)


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_file_of_weights_is_refused_in_the_same_way(tmp_path, kind):
    (tmp_path / "bad").write_bytes(without_seal(SPECIAL[kind], b""))
    with pytest.raises(files.FileError, match="bad"):
        files.read(tmp_path / "bad")


@pytest.mark.skipif(os.name != "posix", reason="files that only POSIX has")
@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "socket", "huge"])
def test_what_is_no_file(tmp_path, parts, kind):
    path = tmp_path / "bad"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s, contextlib.chdir(tmp_path):
            s.bind("bad")
    else:
        path.write_bytes(with_seal({}, b""))
        os.truncate(path, 2**40)  # a hole of a terabyte, which takes no room
    refused(path, parts)


@pytest.mark.parametrize("share", np.linspace(0, 1, 40, endpoint=False).tolist())
def test_truncated_files(tmp_path, parts, good, share):
    raw = good.read_bytes()
    cut = raw[: int(share * len(raw))]
    for bad in (cut, sealed_again(cut)) if len(cut) > DIGEST.stop else (cut,):
        (tmp_path / "bad").write_bytes(bad)
        refused(tmp_path / "bad", parts)


def test_more_than_there_was(tmp_path, parts, good):
    for more in (b"\0", bytes(4096), good.read_bytes()):
        for bad in (good.read_bytes() + more, sealed_again(good.read_bytes() + more)):
            (tmp_path / "bad").write_bytes(bad)
            refused(tmp_path / "bad", parts)


# ----------------------------------------------------------------- behind a right checksum

ABOUT = {"metric": None, "notes": {}, "versions": {}}
STATES = {
    "no JSON": "{",
    "no dictionary": "[]",
    "a number": "3",
    "empty": "{}",
    "no notes": '{"checkpoint": {"metric": null, "versions": {}}}',
    "notes that are none": '{"checkpoint": {"notes": 3, "versions": {}}}',
    "itself is none": '{"checkpoint": 3}',
    "an array that is not there": '{"checkpoint": {"$array": "y"}}',
    "a name that is none": '{"checkpoint": {"$array": ["x"]}}',
    "an array twice": '{"a": {"$array": "x"}, "b": {"$array": "x"}}',
    "an unknown marker": '{"a": {"$eval": "1 + 1"}, "x": {"$array": "x"}}',
    "a marker with company": '{"a": {"$array": "x", "b": 1}}',
    "a number that is an array": '{"a": {"$scalar": "x"}}',
    "a list that is none": '{"a": {"$list": "x"}}',
    "a tuple that is none": '{"a": {"$tuple": 3}}',
    "an array left over": json.dumps({"checkpoint": ABOUT}),
    "too deep": '{"checkpoint": ' + '{"a": ' * 60 + "1" + "}" * 61,
    "deep as the sea": "[" * 100_000,
    "a part that is none": json.dumps(
        {"checkpoint": ABOUT, "model": 3, "x": {"y": {"$array": "x"}}}
    ),
    "a huge number": '{"checkpoint": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("kind", STATES)
def test_malformed_states(tmp_path, parts, kind):
    metadata = STAMP | {"state": STATES[kind]}
    files.write(tmp_path / "bad", {"x": np.ones((2, 2))}, metadata, sealed=True)
    refused(tmp_path / "bad", parts, "no sound checkpoint|unknown|lacks|levels")


@pytest.mark.parametrize(
    "stamp", [{}, {"format": "minidl checkpoint 2"}, {"format": "else"}, {"metric": "x"},
              {"metric": "[]"}, {"metric": '"best"'}],
)  # fmt: skip
def test_another_format(tmp_path, parts, stamp):
    text = pack({"checkpoint": ABOUT})[1]
    metadata = (STAMP | stamp if stamp else {}) | {"state": text}
    files.write(tmp_path / "bad", {}, metadata, sealed=True)
    refused(tmp_path / "bad", parts)


def edit(part, **changes):
    """A change to the state of one part."""
    return lambda states: states[part].update(changes)


def drop(part, key):
    return lambda states: states[part].pop(key)


CHANGES = {
    "a part is missing": lambda states: states.pop("ema"),
    "a part is unknown": lambda states: states.update(more={}),
    "the model lacks a weight": drop("model", "0.weight"),
    "the model has one more": edit("model", more=np.ones(2)),
    "a weight of another shape": edit("model", **{"0.weight": np.ones((3, 3))}),
    "a weight that is a word": edit("model", **{"0.weight": "weight"}),
    "a weight that is complex": edit("model", **{"0.weight": None}),
    "another optimizer": edit("optimizer", optimizer="SGD"),
    "no optimizer": edit("optimizer", optimizer=None),
    "a step that is a word": edit("optimizer", t="__import__('os')"),
    "a step without end": edit("optimizer", t=float("inf")),
    "no steps": drop("optimizer", "steps"),
    "too few steps": edit("optimizer", steps=[1]),
    "steps that are a number": edit("optimizer", steps=3),
    "names that are numbers": edit("optimizer", names=[3, 4, 5, 6, 7, 8]),
    "a rate that is a list": edit("optimizer", lr=[[1]], weight_decay=[[2]]),
    "too many decays": edit("optimizer", weight_decay=[0.0, 1.0]),
    "a slot of another shape": edit("optimizer", **{"slots.0.m": np.ones(7)}),
    "a slot that is a word": edit("optimizer", **{"slots.0.m": "m"}),
    "other batches": edit("loader", batch_size=5),
    "other data": edit("loader", samples=13),
    "a place before the first": edit("loader", position=-1),
    "a place beyond the last": edit("loader", position=10**9),
    "a place that is a word": edit("loader", position="here"),
    "a loader without a seed": drop("loader", "seed"),
    "another average": edit("ema", average="SWA"),
    "an average without a count": drop("ema", "n"),
    "an average of another shape": edit("ema", **{"averages.0": np.ones(7)}),
    "an average too many": edit("ema", **{"averages.6": np.ones(7)}),
    "a plateau without a best": drop("plateau", "best"),
    "a plateau of words": edit("plateau", bad="many", best="best"),
    "no generators": drop("random", "generators"),
    "a generator of another kind": edit(
        "random", generators={"mine": np.random.Philox(0).state}
    ),
    "a generator of words": edit("random", generators={"mine": "PCG64"}),
    "a state of Python that is none": edit("random", python=(3, (1, 2), None)),
    "a state of NumPy that is none": edit("random", numpy={"bit_generator": "MT19937"}),
    "seeds with other words": edit("random", minidl={"entropy": 1, "pool_size": 2**50, "x": 1}),
    "seeds that are a word": edit("random", minidl="entropy"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_states_that_do_not_fit(tmp_path, parts, kind):
    states = snapshot(parts)
    for name in states:
        if name != "history":
            states[name] = dict(states[name])
    CHANGES[kind](states)
    arrays, text = pack({"checkpoint": ABOUT} | states)
    files.write(tmp_path / "bad", arrays, STAMP | {"state": text}, sealed=True)
    other = training(1)  # so that whatever gets through would be seen
    refused(tmp_path / "bad", other)
    Checkpoints(tmp_path).save(parts)
    os.replace(tmp_path / "bad", Checkpoints(tmp_path).paths[1])
    before = snapshot(other)
    with pytest.raises(CheckpointError):
        Checkpoints(tmp_path).resume(other)
    assert same(snapshot(other), before)
