"""The command `minidl`: help, exit status, errors that a person can act on."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import check, cli, ops
from minidl.backend import DEVICES, default_device
from minidl.cli import devices, examples
from minidl.engine.op import op
from minidl.errors import DeviceError
from minidl.nn import Module, Parameter

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parent.parent


@op
def wrong(x, w):
    """x w, with a sign wrong."""
    return x @ w, (lambda g: g @ w.T, lambda g: -(x.T @ g))


def right(x, w):
    return (x @ w).tanh()


def broken(x):
    raise KeyError("nothing here")


class Scale(Module):
    def __init__(self):
        self.gain = Parameter(np.ones(4, np.float32))

    def forward(self, x):
        return x * self.gain


# ------------------------------------------------------------------------- the command


def test_without_a_subcommand_it_prints_the_help(capsys):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)
    assert "minidl demo" in out


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert minidl.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_subcommand_has_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    assert len(capsys.readouterr().out.splitlines()) > 4


def test_a_typing_mistake_is_status_2(capsys):
    for words in (["demmo"], ["demo", "--epochs", "many"], ["check", "ops.add", "3y4"],
                  ["demo", "--epochs", "-1"], ["demo", "--device", "tpu"]):  # fmt: skip
        with pytest.raises(SystemExit, match="2"):
            cli.main(words)
    assert "try 3x4" in capsys.readouterr().err


def test_python_m_minidl_is_the_same():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        [sys.executable, "-m", "minidl", "check", "ops.add"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "1 of 1 right" in run.stdout


def test_a_new_subcommand_is_a_module_in_the_list(monkeypatch, capsys):
    def run(options):
        if options.word == "stop":
            raise KeyboardInterrupt
        if options.word == "gpu":
            raise DeviceError("there is none")
        if options.word == "file":
            raise FileNotFoundError("no such file")
        return 3

    toy = types.SimpleNamespace(
        __doc__="A toy.", run=run,
        arguments=lambda parser: parser.add_argument("word"),
    )  # fmt: skip
    monkeypatch.setitem(cli.COMMANDS, "toy", "a toy")
    monkeypatch.setitem(sys.modules, "minidl.cli.toy", toy)
    assert cli.main(["toy", "on"]) == 3
    assert cli.main(["toy", "gpu"]) == 2
    assert capsys.readouterr().err == "minidl toy: there is none\n"
    assert cli.main(["toy", "file"]) == 2
    assert cli.main(["toy", "stop"]) == 130


# ------------------------------------------------------------------------ minidl check


def test_every_operation_and_layer_has_an_example():
    missing = examples.without_example()
    assert not missing, "give them a line in minidl/cli/tables.py"


def test_check_passes_for_all_of_them(capsys):
    assert cli.main(["check"]) == 0
    out = capsys.readouterr().out
    assert "✗" not in out
    lines = [line for line in out.splitlines() if line.endswith("✓")]
    assert max(float(e) for line in lines for e in line.split()[1:3]) < 1e-6
    assert len(lines) == len(examples.examples())
    assert any("ops.conv2d" in line for line in lines)
    assert any("nn.BatchNorm2d" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "count"),
    [("ops.add", 1), ("add", 1), ("minidl.ops.add", 1), ("nn.Linear", 1), ("ops.conv", 3),
     ("Linear", 1), ("nn.linear", 1)],
)  # fmt: skip
def test_check_of_one_or_a_chapter(name, count, capsys):
    assert cli.main(["check", name]) == 0
    assert f"{count} of {count} right" in capsys.readouterr().out


def test_a_chapter_is_one_of_both_floors(capsys):
    assert cli.main(["check", "linear"]) == 0
    out = capsys.readouterr().out
    assert "nn.Linear" in out
    assert cli.main(["check", "activation"]) == 0
    out = capsys.readouterr().out
    assert "ops.relu" in out
    assert "nn.ReLU" in out
    assert cli.main(["check", "softmax", "--full"]) == 0


def test_check_of_ones_own_function(capsys):
    assert cli.main(["check", "tests.test_cli.right", "2x3", "3x4"]) == 0
    assert cli.main(["check", "tests.test_cli:right", "2x3", "3x4"]) == 0
    assert cli.main(["check", "tests.test_cli.Scale", "2x4"]) == 0
    capsys.readouterr()
    assert cli.main(["check", "tests.test_cli.wrong", "2x3", "3x4"]) == 1
    out = capsys.readouterr().out
    assert "0 of 1 right" in out
    assert "✗" in out
    assert "wrong: ∂L/∂w has the wrong sign" in out


def test_check_finds_modules_in_the_folder_where_one_is(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine_alone.py").write_text("def cube(x):\n    return x * x * x\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert cli.main(["check", "mine_alone.cube", "5"]) == 0


def test_check_shows_where_a_function_fails(capsys):
    assert cli.main(["check", "tests.test_cli.broken", "3"]) == 1
    out = capsys.readouterr().out
    assert 'raise KeyError("nothing here")' in out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["batchnorm"], "did you mean nn.BatchNorm1d"),
        (["zzz"], "try `minidl check`"),
        (["mymodule.f"], "minidl check mymodule.f 3x4 4"),
        (["mymodule.f", "3"], "a module, a dot, and a name"),
        (["minidl.backend.DEVICES", "3"], "no function and no layer"),
    ],
)
def test_check_of_something_unknown_says_what_would_fit(words, hint, capsys):
    assert cli.main(["check", *words]) == 2
    assert hint in capsys.readouterr().err


def test_a_wrong_op_in_the_table_is_caught_and_explained(monkeypatch, capsys):
    bad = examples.Example("ops.wrong", "ops.linalg", lambda: wrong, (np.ones((2, 3)),) * 0
                           + (np.eye(3), np.ones((3, 2))))  # fmt: skip
    monkeypatch.setattr(examples, "examples", lambda: [bad])
    assert cli.main(["check"]) == 1
    assert "wrong sign" in capsys.readouterr().out


def test_a_wrong_second_derivative_is_explained(capsys):
    assert cli.main(["check", "tests.test_check.curved", "3"]) == 1
    assert "second derivative fails" in capsys.readouterr().out


# ---------------------------------------------------------------------- minidl devices


def test_devices_tells_of_both(capsys):
    assert cli.main(["devices"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line in DEVICES] == list(DEVICES)
    assert "cores" in out
    assert np.__version__ in out
    assert f"default: {default_device()}" in out


def test_devices_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(devices.importlib, "import_module", missing)
    cases = [("none", "not installed", "cuda13"), ("H200", "580.1", "cuda13"),
             ("T4", "550.54", "cuda12")]  # fmt: skip
    for cards, driver, extra in cases:
        monkeypatch.setattr(
            devices, "cards_and_driver", lambda c=cards, d=driver: (c, d)
        )
        assert f'pip install "minidl[{extra}]"' in devices.cuda()["CuPy"]


def test_devices_tells_why_cupy_does_not_import(monkeypatch):
    def lacking(name):
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(devices.importlib, "import_module", lacking)
    assert "libcudart" in devices.cuda()["because"]


def test_nvidia_smi_is_read_and_may_fail(monkeypatch):
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    assert devices.cards_and_driver()[1] == "not installed"
    monkeypatch.setattr(devices.shutil, "which", lambda name: "/bin/" + name)
    told = types.SimpleNamespace(stdout="NVIDIA H200, 143771 MiB, 580.65.06\n")
    monkeypatch.setattr(devices.subprocess, "run", lambda *a, **k: told)
    assert devices.cards_and_driver() == ("NVIDIA H200, 143771 MiB", "580.65.06")

    def fails(*args, **kwargs):
        raise subprocess.CalledProcessError(9, "nvidia-smi")

    monkeypatch.setattr(devices.subprocess, "run", fails)
    assert devices.cards_and_driver()[1] == "not working"


def test_check_uses_no_more_than_the_public_names():
    assert {"gradcheck", "gradgradcheck", "explain", "check_layer"} <= set(
        check.__all__
    )
    assert callable(ops.add)
