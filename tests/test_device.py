"""Devices: what is said when one is missing, and what moves when it is there."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest

import minidl as md
from minidl import backend, nn, optim
from minidl.backend import device_of, to_device, to_numpy
from minidl.data import DataLoader
from minidl.errors import DeviceError


def test_without_cupy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    with pytest.raises(
        DeviceError, match=r'needs CuPy: pip install "minidl\[cuda13\]"'
    ):
        md.use("cuda")
    assert backend.available() == ("cpu",)
    assert backend.default_device() == "cpu"


def test_without_a_gpu_the_error_says_what_to_look_at(monkeypatch):
    cupy = types.ModuleType("cupy")
    cupy.__version__ = "14.2.0"
    cupy.cuda = types.SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(DeviceError, match=r"CuPy 14\.2\.0 is installed .*nvidia-smi"):
        md.Tensor([1.0], device="cuda")
    assert backend.available() == ("cpu",)


def test_a_device_that_nobody_knows():
    with pytest.raises(DeviceError, match="'gpu'"):
        md.use("gpu")


def test_the_environment_chooses_the_default():
    code = "import minidl as md; print(md.backend.default_device())"
    env = {"MINIDL_DEVICE": "cuda", "PATH": ""}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert run.stdout.split() == [b"cuda"], run.stderr


def test_the_default_is_the_home_of_what_is_new(device):
    md.use(device)
    assert md.Tensor([1.0, 2.0]).device == device
    assert {p.device for p in nn.Linear(2, 3).parameters()} == {device}
    for x, y in DataLoader((np.ones((4, 2), "float32"), np.arange(4)), 2):
        assert (x.device, y.device) == (device, device)


def test_a_list_is_brought_to_the_device_of_what_it_meets(device):
    x = md.Tensor([1.0, 2.0], device=device)
    for y in (x * [3, 4], [3, 4] * x):
        assert y.device == device
        assert y.tolist() == [3, 8]


def test_a_seed_gives_the_same_weights_on_every_device(device):
    md.seed(3)
    here = nn.Linear(5, 4)
    md.use(device)
    md.seed(3)
    there = nn.Linear(5, 4)
    np.testing.assert_array_equal(to_numpy(there.weight), here.weight.data)


def test_a_model_moves_after_its_optimizer_was_made(device):
    net = nn.Linear(3, 2)
    opt = optim.Momentum(net.parameters(), lr=0.1)
    net.to(device)
    x = md.Tensor(to_device(np.ones((4, 3), "float32"), device))
    for _ in range(2):
        net.zero_grad()
        (net(x) * net(x)).sum().backward()
        opt.step()
    assert device_of(net.weight.grad) == net.weight.device == device
    net.to("cpu")
    assert device_of(net.weight.grad) == net.weight.device == "cpu"


def test_moving_is_differentiable(device):
    x = md.Tensor([1.0, 2.0], requires_grad=True, device="cpu")
    y = (x.to(device) * 3).to("cpu")
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 3])


def test_two_devices_do_not_mix(device):
    if device == "cpu":
        return
    with pytest.raises(DeviceError, match=r"\.to\('cuda'\)"):
        md.Tensor([1.0], device="cpu") + md.Tensor([1.0], device=device)
