"""minidl in a browser: `python -m benchmarks.browser` fills a table of docs/browser.md.

Chromium opens the playground: how long until it can be used, how many steps and
pictures a second it then makes, and how long the page itself is ever kept from
answering. A net learns the digits under Pyodide in node. Times are by the clock, so the
machine should be quiet; processor seconds of all of Chromium, which stand beside them,
depend less on that. It needs what tests/browser needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.browser import fetch_pyodide, kit

DOCS = Path(__file__).parents[1] / "docs"
WATCHED = 10  # seconds of training that are watched
LIMIT = 240_000  # ms
DIGITS = """
import json, time
import minidl as md
from minidl import nn, ops, optim
md.seed(0)
train, _, test = md.data.load_digits()
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = optim.Adam(model.parameters(), lr=1e-2)
steps, start, used = 0, time.perf_counter(), time.process_time()
for epoch in range(10):
    for x, y in md.data.DataLoader(train, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        ops.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
seconds, used = time.perf_counter() - start, time.process_time() - used
accuracy = float(md.train.accuracy(model(test.x), test.y))

# the pieces of the playground: the least of many times, which a busy machine leaves
import sys
sys.path.append("/checkout/docs/playground/python")
import run
settings = {
    "data": "spirals", "n": 300, "noise": 0.1, "held": 0.25, "shift": 0, "points": [],
    "center": False, "features": ["x", "y"], "layers": [16, 16], "activation": "ReLU",
    "init": "kaiming_normal", "bias": 0, "norm": False, "optimizer": "Adam", "lr": 0.01,
    "schedule": "constant", "horizon": 2000, "decay": 0, "dropout": 0, "batch": 32,
    "seed": 0,
}
made = run.made(json.dumps(settings))
def least(f, n):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
pieces = {"step": least(made.step, 500)}
pieces["picture"] = least(lambda: run.frame(made, 40, False), 50)
pieces["figures"] = least(lambda: run.frame(made, 40), 50)
print(json.dumps({"steps": steps, "seconds": seconds, "accuracy": accuracy, **pieces}))
"""
WATCH = """async (seconds) => {
  const now = () => (
    { at: performance.now(), frames: live.frames, steps: live.frame.steps });
  const from = now(), gaps = [];
  let last = from.at;
  while (last - from.at < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    gaps.push(performance.now() - last);
    last = performance.now();
  }
  const to = now();
  gaps.sort((a, b) => a - b);
  const took = (to.at - from.at) / 1000;
  return { frames: (to.frames - from.frames) / took,
           steps: (to.steps - from.steps) / took,
           median: gaps[gaps.length >> 1], most: gaps.at(-1) };
}"""
WRITTEN = "Written by `python -m benchmarks.browser`"  # what follows in docs/browser.md


def opened(url: str) -> dict[str, float]:
    """Return what a visitor of the playground waits for, and gets."""
    with kit.chromium() as browser:
        tab = browser.new_page()
        tab.set_default_timeout(LIMIT)
        tab.goto(f"{url}/index.html")
        tab.wait_for_function("live.ready && live.frame", timeout=LIMIT)
        found = {"ready": tab.evaluate("performance.now()") / 1000, "start": _used()}
        tab.select_option("#speed", "fast")
        tab.click("#train")
        tab.wait_for_function("live.frame.steps > 50", timeout=LIMIT)
        before = _used()
        found |= tab.evaluate(WATCH, WATCHED)
        return found | {"used": _used() - before}


def _used() -> float:
    """Return the processor seconds of all processes that descend from this one."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_ours(pid: int) -> bool:
        parent = parents.get(pid, 0)
        return parent == os.getpid() or (parent > 1 and is_ours(parent))

    total = sum(ticks[pid] for pid in ticks if is_ours(pid))
    return total / os.sysconf("SC_CLK_TCK")


def digits(folder: Path) -> dict[str, float]:
    """Train a net on the digits under Pyodide in node."""
    wheel = kit.script("wheel").write(folder, light=True)
    program = folder / "digits.py"
    program.write_text(DIGITS, encoding="utf-8")
    done = subprocess.run(
        [shutil.which("node") or "node", kit.ROOT / "tests/browser/node_run.mjs",
         fetch_pyodide.place(), wheel, program, f"{kit.ROOT}=/checkout"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure, and write the page."""
    if why := kit.missing():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as work:
        site = kit.built(Path(work, "site"))
        wheel = (site / "minidl.whl").stat().st_size
        with kit.served(site) as url:
            found = opened(url)
        net = digits(Path(work))
    a_step = found["used"] / (WATCHED * found["steps"])
    rows = [
        ("the playground can be used after", f"{found['ready']:.1f} s"),
        ("… processor seconds", f"{found['start']:.1f}"),
        ("fetched: the light wheel, beside Pyodide and NumPy", f"{wheel / 1e6:.1f} MB"),
        ("steps a second, 2-16-16-2, batches of 32", f"{found['steps']:.0f}"),
        ("… processor time a step, pictures included", f"{1000 * a_step:.2f} ms"),
        ("steps in a picture", f"{found['steps'] / found['frames']:.0f}"),
        ("pictures a second meanwhile", f"{found['frames']:.0f}"),
        ("the page answers within, median", f"{found['median']:.0f} ms"),
        ("the page answers within, at most", f"{found['most']:.0f} ms"),
        ("64-32-10 on the digits, batches of 64: a step",
         f"{1000 * net['seconds'] / net['steps']:.1f} ms"),
        (f"its accuracy after {net['steps']} steps", f"{net['accuracy']:.3f}"),
        ("the playground's step in node, the least of 500", f"{net['step']:.2f} ms"),
        ("… a picture, the least of 50", f"{net['picture']:.1f} ms"),
        ("… a picture with all figures, the least of 50", f"{net['figures']:.1f} ms"),
    ]  # fmt: skip
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    path = DOCS / "browser.md"
    before = path.read_text(encoding="utf-8").partition(WRITTEN)[0]
    line = (
        f"{WRITTEN}: by the clock, in headless Chromium and node, on a machine with\n"
    )
    line += (
        f"{os.cpu_count()} cores and {os.getloadavg()[0]:.0f} processes that ran.\n\n"
    )
    text = f"{before}{line}| what | figure |\n|---|---|\n{table}"
    path.write_text(text, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
