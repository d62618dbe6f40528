"""Every random generator of a program, as a part of a checkpoint.

minidl's own layers and loaders need none of it: a dropout layer counts its calls in a
buffer, and a loader knows its seed. The rest is what draws in turn: `minidl.seed` (the
layers yet to be made), generators of your own, and those of Python and NumPy that
belong to the whole process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence

from minidl import backend
from minidl.errors import DTypeError, RangeError

SEQUENCE = ("entropy", "spawn_key", "n_children_spawned")


class Randomness:
    """The state of all generators: `Randomness(noise=rng)` for some of your own.

    >>> rng = np.random.default_rng(0)
    >>> part = Randomness(noise=rng)
    >>> state = part.state_dict()
    >>> first = rng.random()
    >>> part.load_state_dict(state)
    >>> rng.random() == first
    True
    """

    def __init__(self, **generators: Generator) -> None:
        for name, generator in generators.items():
            if not isinstance(generator, Generator):
                raise DTypeError(
                    f"{name} must be a numpy Generator, such as "
                    f"numpy.random.default_rng(0), not {type(generator).__name__}"
                )
        self.generators = generators

    def state_dict(self) -> dict[str, Any]:
        """Return all states: whole numbers, and arrays of them."""
        seeds = backend.seeds()
        return {
            "minidl": seeds and {name: getattr(seeds, name) for name in SEQUENCE},
            "python": random.getstate(),
            "numpy": np.random.get_state(legacy=False),  # noqa: NPY002  yours, perhaps
            "generators": {
                name: generator.bit_generator.state
                for name, generator in self.generators.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all of them; where one does not fit, raise and change none."""
        saved = state["generators"]
        if saved.keys() != self.generators.keys():
            raise RangeError(
                f"the state has the generators {sorted(saved)}, and there are "
                f"{sorted(self.generators)}; name those that were saved"
            )
        seeds = state["minidl"] and SeedSequence(**state["minidl"])
        random.Random().setstate(state["python"])  # these do not mind a wrong state
        np.random.RandomState(0).set_state(state["numpy"])
        for name, generator in self.generators.items():
            type(generator.bit_generator)(0).state = saved[name]

        backend.seed(seeds or None)
        random.setstate(state["python"])
        np.random.set_state(state["numpy"])  # noqa: NPY002
        for name, generator in self.generators.items():
            generator.bit_generator.state = saved[name]
