"""One checkpoint: everything a training run needs to go on, in one file.

parts   name → anything with state_dict() and load_state_dict(): model, optimizer,
        loader, an average of weights, the trainer, a Randomness …
state   what a state_dict() returns: a tree of arrays, numbers and strings (packing.py)

The file is in the safetensors layout with a checksum (minidl.files), so that other
programs read its arrays, and nothing in it is ever run. It is loaded as a whole or not
at all: any fault in it raises a CheckpointError and leaves all parts as they were.
"""

from __future__ import annotations

import copy
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from minidl import files
from minidl.errors import DTypeError, RangeError
from minidl.files import FileError, Path
from minidl.train.packing import pack, same, unpack

FORMAT = "minidl checkpoint 1"
ABOUT = "checkpoint"  # the name under which a file speaks of itself, not of a part
HINT = "the checkpoints before it, if any, are as they were"

# what comes of taking a text for what it is not
FAULTS = (ValueError, TypeError, LookupError, AttributeError, RecursionError)

Parts = Mapping[str, Any]


class CheckpointError(FileError):
    """A checkpoint that cannot be written, is damaged, or is of another run."""


class Saved(NamedTuple):
    """What a checkpoint holds."""

    path: str
    states: dict[str, Any]
    metric: float | None
    notes: dict[str, Any]
    versions: dict[str, str]

    def __str__(self) -> str:
        metric = "" if self.metric is None else f", metric {self.metric:.6g}"
        now = versions()
        others = [
            f"{name} {was} (here {now.get(name, 'none')})"
            for name, was in self.versions.items()
            if now.get(name) != was
        ]
        made = f"; it was saved with {', '.join(others)}" if others else ""
        return f"{self.path}{metric}{made}"


def save_checkpoint(
    path: Path,
    parts: Parts,
    *,
    metric: float | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write the states of all parts; parts that are None are left out.

    metric   how good the model is by now
    notes    anything else to remember: numbers, strings, arrays, and trees of them

    >>> import minidl as md, tempfile
    >>> net = md.nn.Linear(3, 2)
    >>> opt = md.optim.Adam(net.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/a", {"net": net, "opt": opt}, notes={"epoch": 3})
    ...     load_checkpoint(f"{folder}/a", {"net": net, "opt": opt}).notes
    {'epoch': 3}

    The file that stood there before stays until the new one is complete on the disk.
    Raises CheckpointError if the disk fails or is full, DTypeError if a part keeps
    something that is not of a tree.
    """
    parts = present(parts)
    metric = None if metric is None else float(metric)
    about = {"metric": metric, "notes": dict(notes or {}), "versions": versions()}
    arrays, text = pack(
        {ABOUT: about} | {name: part.state_dict() for name, part in parts.items()}
    )
    metadata = {"format": FORMAT, "metric": json.dumps(metric), "state": text}
    try:
        files.write(path, arrays, metadata, sealed=True)
    except files.SaveError as error:
        raise CheckpointError(f"{error}; {HINT}") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} was not saved: {error}; {HINT}") from error


def read_checkpoint(path: Path, *, limit: int = files.SIZE_LIMIT) -> Saved:
    """Return what a checkpoint holds, and put it nowhere.

    limit   refuse a file of more bytes

    Raises CheckpointError unless the file is whole; FileNotFoundError without a file.
    """
    with _only_checkpoint_errors(path):
        arrays, metadata = files.read(path, sealed=True, limit=limit)
        metric = _metric(metadata)
        states = unpack(arrays, metadata["state"])
        about = states.pop(ABOUT)
        if any(type(state) is not dict for state in (about, *states.values())):
            raise ValueError("one of its states is no dictionary")
        notes, made_with = dict(about["notes"]), dict(about["versions"])
    return Saved(str(path), states, metric, notes, made_with)


def metric_of(path: Path, *, limit: int = files.SIZE_LIMIT) -> float | None:
    """Return the metric of a checkpoint; it is checked like one to be read."""
    with _only_checkpoint_errors(path):
        return _metric(files.inspect(path, sealed=True, limit=limit))


def _metric(metadata: Mapping[str, str]) -> float | None:
    if metadata.get("format") != FORMAT:
        was = repr(metadata.get("format"))[:80]
        raise ValueError(f"its format is {was}, and here {FORMAT!r} is read")
    metric = json.loads(metadata["metric"])
    return None if metric is None else float(metric)


@contextmanager
def _only_checkpoint_errors(path: Path) -> Iterator[None]:
    """Whatever a file may be, say it in one kind of error, with its path."""
    try:
        yield
    except FileNotFoundError:
        raise
    except FileError as error:
        raise CheckpointError(str(error)) from error
    except (*FAULTS, OSError) as error:
        raise CheckpointError(
            f"{path} is no sound checkpoint: {type(error).__name__}: {error}"
        ) from error


def load_checkpoint(
    path: Path, parts: Parts, *, strict: bool = True, limit: int = files.SIZE_LIMIT
) -> Saved:
    """Put a checkpoint into the parts it was made of, and return what it held.

    strict   False: load what `parts` names, such as the model alone, and leave the rest

    Raises CheckpointError if the file is not sound or does not fit; then nothing is
    changed. An object whose load_state_dict fails halfway gets its old state back.
    """
    saved = read_checkpoint(path, limit=limit)
    restore(saved, parts, strict=strict)
    return saved


def restore(saved: Saved, parts: Parts, *, strict: bool = True) -> None:
    """Give every part its state: all of them or, if one does not fit, none."""
    parts = present(parts)
    missing, left = (
        parts.keys() - saved.states.keys(),
        saved.states.keys() - parts.keys(),
    )
    if missing or (strict and left):
        raise CheckpointError(
            f"{saved.path} holds {', '.join(saved.states) or 'nothing'}; asked for "
            f"were {', '.join(parts) or 'none'}. Nothing was changed; strict=False "
            "loads fewer parts than a checkpoint holds, never more"
        )
    before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
    name = ""
    try:
        for name, part in parts.items():
            part.load_state_dict(saved.states[name])
    except BaseException as error:  # Ctrl-C included: it must not leave a mixture
        for other, part in parts.items():
            if not same(part.state_dict(), before[other]):
                part.load_state_dict(before[other])
        if not isinstance(error, Exception):
            raise
        raise CheckpointError(
            f"{saved.path} does not fit, and nothing was changed: its {name!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def present(parts: Parts) -> dict[str, Any]:
    """Return the parts that are not None; refuse what keeps no state."""
    for name, part in parts.items():
        if type(name) is not str or name == ABOUT or name.startswith("$"):
            raise RangeError(f"a part of a checkpoint cannot be called {name!r}")
        if part is not None and not hasattr(part, "load_state_dict"):
            raise DTypeError(
                f"{name!r} is a {type(part).__name__}, which has no state_dict() and "
                "load_state_dict(); numbers and arrays can go into notes={…}, and "
                "generators into train.Randomness(name=generator)"
            )
    return {name: part for name, part in parts.items() if part is not None}


def versions() -> dict[str, str]:
    """Return what computes here: another version may round in another way."""
    return {
        "minidl": sys.modules["minidl"].__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
