"""minidl check FILE.py:function, FILE.ipynb:function: message, table, picture."""

from __future__ import annotations

import json

import pytest

from minidl import cli
from minidl.cli import check_file

SOURCE = """
import numpy as np

def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    dx = dout @ w.T
    dx[:, 0] *= 2
    return dx, x.T @ dout, dout.sum(axis=0)

def right_forward(x):
    return 3 * x, None

def right_backward(dout, cache):
    return 3 * dout

def loss(x, y):
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    d = p.copy()
    d[np.arange(len(x)), y] -= 1
    return -np.log(p[np.arange(len(x)), y]).mean(), d

def endless(x):
    while True:
        pass

def broken(x):
    return x.nothing

EXAMPLE = [np.ones((2, 3)) * [[1.0, 2, 3], [0, 1, 5]], np.array([0, 2])]
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(SOURCE)
    return tmp_path / "net.py"


def said(capfd, *words):
    status = cli.main(["check", *map(str, words)])
    out = capfd.readouterr()
    return status, out.out, out.err


def test_a_pair_in_a_file_message_table_picture(file, tmp_path, capfd):
    picture = tmp_path / "wrong.png"
    status, out, _ = said(capfd, f"{file}:affine_forward", "4x3", "3x2", "2", "--picture", picture)  # fmt: skip
    message, table, grid = out.index("∂L/∂x is"), out.index("verdict"), out.index("#··")
    assert status == 1
    assert message < table < grid
    assert "`dx[:, 0] *= 2` alone: the other is a factor too many" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_runs_too_long_is_stopped(file, capfd):
    status, _, err = said(capfd, f"{file}:endless", "3", "--time", "2")
    assert status == 2
    assert "longer than 2 s" in err
    assert "endless loop" in err


def inside(capfd, *words):
    return said(capfd, *words, "--inside")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["right_forward", "2x3"], 0, "right: the gradient of 1 input is right"),
        (["right_forward,right_backward", "2x3"], 0, "is right"),
        (["loss", "--example", "EXAMPLE"], 1, "2 times too large"),
        (["broken", "3"], 2, "line 30, in broken"),
        (["nothing", "3"], 2, "no function 'nothing'; it has affine_forward"),
        (["loss"], 2, "what goes in? Say shapes"),
        (["loss", "--example", "[zeros]"], 2, "NameError"),
    ],
)
def test_functions_of_a_file(file, capfd, words, status, says):
    got, out, err = inside(capfd, f"{file}:{words[0]}", *words[1:])
    assert got == status
    assert says in out + err


def test_a_notebook(file, tmp_path, capfd):
    cells = ["%matplotlib inline\nimport numpy as np", "1 / 0", SOURCE]
    made = [{"cell_type": "code", "source": s.splitlines(True)} for s in cells]
    made.append({"cell_type": "markdown", "source": ["# not code"]})
    path = tmp_path / "net.ipynb"
    path.write_text(json.dumps({"cells": made}))
    status, out, _ = inside(capfd, f"{path}:right_forward", "2x3")
    assert status == 0
    assert "cell 2 fails (ZeroDivisionError" in out


def test_a_file_that_is_not_there(capfd):
    status, _, err = inside(capfd, "nowhere.py:f", "3")
    assert status == 2
    assert "there is no file nowhere.py" in err
    assert not check_file.is_file("nn.Linear")
