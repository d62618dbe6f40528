"""The checks of .ci/run, one by one, each in an environment of its own: `nox -l`."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "venv"
CUDA = (
    "cupy-cuda13x==14.2.0",
    "nvidia-cuda-nvrtc==13.5.37",
    "nvidia-cuda-runtime==13.5.37",
    "nvidia-cuda-crt==13.5.37",
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, levels."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """The suite without PyTorch."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def oracle(session: nox.Session) -> None:
    """Everything: slow tests, PyTorch as a second opinion, notebooks."""
    session.install("-e", ".[test,oracle,search]", "jupytext", "nbclient", "ipykernel")
    session.install("pytest-xdist")
    session.run("pytest", "-m", "", "-n", "2", *session.posargs)


@nox.session
def mock_gpu(session: nox.Session) -> None:
    """The device tests with CuPy on the mock driver; needs gcc and g++."""
    session.install("-e", ".[test]", *CUDA)
    env = {"MINIDL_TEST_DRYCUDA": "1"}
    session.run("pytest", "-k", "cuda or test_device", *session.posargs, env=env)


@nox.session
def lowest(session: nox.Session) -> None:
    """The oldest NumPy and matplotlib that setup.cfg allows."""
    # matplotlib 3.8 calls what pyparsing 3.3 deprecates: a warning, so an error.
    oldest = ("numpy==2.0.0", "matplotlib==3.8.4", "pyparsing<3.3")
    session.install("-e", ".[test]", *oldest)
    session.run("pytest", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The tables in documents are those of the code."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/test_docs.py", "README.md")


@nox.session
def release(session: nox.Session) -> None:
    """The sdist and the wheel: complete, described, and tested from the archive."""
    session.install("build", "twine", "check-wheel-contents", "pyroma")
    # A folder outside the clone: tests ask what happens where no clone is around them.
    with tempfile.TemporaryDirectory() as out:
        session.run("python", "-m", "build", "--outdir", out)
        archives = sorted(str(path) for path in Path(out).iterdir())
        wheel, sdist = sorted(archives, key=lambda path: path.endswith(".tar.gz"))
        session.run("twine", "check", "--strict", *archives)
        session.run("check-wheel-contents", "--toplevel", "minidl,minidl_course", wheel)
        session.run("pyroma", sdist)
        with tarfile.open(sdist) as archive:
            archive.extractall(out, filter="data")
        session.chdir(Path(out) / Path(sdist).name.removesuffix(".tar.gz"))
        session.install("-e", ".[test]")
        session.run("pytest", *session.posargs)
