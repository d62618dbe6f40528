"""Every differentiable function, in one flat namespace."""
# ruff: noqa: F401  what is imported here is public: __all__ is every such name

import sys

from minidl.engine.tensor import Tensor
from minidl.ops.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    maxout,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
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
    arccos,
    arcsin,
    arctan,
    clip,
    cos,
    cosh,
    divide,
    erf,
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
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    where,
)
from minidl.ops.embedding import embedding
from minidl.ops.indexing import (
    add_at,
    argsort,
    diagonal,
    getitem,
    scatter,
    sort,
    take,
    take_along_axis,
    topk,
)
from minidl.ops.joining import concatenate, repeat, split, stack, tile, unstack
from minidl.ops.linalg import affine, affine_relu, matmul, outer, tensordot
from minidl.ops.loss import (
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cross_entropy,
    focal_loss,
    hinge_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
)
from minidl.ops.norm import (
    batch_norm,
    batch_norm_eval,
    cosine_similarity,
    group_norm,
    instance_norm,
    layer_norm,
    normalize,
    rms_norm,
)
from minidl.ops.pool import (
    adaptive_avg_pool2d,
    avg_pool2d,
    global_avg_pool2d,
    max_pool2d,
    upsample,
)
from minidl.ops.recurrent import (
    gru,
    gru_cell,
    length_mask,
    lstm,
    lstm_cell,
    rnn,
    rnn_cell,
)
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
from minidl.ops.windows import fold, unfold

from minidl.ops import methods  # isort: skip  attaches the operators

__all__ = [name for name in dir() if not name.startswith("_")]
Tensor.namespace = sys.modules[__name__]
