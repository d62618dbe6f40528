"""The proof of the path "from nothing": what its stages accept, and where they stop.

tiny.py passes all stages; each wrong engine of assignments/path/mutants.py passes
those before its own, and is stopped there by the sentence that names its mistake
"""

from __future__ import annotations

import runpy
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..path import STAGES, walk

Mutant = tuple[int, str, str, str]  # stage, piece of tiny.py, instead, words
JOBS = 2


def proof(root: Path) -> tuple[str, list[str]]:
    """Return a table to print, and what does not hold, a sentence each."""
    folder = root / "assignments" / "path"
    mutants: list[Mutant] = runpy.run_path(str(folder / "mutants.py"))["MUTANTS"]
    wrong = faults(root, folder / "tiny.py", mutants)
    lines = ["path From nothing: an engine in eight stages", "  stage  wrong engines"]
    for number, name in enumerate(STAGES, 1):
        count = sum(stage == number for stage, *_ in mutants)
        lines.append(f"  {number:5}{count:15}  {name}")
    return "\n".join([*lines, *(f"  WRONG  {fault}" for fault in wrong)]), wrong


def faults(root: Path, reference: Path, mutants: list[Mutant]) -> list[str]:
    """Walk the reference and every wrong engine, each in processes of its own."""
    text = reference.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        files = [Path(folder) / f"{i}" / "my_engine.py" for i in range(len(mutants))]
        for file, (_, old, new, _) in zip(files, mutants, strict=True):
            file.parent.mkdir()
            file.write_text(text.replace(old, new), encoding="utf-8")
        stopped = pool.map(lambda file: _end(file, root), [reference, *files])
        found = [*stopped]
    stage, said = found[0]
    wrong = [f"tiny.py is stopped at stage {stage}: {said}"] if said else []
    for (stage, old, _, words), (at, said) in zip(mutants, found[1:], strict=True):
        if old not in text:
            wrong.append(
                f"tiny.py has no {old!r} for its wrong engine of stage {stage}"
            )
        elif at != stage or words not in said:
            end = f"it ends at stage {at} with {said!r}"
            wrong.append(f"wrong engine of stage {stage}, not {words!r}: {end}")
    return wrong


def _end(file: Path, root: Path) -> tuple[int, str]:
    """Return the last stage that was reached, and what was said there."""
    *_, last = walk(file, root)
    return last
