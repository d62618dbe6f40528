"""Check gradients against central differences, to second order.

  minidl check                       every operation and every layer
  minidl check norm                  a chapter of both; also ops, nn, ops.norm
  minidl check ops.batch_norm        one of them; also batch_norm, nn.Linear
  minidl check mymodule.my_op 3x4 4  your own function, on random arrays (3, 4), (4,)
  minidl check net.py:affine 3x4 4   the same from a file, or net.ipynb:affine; of NumPy
                                     pairs affine_forward finds affine_backward

A wrong gradient is explained below the table, and the exit status is then 1.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from typing import Any

import numpy as np

from minidl import backend, check
from minidl.cli import check_file, examples
from minidl.cli.check_file import UnknownNameError
from minidl.cli.examples import Example
from minidl.errors import MinidlError, RangeError


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl check`."""
    parser.add_argument("name", nargs="?", default="", help="what to check (all)")
    parser.add_argument(
        "shapes", nargs="*", type=shape, help="of its inputs: 3x4 4, or - for a number"
    )
    parser.add_argument(
        "--full", action="store_true", help="element by element, not one direction"
    )
    own = parser.add_argument_group("of a function in a file")
    own.add_argument("--example", help='its inputs: "[np.ones((2, 3)), np.arange(2)]"')
    own.add_argument("--time", type=float, default=60, help="seconds it may take (60)")
    own.add_argument("--picture", help="a PNG of the wrong elements")
    own.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)


def shape(word: str) -> tuple[int, ...]:
    """Return (3, 4) for "3x4".

    >>> shape("3x4"), shape("5"), shape("-")
    ((3, 4), (5,), ())
    """
    try:
        return () if word == "-" else tuple(int(n) for n in word.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no shape; try 3x4") from None


def run(options: argparse.Namespace) -> int:
    """Print a table; status 1 if something in it is wrong."""
    if check_file.is_file(options.name):
        return check_file.run(options)
    start = time.perf_counter()
    backend.seed(0)  # layers start from the same weights each time
    chosen = select(options.name, options.shapes)
    wide = max(len(e.name) for e in chosen)
    print(f"{'':{wide + 2}} {'1st order':>10} {'2nd order':>10}   relative errors")
    failed, chapter = [], ""
    for example in chosen:
        if example.chapter != chapter:
            chapter = example.chapter
            print(chapter)
        first, second, fine = judge(example, "full" if options.full else "fast")
        print(f"  {example.name:{wide}} {first:>10} {second:>10}   {mark(fine)}")
        if not fine:
            failed.append(example)
    took = time.perf_counter() - start
    print(f"{len(chosen) - len(failed)} of {len(chosen)} right, in {took:.1f} s")
    if not options.name and (missing := examples.without_example()):
        print(f"no example for {', '.join(missing)}")
    for example in failed:
        print(f"\n{explained(example)}")
    return 1 if failed else 0


def select(name: str, shapes: list[tuple[int, ...]]) -> list[Example]:
    """Return the examples that a name stands for."""
    if shapes:
        return [own(name, shapes)]
    found = examples.examples()
    name = name.removeprefix("minidl.")
    chosen = [e for e in found if name in ("", *names(e))]
    if chosen:
        return chosen
    if any(e.name.endswith("." + name) for e in found) or "." not in name:
        close = [e.name for e in found if name.lower() in e.name.lower()]
        hint = (
            f"did you mean {', '.join(close[:4])}?" if close else "try `minidl check`"
        )
        raise UnknownNameError(f"nothing here is called {name!r}; {hint}")
    raise UnknownNameError(
        f"there is no example for {name!r}; if it is a function of your own, say the "
        f"shapes of its inputs, such as `minidl check {name} 3x4 4`"
    )


def names(e: Example) -> tuple[str, ...]:
    """Return all that an example answers to: nn.conv, conv, nn, nn.Conv2d, Conv2d.

    An operation and a layer of the same chapter share its name.
    """
    folder, _, file = e.chapter.partition(".")
    return e.name, e.name.partition(".")[2], e.chapter, file, folder


def own(name: str, shapes: list[tuple[int, ...]]) -> Example:
    """Return an example of somebody's own function or layer, on random numbers."""
    sys.path.insert(0, os.getcwd())  # as `python -m` does
    owner, _, last = name.replace(":", ".").rpartition(".")
    try:
        thing: Any = getattr(importlib.import_module(owner), last)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(
            f"cannot find {name!r} ({error}); it is a module, a dot, and a name in it"
        ) from error
    if not callable(thing):
        raise RangeError(f"{name} is no function and no layer; it cannot be called")
    draw = np.random.default_rng(0)
    inputs = tuple(draw.standard_normal(s) for s in shapes)
    return Example(
        name, owner, lambda: thing() if isinstance(thing, type) else thing, inputs
    )


def judge(example: Example, mode: Any) -> tuple[str, str, bool]:
    """Return the errors of first and second order as text, and whether all is right."""
    said, fine = [], True
    for look in (check.gradcheck, check.gradgradcheck):
        try:
            report = look(
                example.make(), list(example.inputs), mode=mode, raise_exception=False
            )
            said.append(f"{report.error:.1e}")
            fine = fine and bool(report)
        except Exception as error:  # of somebody's own function: it is shown below
            said.append(type(error).__name__.removesuffix("Error"))
            fine = False
    return said[0], said[1], fine


def explained(example: Example) -> str:
    """Return what is wrong, in words."""
    f, inputs = example.make(), list(example.inputs)
    try:
        found = check.explain(f, inputs)
        if not found:
            return str(found)
        return str(check.gradgradcheck(f, inputs, raise_exception=False))
    except MinidlError as error:
        return f"{example.name}: {error}"
    except Exception:  # told whole, and the other examples are still tried
        return f"{example.name} fails:\n{traceback.format_exc()}"


def mark(fine: bool) -> str:
    """Return ✓ or ✗, or words where the terminal has no such letters."""
    try:
        "✓✗".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "right" if fine else "WRONG"
    return "✓" if fine else "✗"
