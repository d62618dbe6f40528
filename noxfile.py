"""The checks of .ci/run, one by one, each in an environment of its own: `nox -l`."""

from __future__ import annotations

import shutil
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
ENGINE = "op_protocol graph_errors modes tensor tensor_operators hooks mistakes"
MUTATED = {  # what is mutated, and the tests that a mutant meets: quick, then thorough
    "engine": (
        "minidl/engine",
        " ".join(f"tests/test_{name}.py" for name in ENGINE.split()),
        "tests/test_edges.py tests/test_ops_base.py tests/test_foreign.py "
        "tests/test_device.py "
        'tests/test_autograd.py -k "not million and not long_graph"',
    ),
    "rules": (
        ",".join(
            f"minidl/optim/{name}.py"
            for name in ("sgd", "adam", "adaptive", "adamp", "optimizer")
        ),
        "tests/test_stored.py tests/test_optim.py",
        "tests/test_optim_torch.py tests/test_optim_adamp.py tests/test_optim_state.py "
        "tests/test_foreign.py",
    ),
    "losses": (
        "minidl/ops/loss.py",
        "tests/test_stored.py tests/test_loss_errors.py tests/test_loss.py "
        "tests/test_regression_loss.py tests/test_mistakes.py",
        'tests/test_ops.py -k "loss or entropy or kl_div"',
    ),
    "metrics": ("minidl/train/metrics.py", "tests/test_metrics.py", "minidl/train"),
}


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
def mutation(session: nox.Session) -> None:
    """Mutants of the engine, rules, losses and metrics: `nox -s mutation -- losses`.

    mutmut writes into the files, so it works on a copy; version 3 leaves out what is
    decorated, which every operation is. Texts are not mutated. A mutant that the quick
    tests let pass meets the thorough ones. docs/quality.md has the figures.
    """
    session.install("mutmut==2.5.1", "-e", ".[test,oracle]")
    copy = Path(session.create_tmp()) / "copy"
    shutil.copytree(".", copy, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    session.chdir(copy)
    for name in session.posargs or MUTATED:
        paths, quick, thorough = MUTATED[name]
        pytest = "python -m pytest --assert=plain -p no:cacheprovider -x -q"
        runs = [f"{pytest} {tests}" for tests in (quick, thorough)]
        session.run(
            *("mutmut", "run", "--simple-output", "--no-progress"),
            *("--disable-mutation-types", "string,fstring", "--tests-dir", "tests"),
            *("--paths-to-mutate", paths),
            *("--runner", f"sh -c '{' && '.join(runs)} || exit 1'"),
            success_codes=range(1, 16),
        )
    session.run("mutmut", "results")


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
