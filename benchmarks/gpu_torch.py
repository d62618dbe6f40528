"""PyTorch's twins of models that it has no layer for, with minidl's names inside.

Attention is scaled_dot_product_attention, which chooses the fastest kernel itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def attend(torch: Any, layer: Any, heads: int, x: Any) -> Any:
    """Return causal self-attention by the weights of a torch.nn.MultiheadAttention.

    Not by its forward: what is below is what a GPT in PyTorch does, and faster.
    """
    f = torch.nn.functional
    n, t, d = x.shape
    qkv = f.linear(x, layer.in_proj_weight, layer.in_proj_bias)
    parts = qkv.view(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)
    y = f.scaled_dot_product_attention(*parts, is_causal=True)
    return layer.out_proj(y.transpose(1, 2).reshape(n, t, d))


def causal_twin(
    torch: Any, d: int, heads: int, t: int
) -> tuple[Any, Callable[[Any], Any]]:
    """Return a layer, and a function that attends by it."""
    layer = torch.nn.MultiheadAttention(d, heads, batch_first=True)
    return layer, lambda x: attend(torch, layer, heads, x)


def gpt_twin(
    torch: Any, letters: int, context: int, dim: int, heads: int, layers: int
) -> Any:
    """Return the twin of minidl.models.GPT without dropout."""
    t = torch.nn

    class Positions(t.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = t.Parameter(torch.zeros(context, dim))

    class Block(t.Module):
        def __init__(self) -> None:
            super().__init__()
            self.self_attn = t.MultiheadAttention(dim, heads, batch_first=True)
            self.linear1, self.linear2 = t.Linear(dim, 4 * dim), t.Linear(4 * dim, dim)
            self.norm1, self.norm2 = t.LayerNorm(dim), t.LayerNorm(dim)

        def forward(self, x: Any) -> Any:
            x = x + attend(torch, self.self_attn, heads, self.norm1(x))
            return x + self.linear2(t.functional.gelu(self.linear1(self.norm2(x))))

    class GPT(t.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = t.Embedding(letters, dim)
            self.positions = Positions()
            self.blocks = t.ModuleList(Block() for _ in range(layers))
            self.norm = t.LayerNorm(dim)

        def forward(self, tokens: Any) -> Any:
            x = self.embedding(tokens) + self.positions.weight[: tokens.shape[1]]
            for block in self.blocks:
                x = block(x)
            return self.norm(x) @ self.embedding.weight.T

    return GPT()
