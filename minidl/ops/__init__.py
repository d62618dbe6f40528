"""Every differentiable function, in one flat namespace."""
# ruff: noqa: F401  what is imported here is public: __all__ is every such name

import sys

from minidl.engine.tensor import Tensor
from minidl.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    maxout,
    prelu,
    relu,
    selu,
    silu,
)
from minidl.ops.attention import (
    additive_scores,
    causal_mask,
    masked_softmax,
    scaled_dot_product_attention,
)
from minidl.ops.conv import conv1d, conv2d, conv_transpose2d
from minidl.ops.creation import (
    arange,
    astype,
    detach,
    full,
    one_hot,
    ones,
    ones_like,
    to,
    zeros,
    zeros_like,
)
from minidl.ops.dropout import dropout, gaussian_noise
from minidl.ops.einsum import einsum
from minidl.ops.elementwise import (
    abs,
    add,
    clip,
    divide,
    exp,
    expm1,
    log,
    log1p,
    masked_fill,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    reciprocal,
    rsqrt,
    sign,
    sqrt,
    square,
    subtract,
    where,
)
from minidl.ops.embedding import embedding
from minidl.ops.gru import gru, gru_cell
from minidl.ops.indexing import (
    add_at,
    diagonal,
    getitem,
    scatter,
    take,
    take_along_axis,
)
from minidl.ops.joining import concatenate, repeat, split, stack, tile, unstack
from minidl.ops.linalg import affine, affine_relu, matmul, outer, tensordot
from minidl.ops.logit_loss import binary_cross_entropy_with_logits, focal_loss
from minidl.ops.loss import cross_entropy, hinge_loss, nll_loss
from minidl.ops.lstm import lstm, lstm_cell
from minidl.ops.norm import (
    batch_norm,
    batch_norm_eval,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from minidl.ops.pool import (
    adaptive_avg_pool2d,
    avg_pool2d,
    global_avg_pool2d,
    max_pool2d,
    upsample,
)
from minidl.ops.recurrent import length_mask
from minidl.ops.reduce import (
    all,
    any,
    argmax,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from minidl.ops.regression_loss import (
    cosine_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
)
from minidl.ops.rnn import rnn, rnn_cell
from minidl.ops.shape import (
    broadcast_to,
    expand_dims,
    flip,
    pad,
    reshape,
    roll,
    squeeze,
    sum_to,
    swapaxes,
    transpose,
    tril,
    triu,
)
from minidl.ops.softmax import log_softmax, softmax
from minidl.ops.sorting import argsort, sort, topk
from minidl.ops.special import erf, sigmoid, softplus
from minidl.ops.trigonometry import (
    arccos,
    arcsin,
    arctan,
    cos,
    cosh,
    sin,
    sinh,
    tan,
    tanh,
)
from minidl.ops.unit import cosine_similarity, normalize
from minidl.ops.windows import fold, unfold

from minidl.ops import methods  # isort: skip  attaches the operators

__all__ = [name for name in dir() if not name.startswith("_")]
Tensor.namespace = sys.modules[__name__]
