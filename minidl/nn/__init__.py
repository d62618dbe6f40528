"""Layers: parameters, and the ops that use them."""

from minidl.nn import init
from minidl.nn.activation import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    LogSoftmax,
    Maxout,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minidl.nn.attention import AdditiveAttention, DotAttention, MultiHeadAttention
from minidl.nn.cache import KVCache
from minidl.nn.containers import Flatten, Identity, ModuleList, Sequential
from minidl.nn.conv import Conv1d, Conv2d, ConvTranspose2d, Fold, Unfold
from minidl.nn.dropout import Dropout, Dropout2d, GaussianNoise, WeightNoise
from minidl.nn.embedding import Embedding
from minidl.nn.interchange import load_torch_state_dict, to_torch_state_dict
from minidl.nn.linear import Linear
from minidl.nn.loss import (
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    FocalLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    LabelSmoothingLoss,
    MSELoss,
    NLLLoss,
)
from minidl.nn.module import Buffer, Module, Parameter
from minidl.nn.norm import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)
from minidl.nn.pool import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    GlobalAvgPool2d,
    MaxPool2d,
    Upsample,
)
from minidl.nn.position import LearnedPositions, PositionalEncoding
from minidl.nn.precision import MixedPrecision
from minidl.nn.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
    detach_state,
)
from minidl.nn.transformer import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool2d",
    "AdditiveAttention",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "DotAttention",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "FocalLoss",
    "Fold",
    "GRUCell",
    "GaussianNoise",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "KLDivLoss",
    "KVCache",
    "L1Loss",
    "LSTMCell",
    "LabelSmoothingLoss",
    "LayerNorm",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Maxout",
    "MixedPrecision",
    "Module",
    "ModuleList",
    "MultiHeadAttention",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "PositionalEncoding",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "Unfold",
    "Upsample",
    "WeightNoise",
    "detach_state",
    "init",
    "load_torch_state_dict",
    "to_torch_state_dict",
]
