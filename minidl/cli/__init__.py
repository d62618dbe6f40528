"""The command `minidl`, also `python -m minidl`: one module here for each subcommand.

`COMMANDS` lists the subcommands, each with a line of help. A subcommand is a module,
imported when it is called (its docstring is the long help), with two functions:

    arguments(parser)   what may stand behind it on the command line
    run(options)        does it; returns the exit status

Exit status: 0 all is well; 1 it ran, and what it found is bad (a wrong gradient, an
accuracy too low); 2 it could not run (a typing mistake, a missing device); 130 stopped.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from minidl.errors import MinidlError

COMMANDS = {
    "demo": "check, train and test a small network on digits, and draw pictures",
    "check": "check gradients: of all operations and layers, or of your own function",
    "devices": "say what this machine computes with, and what is missing",
    "doctor": "say what is wrong with a run, from its file, or with this machine",
    "recipe": "the seven steps: from data to a trained network, with a report",
    "course": "assignments: release, score, submit, check, grade",
}


def command(name: str) -> Any:
    """Import a subcommand."""
    return import_module(f"minidl.cli.{name}")


def parser(called: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line; only what is called is imported."""
    version = import_module("minidl").__version__
    top = argparse.ArgumentParser(
        prog="minidl",
        description="A deep-learning engine whose source is the textbook.",
        epilog="Start with `minidl demo`.",
    )
    top.add_argument("--version", action="version", version=f"minidl {version}")
    found = top.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name, text in COMMANDS.items():
        sub = found.add_parser(
            name, help=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == called:
            module = command(name)
            sub.description = inspect.cleandoc(module.__doc__)
            module.arguments(sub)
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status. Without a subcommand, print the help."""
    words = sys.argv[1:] if words is None else words
    top = parser(next((word for word in words if word in COMMANDS), None))
    options = top.parse_args(words)
    if options.command is None:
        top.print_help()
        return 0
    for stream in (sys.stdout, sys.stderr):  # ∂ and ✓ on a terminal that has none: ?
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return int(command(options.command).run(options))
    except BrokenPipeError:  # `minidl check | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (MinidlError, OSError) as error:
        from minidl.check import GradientError

        print(f"minidl {options.command}: {error}", file=sys.stderr)
        return 1 if isinstance(error, GradientError) else 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
