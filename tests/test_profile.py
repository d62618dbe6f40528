"""`minidl.profile`: what it counts, what it leaves behind, and what it writes."""

import json

import numpy as np
import pytest

import minidl as md
from minidl import nn, ops
from minidl.engine.modes import watchers
from minidl.errors import RangeError, ShapeError
from minidl.nn.module import Module


@pytest.fixture(scope="module")
def measured():
    model = nn.Sequential(nn.Linear(6, 4, rng=0), nn.ReLU(), nn.Linear(4, 3, rng=0))
    with md.profile() as p:
        for _ in range(2):
            loss = ops.cross_entropy(
                model(np.ones((5, 6), np.float32)), np.zeros(5, int)
            )
            loss.backward()
    return p


def test_every_operation_is_counted_in_its_layer(measured):
    calls = {name: row.calls for name, row in measured.ops.items()}
    assert calls == {"affine": 4, "relu": 2, "cross_entropy": 2}
    layers = {name: row.calls for name, row in measured.layers.items()}
    assert layers == {
        "0 (Linear)": 2, "1 (ReLU)": 2, "2 (Linear)": 2, "outside of layers": 2
    }  # fmt: skip


def test_time_is_that_of_both_ways(measured):
    for rows in (measured.ops, measured.layers):
        assert all(row.forward > 0 and row.backward > 0 for row in rows.values())
        assert 0 < sum(row.seconds for row in rows.values()) < measured.seconds


def test_bytes_are_those_of_outputs_and_gradients(measured):
    relu = measured.layers["1 (ReLU)"]
    assert relu.bytes == 2 * (5 * 4 * 4) * 2  # y and dx, float32, two steps
    first = measured.layers["0 (Linear)"]
    assert first.bytes == 2 * 4 * (5 * 4 + 6 * 4 + 4)  # y, dw, db: x wants no gradient


def test_it_prints_a_table(measured):
    lines = repr(measured).splitlines()
    assert lines[0].split() == [
        "operation", "calls", "forward", "ms", "backward", "ms", "share", "MB"
    ]  # fmt: skip
    assert any(line.startswith("2 (Linear)") for line in lines)
    assert "outside of operations" in lines[-1]


def test_it_writes_a_trace_for_chrome(measured, tmp_path):
    measured.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"forward", "backward", "layer"} == {event["cat"] for event in events}
    whole = [e for e in events if e["name"] == "Sequential"]
    parts = [e for e in events if e["cat"] == "layer" and e["name"] != "Sequential"]
    assert len(whole) == 2
    assert len(parts) == 6
    for part in parts:  # inside one of the two
        ends = part["ts"] + part["dur"]
        assert any(w["ts"] <= part["ts"] and ends <= w["ts"] + w["dur"] for w in whole)


def test_it_draws_a_picture(measured, tmp_path):
    fig = md.show.profile(measured, most=2, path=tmp_path / "profile.png")
    top, bottom = fig.axes
    assert len(top.patches) == len(bottom.patches) == 2 * 2  # forward and backward
    assert "the longest 2 of 3" in top.get_title("left")
    with pytest.raises(RangeError, match="no operation was measured"):
        md.show.profile(md.profile())


def test_nothing_is_left_behind_even_after_an_error():
    call = Module.__call__
    with pytest.raises(ShapeError), md.profile():
        nn.Linear(3, 2)(np.ones((1, 4), np.float32))
    assert Module.__call__ is call
    assert watchers == []


def test_results_are_the_same_while_it_measures():
    x = md.Tensor(np.linspace(-2, 2, 12, dtype=np.float32), requires_grad=True)
    plain = md.grad(ops.gelu(x).sum(), x)[0]
    with md.profile():
        assert (md.grad(ops.gelu(x).sum(), x)[0] == plain).all()
        (dx,) = md.grad((x * x * x).sum(), x, create_graph=True)
        assert np.allclose(md.grad(dx.sum(), x)[0], 6 * x.data)


def test_layers_inside_of_layers_have_their_path():
    model = md.models.GPT(10, context=8, dim=8, heads=2, layers=1, dropout=0.0, rng=0)
    with md.profile() as p:
        model([[1, 2, 3]])
    assert "blocks.0.self_attn.query (Linear)" in p.layers
