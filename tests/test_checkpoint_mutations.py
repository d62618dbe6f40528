"""Random changes of a checkpoint: without its checksum it is refused, with it …

… it is loaded as a whole or not at all.
"""

import numpy as np
import pytest

from minidl.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minidl.train.packing import same
from tests.test_checkpoint import training
from tests.test_checkpoint_attacks import no_code_runs, sealed_again, snapshot


@pytest.fixture(scope="module")
def parts():
    return training()


@pytest.fixture(scope="module")
def good(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "a"
    save_checkpoint(path, parts, metric=1.0)
    return path


def mutated(raw, rng):
    """Return the bytes with one to four changes: other bytes, fewer, more, moved."""
    raw = bytearray(raw)
    for _ in range(rng.integers(1, 5)):
        span = len(raw) if rng.random() < 0.5 else min(len(raw), 3000)
        at, n = int(rng.integers(span)), int(rng.integers(1, 9))
        match int(rng.integers(5)):
            case 0:
                raw[at] ^= 1 << int(rng.integers(8))
            case 1:
                raw[at : at + n] = rng.bytes(n)
            case 2:
                del raw[at : at + n]
            case 3:
                raw[at:at] = rng.bytes(n)
            case 4:
                raw[at : at + n] = raw[:n]
    return bytes(raw)


@pytest.mark.parametrize(
    "count", [1000, pytest.param(10_000, marks=pytest.mark.full)], ids=str
)
def test_mutations_are_all_refused(tmp_path, parts, good, rng, count):
    raw, before = good.read_bytes(), snapshot(parts)
    small = {"random": parts["random"], "plateau": parts["plateau"]}
    with no_code_runs():
        for i in range(count):
            bad = mutated(raw, rng)
            if bad == raw:
                continue
            (tmp_path / "bad").write_bytes(bad)
            with pytest.raises(CheckpointError, match="bad"):
                load_checkpoint(tmp_path / "bad", small, strict=False)
            if i % 500 == 0:
                assert same(snapshot(parts), before)
    assert same(snapshot(parts), before)


@pytest.mark.parametrize(
    "count", [1000, pytest.param(10_000, marks=pytest.mark.full)], ids=str
)
def test_sealed_mutations_load_whole_or_not_at_all(tmp_path, good, rng, count):
    raw, other = good.read_bytes(), training(1)
    before, loaded = snapshot(other), 0
    with no_code_runs(), np.errstate(all="ignore"):
        for _ in range(count):
            (tmp_path / "bad").write_bytes(sealed_again(mutated(raw, rng)))
            try:
                saved = load_checkpoint(tmp_path / "bad", other)
            except CheckpointError:
                assert same(snapshot(other), before)
            else:
                loaded += 1
                assert same(other["loader"].state_dict(), saved.states["loader"])
                before = snapshot(other)
    assert loaded > count / 50
