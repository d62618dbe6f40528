"""`python -m benchmarks`: what it compares, what it refuses, and what it reports."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from benchmarks.__main__ import chosen
from benchmarks.rounds import Side, apart, ask, compared
from benchmarks.workloads import WORKLOADS, load, save


def measured(median, loss=1.0):
    return {"median": median, "quiet": median, "first": [[loss]] * 3, "peak_mb": 10.0}


def test_a_ratio_is_of_the_same_round():
    found = {"minidl": [measured(1), measured(4)], "torch": [measured(2), measured(4)]}
    ratio = compared(found)["vs"]["torch"]
    assert (ratio["low"], ratio["ratio"], ratio["high"]) == (0.5, 0.75, 1.0)
    assert ratio["quiet"] == 0.5


def test_a_ratio_is_void_where_losses_differ():
    found = {"minidl": [measured(1, 2.3)], "torch": [measured(2, 2.304)]}
    assert "void" in compared(found)["vs"]["torch"]
    assert not apart([[2.3]], [[2.302]])
    assert apart([[float("nan")]], [[1.0]])


def test_a_library_that_fails_is_named_and_the_others_are_compared():
    gone = {"failed": "no"}
    found = {"minidl": [measured(1)], "jax": [gone], "torch": [measured(1)]}
    row = compared(found)["vs"]
    assert row["jax"] == gone
    assert row["torch"]["ratio"] == 1.0
    assert compared({"minidl": [gone], "torch": [measured(1)]}) == gone
    assert "nowhere" in ask(Side("nowhere", "nowhere"))["failed"]


def test_workloads_are_chosen_by_letter_or_name():
    assert chosen("c,h.gelu") == ["c", "h.gelu"]
    assert chosen("f")[-1] == "f.adam"
    assert chosen("") == list(WORKLOADS)
    with pytest.raises(SystemExit, match="'z'"):
        chosen("z")


def test_every_library_starts_from_the_same_numbers(tmp_path):
    save("d", tmp_path / "given.npz")
    given = load(tmp_path / "given.npz")
    again = WORKLOADS["d"].draw(np.random.default_rng(0))
    for part, drawn in zip(given, again, strict=True):
        assert part.keys() == drawn.keys()
        assert all((part[name] == drawn[name]).all() for name in drawn)


@pytest.mark.parametrize("name", ["b", "g", "h.layer_norm", "h.cross_entropy-10"])
def test_minidl_and_pytorch_compute_the_same(name, torch):
    given = WORKLOADS[name].draw(np.random.default_rng(0))
    ours = import_module("benchmarks.peers.minidl").WORK[name](given)
    peer = import_module("benchmarks.peers.torch")
    theirs = peer.WORK[name](given)
    for _ in range(2):
        a, b = ours(), theirs()
        if isinstance(a, tuple):
            a, b = a[-1], peer.numbers(b[-1])
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_every_workload_has_its_title_and_is_done_by_minidl():
    assert set(import_module("benchmarks.peers.minidl").WORK) == set(WORKLOADS)
