"""Layers in training, beside PyTorch's: 200 steps in float64, every loss within 1e-10.

One layer alone agrees in tests/test_layers.py and its neighbors. Here its gradients
feed an optimizer whose weights feed it again, so that what is off at one step shows at
the next: statistics that are kept, second biases, ways of padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl import nn, ops, optim

STEPS = 200


class First(nn.Module):
    """Of what a recurrent layer returns, the y."""

    def forward(self, pair: Any) -> Any:
        return pair[0]


class Alone(nn.Module):
    """Self-attention: one input serves as query, key and value."""

    def __init__(self, attention: nn.Module) -> None:
        self.attention = attention

    def forward(self, x: Any) -> Any:
        return self.attention(x)


def theirs_of(torch: Any) -> tuple[Any, Any]:
    """PyTorch's versions of the two above."""

    class Pick(torch.nn.Module):
        def forward(self, pair):
            return pair[0]

    class OwnKeys(torch.nn.Module):
        def __init__(self, attention):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    return Pick, OwnKeys


# name: our net, of minidl's nn or of torch.nn; PyTorch's where it is written otherwise;
# the shape of an input
NETS: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "smooth activations": (
        lambda n: n.Sequential(n.Linear(5, 8), n.Mish(), n.Linear(8, 8), n.Softsign(), n.Linear(8, 8), n.LogSigmoid(), n.Linear(8, 2)),
        None, (6, 5)),
    "glu and hardtanh": (
        lambda n: n.Sequential(n.Linear(5, 8), n.GLU(), n.Linear(4, 8), n.Hardtanh(), n.PReLU(), n.Linear(8, 2)),
        None, (6, 5)),
    "batch norm of vectors": (
        lambda n: n.Sequential(n.Linear(5, 8), n.BatchNorm1d(8), n.Tanh(), n.Linear(8, 2)),
        None, (9, 5)),
    "norms of one example": (
        lambda n: n.Sequential(n.Conv2d(3, 4, 3), n.GroupNorm(2, 4), n.SiLU(), n.InstanceNorm2d(4), n.Flatten(), n.Linear(36, 8), n.LayerNorm(8), n.Linear(8, 2)),
        None, (4, 3, 5, 5)),
    "frames of pixels": (
        lambda n: n.Sequential(n.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), n.Tanh(), n.Conv2d(3, 3, 3, padding=1, padding_mode="replicate", bias=False), n.BatchNorm2d(3), n.AvgPool2d(2, ceil_mode=True), n.Flatten(), n.Linear(27, 2)),
        None, (4, 2, 5, 5)),
    "up and down": (
        lambda n: n.Sequential(n.Conv2d(2, 4, 3, stride=2, groups=2), n.GELU(), n.Upsample(scale_factor=2, mode="bilinear"), n.ConvTranspose2d(4, 2, 3, stride=2), n.MaxPool2d(2), n.Flatten(), n.Linear(32, 2)),
        None, (3, 2, 5, 5)),
    "along a sequence": (
        lambda n: n.Sequential(n.Conv1d(3, 4, 3, dilation=2), n.Softplus(), n.MaxPool1d(2), n.AvgPool1d(2), n.Flatten(), n.Linear(8, 2)),
        None, (5, 3, 12)),
    "rnn": (
        lambda n: n.Sequential(n.RNN(3, 4, second_bias=True), First(), n.Linear(4, 2)),
        lambda t, pick, _: t.Sequential(t.RNN(3, 4, batch_first=True), pick(), t.Linear(4, 2)), (4, 6, 3)),
    "lstm both ways": (
        lambda n: n.Sequential(n.LSTM(3, 4, 2, True, second_bias=True), First(), n.Linear(8, 2)),
        lambda t, pick, _: t.Sequential(t.LSTM(3, 4, 2, batch_first=True, bidirectional=True), pick(), t.Linear(8, 2)), (4, 6, 3)),
    "gru": (
        lambda n: n.Sequential(n.GRU(3, 4), First(), n.Linear(4, 2)),
        lambda t, pick, _: t.Sequential(t.GRU(3, 4, batch_first=True), pick(), t.Linear(4, 2)), (4, 6, 3)),
    "attention": (
        lambda n: n.Sequential(Alone(n.MultiHeadAttention(4, 2)), n.Linear(4, 2)),
        lambda t, pick, own: t.Sequential(own(t.MultiheadAttention(4, 2, batch_first=True)), t.Linear(4, 2)), (3, 5, 4)),
    "transformer": (
        lambda n: n.Sequential(n.TransformerEncoderLayer(4, 2, 8, 0.0), n.TransformerEncoderLayer(4, 2, 8, 0.0, "gelu", True), n.Linear(4, 2)),
        lambda t, pick, _: t.Sequential(t.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True), t.TransformerEncoderLayer(4, 2, 8, 0.0, "gelu", batch_first=True, norm_first=True), t.Linear(4, 2)), (3, 5, 4)),
}  # fmt: skip
RULES = ("Adam", "Nesterov", "AdamW", "RMSProp")


def rules(torch: Any, rule: str, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return our optimizer and PyTorch's of the same settings."""
    a, b = list(ours.parameters()), list(theirs.parameters())
    if rule == "Nesterov":
        return optim.Nesterov(a, lr=0.01), torch.optim.SGD(b, 0.01, 0.9, nesterov=True)
    if rule == "RMSProp":
        return optim.RMSProp(a, lr=1e-3), torch.optim.RMSprop(b, 1e-3)
    return getattr(optim, rule)(a, lr=1e-3), getattr(torch.optim, rule)(b, 1e-3)


@pytest.mark.parametrize("name", NETS)
def test_layers_train_as_pytorchs(torch, name):
    build, build_there, shape = NETS[name]
    torch.manual_seed(0)
    if build_there is None:
        theirs = build(torch.nn).double()
    else:
        theirs = build_there(torch.nn, *theirs_of(torch)).double()
    ours = build(nn).astype("float64")
    nn.load_torch_state_dict(ours, theirs.state_dict())
    rng = np.random.default_rng(0)
    a, b = rules(torch, RULES[list(NETS).index(name) % len(RULES)], ours, theirs)
    for _ in range(STEPS):
        x = rng.standard_normal(shape)
        scores, there = ours(x), theirs(torch.tensor(x))
        target = rng.standard_normal(scores.shape)
        loss = ops.mse_loss(scores, target)
        loss_there = torch.nn.functional.mse_loss(there, torch.tensor(target))
        for optimizer, value in ((a, loss), (b, loss_there)):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        assert abs(loss.item() - loss_there.item()) < 1e-10
    exported = nn.to_torch_state_dict(ours)
    for key, array in theirs.state_dict().items():
        np.testing.assert_allclose(exported[key], array.numpy(), rtol=0, atol=1e-10)
