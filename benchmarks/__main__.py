"""The harness: python -m benchmarks [--peers torch,jax] [--only c,h.gelu] [--rounds N]

Shown is the time of a step of minidl, and its ratio to every other library's: below 1
minidl takes less. Each library has a fresh process for each workload, pinned to as many
cores as it has threads; they take turns, round by round. All start from the same
weights, and a ratio is void if losses of the first three steps differ. `--before` names
a folder with another state of this repository (`git worktree add FOLDER COMMIT`), which
takes its turns as one more library. Beside `no-numba` a second line has the ratios of
minidl with NumPy alone: `python -m benchmarks --only h --peers torch,no-numba` measures
the single ops in both ways. The figures become a line of history.jsonl, unless
`--no-record` is given.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.history import facts, remember
from benchmarks.rounds import ALIKE, CLOSE, Side, ask, compared, in_turn
from benchmarks.workloads import RANDOM, TRAINING, WORKLOADS, save

# Not among them: Chainer does not import with NumPy 2, and tinygrad wants clang.
PEERS = ["torch", "numpy", "jax", "dezero", "mygrad", "autograd"]
KEEP = (("MINIDL_MALLOC", "keep"),)
MINIDL = {
    "minidl": Side("minidl", "minidl", settings=KEEP),
    "no-numba": Side("no-numba", "minidl", settings=(*KEEP, ("MINIDL_FAST", "0"))),
    "default-memory": Side("default-memory", "minidl"),
    "plain": Side("plain", "minidl_plain", settings=KEEP),
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ways = [name for name in MINIDL if name != "minidl"]
    names = f"of {', '.join(PEERS)}; minidl otherwise: {', '.join(ways)}"
    parser.add_argument("--peers", help=names, default=",".join(PEERS))
    parser.add_argument("--only", help="letters or names of workloads", default="")
    parser.add_argument("--threads", help="numbers of threads: 1,2", default="1")
    more = "10 at most: after some 700 steps b fits its batch, in denormals"
    parser.add_argument("--rounds", type=int, default=5, help=more)
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--no-record", action="store_true", help="write no history")
    asked = parser.parse_args()
    if not 1 <= asked.rounds <= 10:
        parser.error(f"--rounds is 1 to 10: {more}")
    return asked


def chosen(only: str) -> list[str]:
    """Return the workloads that --only names, by letter or in full."""
    asked = [word for word in only.split(",") if word]
    for word in asked:
        if not any(name == word or name.startswith(f"{word}.") for name in WORKLOADS):
            raise SystemExit(f"there is no workload {word!r}: {', '.join(WORKLOADS)}")
    return [
        name
        for name in WORKLOADS
        if not asked or name in asked or name.split(".")[0] in asked
    ]


def present(asked: argparse.Namespace) -> dict[Side, dict[str, Any]]:
    """Return the libraries that are here, with their facts; say which are missing."""
    sides = [MINIDL["minidl"]]
    if asked.before:
        sides.append(Side("before", "minidl", asked.before.resolve(), KEEP))
    for name in filter(None, asked.peers.split(",")):
        sides.append(MINIDL.get(name) or Side(name, name))
    found = {}
    for side in sides:
        about = ask(side)
        if "failed" in about:
            print(f"without {side.name}: {about['failed']}")
        else:
            found[side] = about
    return found


def show(name: str, row: dict[str, Any]) -> None:
    """Print a line of the table, and one below it for each ratio that is void."""
    if "failed" in row:
        print(f"{name:20} minidl failed: {row['failed']}", flush=True)
        return
    cells = ""
    for ratio in row["vs"].values():
        if ratio is None:
            cells += f"{'-':>16}"
        elif "ratio" in ratio:
            cells += f"{ratio['ratio']:9.2f} ({ratio['quiet']:4.2f})"
        else:
            cells += f"{'void' if 'void' in ratio else 'failed':>16}"
    print(f"{name:20}{row['ms']:9.3f}{cells}", flush=True)
    for peer, ratio in row["vs"].items():
        if ratio and (why := ratio.get("void") or ratio.get("failed")):
            print(f"    {peer}: {why}")


def table(
    sides: dict[Side, dict[str, Any]], names: list[str], rounds: int, threads: int
) -> dict[str, Any]:
    """Measure and print, workload by workload."""
    others = [side for side in sides if side.name != "minidl"]
    print(f"{threads} thread{'s' * (threads > 1)}, {rounds} rounds: minidl's time of a")
    print("step; its ratio to others' (the median of the rounds, in quiet moments)\n")
    print(f"{'':20}{'ms':>9}" + "".join(f"{side.name:>16}" for side in others))
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.npz"
        for name in names:
            save(name, path)
            here = [s for s in sides if name in sides[s]["workloads"]]
            found = in_turn(here, name, path, rounds, threads)
            close = CLOSE if name not in RANDOM else ALIKE
            row = rows[name] = compared(found, close)
            fill(row, others)
            show(name, row)
            if "no-numba" in found:
                del found["minidl"]
                alone = {"no-numba": found.pop("no-numba"), **found}
                row["no-numba"] = compared(alone, close)
                fill(row["no-numba"], others)
                show("  NumPy alone", row["no-numba"])
    return rows


def fill(row: dict[str, Any], sides: list[Side]) -> None:
    """Give a row a cell for each library, None for those that do not have it."""
    if "vs" in row:
        row["vs"] = {side.name: row["vs"].get(side.name) for side in sides}


def memory(sides: dict[Side, dict[str, Any]], rows: dict[str, Any]) -> None:
    """Print the peak of each training step above what the import left, and imports."""
    print("\npeak memory of a step beside what the import left, MB")
    print(f"{'':20}" + "".join(f"{side.name:>16}" for side in sides))
    for name, row in rows.items():
        if name in TRAINING and "vs" in row:
            cells = [row["peak_mb"]]
            cells += [(r or {}).get("peak_mb") for r in row["vs"].values()]
            shown = [f"{'-':>16}" if x is None else f"{x:16.0f}" for x in cells]
            print(f"{name:20}" + "".join(shown))
    took = "".join(f"{about['import_s']:16.2f}" for about in sides.values())
    print(f"{'import, s':20}{took}")


def main() -> None:
    """Measure, print the tables, and add a line to the history."""
    asked = arguments()
    names, sides = chosen(asked.only), present(asked)
    machine = facts()
    print(", ".join(f"{key} {value}" for key, value in machine.items()), "\n")
    record: dict[str, Any] = {
        "versions": {side.name: about["version"] for side, about in sides.items()},
        "import_s": {side.name: about["import_s"] for side, about in sides.items()},
        "rounds": asked.rounds,
    }
    for threads in map(int, asked.threads.split(",")):
        record[f"threads_{threads}"] = table(sides, names, asked.rounds, threads)
        memory(sides, record[f"threads_{threads}"])
    if not asked.no_record:
        remember(harness=record)


if __name__ == "__main__":
    main()
