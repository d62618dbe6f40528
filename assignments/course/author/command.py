"""`minidl course release` and `minidl course check`: what an author runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

JOBS = 2


def release_arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course release`."""
    parser.add_argument("name", help="such as a1")
    text = "the folder to write to"
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=text)


def check_arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course check`."""
    parser.add_argument("names", nargs="*", help="such as a1, or path (all)")
    parser.add_argument("--dry", action="store_true", help="write no manifest.json")
    text = "also ask every answer as N students would be: luck decides no point"
    parser.add_argument("--students", type=int, default=0, metavar="N", help=text)


def release(options: argparse.Namespace) -> int:
    """Write the student's edition, as a folder and as a zip."""
    from ..assignment import find
    from .release import release as write

    folder, archive = write(find(options.name, options.root), options.to)
    print(f"{folder} for students, and the same as {archive}")
    print("try it there: python -m minidl course score")
    return 0


def check(options: argparse.Namespace) -> int:
    """Print the proof of each assignment; status 1 if something in it does not hold.

    Two at a time, each in a process of its own; they are printed in their order.
    """
    import multiprocessing  # here, for a browser has no processes
    from concurrent.futures import ProcessPoolExecutor

    from minidl.cli.course import machinery

    from ..assignment import all_assignments, find, home
    from .path import proof

    root, names = options.root, options.names
    chosen = [find(name, root) for name in names if name != "path"]
    chosen = chosen if names else all_assignments(root)
    faults, spawn = 0, multiprocessing.get_context("spawn")
    # in a clone that is not installed a new process does not find this package
    with ProcessPoolExecutor(JOBS, mp_context=spawn, initializer=machinery) as pool:
        some = [(a.folder.name, options.dry, options.students, root) for a in chosen]
        for text, wrong in pool.map(_proved, *zip(*some, strict=True)) if some else ():
            print(text, flush=True)
            faults += wrong
    if not names or "path" in names:
        table, sentences = proof(home(root))
        print(table)
        faults += len(sentences)
    print("all is well" if not faults else f"{faults} faults")
    return 1 if faults else 0


def _proved(name: str, dry: bool, students: int, root: Path | None) -> tuple[str, int]:
    """Prove one assignment; return what to print, and how many faults there are."""
    from ..assignment import find
    from .check import check as prove

    start = time.perf_counter()
    report = prove(find(name, root), write=not dry, students=students)
    return f"{report.table()}\n  in {time.perf_counter() - start:.1f} s", len(
        report.faults
    )


Action = tuple[
    str,
    Callable[[argparse.ArgumentParser], None],
    Callable[[argparse.Namespace], int],
]
ACTIONS: dict[str, Action] = {
    "release": (
        "write the student's edition of an assignment",
        release_arguments,
        release,
    ),
    "check": ("prove that assignments grade what they say", check_arguments, check),
}
