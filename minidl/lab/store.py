"""Finished trials on disk: one JSON line each, written at once and never changed.

A search that was killed reads the lines and goes on. A line is added by a single write
to the end of the file, and brought to the disk. If the machine dies within a line, that
line has no end, and is removed when the file is opened again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from minidl.errors import DataError, RangeError
from minidl.files.locks import fcntl
from minidl.lab.trials import Trial, shown

Path = str | os.PathLike[str]
Record = dict[str, Any]


class Store:
    """The file of a search: `rows` has what is finished, `add` makes one more line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Store(f"{folder}/trials.jsonl") as store:
    ...         store.add(Trial(0, {"lr": 0.1}, 2.5))
    ...     with Store(f"{folder}/trials.jsonl") as store:
    ...         store.known(Trial(0, {"lr": 0.1}, float("nan"))).value
    2.5
    """

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        folder = os.path.dirname(self.path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            self.rows = self._read()
        except BaseException:
            os.close(self.file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.file)  # and so the lock ends

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RangeError(
                f"another search writes {self.path} now; wait for it, or give this one "
                "a store of its own"
            ) from error
        except OSError:
            pass  # a disk that knows no locks

    def _read(self) -> dict[int, Record]:
        """Return the rows by number of trial; cut off a last line without an end."""
        with open(self.path, "rb") as file:
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.ftruncate(self.file, len(whole))
        rows = {}
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = json.loads(line)
                rows[int(row["trial"])] = row
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"line {number} of {self.path} is not a trial; is it a file of "
                    "something else? Give another path, or remove that line"
                ) from error
        return rows

    def known(self, planned: Trial) -> Trial | None:
        """Return the finished trial of this number; None if there is none.

        Raises RangeError if the file holds another setting under this number.
        """
        row = self.rows.get(planned.index)
        if row is None:
            return None
        if row_of(planned)["setting"] != row["setting"] or any(
            row.get(name) != getattr(planned, name) for name in ("budget", "fold")
        ):
            raise RangeError(
                f"{self.path} belongs to another search: its trial {planned.index} has "
                f"{shown(row['setting'])}, and this search would try "
                f"{shown(planned.setting)}. Same objective, space and seed go on; for "
                "another search give another path"
            )
        value = float("nan") if row["value"] is None else float(row["value"])
        return Trial(
            planned.index, planned.setting, value, row["error"], row["seconds"],
            planned.budget, planned.fold, row["record"],
        )  # fmt: skip

    def add(self, trial: Trial) -> None:
        """Write one line, whole, and bring it to the disk."""
        row = row_of(trial)
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        if os.write(self.file, line) != len(line):
            raise OSError(
                f"{self.path}: the disk took only a part of trial {trial.index}"
            )
        os.fsync(self.file)
        self.rows[trial.index] = row


def row_of(trial: Trial) -> Record:
    """Return a trial as JSON has it; a value that is no number is null."""
    return {
        "trial": trial.index,
        "setting": {name: plain(value) for name, value in trial.setting.items()},
        "value": None if trial.error else trial.value,
        "error": trial.error,
        "seconds": round(trial.seconds, 3),
        "budget": trial.budget,
        "fold": trial.fold,
        "record": trial.record,
    }


def plain(value: object) -> Any:
    """Return a value as JSON knows it; a class or function by its name.

    >>> plain((1, Trial)), plain(0.5)
    ([1, 'Trial'], 0.5)
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tolist"):  # an array, or a number of NumPy's
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    name = getattr(value, "__qualname__", None)
    return name or re.sub(r" at 0x[0-9a-f]+", "", repr(value))
