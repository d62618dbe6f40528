"""The GPU benchmark without a GPU: its table, its rows on the CPU, and a rehearsal."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    gpu,
    gpu_device,
    gpu_layers,
    gpu_sides,
    gpu_table,
    gpu_tasks,
    gpu_worker,
)
from benchmarks.gpu_rows import ROWS, Prediction
from benchmarks.gpu_sides import Side

ROOT = Path(__file__).parent.parent
FLOORS = {"bytes": 1e12, "float32": 1e13, "tf32": 1e14, "float16": 1e15}
ONE = {  # what a worker may find
    "us": {
        "minidl eager": [10.0, 12.0, 11.0],
        "minidl graph": [4.0, 4.0, 4.0],
        "torch eager": [20.0, 20.0, 44.0],
    },
    "apart": {"minidl eager": 0.0, "minidl graph": 0.0, "torch eager": 1e-7},
    "void": [],
    "skipped": {"torch graph": "RuntimeError: no"},
    "flops": 2e7,
    "bytes": 1000000,
    "precision": "float32",
}
VOID = {**ONE, "void": ["torch eager"], "apart": {"torch eager": 0.3}}
FACTS = {"facts": {"gpu": "a card"}, "floors": FLOORS}

# ------------------------------------------------------------------------ pure functions


def test_a_ratio_is_of_the_same_round():
    assert gpu_table.ratio(ONE, "minidl eager", "torch eager") == [0.5, 0.25, 0.6]
    assert gpu_table.ratio(ONE, "minidl eager", "torch graph") is None


def test_a_floor_is_the_larger_of_two():
    assert gpu_table.floor(ONE, FLOORS) == pytest.approx(2.0)  # 2e7 / 1e13 s
    assert gpu_table.floor({**ONE, "precision": "tf32"}, FLOORS) == pytest.approx(1.0)
    assert gpu_table.floor(ONE, {}) is None


@pytest.mark.parametrize(
    ("prediction", "found", "dry", "end"),
    [
        (("eager", "torch eager", 0.5), ONE, False, "0.50 (0.25 to 0.60), met"),
        (("eager", "torch eager", 0.49), ONE, False, "0.50 (0.25 to 0.60), missed"),
        (("graph", "torch graph", 1.1), ONE, False, "not measured"),
        (
            ("eager", "torch eager", 0.5),
            VOID,
            False,
            "void, for their first results differ",
        ),
        (("eager", "torch eager", 0.5), ONE, True, "rehearsed, no timing"),
    ],
)
def test_a_prediction_is_met_or_missed(prediction, found, dry, end):
    said = gpu_table.verdict(found, Prediction(*prediction), dry)
    assert said.startswith(f"minidl {prediction[0]} ≤ {prediction[2]:g} × PyTorch ")
    assert said.endswith(f": {end}")


def test_a_line_has_a_cell_for_every_way():
    head = gpu_table.header().splitlines()[-1]
    cells = gpu_table.line("mlp", ONE, FLOORS).split()
    assert cells == ["mlp", "11.0", "4.000", "20.0", "-", "-", "-", "2.000"]
    assert len(head) == len(gpu_table.line("mlp", ONE, FLOORS))
    assert gpu_table.line("mlp", VOID, FLOORS).split()[3] == "void"
    assert gpu_table.line("mlp", ONE, FLOORS, dry=True).split()[1:4] == ["ran"] * 3
    assert gpu_table.remarks(VOID) == [
        "torch graph: RuntimeError: no",
        "torch eager: void, its first results are 3.0e-01 from minidl's",
    ]


def test_what_is_kept_of_a_row():
    kept = gpu_table.summary(ONE, FLOORS)
    assert kept["us"]["minidl eager"] == [11.0, 10.0, 12.0]
    assert kept["ratios"]["minidl eager / torch eager"] == [0.5, 0.25, 0.6]
    assert kept["skipped"] == ONE["skipped"]
    assert gpu_table.summary(VOID, FLOORS)["ratios"] == {}
    assert "us" not in gpu_table.summary(ONE, FLOORS, dry=True)


# ---------------------------------------------------------------------------- the report


def test_the_last_line_of_json_counts():
    assert gpu.last_record('noise\n{"a": 1}\n{"a": 2}\n3\n{"a":') == {"a": 2}
    assert gpu.last_record("") == {}


def test_a_report_measures_rows_and_says_what_it_leaves_out(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])
    asked = []

    def work(name, seconds):
        asked.append((name, seconds))
        now[0] += 50
        return FACTS if name == "floors" else ONE

    record = gpu.report(["mlp_128", "cnn", "lstm"], 3, work, ROWS)
    assert asked == [("floors", 80), ("mlp_128", 80), ("cnn", 50)]
    assert record["left_out"] == ["lstm"]
    assert list(record["rows"]) == ["mlp_128", "cnn"]
    assert record["gpu"] == "a card"
    told = capsys.readouterr().out
    assert "≤ 0.5 × PyTorch eager: 0.50 (0.25 to 0.60), met" in told
    assert "copies 1.00 TB/s; TFLOP/s float32 10.0" in told
    assert told.endswith("no time was left for: lstm\n")


def test_a_report_without_a_gpu_is_one_line(capsys):
    assert gpu.report(["cnn"], 9, lambda *_: {"missing": "no CuPy"}, ROWS) == {}
    assert capsys.readouterr().out == "no benchmark: no CuPy\n"


def test_a_row_whose_process_fails_costs_itself_only(capsys):
    def work(name, seconds):
        why = {"skipped": {"the rest": "the process failed: out of memory"}}
        return {"floors": FACTS, "cnn": why}.get(name, ONE)

    record = gpu.report(["cnn", "lstm"], 9, work, ROWS)
    told = capsys.readouterr().out
    assert "cnn: nothing\n    the rest: the process failed: out of memory\n" in told
    assert record["rows"]["lstm"]["us"]


def test_a_worker_that_is_ended_keeps_what_it_has_said(monkeypatch):
    code = "import time; print('{\"us\": 1}', flush=True); time.sleep(60)"
    run = subprocess.run

    def instead(command, **settings):
        return run([sys.executable, "-c", code], **settings)

    monkeypatch.setattr(gpu.subprocess, "run", instead)
    found = gpu.work("cnn", 3.0)
    assert found == {"us": 1, "skipped": {"the rest": "stopped after 3 s"}}


def test_history_is_written_when_asked_and_never_by_a_rehearsal(tmp_path, monkeypatch):
    history = tmp_path / "history.jsonl"
    monkeypatch.setattr(gpu, "HISTORY", history)
    gpu.keep({"dry": True}, None, history=True)
    gpu.keep({"dry": False}, None, history=False)
    assert not history.exists()
    gpu.keep({"dry": False}, None, history=True)
    assert json.loads(history.read_text()) == {"dry": False}
    gpu.keep({"dry": True}, tmp_path / "one.json", history=False)
    assert json.loads((tmp_path / "one.json").read_text()) == {"dry": True}


# -------------------------------------------------------------------- rows, on the CPU


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(gpu_device, "SECONDS", 0.0)


def found_on_cpu(name, torch):
    row = ROWS[name]._replace(compiled=False)
    *_, found = gpu_worker.measure(row, row.tiny, "cpu", torch, rounds=1)
    return found


@pytest.mark.parametrize("name", [n for n in ROWS if ROWS[n].precision != "tf32"])
def test_minidl_and_torch_do_the_same(name, torch, hurried):
    found = found_on_cpu(name, torch)
    ways = {"minidl eager", "torch eager"}
    if hasattr(ROWS[name].make(**ROWS[name].tiny), "g") and name != "adam_50m":
        assert set(found["us"]) == ways  # a layer has no optimizer to fuse
    else:
        assert set(found["us"]) == ways | {"torch fused"}
    assert found["void"] == []
    assert found["skipped"] == {}
    least = 1e-2 if ROWS[name].precision == "float16" else 1e-4
    assert max(found["apart"].values()) < least
    assert found["bytes"] > 0


class Replay:
    """Stands for a CUDA graph: it does the step again, and y stays in its place."""

    def __init__(self, step, y):
        self.step, self.y = step, y

    def replay(self):
        y = self.step()
        if y is not None:
            self.y.detach().copy_(y.detach())


def captured_on_cpu(torch, step, restore):
    for _ in range(3):
        y = step()
    restore()
    return Replay(step, y), y


@pytest.mark.parametrize("name", ["mlp_128", "adam_50m", "layer_norm"])
def test_a_graph_of_torch_starts_where_the_others_do(name, torch, monkeypatch):
    for module in (gpu_tasks, gpu_layers):
        monkeypatch.setattr(module, "captured_by_torch", captured_on_cpu)
    task = ROWS[name].make(**ROWS[name].tiny)
    want = task.minidl("cpu", "eager").first()
    got = task.torch(torch, "cpu", "graph").first()
    assert gpu_worker.apart(got, want) < 1e-5


def test_what_a_warm_up_did_is_undone(torch):
    p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    opt = torch.optim.Adam([p], lr=0.1, fused=True)
    restore = gpu_sides.restorer(torch, [p], opt)
    for _ in range(3):
        p.grad = torch.ones(2)
        opt.step()
    restore()
    assert p.tolist() == [1.0, 2.0]
    assert {float(slot.abs().sum()) for slot in opt.state[p].values()} == {0.0}


def test_adam_alone_moves_its_weights():
    task = ROWS["adam_50m"].make(**ROWS["adam_50m"].tiny)
    (p,) = task.minidl("cpu", "eager").first()
    np.testing.assert_allclose(task.p - p, 5e-3 * np.sign(task.g), rtol=1e-3)


def test_without_torch_minidl_is_measured(hurried):
    assert set(found_on_cpu("layer_norm", None)["us"]) == {"minidl eager"}


class Odd:
    """A task whose ways come out differently, or not at all."""

    flops = bytes = 1

    def minidl(self, device, way):
        return Side(lambda: None, lambda: [np.ones(2)])

    def torch(self, torch, device, way):
        if way == "fused":
            raise RuntimeError("no such thing\nand much more")
        return Side(lambda: None, lambda: [np.array([1.0, 1.1])])


def test_other_results_are_void_and_a_missing_way_is_told(hurried, monkeypatch):
    row = ROWS["cnn"]._replace(make=Odd, compiled=False)
    (found,) = gpu_worker.measure(row, {}, "cpu", object(), rounds=1)
    assert found["void"] == ["torch eager"]
    assert found["skipped"] == {"torch fused": "RuntimeError: no such thing"}


def test_what_is_not_finite_agrees_with_nothing():
    nan = np.array([np.nan])
    assert gpu_worker.apart([nan], [nan]) == float("inf")
    assert gpu_worker.apart([np.array([2.0])], [np.array([1.0])]) == 1.0


def test_a_graph_that_was_not_captured_is_no_graph():
    found = {"skipped": {}}
    side = Side(lambda: None, lambda: [np.ones(1)], lambda: "it reads a number")
    assert gpu_worker._first(side, "minidl graph", found) == []
    assert found["skipped"] == {"minidl graph": "it reads a number"}


def test_rounds_take_turns(hurried):
    order = []
    steps = {name: lambda name=name: order.append(name) for name in "ab"}
    times = gpu_device.sampled(steps, gpu_device.on_host, rounds=2)
    assert order[-4:] == ["a", "b", "b", "a"]
    assert {name: len(several) for name, several in times.items()} == {"a": 2, "b": 2}


# ----------------------------------------------------------------------- the rehearsal


def test_a_rehearsal_on_the_mock_driver(tmp_path):
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("the rehearsal needs CuPy and what tests/drycuda/__init__.py names")
    out = tmp_path / "dry.json"
    names = ["mlp_128", "layer_norm", "adam_50m"]
    command = [sys.executable, "-m", "benchmarks.gpu", *names, "--out", str(out)]
    env = {**os.environ, "DRY": "1"}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    if "the rehearsal needs" in run.stdout:
        pytest.skip(run.stdout.strip())
    assert "no figure is a timing" in run.stdout
    record = json.loads(out.read_text())
    assert record["dry"]
    assert record["gpu"] == "mock driver"
    for name in names:
        row = record["rows"][name]
        assert row["ran"] == ["minidl eager", "minidl graph"], row
        assert row["apart"]["minidl graph"] < 1e-5
