"""Random numbers by address: where they come from, and that they look random."""

import numpy as np

from minidl.data import Draws
from minidl.data.draws import GOLDEN, ORDER, permutation, scramble


def test_the_hash_is_splitmix64():
    """The first outputs for the state 1234567, as published with the generator."""
    state = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * GOLDEN
    assert scramble(state).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_draws_are_a_function_of_their_address():
    draws = Draws(1, 2, [3, 4])
    first, second = draws.uniform(2), draws.uniform(3)
    together = Draws(1, 2, [4]).uniform(5)
    assert np.array_equal(np.concatenate([first[1], second[1]]), together[0])
    for other in (
        Draws(0, 2, [4]),
        Draws(1, 3, [4]),
        Draws(1, 2, [5]),
        Draws(1, 2, [4], purpose=ORDER),
    ):
        assert not np.isin(other.uniform(5), together).any()


def test_draws_have_the_right_distributions():
    draws = Draws(0, 0, np.arange(1000))
    u = draws.uniform(100)
    assert abs(u.mean() - 0.5) < 0.003
    assert abs(np.histogram(u, 10, (0, 1))[0] / 1e5 - 0.1).max() < 0.004
    assert abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 0.015
    assert abs(np.corrcoef(u[:, :-1].ravel(), u[:, 1:].ravel())[0, 1]) < 0.015
    assert (np.bincount(draws.integers(3, 100).ravel()) > 32_500).all()
    z = draws.normal(100)
    assert z.dtype == np.float32
    assert abs(z.mean()) < 0.015
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.15
    v = draws.uniform(low=-3, high=2)
    assert -3 <= v.min() < -2.9
    assert 1.9 < v.max() < 2


def test_the_order_never_changes_between_versions():
    """A checkpoint of today must find the same order tomorrow."""
    assert permutation(0, 0, 10).tolist() == [7, 1, 5, 2, 6, 3, 8, 4, 9, 0]
    firsts = [permutation(s, e, 5)[0] for s in range(30) for e in range(30)]
    assert (abs(np.bincount(firsts) - 180) < 60).all()
