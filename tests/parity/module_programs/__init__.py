"""The programs of test_module_surface.py. Each begins with a comment that says what it is about."""

from __future__ import annotations

from parity.module_programs import (
    attributes,
    containers,
    copies,
    global_hooks,
    hooks,
    initialisers,
    moves,
    odd_uses,
    reprs,
    states,
    unusual_hooks,
    walks,
)

PRELUDE = '''
import copy
import pickle
from collections import OrderedDict


class Net(nn.Module):
    """Layers, one of them under two names, parameters, buffers, a plain attribute."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.Tanh(), nn.BatchNorm1d(4))
        self.again = self.first
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("steps", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.register_buffer("later", None)
        self.register_parameter("bias", None)
        self.plain = 5

    def forward(self, x):
        return self.body(self.first(x)) * self.scale


class Two(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a, b=None, c=None):
        return a * 2, (a if b is None else b) * 3


class Keeper(nn.Linear):
    """A layer with extra state."""

    kept = None

    def get_extra_state(self):
        return {"kept": self.kept}

    def set_extra_state(self, state):
        self.kept = state["kept"]


def keys(items):
    return [name for name, _ in items]


def tables(m):
    """Where each name is kept."""
    return {
        "parameters": list(m._parameters),
        "buffers": list(m._buffers),
        "modules": list(m._modules),
        "hidden": sorted(m._non_persistent_buffers_set),
        "plain": sorted(k for k in vars(m) if not k.startswith("_")),
    }


def shapes(values):
    return [None if v is None else tuple(v.shape) if isinstance(v, torch.Tensor) else type(v).__name__ for v in values]


def param(*shape):
    return nn.Parameter(torch.ones(*shape))


def grid(*shape):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float32).reshape(shape) - count / 3) / count
'''

PROGRAMS = [
    program
    for part in (
        attributes,
        walks,
        moves,
        states,
        hooks,
        unusual_hooks,
        global_hooks,
        reprs,
        copies,
        containers,
        initialisers,
        odd_uses,
    )
    for program in part.PROGRAMS.strip("\n").split("\n\n")
]
