"""What was measured, and on what: a line in history.jsonl for every figure."""

from __future__ import annotations

import importlib.util
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from minidl.lab import machine

RECORD = "add a line to benchmarks/history.jsonl"
HISTORY = Path(__file__).with_name("history.jsonl")


def facts() -> dict[str, Any]:
    """What the figures were measured on."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": machine.processor(),
        "blas": f"{blas['name']} {blas['version']}",
    }
    if importlib.util.find_spec("torch"):
        import torch

        found["torch"] = torch.__version__
        found["torch_cpu"] = torch.backends.cpu.get_cpu_capability()
    return found


def remember(**figures: Any) -> None:
    """Add a line to the history: the day, the machine, and what was measured."""
    record = {"date": time.strftime("%Y-%m-%d"), **facts(), **figures}
    with HISTORY.open("a") as file:
        file.write(json.dumps(record) + "\n")
