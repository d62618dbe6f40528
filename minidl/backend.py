"""Where arrays live, what type they have, and where random numbers come from.

An array is a `numpy.ndarray` on the CPU or a `cupy.ndarray` on a GPU; the two speak the
same language, so that everything above this file is written once. CuPy is imported when
somebody asks for the GPU, never before.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder
from typing import Any, TypeAlias

import numpy as np

from minidl.errors import DeviceError, DTypeError

Array = Any  # numpy.ndarray or cupy.ndarray: nobody above this file asks which
Seed: TypeAlias = "np.random.Generator | int | None"
DType: TypeAlias = "np.dtype[Any] | type | str"  # np.float32, float or "float32"

DEVICES = ("cpu", "cuda")


def namespace(x: Array) -> Any:
    """Return the module that computes with x: numpy, cupy, or minidl.ops for a Tensor.

    >>> namespace(np.ones(3)).__name__
    'numpy'
    """
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    own = getattr(type(x), "namespace", None)  # a Tensor names minidl.ops
    if own is not None:
        return own
    return sys.modules["cupy"] if device_of(x) == "cuda" else np


def device_of(x: Array) -> str:
    """Return "cpu" or "cuda", by the array's type."""
    return "cuda" if type(x).__module__.startswith("cupy") else "cpu"


def available() -> tuple[str, ...]:
    """Return the devices that this machine has now; "cpu" is always first."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError:
        return ("cpu",)
    return ("cpu", "cuda") if cupy.cuda.is_available() else ("cpu",)


def array_module(device: str) -> Any:
    """Return numpy or cupy; a DeviceError says what is missing."""
    if device == "cpu":
        return np
    if device != "cuda":
        raise DeviceError(f"no device is called {device!r}; there are {DEVICES}")
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            'device "cuda" needs CuPy: pip install "minidl[cuda13]" '
            '(or "minidl[cuda12]", by the driver that `nvidia-smi` shows)'
        ) from error
    if not cupy.cuda.is_available():
        raise DeviceError(
            f"CuPy {cupy.__version__} is installed but finds no CUDA device; check "
            "`nvidia-smi`, the driver's version and CUDA_VISIBLE_DEVICES"
        )
    return cupy


def to_device(x: Array, device: str) -> Array:
    """Return x on `device`: itself when it is there already, a copy otherwise."""
    if device_of(x) == device:
        return x
    return x.get() if device == "cpu" else array_module(device).asarray(x)


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Return the numbers of an array, a Tensor, a list or a number as a NumPy array."""
    x = getattr(x, "data", x) if hasattr(x, "requires_grad") else x
    return np.asarray(to_device(x, "cpu"))


def optional(name: str) -> Any:
    """Return the module `name` of minidl, or None where it was deleted.

    It is looked for in this copy alone: where another one is installed as editable,
    Python would find the module there.
    """
    if name in sys.modules:
        return sys.modules[name]
    parent = name.rpartition(".")[0]
    package = sys.modules.get(parent) or optional(parent)
    if package is None or PathFinder.find_spec(name, package.__path__) is None:
        return None
    return importlib.import_module(name)


class _Defaults:
    """What `use` and `default_dtype` set, for the whole process."""

    device = os.environ.get("MINIDL_DEVICE", "cpu")
    tf32 = False
    dtype = np.dtype(np.float32)
    # made at first use: numpy.random takes a while to import
    seeds: np.random.SeedSequence | None = None


def use(device: str, *, tf32: bool = False) -> None:
    """Make `device` the home of new tensors, parameters and batches.

    tf32   products of float32 matrices round their inputs to 10 bits after the point
           (float32 has 23): several times faster on GPUs since 2020, and usually
           enough for training; sums stay float32. Off unless asked for, as in PyTorch

    The environment variable MINIDL_DEVICE says the same for a whole program.
    Raises DeviceError where the device is missing, or has no such products.
    """
    array_module(device)
    if tf32 and device != "cuda":
        raise DeviceError(
            f"tf32 is a way in which GPUs multiply; leave it out for {device!r}"
        )
    if device == "cuda" and tf32 != _Defaults.tf32:
        blas = optional("minidl.kernels.cuda.blas")
        if blas is None:
            raise DeviceError(
                "tf32 is switched on in minidl/kernels/cuda, and that folder is not "
                "here; put it back, or set the environment variable CUPY_TF32=1"
            )
        blas.allow_tf32(tf32)
        _Defaults.tf32 = tf32
    _Defaults.device = device


def tf32() -> bool:
    """Whether products of float32 matrices on a GPU may round their inputs."""
    return _Defaults.tf32


def default_device() -> str:
    """Return the device that `use` chose."""
    return _Defaults.device


def default_dtype(dtype: Any = None) -> np.dtype[Any]:
    """Return the type that Python numbers and lists become; set it first, if given.

    >>> default_dtype()
    dtype('float32')
    """
    if dtype is not None:
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise DTypeError(
                f"the default dtype must be a float, such as float32, not {dtype}"
            )
        _Defaults.dtype = dtype
    return _Defaults.dtype


def seed(n: int | np.random.SeedSequence | None) -> None:
    """Start all randomness again from n: initial weights, dropout, shuffling.

    Every layer and loader draws from a generator of its own, spawned here in the order
    in which they are made, always on the host: the same n gives the same weights on
    every device. None starts from what nobody can foresee, as a program does that never
    calls `seed`; a SeedSequence goes on where `seeds` has found it.
    """
    if n is not None and not isinstance(n, np.random.SeedSequence):
        n = np.random.SeedSequence(n)
    _Defaults.seeds = n


def seeds() -> np.random.SeedSequence | None:
    """Return what generators are spawned from; None if none was spawned so far."""
    return _Defaults.seeds


def generator(rng: Seed = None) -> np.random.Generator:
    """Return `rng` itself, a generator seeded by it, or the next child of `seed`.

    >>> float(generator(0).random()) == float(generator(0).random())
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        if _Defaults.seeds is None:
            _Defaults.seeds = np.random.SeedSequence()
        rng_seed: Any = _Defaults.seeds.spawn(1)[0]
    elif isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        rng_seed = int(rng)
    else:
        raise DTypeError(
            f"rng must be a numpy Generator, an int or None, not {type(rng).__name__}; "
            "try rng=numpy.random.default_rng(0)"
        )
    return np.random.default_rng(rng_seed)
