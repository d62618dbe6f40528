"""Say what is wrong with a run, from its file, or with this machine.

    minidl doctor run.json              what History.to_json wrote
    minidl doctor run.csv --out why.png what CSVLog or a program of yours wrote
    minidl doctor --machine             BLAS, kernels, threads, and what to set

A CSV file has a line of names: loss (of steps), or train_loss, val_loss,
train_accuracy, val_accuracy (of epochs), and lr, step, epoch.
Exit status: 0 healthy, 1 something was found, 2 the file cannot be read.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import textwrap
from typing import Any

from minidl.errors import RangeError
from minidl.lab import diagnose_curves, machine
from minidl.process import get_num_threads, keeps_memory, threads_of_ours
from minidl.show import verdict
from minidl.train import History


def arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may stand behind it."""
    parser.add_argument("run", nargs="?", help="RUN.json or RUN.csv")
    parser.add_argument("--out", help="the picture; default: beside the file, as .png")
    parser.add_argument("--machine", action="store_true", help="look at the machine")


def run(options: argparse.Namespace) -> int:
    """Print the findings, and draw them."""
    if options.machine:
        return _machine()
    if options.run is None:
        raise RangeError("name a file, minidl doctor run.json, or say --machine")
    tables = read(options.run)
    found = diagnose_curves(tables)
    for finding in found:
        print(f"{finding.name}: {finding.text}")
        figures = ", ".join(f"{k} {v:.3g}" for k, v in finding.evidence.items())
        print(textwrap.fill(figures, 80, initial_indent="    "))
        print(textwrap.fill(finding.advice, 80, initial_indent="    -> ",
                            subsequent_indent="       "))  # fmt: skip
    out = options.out or os.path.splitext(options.run)[0] + ".png"
    says = [f"{finding.name}: {finding.text}" for finding in found]
    verdict(tables["steps"], tables["epochs"], says,
            title=os.path.basename(options.run), path=out)  # fmt: skip
    print(f"drawn in {out}")
    return int(found[0].name != "healthy")


def read(path: str) -> dict[str, Any]:
    """Return the tables of steps and of epochs that a file holds."""
    if path.endswith(".csv"):
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if not rows:
            raise RangeError(f"{path} has no rows below its line of names")
        table = {name: [row[name] for row in rows] for name in rows[0]}
        part = "steps" if "loss" in table and "train_loss" not in table else "epochs"
        if part == "steps" and any(name.startswith("val_") for name in table):
            part, table["train_loss"] = "epochs", table.pop("loss")
        return {"steps": {}, "epochs": {}, part: table}
    try:
        return dict(History.from_json(path).to_dict())
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, KeyError):
        raise RangeError(
            f"{path} is not what history.to_json(path) writes; a CSV file must end in "
            ".csv"
        ) from None


def _shared() -> str:
    if threads_of_ours() > 1:
        return "parts of a batch, 1 for matrix products of NumPy"
    return "matrix products"


def _machine() -> int:
    """Print what computes here, how fast, and what to set."""
    facts = {
        "processor": machine.processor(),
        "cores": machine.cores(),
        "NumPy": machine.numpy(),
        "kernels": machine.kernels(),
        "compiled loops": machine.compiled(),
        "threads": f"{get_num_threads()} for {_shared()}",
        "freed memory": "kept" if keeps_memory() else "given back to the system",
        "small products": f"{machine.product_rate(64):.1f} GFLOP/s (64 x 64)",
        "large products": f"{machine.product_rate(512):.1f} GFLOP/s (512 x 512)",
    }
    for name, text in facts.items():
        print(f"  {name:<15} {text}")
    for line in machine.advice():
        print(textwrap.fill(line, 80, initial_indent="-> ", subsequent_indent="   "))
    return 0
