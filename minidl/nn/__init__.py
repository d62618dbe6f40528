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
from minidl.nn.containers import Flatten, Identity, ModuleList, Sequential
from minidl.nn.conv import Conv1d, Conv2d, ConvTranspose2d, Fold, Unfold
from minidl.nn.dropout import Dropout, Dropout2d, GaussianNoise, WeightNoise
from minidl.nn.interchange import load_torch_state_dict, to_torch_state_dict
from minidl.nn.linear import Linear
from minidl.nn.loss import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    FocalLoss,
    HingeLoss,
    LabelSmoothingLoss,
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
from minidl.nn.regression_loss import (
    CosineEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
)

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "AdaptiveAvgPool2d",
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
    "Dropout",
    "Dropout2d",
    "Flatten",
    "FocalLoss",
    "Fold",
    "GaussianNoise",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
    "LabelSmoothingLoss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Maxout",
    "Module",
    "ModuleList",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unfold",
    "Upsample",
    "WeightNoise",
    "init",
    "load_torch_state_dict",
    "to_torch_state_dict",
]
