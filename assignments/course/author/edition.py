"""Whether what students get is fit for them: it parses, lints, gives nothing away."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..assignment import Assignment
from ..leaks import formula_leaks, leaks
from ..regions import regions
from ..source_tree import stripped
from .release import blanked


def edition_faults(assignment: Assignment, files: Mapping[str, bytes]) -> list[str]:
    """Return a sentence for everything that is wrong with the student's edition."""
    codes = {
        task.name: regions(assignment.source(task.file))[task.name].code
        for task in assignment.tasks.values()
    }
    common = [code for task in assignment.tasks.values() for code in task.common]
    return [
        *_unparsable(files),
        *(
            f"{leak}; name its function in `removed`, or say it in other words"
            for leak in leaks(codes, files)
        ),
        *(
            f"{leak}; name its function in `removed`, or the formula in `common`"
            for leak in formula_leaks(codes, common, files)
        ),
        *_unsaid(assignment),
        *_lint(files, [*blanked(assignment)]),
    ]


def _unsaid(assignment: Assignment) -> Iterator[str]:
    """Yield the words that should be left unsaid, and stand in no file any more."""
    texts = stripped(assignment.root).values()
    for task in assignment.tasks.values():
        for words in task.unsaid:
            if not any(words.encode() in text for text in texts):
                yield f"{task.name}: no file has the words {words!r} of `unsaid`"


def _unparsable(files: Mapping[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        if name.endswith(".py"):
            try:
                ast.parse(content)
            except SyntaxError as error:
                yield f"{name} of the edition does not parse: {error}"


def _lint(files: Mapping[str, bytes], names: Sequence[str]) -> list[str]:
    """Return what ruff says of some files of the edition, where ruff is installed."""
    command = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if command is None and importlib.util.find_spec("ruff") is None:
        return []
    ruff = [command] if command else [sys.executable, "-m", "ruff"]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if name.endswith((".py", ".toml")):
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        done = subprocess.run(
            [*ruff, "check", "--no-cache", "--output-format=concise",
             *(name for name in names if name in files)],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    lines = (done.stdout + done.stderr).splitlines()
    return [f"the edition: {line}" for line in lines if ":" in line] if (
        done.returncode
    ) else []  # fmt: skip
