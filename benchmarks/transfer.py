"""What a trained network is worth: `python -m benchmarks.transfer` writes a page.

The lecture's table: little or much data, alike or different; what should be trained?
Then Emoji-32 with features of ImageNet (extra "pretrained"), and retrieval. A figure is
the accuracy on test images in percent, the mean over seeds ± its standard error. A seed
draws the images to learn from, and the first weights. Nothing was tuned.

Throughout:  n  images of each class to learn from    f  features
"""

from __future__ import annotations

import argparse
import copy
import functools
import math
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minidl as md
from minidl import data, lab, models, nn, ops, optim, show
from minidl.models.trained import PACKAGE
from minidl.train import Trainer

OUT = Path(__file__).parents[1] / "docs" / "transfer.md"
PICTURE = "pictures/nearest.png"
SIZES = (5, 100)
LOW = "features.blocks.7"  # what the second of three blocks of the small CNN puts out
RATE = 1e-2  # of a head; all below it moves at a tenth
STEPS = 400  # of whatever is trained below a head, in the lecture's table
FEWER = {5: 100, 100: 140}  # of the last convolution of EfficientNet-Lite0
HEAD = f"""# What a trained network is worth

Written by `python -m benchmarks.transfer`. Accuracy on test images in percent, mean ±
standard error over the seeds; a seed draws the images to learn from and first weights.
Nothing was tuned: Adam at {RATE}, and at a tenth of it below a trained head."""


class Target(NamedTuple):
    """Images to learn from, and images for test."""

    x: Any
    y: Any
    test_x: Any
    test_y: Any

    @property
    def classes(self) -> int:
        """K."""
        return int(self.y.max()) + 1

    def draw(self, n: int, seed: int) -> Any:
        """Return the numbers of n images of each class, or of all there are."""
        rng = np.random.default_rng(seed)
        classes = [np.flatnonzero(self.y == k) for k in range(self.classes)]
        return np.concatenate([rng.permutation(own)[:n] for own in classes])


def digits_5_9() -> Target:
    """Return the digits that "digits-cnn" was not shown."""
    train, _, test = data.load_mnist5k()
    return Target(
        train.x[train.y > 4], train.y[train.y > 4] - 5,
        test.x[test.y > 4], test.y[test.y > 4] - 5,
    )  # fmt: skip


def emoji() -> Target:
    """Return Emoji-32 in its 9 groups."""
    train, _, test = data.load_emoji()
    return Target(train.x, train.y, test.x, test.y)


def gray_emoji() -> Target:
    """Return the same as the digits are: gray on black, 28 × 28."""
    x, y, test_x, test_y = emoji()

    def gray(x: Any) -> Any:
        return 1 - x[:, :, 2:30, 2:30].mean(axis=1, keepdims=True)

    return Target(gray(x), y, gray(test_x), test_y)


# One network, one draw


