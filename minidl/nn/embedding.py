"""Embedding: a learned vector for each token."""

from __future__ import annotations

from minidl import backend, ops
from minidl.backend import Seed
from minidl.engine.tensor import Tensor, TensorLike
from minidl.errors import RangeError, ShapeError
from minidl.nn import init as initializers
from minidl.nn.init import Initializer
from minidl.nn.module import Module, Parameter

__all__ = ["Embedding", "TiedLinear"]


class Embedding(Module):
    """y = W[i]: the vector of each token.    i (N, T) whole numbers -> y (N, T, D).

    W (V, D) starts as N(0, 1). The row `padding_idx` starts at 0 and stays there. The
    same table can turn vectors into scores of tokens again: see `scores`. (A V large
    beside the batch makes dW large, though few of its rows are touched.)

    >>> Embedding(10, 4, rng=0)([[1, 2, 3]]).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        dim: int,
        padding_idx: int | None = None,
        *,
        init: str | Initializer = "normal",
        rng: Seed = None,
    ) -> None:
        self.padding_idx = padding_idx
        draw = initializers.named(init)
        table = draw((num_embeddings, dim), rng=backend.generator(rng))
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise RangeError(
                    f"Embedding: padding_idx is {padding_idx}, and the rows are 0 … "
                    f"{num_embeddings - 1}"
                )
            table[padding_idx] = 0
        self.weight = Parameter(table)

    def forward(self, i: TensorLike) -> Tensor:
        """Return the vectors of the tokens; a list of whole numbers will do, too."""
        if isinstance(i, (list, tuple, int)):
            i = backend.array_module(self.weight.device).asarray(i)
        y: Tensor = ops.embedding(i, self.weight, padding_idx=self.padding_idx)
        return y

    def scores(self, h: Tensor) -> Tensor:
        """Return h Wᵀ, how well h fits each token.    h (…, D) -> (…, V).

        So input and output share one table ("tied"): Press & Wolf 2017.
        """
        if h.shape[-1] != self.weight.shape[1]:
            raise ShapeError(
                f"Embedding.scores: h {tuple(h.shape)} should end with "
                f"{self.weight.shape[1]}, the length of this table's vectors"
            )
        scores: Tensor = ops.matmul(h, self.weight.T)
        return scores


class TiedLinear(Module):
    """y = x Wᵀ + b, with W the table of an Embedding: a last layer that shares it.

    x (…, D) -> y (…, V). There is one Parameter with two names, which learns from both
    uses (Press & Wolf 2017); PyTorch has it so after `head.weight = table.weight`, and
    its weights are loaded and exported under both names.

    >>> table = Embedding(10, 4, rng=0)
    >>> TiedLinear(table).weight is table.weight
    True
    """

    def __init__(self, embedding: Embedding, bias: bool = False) -> None:
        self.weight = embedding.weight
        n = len(embedding.weight)
        self.bias = Parameter(initializers.zeros(n)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x Wᵀ + b."""
        y: Tensor = ops.affine(x, self.weight.T, self.bias)
        return y
