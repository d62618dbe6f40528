"""Samples: what a model wrote, epoch after epoch, while it was learning.

`minidl.train.History` has the figures; here are the words behind them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minidl.errors import RangeError, ShapeError
from minidl.show import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.155  # inches


def samples(
    texts: Sequence[str],
    labels: Sequence[str] | None = None,
    *,
    limit: int = 8,
    width: int = 84,
    title: str = "What it writes, as it learns",
    path: str | Path | None = None,
) -> Figure:
    """Draw texts one below the other, each beside its label.

    texts   one for each epoch; of more than `limit` the first and the last are drawn,
            and others evenly between them
    labels  such as "epoch 3\\nloss 1.52"; by default the epochs are counted
    width   where a line is broken that goes on

    >>> fig = samples(["xq z", "the end"])
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['epoch 1', 'xq z', 'epoch 2', 'the end']
    """
    if labels is None:
        labels = [f"epoch {i + 1}" for i in range(len(texts))]
    if not texts or len(labels) != len(texts):
        raise ShapeError(
            f"samples: {len(texts)} texts and {len(labels)} labels; give one of each "
            "for every epoch, and one epoch at least"
        )
    if limit < 2 or width < 1:
        raise RangeError(f"samples: limit is {limit}, 2 or more; width {width}, ≥ 1")
    n = len(texts)
    count = min(n, limit)
    chosen = [round(i * (n - 1) / max(count - 1, 1)) for i in range(count)]
    shown = [(labels[i], _broken(texts[i], width)) for i in chosen]
    sizes = [max(len(name.split("\n")), len(lines)) + 1 for name, lines in shown]
    with style.sheet():
        fig, axes = style.figure(height=LINE * sum(sizes) + 0.4, width=style.WIDTH)
        ax = axes[0, 0]
        style.bare(ax)
        ax.set(xlim=(0, 1), ylim=(sum(sizes), 0))
        ax.set_title(title)
        y = 0
        for (name, lines), size in zip(shown, sizes, strict=True):
            ax.axhline(y + 0.1, color=style.PALE, linewidth=0.8)
            ax.text(0, y + 0.5, name, va="top", size=8.5, color=style.GRAY)
            ax.text(0.14, y + 0.5, "\n".join(lines), va="top", size=8.5,
                    family="DejaVu Sans Mono")  # fmt: skip
            y += size
        return fig.finish(path)


def _broken(text: str, width: int) -> list[str]:
    """Return the lines of a text, long ones broken; the empty ends left out."""
    lines: list[str] = []
    for line in text.strip("\n").split("\n"):
        lines += textwrap.wrap(line, width, drop_whitespace=False) or [""]
    return lines
