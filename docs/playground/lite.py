"""Build JupyterLite with all notebooks: `python docs/playground/lite.py FOLDER`.

FOLDER gets a static site: JupyterLite 0.5, whose kernel is made for Pyodide 0.27, the
notebooks, and the wheel of minidl with its data. Each notebook begins with a cell that
installs that wheel and takes the quick setting.

    --pyodide DIR   Pyodide's folder, copied into the site, which then asks nobody; by
                    default the site names Pyodide's own address
    --only 06       the notebooks whose names begin so
    --work DIR      where the virtual environment of the builder is kept

The first build makes that environment, with pip; the kernel's wheel `comm`, which it
would ask the network for, becomes a part of the site as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILDER = [
    "jupyterlite-core==0.5.1", "jupyterlite-pyodide-kernel==0.5.2",
    "jupyter-server==2.21.1",
]  # fmt: skip
COMM = "comm==0.2.2"
KERNEL = "pyodide-kernel-extension"
FIRST = """# In the browser: minidl lies in this site, and the quick setting is taken.
import os
import piplite
await piplite.install(["numpy", "matplotlib"])
await piplite.install("minidl", deps=False)
os.environ["QUICK"] = "1"
"""


def build(to: Path, work: Path, pyodide: Path | None = None, only: str = "") -> None:
    """Write the site into a folder, which is replaced."""
    pip(work, "install", *BUILDER)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        lite = Path(folder)
        wheels = lite / "wheels"
        _wheel_script().write(wheels, light=False)
        pip(work, "download", "--no-deps", "--dest", str(wheels), COMM)
        config = {"PipliteAddon": {"piplite_urls": sorted(map(str, wheels.iterdir()))}}
        if pyodide is not None:
            # where the builder looks for it by itself
            shutil.copytree(pyodide, lite / "static/pyodide", copy_function=_linked)
        (lite / "jupyter_lite_config.json").write_text(json.dumps(config), "utf-8")
        notebooks(lite / "content", only)
        command = [work / "venv/bin/jupyter", "lite", "build", "--contents", "content",
                   "--output-dir", "site"]  # fmt: skip
        done = subprocess.run(command, cwd=lite, capture_output=True, text=True)
        # a build that was cut short leaves a site without a kernel, and says nothing
        made = lite / "site/jupyter-lite.json"
        if done.returncode or KERNEL not in made.read_text(encoding="utf-8"):
            raise SystemExit(f"jupyter lite build failed:\n{done.stdout}{done.stderr}")
        shutil.rmtree(to, ignore_errors=True)
        shutil.move(lite / "site", to)


def pip(work: Path, *words: str) -> None:
    """Run pip in the builder's environment, which is made if it is not there."""
    python = work / "venv/bin/python"
    ready = work / "venv/ready"
    if words[0] == "install" and ready.is_file():
        return
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "--quiet", *words], check=True)
    if words[0] == "install":
        ready.touch()


def notebooks(folder: Path, only: str) -> None:
    """Write the notebooks with the first cell of the browser, and without outputs."""
    folder.mkdir(parents=True)
    for path in sorted((ROOT / "notebooks").glob(f"{only}*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["metadata"]["kernelspec"] = {
            "display_name": "Python (Pyodide)", "language": "python", "name": "python",
        }  # fmt: skip
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
        first = {
            "cell_type": "code", "id": "browser", "metadata": {}, "outputs": [],
            "execution_count": None, "source": FIRST.rstrip("\n"),
        }  # fmt: skip
        notebook["cells"].insert(0, first)
        text = json.dumps(notebook, ensure_ascii=False)
        (folder / path.name).write_text(text, encoding="utf-8")


def _linked(source: str, target: str) -> None:
    """Link a file rather than copy it, where the disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _wheel_script():
    spec = importlib.util.spec_from_file_location("wheel", HERE / "wheel.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Build it, and say how to look at it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pyodide", type=Path, help="its folder, copied into the site")
    parser.add_argument("--only", default="", help="the beginning of notebooks' names")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir(), "minidl-lite")
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    build(options.folder.absolute(), options.work, options.pyodide, options.only)
    print(f"python -m http.server --bind 127.0.0.1 --directory {options.folder}")


if __name__ == "__main__":
    main()
