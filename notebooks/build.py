"""Make the notebooks: run each source in a kernel, and keep what came out beside it.

    python -m notebooks.build              all of them
    python -m notebooks.build 01 04        those whose names begin so
    python -m notebooks.build --seeds 3    make nothing: run the sources as scripts,
                                           with seeds 0, 1 and 2; --quick: with QUICK=1

It needs the extra `notebooks`. What is written is stable: a cell is named after its
text, no date or duration is kept, and pictures are reduced to a palette.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from notebooks.percent import FOLDER, sources

LIMIT = 300_000  # bytes of an .ipynb
COLORS = 192  # in the palette of a picture
SHOWN = 2 / 3, 800  # of a picture (it is for sharp screens), and pixels at most
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python"},
}


def environment(seed: int, quick: bool = False, **more: str) -> dict[str, str]:
    """Return the variables that a notebook runs under: one thread, minidl in reach."""
    path = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    own = {"SEED": str(seed), "QUICK": "1" if quick else "0"}
    own["PYTHONPATH"] = os.pathsep.join(path)
    return os.environ | threads | own | more


def run_as_script(
    path: Path, seed: int = 0, quick: bool = False, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a source, its solution and its check in a fresh process, strictly."""
    command = [sys.executable, "-W", "error", "-m", "notebooks.percent", str(path)]
    return subprocess.run(
        command, env=environment(seed, quick, MPLBACKEND="Agg"), cwd=FOLDER.parent,
        text=True, capture_output=True, timeout=timeout,
    )  # fmt: skip


def execute(path: Path) -> Any:
    """Return a source as a notebook with its outputs, fresh from a kernel.

    Raises nbclient's CellExecutionError with the traceback of a cell that fails.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = METADATA
    client = NotebookClient(
        notebook, timeout=1500, kernel_name="python3", record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(FOLDER)}},
    )  # fmt: skip
    inline = "module://matplotlib_inline.backend_inline"
    client.execute(env=environment(0, MPLBACKEND=inline))
    notebook.metadata = METADATA  # the kernel has added its version
    return notebook


def settle(notebook: Any) -> Any:
    """Take away what would change without a reason, and make the pictures small."""
    names: set[str] = set()
    for cell in notebook.cells:
        cell.metadata = {}
        mark, copy = f"{cell.cell_type} {cell.source}", 0
        while (name := _digest(f"{mark} {copy}" if copy else mark)) in names:
            copy += 1
        names.add(name)
        cell.id = name
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                _shrink(output)
    return notebook


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Join neighboring pieces of one stream: where it was cut is chance."""
    joined: list[Any] = []
    for output in outputs:
        is_stream = output.output_type == "stream"
        if is_stream and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _shrink(output: Any) -> None:
    """Reduce a picture to a palette, and say how wide it is to be shown."""
    encoded = output.get("data", {}).get("image/png")
    if encoded is None:
        return
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    small = io.BytesIO()
    flat = picture.quantize(COLORS, dither=Image.Dither.NONE)
    flat.save(small, format="png", optimize=True)
    scale = min(SHOWN[0], SHOWN[1] / picture.width)
    width, height = round(picture.width * scale), round(picture.height * scale)
    output.data["image/png"] = base64.b64encode(small.getvalue()).decode()
    output.metadata = {"image/png": {"width": width, "height": height}}


def build(path: Path) -> int:
    """Write the .ipynb beside a source and return its size.

    Raises ValueError if a cell warns or shows an address, or if it is too large.
    """
    import nbformat

    notebook = settle(execute(path))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise ValueError(f"{path.name}: a cell complains: {output.text}")
            if " at 0x" in (said := str(output.get("data", {}).get("text/plain"))):
                raise ValueError(f"{path.name}: {said} is another in every run")
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, version=4) + "\n"
    if (size := len(text.encode())) > LIMIT:
        raise ValueError(f"{path.name}: {size} bytes with its outputs, over {LIMIT}")
    path.with_suffix(".ipynb").write_text(text, encoding="utf-8", newline="\n")
    return size


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the notebooks, or run them with several seeds; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m notebooks.build")
    parser.add_argument("names", nargs="*", help="beginnings of names; none: all")
    parser.add_argument("--seeds", type=int, metavar="N", help="only run, N times each")
    parser.add_argument("--quick", action="store_true", help="with --seeds: QUICK=1")
    options = parser.parse_args(arguments)
    failed = 0
    for path in sources(*options.names):
        for seed in range(options.seeds or 1):
            start = time.perf_counter()
            if options.seeds:
                done = run_as_script(path, seed, options.quick)
                failed += done.returncode != 0
                what = f"seed {seed} {done.stderr or 'holds'}"
            else:
                what = f"{build(path) / 1000:.0f} kB"
            seconds = time.perf_counter() - start
            print(f"{path.stem:<24} {seconds:5.1f} s  {what}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
