"""Write docs/sequences.md: what the models that read and write reach, with pictures.

python -m examples.char_rnn --minutes 14 --out runs/char_rnn    and its like; then
python -m docs.sequences runs       writes the page from what the programs left in runs/

Pictures go to docs/pictures/, with fewer colors, each of 120 kB at most.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
MOST = 120_000  # bytes of a picture


class Part(NamedTuple):
    """A section of the page: the results in `folder`, and what was promised of them."""

    folder: str
    title: str
    figure: str  # of results.json
    unit: str
    limit: float | str  # another figure, to be beaten from below
    minutes: float | None
    pictures: dict[str, str]  # file: what is to be seen
    lines: int  # of what it says


CURVES = {"curves.png": "How the training went."}
WRITING = {"samples.png": "What it wrote after some of the epochs."}
HIDDEN = """Single units while the network reads text that it never saw. Each was
chosen on validation text, because it goes best with a property, and is drawn and judged
(r, the correlation) on test text: being in brackets, which in a play are stage
directions; the place in the line; the names of who speaks."""
FLOW = """How much of the gradient arrives at time t, from a loss at t = 100. The RNN's
vanishes, with weights twice as large it explodes, and clipping keeps it at 1. The LSTM
lets more of it through, and has learned to let through still more."""
LOOK = """Where the model looked (columns) for each phone that it said (rows), for the
first long test words, right or wrong."""
HEADS = """All heads of the first and of the last layer, on a line of the test text:
each character (row) looks at itself and those before it (columns)."""
SEEN = """Some test images, and where the model looked for each word that it said. The
brighter, the longer; the number is the largest weight."""
SIGHTS = CURVES | {"attention.png": SEEN}
BLEU = "BLEU-1 on test images"
SAME = "always_the_same"

PARTS = (
    Part("char_rnn", "An LSTM that writes Shakespeare", "val_loss",
         "nats per character, validation text", 1.65, 15,
         CURVES | WRITING | {"hidden.png": HIDDEN, "flow.png": FLOW}, 28),
    Part("gpt", "A GPT that writes Shakespeare", "val_loss",
         "nats per character, validation text", 1.75, None,
         CURVES | WRITING | {"attention.png": HEADS}, 28),
    Part("seq2seq", "From spelling to pronunciation", "test_error",
         "phone error rate, test words", 0.15, 20,
         CURVES | WRITING | {"attention.png": LOOK}, 16),
    Part("captioner/lstm", "Names of emoji, by an LSTM", "test_bleu1", BLEU, SAME,
         None, CURVES, 12),
    Part("captioner/attention", "Names of emoji, by an LSTM that looks", "test_bleu1",
         BLEU, SAME, None, SIGHTS, 12),
    Part("captioner/transformer", "Names of emoji, by a transformer", "test_bleu1",
         BLEU, SAME, None, SIGHTS, 12),
)  # fmt: skip

HEAD = """<!-- written by docs/sequences.py; do not edit -->
# What the models that read and write reach

Each is trained by one command on data in the package. Minutes are those of one machine
with two cores; with `--minutes` the learning rate follows the clock, so another machine
reaches somewhat other figures. `--weights FOLDER` judges and draws the results of an
earlier run again. This page is written by `python -m docs.sequences FOLDER`.
"""


def verdict(part: Part, facts: dict[str, Any]) -> str:
    """Say whether a promise was kept; "no" if a figure or the time missed its limit."""
    figures, minutes = facts["figures"], facts["minutes"]
    reached = figures[part.figure]
    if isinstance(part.limit, str):
        kept = reached > figures[part.limit]
    else:
        kept = reached <= part.limit
    if part.minutes is not None and minutes is not None:
        kept = kept and minutes <= part.minutes
    return "yes" if kept else "**no**"


def row(part: Part, facts: dict[str, Any]) -> str:
    """One row of the table."""
    figures = facts["figures"]
    if isinstance(part.limit, str):
        limit = f"> {figures[part.limit]:.3f}, {part.limit.replace('_', ' ')}"
    else:
        limit = f"≤ {part.limit:g}"
    if part.minutes is not None:
        limit += f" in ≤ {part.minutes:g} minutes"
    minutes = "?" if facts["minutes"] is None else f"{facts['minutes']:.1f}"
    cells = (
        f"[{part.title}](#{anchor(part.title)})", f"{facts['parameters']:,}", part.unit,
        f"{figures[part.figure]:.3f}", limit, verdict(part, facts), minutes,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def anchor(title: str) -> str:
    """Return the name that a heading gets as a target of links."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")


def section(part: Part, folder: Path, facts: dict[str, Any]) -> list[str]:
    """The command, all figures, the pictures, and what the model says."""
    figures = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}".replace("-", "−")
        for name, value in facts["figures"].items()
    )
    lines = [f"## {part.title}", "", f"`{facts['command']}`", ""]
    epochs = len(facts["epochs"].get("epoch", []))
    lines += [f"Epochs: {epochs or '?'}; {figures}.", ""]
    for name, words in part.pictures.items():
        if (folder / name).is_file():
            file = f"{part.folder.replace('/', '-')}-{name}"
            shrink(folder / name, PICTURES / file)
            lines += [words, "", f"![{name}](pictures/{file})", ""]
    said = facts["says"].strip("\n").split("\n")
    return [*lines, "What it says:", "", "```text", *said[: part.lines], "```", ""]


def shrink(source: Path, target: Path) -> None:
    """Copy a picture with fewer colors, and points if need be, until it is small."""
    from PIL import Image

    target.parent.mkdir(exist_ok=True)
    with Image.open(source) as picture:
        whole = picture.convert("RGB")
    for scale, colors in (
        (1, 64),
        (1, 32),
        (0.8, 32),
        (0.65, 32),
        (0.5, 32),
        (0.4, 16),
    ):
        size = round(whole.width * scale), round(whole.height * scale)
        small = whole if scale == 1 else whole.resize(size, Image.Resampling.LANCZOS)
        small.quantize(colors).save(target, optimize=True)
        if target.stat().st_size <= MOST:
            return
    raise SystemExit(f"{source} cannot be made smaller than {MOST} bytes; draw less")


def page(runs: Path) -> str:
    """The whole page; it says so of what was not trained."""
    table = [
        "| model | parameters | measured | reached | promised | kept | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    sections: list[str] = []
    for part in PARTS:
        folder = runs / part.folder
        if (folder / "results.json").is_file():
            facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            table.append(row(part, facts))
            sections += section(part, folder, facts)
        else:
            table.append(f"| {part.title} | | {part.unit} | not trained | | | |")
    if not sections:
        raise SystemExit(
            f"{runs} has no results: no char_rnn/results.json, nor another"
        )
    return "\n".join([HEAD, *table, "", *sections]).rstrip("\n") + "\n"


def main() -> None:
    """Write the page."""
    if len(sys.argv) != 2:
        raise SystemExit(
            "python -m docs.sequences FOLDER, which holds char_rnn/, gpt/ …"
        )
    text = page(Path(sys.argv[1]))
    (HERE / "sequences.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
