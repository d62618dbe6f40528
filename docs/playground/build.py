"""Build the playground: `python docs/playground/build.py FOLDER [--pyodide ADDRESS]`.

FOLDER gets the static pages, a light wheel of minidl, and assignment a1 as students get
it, without its data. Any static server serves it. ADDRESS says where Pyodide 0.27.7 is:
a full address, or a folder beside the pages (`./pyodide/`); by default as in config.js.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATIC = ("*.html", "*.css", "*.js", "python/*.py")
ASSIGNMENT = "a1"


def build(folder: Path, pyodide: str | None = None) -> None:
    """Write all files of the playground into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in STATIC:
        for path in HERE.glob(pattern):
            target = folder / path.relative_to(HERE)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
    if pyodide is not None:
        config = folder / "config.js"
        text = config.read_text(encoding="utf-8")
        new, count = re.subn(r'PYODIDE = ".*"', f'PYODIDE = "{pyodide}"', text)
        assert count == 1, "config.js has no line PYODIDE"
        config.write_text(new, encoding="utf-8")
    with tempfile.TemporaryDirectory() as work:
        wheel = beside("wheel").write(Path(work), light=True)
        shutil.copyfile(wheel, folder / "minidl.whl")
        handout(Path(work), folder / "assignment.zip")


def handout(work: Path, to: Path) -> None:
    """Write the student's edition of the assignment as a zip, without the data."""
    sys.path[:0] = [str(ROOT)]  # a clone that is not installed
    from minidl.cli.course import machinery

    machinery()
    from minidl_course.assignment import find
    from minidl_course.author.release import release

    made = release(find(ASSIGNMENT, ROOT), work)[0]
    large = beside("wheel").LARGE
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(made.rglob("*")):
            data = path.suffix in large and path.name != "expected.npz"
            if path.is_file() and not data and path.suffix != ".png":
                archive.write(path, path.relative_to(made))


def beside(name: str) -> ModuleType:
    """Import a file that lies beside this one; docs/ is no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Build it, and say how to look at it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pyodide", help="where Pyodide 0.27.7 is")
    options = parser.parse_args()
    build(options.folder, options.pyodide)
    print(f"python -m http.server --bind 127.0.0.1 --directory {options.folder}")


if __name__ == "__main__":
    main()
