"""The gallery of illnesses: `python -m benchmarks.gallery` writes docs/gallery.md.

Every case of a part is trained with several seeds, and read by `diagnose_curves`: is
its name the first or the second finding, and are healthy runs called healthy?
gallery_parts says what the parts are; the page is about the part that the rules were
not written with.

`--part rules` prints the same of the other part. Minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gallery_parts
from benchmarks.gallery_parts import Case
from minidl.lab import diagnose_curves
from minidl.lab.findings import WORDS
from minidl.show import style

DOCS = Path(__file__).parents[1] / "docs"
PARTS = {"held-out": (gallery_parts.HELD_OUT, 10), "rules": (gallery_parts.RULES, 0)}
Run = tuple[Case, int, list[str], Any]  # case, seed, names found, history
HEAD = """# The gallery of illnesses

Written by `python -m benchmarks.gallery`. Every run is trained on purpose with one
thing wrong (`benchmarks/gallery_runs.py` says how), or healthy in a shape that looks
ill, and is then read by `minidl.lab.diagnose_curves`. A name is recognized if it is the
first or the second finding; a healthy run is read rightly if `healthy` is the only one.

The rules were written with the ten data sets and nets of `RULES` in
`benchmarks/gallery_parts.py`. This page is about two others: rings in three dimensions
(leaky ReLU, RMSProp) and noisy waves (ELU, Nesterov). It is a second look at them: a
first one, with seeds 0 to 4, showed faults of four rules (a loss that rises again, a
spike at the start, a slow fall in noisy steps, batch norm that still improves), which
were mended, and two settings without the illness they are named after (overfitting and
leaky validation of the rings). The runs below have other seeds.
"""


def runs(cases: list[Case], seeds: int, first: int) -> Iterator[Run]:
    """Train all cases, and read them."""
    for case in cases:
        for seed in range(first, first + seeds):
            history = case.run(seed)
            found = [finding.name for finding in diagnose_curves(history)]
            yield case, seed, found, history


def right(case: Case, found: list[str]) -> bool:
    """Whether a run was read rightly."""
    return found == ["healthy"] if case.name == "healthy" else case.name in found[:2]


def table(rows: list[Run]) -> list[str]:
    """Return how many runs of each name were recognized, and what the others were."""
    lines = ["| name | recognized | first | taken for |", "|---|---|---|---|"]
    for name in [n for n in WORDS if n != "healthy"]:
        own = [(case, found) for case, _, found, _ in rows if case.name == name]
        good = sum(right(case, found) for case, found in own)
        first = sum(found[0] == name for _, found in own)
        wrong = sorted({found[0] for case, found in own if not right(case, found)})
        lines.append(
            f"| `{name}` | {good} of {len(own)} | {first} | {', '.join(wrong)} |"
        )
    return lines


def healthy(rows: list[Run]) -> list[str]:
    """Return the false alarms of each honest shape."""
    lines = ["| honest shape | runs | false alarms |", "|---|---|---|"]
    own = [(case, found) for case, _, found, _ in rows if case.name == "healthy"]
    for shape in dict.fromkeys(case.shape for case, _ in own):
        found = [names for case, names in own if case.shape == shape]
        alarms = [names[0] for names in found if names != ["healthy"]]
        said = f"{len(alarms)} ({', '.join(alarms)})" if alarms else "0"
        lines.append(f"| {shape.replace('_', ' ')} | {len(found)} | {said} |")
    total = sum(names != ["healthy"] for _, names in own)
    return [*lines, f"| all | {len(own)} | {total} |"]


def figure(rows: list[Run], path: Path) -> None:
    """Draw one run of each name, with what was found."""
    chosen = {}
    for case, _, found, history in rows:
        chosen[case.name] = (found, history)  # the last one of each
    names = [name for name in WORDS if name in chosen]
    with style.sheet():
        fig, axes = style.figure(-(-len(names) // 4), 4, height=9.5, width=12)
        for ax in axes.flat[len(names) :]:
            ax.remove()
        for ax, name in zip(axes.flat, names, strict=False):
            found, history = chosen[name]
            loss = np.array(history.steps["loss"])
            each = len(loss) / max(len(history), 1)
            ax.plot(np.arange(1, len(loss) + 1) / each, loss, ".", color=style.SKY,
                    markersize=2, alpha=0.6)  # fmt: skip
            for part, color in (
                ("train_loss", style.BLUE),
                ("val_loss", style.VERMILION),
            ):
                column = history.epochs.get(part, [])
                ax.plot(np.arange(1, len(column) + 1), column, color=color)
            ok = name in found[:2]
            ax.set_title(name, color=style.INK if ok else style.VERMILION)
            ax.set_xlabel("found: " + ", ".join(found[:3]), fontsize=8.5)
            finite = loss[np.isfinite(loss)]
            if finite.max() > 12 * max(np.median(finite), 1e-9):
                ax.set_yscale("log")
        axes.flat[0].plot([], [], color=style.BLUE, label="training")
        axes.flat[0].plot([], [], color=style.VERMILION, label="validation")
        axes.flat[0].legend(fontsize=8)
        fig.finish(path)


def main() -> None:
    """Train, read, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, default="held-out")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    cases, first = PARTS[options.part]
    rows = list(runs(cases, options.seeds, first))
    lines = [*table(rows), "", *healthy(rows)]
    print("\n".join(lines))
    if options.part == "held-out":
        picture = DOCS / "pictures" / "gallery.png"
        figure(rows, picture)
        said = f"{options.seeds} seeds, from {first} on.\n"
        page = [HEAD, said, *lines, "", "![a run of each](pictures/gallery.png)", ""]
        (DOCS / "gallery.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
