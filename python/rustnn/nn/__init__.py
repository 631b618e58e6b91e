"""Neural networks: modules, their layers, losses and initial weights."""

from __future__ import annotations

from rustnn.nn import functional, init
from rustnn.nn.activation import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from rustnn.nn.batchnorm import BatchNorm1d, BatchNorm2d
from rustnn.nn.container import ModuleDict, ModuleList, Sequential
from rustnn.nn.conv import Conv2d
from rustnn.nn.dropout import Dropout
from rustnn.nn.flatten import Flatten, Unflatten
from rustnn.nn.linear import Identity, Linear
from rustnn.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from rustnn.nn.module import Module
from rustnn.nn.parameter import Buffer, Parameter
from rustnn.nn.parameter_container import ParameterDict, ParameterList
from rustnn.nn.pooling import MaxPool2d

__all__ = [
    "ELU",
    "GELU",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
]


def __getattr__(name: str) -> object:
    if name == "modules":  # PyTorch's other names for these files, imported when they are asked for
        from importlib import import_module

        return import_module("rustnn.nn.modules")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
