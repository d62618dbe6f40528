"""How much there is to read: python -m benchmarks.reading [ROOT]

ROOT   a checkout of minidl; by default the one that this file is in

Prints the calls and files of the first backward pass and of one step of the Trainer,
files that import each other in a circle, modules at the top of the package, and lines.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

COUNT = """
import json, sys
sys.path.insert(0, ROOT)
import numpy as np
import minidl as md
from minidl import data, nn, ops, optim, train

def counted(run):
    calls, files = [0], {}
    def see(frame, event, _):
        path = frame.f_code.co_filename
        if event == "call" and PACKAGE in path:
            calls[0] += 1
            files.setdefault(path.split(PACKAGE)[1], 0)
    run()  # what is imported or made on demand
    sys.setprofile(see)
    run()
    sys.setprofile(None)
    return calls[0], sorted(files)

PACKAGE = ROOT + "/minidl/"
x = md.Tensor([1.0, 2.0], requires_grad=True)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
adam = optim.Adam(net.parameters())
run = train.Trainer(net, adam, ops.cross_entropy, progress=False)
batch = md.Tensor(np.ones((2, 4), "f")), md.Tensor(np.array([0, 1]))
loader = [batch]
out = {"backward": counted(lambda: (x * x).sum().backward())}
out["step"] = counted(lambda: run.fit(loader, epochs=1))
print(json.dumps(out))
"""


def imports(path: Path, root: Path) -> set[str]:
    """Return the modules that a file imports, outside of TYPE_CHECKING."""
    package = ".".join(path.relative_to(root).with_suffix("").parts[:-1])
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skip = [
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    ]
    hidden = set(map(id, skip))
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom):
            base = node.module or package
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def circles(root: Path) -> list[list[str]]:
    """Return the groups of files that import each other in a circle."""
    files = {
        ".".join(p.relative_to(root).with_suffix("").parts): p
        for p in (root / "minidl").rglob("*.py")
        if p.name != "__init__.py"
    }
    to = {name: imports(path, root) & files.keys() for name, path in files.items()}
    reach = {name: {name} for name in files}
    changed = True
    while changed:
        changed = False
        for ahead in reach.values():
            more = set().union(*(to[n] for n in ahead)) - ahead
            if more:
                ahead |= more
                changed = True
    groups: dict[frozenset[str], None] = {}
    for name in files:
        group = frozenset(n for n in reach[name] if name in reach[n])
        if len(group) > 1:
            groups[group] = None
    return [sorted(group) for group in groups]


def lines(path: Path) -> int:
    """Return the lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def main(root: Path) -> None:
    """Print the figures."""
    code = f"ROOT = {str(root)!r}\n" + COUNT
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, check=True, cwd=root,
    )  # fmt: skip
    counted = json.loads(done.stdout.splitlines()[-1])
    titles = {"backward": "(x * x).sum().backward()", "step": "a fit of one batch"}
    for name, title in titles.items():
        calls, files = counted[name]
        size = sum(lines(root / "minidl" / f) for f in files)
        print(f"{title}: {calls} calls in {len(files)} files of {size} lines")
        if name == "backward":
            print("   " + " ".join(files))
    found = circles(root)
    print(f"files in import circles: {sum(map(len, found))} ({len(found)} circles)")
    package = root / "minidl"
    top = [p for p in package.glob("*.py") if not p.name.startswith("__")]
    print(
        f"modules at the top of the package: {len(top)}, {sum(map(lines, top))} lines"
    )
    print(f"lines of the package: {sum(map(lines, package.rglob('*.py')))}")
    for folder in ("engine", "ops", "nn", "optim", "train", "models"):
        several = [*(package / folder).rglob("*.py")]
        if several:
            print(f"   {folder}: {sum(map(lines, several))} in {len(several)} files")


if __name__ == "__main__":
    here = Path(__file__).parents[1]
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here)
