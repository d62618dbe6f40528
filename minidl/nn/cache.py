"""The memory of a decoder that writes one token after the other.

Keys and values of tokens that were read stay as they are (no token looks ahead), so
that a new token needs only its own: T tokens cost T steps instead of T (T + 1) / 2.
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, namespace
from minidl.engine.modes import mode
from minidl.engine.tensor import TensorLike, values
from minidl.errors import GraphError, ShapeError
from minidl.nn.module import Module

__all__ = ["KVCache"]


class KVCache:
    """Keys and values of every attention layer of one model, for one batch.

    Make an empty one, hand it to the model at every call, and give the model the new
    tokens only; `len(cache)` is how many it has seen. Use it inside `no_grad()`: no
    gradient goes back through it. A layer that is used twice in one pass would need
    two caches.

        cache = nn.KVCache()
        with no_grad():
            scores = model(prompt, cache=cache)
            while …: scores = model(next_token, cache=cache)
    """

    def __init__(self) -> None:
        # layer → [keys, values, how many are in use]: memory to grow is kept behind
        self._grown: dict[Any, list[Any]] = {}
        self._fixed: dict[Any, tuple[Array, Array]] = {}

    def __len__(self) -> int:
        return max((entry[2] for entry in self._grown.values()), default=0)

    def append(
        self, layer: Module, k: TensorLike, v: TensorLike
    ) -> tuple[Array, Array]:
        """Add new keys and values of self-attention (N, heads, L, D); return all."""
        k, v = _arrays(k, v)
        entry = self._grown.get(layer)
        used = entry[2] if entry else 0
        if entry is None:
            entry = self._grown[layer] = [k[:, :, :0], v[:, :, :0], 0]
        if entry[0].shape[0] != k.shape[0]:
            raise ShapeError(
                f"the cache holds {entry[0].shape[0]} sequences, and these are "
                f"{k.shape[0]}; make a new KVCache for a new batch, or select() rows"
            )
        end = used + k.shape[2]
        for i, new in enumerate((k, v)):
            if entry[i].shape[2] < end:  # twice the memory: copies cost O(T) in all
                entry[i] = _longer(entry[i][:, :, :used], max(end, 2 * used))
            entry[i][:, :, used:end] = new
        entry[2] = end
        return entry[0][:, :, :end], entry[1][:, :, :end]

    def keep(self, layer: Module, k: TensorLike, v: TensorLike) -> tuple[Array, Array]:
        """Keep the keys and values of cross-attention, those of an encoder's output."""
        self._fixed[layer] = _arrays(k, v)
        return self._fixed[layer]

    def get(self, layer: Module, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
        """Return what was kept for a layer, None at its first call; shape (N, S)."""
        kept = self._fixed.get(layer)
        if kept is not None and (kept[0].shape[0], kept[0].shape[2]) != tuple(shape):
            raise ShapeError(
                f"the cache keeps an encoder's output of {kept[0].shape[0]} sequences, "
                f"{kept[0].shape[2]} long, and this one is {shape[0]} by {shape[1]}; "
                "make a new KVCache for new input"
            )
        return kept

    def select(self, rows: TensorLike) -> None:
        """Go on with these sequences, in this order, some maybe twice: beam search."""
        for entry in self._grown.values():
            entry[:2] = [entry[0][values(rows)], entry[1][values(rows)]]
        self._fixed = {
            layer: (k[values(rows)], v[values(rows)])
            for layer, (k, v) in self._fixed.items()
        }

    def trim(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        if not 0 <= length <= len(self):
            raise ShapeError(f"the cache holds {len(self)} tokens, not {length}")
        for entry in self._grown.values():
            entry[2] = min(entry[2], length)


def _arrays(k: TensorLike, v: TensorLike) -> tuple[Array, Array]:
    if mode.recording and (
        getattr(k, "requires_grad", False) or getattr(v, "requires_grad", False)
    ):
        raise GraphError(
            "no gradient goes back through a KVCache: it is for generating text; say "
            "`with md.no_grad():`, or train without a cache"
        )
    return values(k), values(v)


def _longer(x: Array, length: int) -> Array:
    """Return x with memory for `length` keys."""
    n, heads, used, d = x.shape
    larger = namespace(x).empty((n, heads, length, d), x.dtype)
    larger[:, :, :used] = x
    return larger
