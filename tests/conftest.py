"""What every test may ask for: random numbers, the devices that are here, PyTorch.

Nothing heavy is imported until a test wants it, and every test starts from the same
random state, whatever ran before it.

MINIDL_TEST_DRYCUDA=1 puts a mock CUDA driver beneath CuPy (tests/drycuda), so that a
machine without a GPU has the device "cuda" too. Where there is a GPU it is used as it
is, and without CuPy there is only "cpu".
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib: no windows

import hypothesis
import numpy as np
import pytest

from tests import drycuda
from tests.drycuda.ledger import Meter, ledger, metered

if os.environ.get("MINIDL_TEST_DRYCUDA") == "1":
    drycuda.install()  # before anything imports CuPy

from minidl.cli.course import machinery

machinery()  # in a clone that is not installed, nobody else finds assignments/course

# No tests there, and doctest would import CuPy and PyTorch.
collect_ignore = ["drycuda", "stored/rebuild.py"]

# The same examples in every run (a failure can be repeated), and no stopwatch: the
# machine may be busy.
hypothesis.settings.register_profile("minidl", derandomize=True, deadline=None)
hypothesis.settings.load_profile("minidl")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some tests press Ctrl-C

ORACLE = 'needs PyTorch, the second oracle: pip install "minidl[oracle]", or just torch'


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that names `device` runs once on every device of this machine."""
    if "device" in metafunc.fixturenames:
        from minidl import backend

        metafunc.parametrize("device", backend.available(), indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """One line in the summary for all tests that miss a package, not one for each."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if ORACLE in reason or "needs the package" in reason:
            report.longrepr = (__file__, 0, reason)
    return report


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Give the name of a device to put things on: "cpu", then "cuda" where there is one."""
    return request.param


@pytest.fixture
def meter() -> Callable[[], AbstractContextManager[Meter]]:
    """Count launches, copies and syncs: `with meter() as spent:`.

    Only the mock driver counts; elsewhere all figures are zero.
    """
    return metered


@pytest.fixture(autouse=True)
def _no_driver_errors() -> Iterator[None]:
    """Fail if the mock driver met an error that it could not raise."""
    ledger.errors.clear()
    yield
    assert not ledger.errors


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """minidl's own generator begins anew, and what a test sets for all is set back."""
    from minidl import backend

    device, dtype = backend.default_device(), backend.default_dtype()
    backend.seed(0)
    yield
    backend.use(device)
    backend.default_dtype(dtype)


@pytest.fixture(scope="session")
def torch():
    """PyTorch on one thread; where it is missing, one line says how to get it."""
    try:
        import torch
    except ImportError:
        pytest.skip(ORACLE)
    torch.set_num_threads(1)
    return torch
