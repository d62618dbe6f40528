"""Conventions of the project: what an import costs, and each fact in one place.

CONTRIBUTING.md has the rules and the reasons. Levels are in test_levels.py, public names
in test_names.py; what ruff, mypy and import-linter can see is left to them (`.ci/run`).
A test that looks at many files lists all that are wrong at once.
"""

import configparser
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.quick


def text_of(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def own_files(*suffixes: str) -> list[str]:
    """Return what git knows, or would know if it were added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = run.stdout.splitlines()
    if run.returncode:  # not a clone: an unpacked archive
        paths = (p.relative_to(ROOT) for p in ROOT.rglob("*"))
        names = [p.as_posix() for p in paths if not re.search(r"(^|/)[._]", str(p))]
    return sorted(
        name
        for name in names
        if (ROOT / name).is_file() and (not suffixes or name.endswith(suffixes))
    )


def python(code: str, **environment: str) -> str:
    """Return what a fresh interpreter prints."""
    env = os.environ | environment
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second import reads bytecode
    command = [sys.executable, "-c", inspect.cleandoc(code)]
    run = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text_of("setup.cfg"))
    return parser


# ----------------------------------------------------------------------------- imports


def test_importing_minidl_imports_numpy_and_nothing_else():
    code = """
        import sys, numpy.random  # with what its compiled parts bring along
        before = set(sys.modules)
        import minidl
        tops = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(*sorted(tops - set(sys.stdlib_module_names) - {"numpy"}))
    """
    assert python(code).split() == ["minidl"]


def test_importing_minidl_loads_little():
    # Its time is a row of `python -m benchmarks`; here is what the time depends on.
    code = """
        import sys, numpy.random
        before = set(sys.modules)
        import minidl
        print(*set(sys.modules) - before)
    """
    loaded = python(code).split()
    parts = {name.split(".")[1] for name in loaded if name.startswith("minidl.")}
    assert len(loaded) <= 80, sorted(loaded)
    assert parts.isdisjoint({"lab", "show", "train", "models", "check", "cli"})


def test_the_order_of_parameters_does_not_depend_on_the_hash_seed():
    code = """
        import minidl as md
        md.seed(0)
        net = md.nn.Sequential(
            md.nn.Linear(3, 4), md.nn.BatchNorm1d(4), md.nn.ReLU(), md.nn.Linear(4, 2)
        )
        for name, p in net.named_parameters():
            print(name, p.shape, p.data.tobytes().hex())
        print(list(net.state_dict()))
    """
    printed = {python(code, PYTHONHASHSEED=seed) for seed in ("0", "1", "2")}
    assert len(printed) == 1


# ------------------------------------------------------------ each fact in one place


def block(heading: str) -> list[str]:
    """Return the first fenced block under a heading of README.md, as .ci/run takes it."""
    pattern = rf"^## {heading}$.*?^```\w*\n(.*?)^```"
    return re.search(pattern, text_of("README.md"), re.M | re.S)[1].splitlines()


def test_readme_has_the_two_blocks():
    demo, tests = block("Quick start"), block("Run the tests")
    assert demo[0] == tests[0] == "python3 -m venv .venv && . .venv/bin/activate"
    assert demo[-1] == "minidl demo"
    assert tests[1:] == ['pip install -e ".[test]"', "pytest -m quick"]


def test_the_command_exists():
    script = setup_cfg()["options.entry_points"]["console_scripts"].strip()
    module, function = script.removeprefix("minidl = ").split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_readme_commands_are_quoted_in_one_place_only():
    commands = {*block("Quick start"), *block("Run the tests")}
    commands -= {"minidl demo", "pytest -m quick"}  # names, which may be spoken of
    assert len(commands) == 3
    files = {*own_files(".md", ".cfg", ".toml", ".yaml", ".py"), ".ci/run"}
    files -= {"README.md", "tests/test_conventions.py"}
    wrong = [
        f"{name} quotes {c!r}: point to README.md instead"
        for name in sorted(files)
        for c in commands
        if c in text_of(name)
    ]
    assert not wrong, "\n".join(wrong)


def test_hooks_run_what_ci_runs():
    hooks = re.findall(r"entry: (.+)", text_of(".pre-commit-config.yaml"))
    ci = re.search(r"<<'LINT'\n(.*?)\nLINT\n", text_of(".ci/run"), re.S)[1]
    assert hooks == ci.splitlines()


def test_the_version_is_written_in_one_place():
    assert setup_cfg()["metadata"]["version"] == "attr: minidl.__version__"
    assert importlib.import_module("minidl").__version__ in text_of("CHANGELOG.md")


def test_pyproject_holds_only_what_setup_cfg_cannot():
    project = tomllib.loads(text_of("pyproject.toml"))
    assert list(project) == ["build-system", "tool"]
    assert list(project["tool"]) == ["ruff"]


def test_no_path_of_a_machine():
    # every Pyodide has its files in /home/pyodide
    personal = (
        r"(?<![\w.])/(?:home(?!/pyodide)|root|Users|work|tmp|mnt)/\w|[A-Z]:\\Users"
    )
    wrong = []
    for name in own_files():
        text = (ROOT / name).read_bytes().decode("utf-8", errors="replace")
        if str(ROOT) in text or re.search(personal, text):
            wrong.append(name)
    assert not wrong