def fitted(head: Any, f: Any, y: Any) -> Any:
    """Return a head that is trained on features f (N, D): 100 steps on all of them.

    They are brought to a mean square of 1 meanwhile, so that one rate serves all.
    """
    scale = math.sqrt(float(np.square(f).mean()))
    f = f / np.float32(scale)
    optimizer = optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.01)
    for _ in range(100):
        ops.cross_entropy(head(f), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    with md.no_grad():
        head.weight /= scale
    return head


def right(model: Any, x: Any, y: Any) -> float:
    """Return the percentage of images that a model knows."""
    scores = Trainer(model, None, ops.cross_entropy, progress=False).predict(x)
    return float(100 * (scores.argmax(axis=1) == y).mean())


def trained(
    model: Any, x: Any, y: Any, lr: float, seed: int, steps: int = STEPS
) -> Any:
    """Return the model, trained further, in batches of 10 or 25 images."""
    size = 10 if len(x) < 100 else 25
    batches = data.DataLoader((x, y), size, shuffle=True, seed=seed)
    epochs = math.ceil(steps / len(batches))
    lab.fine_tune(model, batches, epochs=(0, epochs), lr=lr, ratio=1.0, metrics=())
    return model


def linear(f: Any, y: Any, test_f: Any, test_y: Any) -> float:
    """Return what a linear classifier on features knows."""
    flat, test = f.reshape(len(f), -1), test_f.reshape(len(test_f), -1)
    head = nn.Linear(flat.shape[1], int(test_y.max()) + 1, init="head")
    return right(fitted(head, flat, y), test, test_y)


# The lecture's table


class Source:
    """A trained network, and what its layers make of the images of a target.

    The lower blocks are the same function for every draw, and run once for all.
    """

    def __init__(self, target: Target) -> None:
        self.net = models.pretrained("digits-cnn")
        self.target = target
        images = (target.x, target.test_x)
        self.low, self.test_low = (lab.features(self.net, x, layer=LOW) for x in images)
        self.top, self.test_top = (lab.features(self.net, x) for x in images)

    def with_head(self, chosen: Any) -> Any:
        """Return a copy of the network whose new head is trained on its features."""
        net = lab.replace_head(copy.deepcopy(self.net), self.target.classes)
        fitted(net.head, self.top[chosen], self.target.y[chosen])
        return net


METHODS = {
    "pixels": "linear classifier on pixels",
    "nothing": "the same CNN from nothing",
    "top": "linear on the top features",
    "middle": "linear on the middle features",
    "last": "fine-tuned: last block",
    "all": "fine-tuned: all",
    "fast": "all, at the full rate",
    "random": "all, at the full rate, random head",
}
ADVICE = {(5, 0): "top", (100, 0): "last", (5, 1): "middle", (100, 1): "all"}


def cell(source: Source, n: int, seed: int) -> dict[str, float]:
    """Return the accuracy of every method, with one draw of n images a class."""
    md.seed(seed)
    target, chosen = source.target, source.target.draw(n, seed)
    x, y = target.x[chosen], target.y[chosen]
    test = target.test_x, target.test_y
    found = {
        "pixels": linear(x, y, *test),
        "top": linear(source.top[chosen], y, source.test_top, target.test_y),
        "middle": linear(source.low[chosen], y, source.test_low, target.test_y),
    }
    new = models.CNN(x.shape[1], target.classes, source.net.features.channels)
    found["nothing"] = right(trained(new, x, y, RATE, seed), *test)
    net = source.with_head(chosen)
    block = copy.deepcopy(net.features.blocks[8:])
    upper = nn.Sequential(*block, nn.GlobalAvgPool2d(), copy.deepcopy(net.head))
    trained(upper, source.low[chosen], y, RATE / 10, seed)
    found["last"] = right(upper, source.test_low, target.test_y)
    start = copy.deepcopy(net)
    found["all"] = right(trained(net, x, y, RATE / 10, seed), *test)
    if n == SIZES[0] and target.classes == 5:  # the order of the steps, and the rate
        new = lab.replace_head(copy.deepcopy(start), target.classes)
        found["fast"] = right(trained(start, x, y, RATE, seed), *test)
        found["random"] = right(trained(new, x, y, RATE, seed), *test)
    return found


def two_by_two(seeds: int) -> list[str]:
    """Return the lecture's table, and whether its advice was the best."""
    sources = {
        "digits 5-9": Source(digits_5_9()),
        "gray emoji": Source(gray_emoji()),
    }
    cells: dict[tuple[int, int], list[dict[str, float]]] = {}
    for i, source in enumerate(sources.values()):
        for n in SIZES:
            start = time.perf_counter()
            cells[n, i] = [cell(source, n, seed) for seed in range(seeds)]
            print(n, i, columns(cells[n, i]), f"{time.perf_counter() - start:.0f} s",
                  flush=True)  # fmt: skip
    order = [(n, i) for i in range(2) for n in SIZES]
    names = [f"{name}, {n} a class" for name in sources for n in SIZES]
    lines = [
        "## What to train: little or much data, alike or different",
        "",
        '"digits-cnn", which knows the digits 0 to 4, is given other digits (alike) '
        f"and gray emoji (different); {seeds} seeds. Some groups of emoji have less "
        "than 100 images. All that is trained below a head, and the network from "
        f"nothing, makes {STEPS} steps: batches of 10 of few images, of 25 of many.",
        "",
        f"| | {' | '.join(names)} |",
        "|---|---|---|---|---|",
    ]
    for method, says in METHODS.items():
        row = [
            spread([found[method] for found in cells[key]])
            if method in cells[key][0] else "" for key in order
        ]  # fmt: skip
        lines.append(f"| {says} | {' | '.join(row)} |")
    lines += [
        "",
        "The lecture's advice, against the best of the four ways to use the trained "
        "network, seed by seed:",
        "",
    ]
    for name, key in zip(names, order, strict=True):
        lines.append(f"- {name}: {verdict(cells[key], ADVICE[key])}")
    return lines


def columns(found: list[dict[str, float]]) -> dict[str, str]:
    """Return mean ± standard error of every method."""
    return {method: spread([row[method] for row in found]) for method in found[0]}


def verdict(found: list[dict[str, float]], advice: str) -> str:
    """Say whether the advice was the best, or within two standard errors of it."""
    ways = ("top", "middle", "last", "all")
    means = {m: statistics.mean(row[m] for row in found) for m in ways}
    best = max(ways, key=lambda way: means[way])
    if best == advice:
        return f"{METHODS[advice]}: **confirmed**"
    behind = [row[best] - row[advice] for row in found]
    clear = statistics.mean(behind) > 2 * error(behind)
    word = "refuted" if clear else "not told apart"
    return (
        f"{METHODS[advice]}: **{word}**, {METHODS[best]} is better by {spread(behind)}"
    )


# Features of ImageNet


def enlarged(x: Any) -> Any:
    """Return images of 48 × 48 pixels, made of 32 × 32."""
    return ops.avg_pool2d(ops.upsample(x, 3), 2)


class ImageNet:
    """EfficientNet-Lite0 on Emoji-32: its 16 blocks run once for every image."""

    def __init__(self) -> None:
        self.target = emoji()
        net = models.pretrained("efficientnet-lite0")
        self.last = nn.Sequential(*net.last, nn.GlobalAvgPool2d())
        self.low, self.test_low = (
            lab.features(net, enlarged(x), layer="blocks", batch_size=64)
            for x in (self.target.x, self.target.test_x)
        )
        upper = nn.Sequential(self.last, nn.Linear(1280, 9)).eval()
        self.top, self.test_top = (
            lab.features(upper, low) for low in (self.low, self.test_low)
        )

    def cell(self, n: int, seed: int) -> dict[str, float]:
        """Return the accuracy of every method, with one draw of n images a class."""
        md.seed(seed)
        target, chosen = self.target, self.target.draw(n, seed)
        y = target.y[chosen]
        head = nn.Linear(1280, target.classes, init="head")
        fitted(head, self.top[chosen], y)
        frozen = right(head, self.test_top, target.test_y)
        upper = nn.Sequential(copy.deepcopy(self.last), head)
        upper.freeze("0.1")  # its batch norm: 25 images are no better measure
        trained(upper, self.low[chosen], y, RATE / 100, seed, FEWER[n])
        return {
            "linear classifier on pixels": linear(
                target.x[chosen], y, target.test_x, target.test_y
            ),
            "frozen features of EfficientNet-Lite0": frozen,
            "fine-tuned: its last convolution": right(
                upper, self.test_low, target.test_y
            ),
        }


@functools.cache
def imagenet() -> ImageNet:
    """Return the one that both tables use."""
    return ImageNet()


def emoji_table(seeds: int) -> list[str]:
    """Return the table of Emoji-32 in color."""
    source = imagenet()
    found = {n: [source.cell(n, seed) for seed in range(seeds)] for n in SIZES}
    lines = [
        "## Emoji-32 in color, with features of ImageNet",
        "",
        f"9 groups, 272 test images, enlarged to 48 × 48; {seeds} seeds. The last "
        "convolution moves at a hundredth of the rate. Needs the extra `pretrained`.",
        "",
        f"| | {' | '.join(f'{n} a class' for n in SIZES)} |",
        "|---|---|---|",
    ]
    for method in found[SIZES[0]][0]:
        row = [spread([draw[method] for draw in found[n]]) for n in SIZES]
        lines.append(f"| {method} | {' | '.join(row)} |")
    return lines


# Retrieval


def precision(target: Target, f: Any, test_f: Any) -> float:
    """Return how many of the 5 nearest are of the same class, in percent."""
    found = lab.nearest(test_f, 5, among=f)
    return float(100 * (target.y[found] == target.test_y[:, None]).mean())


def retrieval(seeds: int) -> list[str]:
    """Return precision at 5, and draw what is found. No seed plays a part here."""
    digits, symbols = Source(digits_5_9()), imagenet()
    net = models.pretrained("emoji-cnn")
    pairs: dict[str, list[Any]] = {}
    for target in (digits.target, symbols.target):
        reduce = data.pca(target.x, 32)
        own = [(target.x, target.test_x), (reduce(target.x), reduce(target.test_x))]
        for name, pair in zip(("pixels", "32 principal components"), own, strict=True):
            pairs.setdefault(name, []).append((target, *pair))
    pairs["features of a small CNN"] = [
        (digits.target, digits.top, digits.test_top),
        (symbols.target, *(lab.features(net, x) for x in symbols.target[::2])),
    ]
    best = (symbols.target, symbols.top, symbols.test_top)
    pairs["features of EfficientNet-Lite0"] = [None, best]
    lines = [
        "## Nearest by features",
        "",
        "How many of the 5 nearest training images are of the test image's class, in "
        'percent. The small CNN is "digits-cnn", which never saw a digit above 4, and '
        '"emoji-cnn", which was taught these 9 groups.',
        "",
        "| | digits 5-9 | Emoji-32 |",
        "|---|---|---|",
    ]
    for name, row in pairs.items():
        cells = ["" if pair is None else f"{precision(*pair):.1f}" for pair in row]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    draw(*best, OUT.parent / PICTURE)
    return [*lines, "", "The first image of each row is a test image, and the others "
            "are the training images nearest to it by features of EfficientNet-Lite0:",
            "", f"![rows of emoji, each with its five nearest]({PICTURE})"]  # fmt: skip


def draw(target: Target, f: Any, test_f: Any, path: Path) -> None:
    """Draw a test image of six groups, each before the five that are nearest to it."""
    asked = [int(np.flatnonzero(target.test_y == k)[1]) for k in (0, 2, 3, 4, 7, 8)]
    found = lab.nearest(test_f[asked], 5, among=f)
    rows = [
        [target.test_x[i], *target.x[row]] for i, row in zip(asked, found, strict=True)
    ]
    show.images(np.concatenate(rows), columns=6, limit=36, path=path)


# The page


def error(values: list[float]) -> float:
    """Return the standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def spread(values: list[float]) -> str:
    """Return mean ± standard error."""
    return f"{statistics.mean(values):.1f} ± {error(values):.1f}"


SECTIONS: dict[str, Callable[[int], list[str]]] = {
    "table": two_by_two,
    "emoji": emoji_table,
    "retrieval": retrieval,
}
TITLES = ("## What to train", "## Emoji-32", "## Nearest")


def write(path: Path, section: str) -> None:
    """Put a section into the page; the others stay."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = [f"## {part}".rstrip() for part in old.split("\n## ")[1:]]
    kept = {title: s for title in TITLES for s in sections if s.startswith(title)}
    kept |= {title: section for title in TITLES if section.startswith(title)}
    parts = [HEAD, *(kept[title] for title in TITLES if title in kept)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def main() -> None:
    """Make the tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", default=[*SECTIONS])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in options.sections:
        if name != "table" and not find_spec(PACKAGE):
            print(f'{name}: left out, for it needs pip install "minidl[pretrained]"')
            continue
        start = time.process_time()
        lines = SECTIONS[name](options.seeds)
        write(OUT, "\n".join(lines))
        print("\n".join(lines), f"\n{time.process_time() - start:.0f} s of one core\n",
              flush=True)  # fmt: skip
    print(f"written to {OUT}")


if __name__ == "__main__":
    main()
