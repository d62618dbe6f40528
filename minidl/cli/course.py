"""Run a course: hand out assignments, score and hand in work, check and grade.

The machinery is the package `minidl_course`. It lies beside `minidl`: in a clone of the
repository as assignments/course, in a student's folder and in a wheel as minidl_course.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from minidl import errors

NAME = "minidl_course"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What may stand behind `minidl course`."""
    machinery("command").arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(machinery("command").run(options))


def machinery(module: str = "") -> Any:
    """Import minidl_course, or a module of it, from beside this minidl."""
    if NAME not in sys.modules:
        root = Path(errors.__file__).resolve().parents[1]
        places = (root / NAME, root / "assignments" / "course")
        folder = next((p for p in places if (p / "__init__.py").is_file()), None)
        if folder is None:
            raise errors.MinidlError(
                f"{NAME}, the machinery of courses, is not beside {root / 'minidl'}; "
                "work in a clone of the repository, or in the folder of your course"
            )
        spec = importlib.util.spec_from_file_location(
            NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[NAME] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[NAME])
    return importlib.import_module(f"{NAME}.{module}" if module else NAME)
