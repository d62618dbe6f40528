"""What a training step leaves behind: memory, garbage, activations."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import minidl as md
from minidl import nn, optim

pytestmark = pytest.mark.quick


def network():
    md.seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(16, 10),
    )  # fmt: skip


def array_bytes():
    """Memory that NumPy holds for arrays (Python's own keeps lists of freed tuples)."""
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    found = tracemalloc.take_snapshot().filter_traces([arrays]).traces
    return sum(trace.size for trace in found)


def test_a_thousand_steps_leave_no_garbage_with_the_collector_off():
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 1, 8, 8), np.float32)
    labels = rng.integers(0, 10, 8)

    def step():
        optimizer.zero_grad()
        md.ops.cross_entropy(model(x), labels).backward()
        optimizer.step()

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            step()
        objects, bytes_ = len(gc.get_objects()), array_bytes()
        for _ in range(980):
            step()
        assert len(gc.get_objects()) <= objects + 20
        assert array_bytes() <= bytes_ + 2_000
    finally:
        tracemalloc.stop()
        gc.enable()


def kept(layer, x):
    """How many arrays of the size of its output a layer keeps for its backward."""
    layer(x)
    tracemalloc.start()
    try:
        y = layer(x)
        return tracemalloc.get_traced_memory()[0] / y.data.nbytes
    finally:
        tracemalloc.stop()


def test_what_affine_batch_norm_and_relu_keep():
    layer = nn.Sequential(nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU())
    x = md.Tensor(np.random.default_rng(0).standard_normal((512, 256), np.float32))
    assert kept(layer, x) <= 3.5


def test_evaluation_keeps_nothing_but_the_output():
    layer = nn.Sequential(*(nn.Linear(256, 256) for _ in range(5)))
    x = md.Tensor(np.zeros((512, 256), np.float32))
    with md.no_grad():
        assert kept(layer.eval(), x) <= 1.1


def test_the_same_seed_gives_the_same_numbers():
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8), np.float32)
    first, second = network(), network()
    np.testing.assert_array_equal(first(x).data, second(x).data)


def test_a_classifier_starts_at_log_k():
    md.seed(0)
    model = nn.Sequential(
        nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 10, init=nn.init.small_random)
    )
    x = np.random.default_rng(0).standard_normal((256, 20), np.float32)
    labels = np.arange(256) % 10
    loss = md.ops.cross_entropy(model(x), labels)
    assert abs(float(loss.data) - np.log(10)) < 0.05
