"""What a training leaves behind: weights, the curves, samples, figures, and pictures.

    weights.safetensors  of the epoch that was best on validation data; written whenever
                         there is a better one, so that an interruption costs little
    history.json         the command, a record for each epoch, a sample of each
    figures.json         the command, how large the model is, what it reached
    curves.png, samples.png, says.txt, and the pictures of each program

`--weights FOLDER` takes the first two from an earlier run: nothing is trained, the rest
is made again. The last decimals depend on the machine, so figures are rounded.
"""

from __future__ import annotations

import argparse
import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from minidl import backend, nn, show
from minidl.errors import RangeError
from minidl.nn.state import load, save

Record = dict[str, float]
WEIGHTS, HISTORY, FIGURES = "weights.safetensors", "history.json", "figures.json"


def arguments(name: str, what: str, given: Any = None) -> argparse.Namespace:
    """Read the command line, choose the device, start all randomness from the seed."""
    parser = argparse.ArgumentParser(
        prog=f"python -m minidl.models.{name}", description=what
    )
    parser.add_argument("--epochs", type=int, help="stop after so many")
    parser.add_argument("--minutes", type=float, help="stop when they are over")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--out", default=f"demo/{name}", help="the folder for results")
    parser.add_argument("--device", default=None, choices=backend.DEVICES)
    parser.add_argument(
        "--weights", type=Path, metavar="FOLDER",
        help="the results of an earlier run: judge and draw, train nothing",
    )  # fmt: skip
    found = parser.parse_args(given)
    if found.weights is not None and (found.epochs or found.minutes):
        parser.error("--weights trains nothing: leave out --epochs and --minutes")
    if found.device is not None:
        backend.use(found.device)
    backend.seed(found.seed)
    found.command = _command(parser.prog, found)
    found.out = Path(found.out)
    found.out.mkdir(parents=True, exist_ok=True)  # better to fail now than at the end
    return found


def _command(program: str, asked: argparse.Namespace) -> str:
    """Return the command that trains the same, wherever its results go."""
    words = [program]
    for name in ("epochs", "minutes", "seed", "device"):
        value = getattr(asked, name)
        if value:
            words += [f"--{name}", f"{value:g}" if name == "minutes" else str(value)]
    return " ".join(words)


class Diary:
    """Takes down every epoch, keeps the best weights, and writes the results.

    watch  the column of the records that is least in the best epoch
    part   a folder of its own within `asked.out`, and within `asked.weights`
    """

    def __init__(
        self,
        model: nn.Module,
        asked: Namespace,
        watch: str = "val_loss",
        part: str = "",
    ) -> None:
        self.model, self.watch, self.command = model, watch, asked.command
        self.out = asked.out / part
        self.out.mkdir(parents=True, exist_ok=True)
        self.records: list[Record] = []
        self.samples: list[str] = []
        self.best, self.weights = math.inf, model.state_dict()
        if asked.weights is not None:
            self._recall(asked.weights / part)

    def write(self, record: Record, sample: str = "") -> None:
        """Take down an epoch; the record has all its figures."""
        self.records.append({k: round(v, 6) for k, v in record.items()})
        self.samples.append(sample)
        figures = (f"{k} {v:.3f}" for k, v in record.items() if k != "epoch")
        print(f"epoch {record['epoch']:>3}  " + "  ".join(figures), flush=True)
        if sample:
            print(sample, flush=True)
        if record[self.watch] < self.best:
            self.best, self.weights = record[self.watch], self.model.state_dict()
            save(self.model, self.out / WEIGHTS)
        self._write_history()

    def close(self) -> None:
        """Put the best weights back, save them, and draw how the training went."""
        self.model.load_state_dict(self.weights)
        self.model.eval()
        save(self.model, self.out / WEIGHTS)
        self._write_history()
        drawn = [{k: v for k, v in r.items() if k != "minutes"} for r in self.records]
        if drawn:
            show.curves(drawn, path=self.out / "curves.png")
        if any(self.samples):
            name = self.watch.replace("_", " ")
            labels = [
                f"epoch {r['epoch']}\n{name} {r[self.watch]:.3f}" for r in self.records
            ]
            show.samples(self.samples, labels, path=self.out / "samples.png")

    def report(self, figures: Record, text: str) -> None:
        """Write what was reached, and what the model says; the last thing to do."""
        last = self.records[-1] if self.records else {}
        facts = {
            "command": self.command,
            "parameters": self.model.num_parameters(),
            "epochs": last.get("epoch"),
            "minutes": round(last["minutes"], 1) if "minutes" in last else None,
            "figures": {name: round(float(v), 4) for name, v in figures.items()},
        }
        _write_json(self.out / FIGURES, facts)
        (self.out / "says.txt").write_text(text + "\n", encoding="utf-8")
        names = sorted(path.name for path in self.out.iterdir() if path.is_file())
        print(f"{self.out}: {', '.join(names)}", flush=True)

    def _write_history(self) -> None:
        facts = {
            "command": self.command,
            "records": self.records,
            "samples": self.samples,
        }
        _write_json(self.out / HISTORY, facts)

    def _recall(self, folder: Path) -> None:
        """Take weights, records and samples from an earlier run."""
        if not (folder / WEIGHTS).is_file():
            raise RangeError(
                f"--weights: {folder} has no {WEIGHTS}; give the folder that an "
                "earlier run of this program got as --out"
            )
        load(folder / WEIGHTS, self.model)
        self.weights = self.model.state_dict()
        if (folder / HISTORY).is_file():  # without it there are no curves, that is all
            kept = json.loads((folder / HISTORY).read_text(encoding="utf-8"))
            self.command = kept["command"]
            self.records, self.samples = kept["records"], kept["samples"]
            self.best = min((r[self.watch] for r in self.records), default=math.inf)


def _write_json(path: Path, facts: Any) -> None:
    """Write to a file beside it first, so that an interruption leaves the old one."""
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    new = path.with_name(path.name + ".new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)
