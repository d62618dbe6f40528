"""How quick products of matrices are: python -m benchmarks.products [--rounds N]

Products of the workloads and of the demo, (M, K) @ (K, N) in float32 on one core, by
NumPy (OpenBLAS in its wheels) and by PyTorch (MKL), which take turns. A product is
2 M K N operations; shown are billions of them a second, medians over rounds. What a
library reaches for large matrices is the limit for all of a net.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minidl

SHAPES = {  # M, K, N, and which matrix is the transpose of one in memory
    "large": (1024, 1024, 1024, ""),
    "MLP, a layer": (128, 784, 512, ""),
    "MLP, its gradient of weights": (784, 128, 512, "a"),
    "LSTM, a step": (1024, 256, 32, ""),
    "LSTM, a step back": (256, 1024, 32, ""),
    "GPT, the first of a block's two layers": (2048, 128, 512, ""),
    "GPT, its gradient of weights": (128, 2048, 512, "a"),
    "GPT, a projection": (2048, 128, 128, ""),
    "demo, second convolution, quarter line": (32, 144, 175, ""),
    "demo, gradient of the image, likewise": (16, 288, 175, ""),
    "demo, gradient of the kernels, a line": (288, 700, 16, "b"),
}


def seconds(call: Callable[[], Any]) -> float:
    """Return the time of one of three calls."""
    start = time.perf_counter()
    for _ in range(3):
        call()
    return (time.perf_counter() - start) / 3


def ways(a: np.ndarray, b: np.ndarray) -> list[Callable[[], Any]]:
    """Return a product by NumPy, and by PyTorch if it is installed."""
    found: list[Callable[[], Any]] = [lambda: a @ b]
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    return [*found, lambda: x @ y]


def main() -> None:
    """Measure every shape, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    minidl.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"{'10⁹ operations a second':42}{'M, K, N':>18}{'NumPy':>8}{'PyTorch':>9}")
    for name, (m, k, n, turned) in SHAPES.items():
        a, b = (rng.standard_normal(s, np.float32) for s in ((m, k), (k, n)))
        a = np.ascontiguousarray(a.T).T if turned == "a" else a
        b = np.ascontiguousarray(b.T).T if turned == "b" else b
        calls = ways(a, b)
        took = [[seconds(call) for call in calls] for _ in range(rounds + 1)][1:]
        rates = [
            2e-9 * m * k * n / statistics.median(own) for own in zip(*took, strict=True)
        ]
        cells = f"{rates[0]:8.0f}" + (f"{rates[1]:9.0f}" if rates[1:] else f"{'-':>9}")
        print(f"{name:42}{f'{m}, {k}, {n}':>18}{cells}")


if __name__ == "__main__":
    main()
