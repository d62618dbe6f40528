"""Train a small convolutional network on handwritten digits, in under a minute.

It checks the gradient of the network, trains it, tests it on 1000 images that it has
never seen, and draws pictures into the folder --out. The program is minidl/demo.py.
"""

from __future__ import annotations

import argparse

from minidl import backend, process

ENOUGH = 0.97


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl demo`."""
    add = parser.add_argument
    add("--device", choices=backend.DEVICES, default=backend.default_device(),
        help="where to compute (default: %(default)s)")  # fmt: skip
    add("--seed", type=whole, default=0, help="the same seed, the same numbers (0)")
    add("--epochs", type=positive, help="rounds through the 3500 images, 1 or more")
    add("--out", default="demo", help="folder for the pictures (default: %(default)s)")


def whole(word: str) -> int:
    """Return a whole number from 0 on."""
    number = int(word)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def positive(word: str) -> int:
    """Return a whole number from 1 on."""
    if (number := whole(word)) == 0:
        raise argparse.ArgumentTypeError("0 leaves nothing to do; it is 1 or more")
    return number


def run(options: argparse.Namespace) -> int:
    """Run the demo; status 1 if a full run stays below 97 %."""
    from minidl import demo

    process.for_a_program()
    epochs = options.epochs or demo.EPOCHS
    accuracy = demo.main(options.device, options.seed, epochs, options.out)
    return 0 if accuracy >= ENOUGH or epochs < demo.EPOCHS else 1
