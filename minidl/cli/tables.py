"""What `minidl check` tries those operations and layers on that need special inputs.

One line for each; examples.py says what the others are tried on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import nn, ops
from minidl.backend import Array

RNG = np.random.default_rng(1)


def normal(*shape: int) -> Array:
    """Numbers from N(0, 1)."""
    return RNG.standard_normal(shape)


def positive(*shape: int) -> Array:
    """Numbers from 0.5 to 2."""
    return RNG.uniform(0.5, 2.0, shape)


def apart(*shape: int) -> Array:
    """Numbers in random order, no two of them alike: nothing is a tie for a maximum."""
    n = int(np.prod(shape))
    return (RNG.permutation(n) * 0.1 - n / 20 + 0.03).reshape(shape)


LABELS = np.array([0, 2, 1])
KEY = np.array([7, 0], np.uint64)
IMAGES = (2, 4, 5, 5)
WORDS, STATE = normal(2, 3, 3), (normal(2, 4),)  # two sequences of three words

# op, its inputs, its settings
OPS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (ops.abs, (apart(3, 4),), {}),
    (ops.relu, (apart(3, 4),), {}),
    (ops.leaky_relu, (apart(3, 4),), {}),
    (ops.prelu, (apart(3, 4), np.array([0.25])), {}),
    (ops.elu, (apart(3, 4),), {}),
    (ops.selu, (apart(3, 4),), {}),
    (ops.maxout, (apart(3, 4),), {"pieces": 2}),
    (ops.arcsin, (RNG.uniform(-0.9, 0.9, (3, 4)),), {}),
    (ops.arccos, (RNG.uniform(-0.9, 0.9, (3, 4)),), {}),
    (ops.clip, (apart(3, 4),), {"low": -0.3, "high": 0.34}),
    (ops.where, (LABELS > 0, normal(3), normal(3)), {}),
    (ops.masked_fill, (normal(3), LABELS > 0), {"value": 0.5}),
    (ops.max, (apart(3, 4),), {"axis": 1}),
    (ops.min, (apart(3, 4),), {"axis": 1}),
    (ops.norm, (normal(3, 4),), {"axis": 1}),
    (ops.sort, (apart(3, 4),), {}),
    (ops.topk, (apart(3, 4),), {"k": 2}),
    (ops.matmul, (normal(2, 3, 4), normal(4, 5)), {}),
    (ops.affine, (normal(3, 4), normal(4, 5), normal(5)), {}),
    (ops.affine_relu, (normal(3, 4), normal(4, 5), normal(5)), {}),
    (ops.outer, (normal(3), normal(4)), {}),
    (ops.reshape, (normal(3, 4),), {"shape": (2, 6)}),
    (ops.broadcast_to, (normal(3, 1),), {"shape": (2, 3, 4)}),
    (ops.sum_to, (normal(3, 4),), {"shape": (3, 1)}),
    (ops.expand_dims, (normal(3, 4),), {"axis": 1}),
    (ops.squeeze, (normal(3, 1),), {}),
    (ops.swapaxes, (normal(3, 4),), {"axis1": 0, "axis2": 1}),
    (ops.flip, (normal(3, 4),), {"axis": 1}),
    (ops.roll, (normal(3, 4),), {"shift": 1}),
    (ops.pad, (normal(3, 4),), {"width": 1}),
    (ops.tile, (normal(3, 4),), {"reps": 2}),
    (ops.split, (normal(3, 4),), {"sections": 2, "axis": 1}),
    (ops.getitem, (normal(3, 4),), {"index": (slice(None), 1)}),
    (ops.scatter, (normal(3),), {"index": np.array([0, 2, 2]), "shape": (4,)}),
    (ops.take, (normal(3, 4), np.array([0, 2, 2])), {}),
    (ops.take_along_axis, (normal(3, 4), LABELS[:, None]), {"axis": 1}),
    (ops.conv1d, (normal(2, 4, 6), normal(3, 4, 3), normal(3)), {}),
    (ops.conv2d, (normal(*IMAGES), normal(3, 4, 3, 3), normal(3)), {"padding": 1}),
    (ops.conv_transpose2d, (normal(*IMAGES), normal(4, 3, 2, 2)), {"stride": 2}),
    (ops.unfold, (normal(*IMAGES),), {"kernel_size": 2}),
    (ops.fold, (normal(2, 8, 6),), {"output_size": (3, 4), "kernel_size": 2}),
    (ops.max_pool2d, (apart(*IMAGES),), {"kernel_size": 2}),
    (ops.avg_pool2d, (normal(*IMAGES),), {"kernel_size": 2}),
    (ops.adaptive_avg_pool2d, (normal(*IMAGES),), {"output_size": 2}),
    (ops.global_avg_pool2d, (normal(*IMAGES),), {}),
    (ops.upsample, (normal(*IMAGES),), {"scale_factor": 2}),
    (ops.batch_norm, (normal(*IMAGES), positive(4), normal(4)), {}),
    (ops.batch_norm_eval, (normal(5, 3), normal(3), positive(3), normal(3)), {}),
    (ops.layer_norm, (normal(3, 4), positive(4), normal(4)), {}),
    (ops.group_norm, (normal(*IMAGES), positive(4), normal(4)), {"num_groups": 2}),
    (ops.instance_norm, (normal(*IMAGES), positive(4), normal(4)), {}),
    (ops.rms_norm, (normal(3, 4), positive(4)), {}),
    (ops.normalize, (normal(3, 4),), {}),
    (ops.cosine_similarity, (normal(3, 4), normal(3, 4)), {}),
    (ops.embedding, (LABELS, normal(4, 3)), {}),
    (ops.rnn_cell, (normal(2, 3), normal(2, 4), normal(3, 4), normal(4, 4)), {}),
    (ops.lstm_cell, (normal(2, 3), *STATE, *STATE, normal(3, 16), normal(4, 16)), {}),
    (ops.gru_cell, (normal(2, 3), normal(2, 4), normal(3, 12), normal(4, 12)), {}),
    (ops.rnn, (WORDS, *STATE, normal(3, 4), normal(4, 4), normal(4)), {}),
    (ops.lstm, (WORDS, *STATE, *STATE, normal(3, 16), normal(4, 16)), {}),
    (ops.gru, (WORDS, *STATE, normal(3, 12), normal(4, 12)), {}),
    (ops.dropout, (normal(3, 4), KEY), {}),
    (ops.gaussian_noise, (normal(3, 4), KEY), {}),
    (ops.cross_entropy, (normal(3, 4), LABELS), {}),
    (ops.nll_loss, (-positive(3, 4), LABELS), {}),
    (ops.kl_div, (-positive(3, 4), positive(3, 4)), {}),
    (ops.hinge_loss, (apart(3, 4), LABELS), {}),
    (ops.focal_loss, (normal(3, 4), LABELS), {}),
    (ops.l1_loss, (apart(3, 4), np.zeros((3, 4))), {}),
    (ops.binary_cross_entropy_with_logits, (normal(3), np.array([0, 1, 1.0])), {}),
]  # fmt: skip

# layer, what it is made with, its inputs
LAYERS: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = [
    (nn.Linear, (4, 3), (normal(5, 4),)),
    (nn.Conv1d, (4, 3, 3), (normal(2, 4, 6),)),
    (nn.Conv2d, (4, 3, 3), (normal(*IMAGES),)),
    (nn.ConvTranspose2d, (4, 3, 3), (normal(*IMAGES),)),
    (nn.Unfold, (2,), (normal(*IMAGES),)),
    (nn.Fold, ((3, 4), 2), (normal(2, 8, 6),)),
    (nn.MaxPool2d, (2,), (apart(*IMAGES),)),
    (nn.AvgPool2d, (2,), (normal(*IMAGES),)),
    (nn.AdaptiveAvgPool2d, (2,), (normal(*IMAGES),)),
    (nn.GlobalAvgPool2d, (), (normal(*IMAGES),)),
    (nn.Upsample, (2,), (normal(*IMAGES),)),
    (nn.BatchNorm1d, (4,), (normal(5, 4),)),
    (nn.BatchNorm2d, (4,), (normal(*IMAGES),)),
    (nn.LayerNorm, (4,), (normal(5, 4),)),
    (nn.GroupNorm, (2, 4), (normal(*IMAGES),)),
    (nn.InstanceNorm2d, (4,), (normal(*IMAGES),)),
    (nn.RMSNorm, (4,), (normal(5, 4),)),
    (nn.Sequential, (nn.Linear(4, 3), nn.Tanh()), (normal(5, 4),)),
    (nn.WeightNoise, (nn.Linear(4, 3),), (normal(5, 4),)),
    (nn.Embedding, (4, 3), (LABELS,)),
    (nn.RNN, (3, 4), (WORDS,)),
    (nn.LSTM, (3, 4), (WORDS,)),
    (nn.GRU, (3, 4), (WORDS,)),
    (nn.RNNCell, (3, 4), (normal(2, 3),)),
    (nn.LSTMCell, (3, 4), (normal(2, 3),)),
    (nn.GRUCell, (3, 4), (normal(2, 3),)),
    (nn.DotAttention, (), (normal(2, 2, 4), normal(2, 3, 4))),
    (nn.AdditiveAttention, (4, 3, 5), (normal(2, 2, 4), WORDS)),
    (nn.MultiHeadAttention, (4, 2), (normal(2, 3, 4),)),
    (nn.TransformerEncoderLayer, (4, 2, 5), (normal(2, 3, 4),)),
    (nn.TransformerDecoderLayer, (4, 2, 5), (normal(2, 3, 4), normal(2, 2, 4))),
    (nn.PositionalEncoding, (4,), (normal(2, 3, 4),)),
    (nn.LearnedPositions, (5, 4), (normal(2, 3, 4),)),
    (nn.Dropout2d, (), (normal(*IMAGES),)),
    (nn.Maxout, (4, 3), (normal(5, 4),)),
    (nn.CrossEntropyLoss, (), (normal(3, 4), LABELS)),
    (nn.LabelSmoothingLoss, (), (normal(3, 4), LABELS)),
    (nn.FocalLoss, (), (normal(3, 4), LABELS)),
    (nn.HingeLoss, (), (apart(3, 4), LABELS)),
    (nn.NLLLoss, (), (-positive(3, 4), LABELS)),
    (nn.BCEWithLogitsLoss, (), (normal(3), np.array([0, 1, 1.0]))),
    (nn.KLDivLoss, (), (-positive(3, 4), positive(3, 4))),
    (nn.MSELoss, (), (normal(3, 4), normal(3, 4))),
    (nn.HuberLoss, (), (normal(3, 4), normal(3, 4))),
    (nn.L1Loss, (), (apart(3, 4), np.zeros((3, 4)))),
    (nn.CosineEmbeddingLoss, (), (normal(3, 4), normal(3, 4), np.array([1, -1, 1]))),
    (nn.RoPE, (), (normal(2, 3, 4),)),
    (nn.TiedLinear, (nn.Embedding(4, 3),), (normal(5, 3),)),
    (nn.Unflatten, (1, (2, 2)), (normal(3, 4),)),
    (nn.BCELoss, (), (RNG.uniform(0.1, 0.9, 3), np.array([0, 1, 1.0]))),
    (nn.HingeEmbeddingLoss, (5.0,), (apart(3), np.array([1, -1, 1]))),
    (nn.MaxPool1d, (2,), (apart(2, 3, 6),)),
    (nn.AvgPool1d, (2,), (normal(2, 3, 6),)),
]

OPS += [
    (ops.softsign, (apart(3, 4),), {}),
    (ops.hardtanh, (apart(3, 4),), {}),
    (ops.max_pool1d, (apart(2, 3, 6),), {"kernel_size": 2}),
    (ops.avg_pool1d, (normal(2, 3, 6),), {"kernel_size": 2}),
    (ops.binary_cross_entropy, (RNG.uniform(0.1, 0.9, 3), np.array([0, 1, 1.0])), {}),
    (ops.hinge_embedding_loss, (apart(3), np.array([1, -1, 1])), {"margin": 5.0}),
    (ops.rope, (normal(2, 3, 4),), {}),
]
