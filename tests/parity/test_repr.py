"""How tensors and modules print, character by character."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from parity.programs import CANDIDATE, REFERENCE, run

TENSORS = """
torch.tensor(7)
torch.tensor(7.0)
torch.tensor(True)
torch.tensor(1.5, dtype=torch.float64)
torch.tensor(3, dtype=torch.int8)
torch.tensor([1, 2, 3])
torch.tensor([1.0, 2.0, 3.0])
torch.tensor([1.5, 2.25, -3.125])
torch.tensor([1.0, 1e-3])
torch.tensor([1.0, 1e-5])
torch.tensor([1e5, 1.0])
torch.tensor([1e8, 1.0])
torch.tensor([1e9, 2e9])
torch.tensor([123456.789])
torch.tensor([0.1, 1e10])
torch.tensor([1e-10])
torch.tensor([0.0])
torch.tensor([-0.0])
torch.tensor([float("nan"), 1.0])
torch.tensor([float("inf"), -float("inf"), 2.5])
torch.tensor([float("nan")])
torch.tensor([100.0, 0.5])
torch.tensor([1000.0, 0.001])
torch.tensor([16777216.0, 1.0])
torch.tensor([])
torch.zeros(0, 3)
torch.zeros(2, 0)
torch.zeros(2, 0, dtype=torch.int64)
torch.tensor([], dtype=torch.int64)
torch.tensor([True, False])
torch.tensor([-1, 100, 20])
torch.tensor([[1, -2], [300, 4]])
torch.tensor([[1.5, -2.0], [300.0, 4.0]])
torch.arange(24).view(2, 3, 4)
torch.arange(24.0).view(2, 3, 4)
torch.arange(16.0).view(2, 2, 2, 2)
torch.arange(100)
torch.arange(1000)
torch.arange(1001)
torch.arange(2000.0)
torch.zeros(50, 50)
torch.arange(10000).view(100, 100)
torch.arange(3000.0).view(3, 10, 100)
torch.ones(30, 2)
torch.ones(2, 30)
torch.arange(30.0)
torch.arange(20.0) / 7
torch.linspace(-1, 1, 11)
torch.ones(2, dtype=torch.float64)
torch.ones(2, dtype=torch.float16)
torch.ones(2, dtype=torch.bfloat16)
torch.ones(2, dtype=torch.int32)
torch.ones(2, dtype=torch.uint8)
torch.tensor([1 + 2j, 3.5 - 1j])
torch.tensor(1j)
torch.tensor([1e-8 + 1j, 1e8j])
torch.tensor([1.0, 2.0], requires_grad=True)
torch.tensor([1.0, 2.0], requires_grad=True) * 2
torch.tensor([1.0, 2.0], requires_grad=True).sum()
torch.tensor([1.0, 2.0], requires_grad=True).view(2, 1)
torch.tensor([1.0, 2.0], requires_grad=True).exp()
torch.tensor([1.0, 2.0], requires_grad=True).detach()
nn.Parameter(torch.ones(2))
torch.ones(2, 3).t()
torch.ones(2, 3)[:, ::2]
torch.ones(3).expand(2, 3)
torch.ones(2).shape
torch.Size([])
torch.float32
torch.ones(1).dtype
torch.ones(1).device
torch.device("cpu")
torch.arange(6.0).view(2, 3).max(1)
torch.arange(6.0).view(2, 3).sort(1)
[torch.ones(2), torch.zeros(1)]
[f"{torch.tensor(2.5):.3f}", f"{torch.tensor(3)}", f"{torch.ones(2)}"]
torch.rand(3, 3)
torch.randn(5, 5)
torch.randn(3, 4, dtype=torch.float64)
""".strip().splitlines()

MODULES = """
nn.Linear(3, 4)
nn.Linear(3, 4, bias=False)
nn.Conv2d(3, 8, 3)
nn.Conv2d(3, 8, (3, 5), stride=2, padding=1, dilation=2, bias=False)
nn.Conv2d(4, 8, 3, groups=2, padding="same")
nn.MaxPool2d(2)
nn.MaxPool2d(3, stride=2, padding=1)
nn.BatchNorm2d(8)
nn.BatchNorm2d(8, affine=False, momentum=0.2)
nn.Dropout(0.25)
nn.Dropout(0.25, inplace=True)
nn.Flatten()
nn.ReLU()
nn.ReLU(inplace=True)
nn.Sigmoid()
nn.Tanh()
nn.Identity()
nn.CrossEntropyLoss()
nn.MSELoss()
nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), nn.Sequential())
nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ReLU()})
optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1, momentum=0.9)
optim.Adam(nn.Linear(2, 2).parameters(), lr=0.001)
""".strip().splitlines()


@pytest.mark.parametrize("expression", TENSORS + MODULES)
def test_repr(expression: str) -> None:
    program = f"x = repr({expression}), str({expression})"
    ours, theirs = run(program, CANDIDATE), run(program, REFERENCE)
    if isinstance(ours, Exception):
        raise ours
    assert isinstance(theirs, dict)
    readable = [text.replace("rustnn.", "torch.") for text in ours["x"]]
    assert readable == list(theirs["x"])


DTYPES = "float32 float64 float16 bfloat16 int64 int32 uint8 int8 bool complex64 complex128".split()
KINDS = "normal uniform whole large small wide constant large_whole negative_zero rounded".split()
CONSTANTS = (0.0, 1.0, -1.0, 1e5, 1e-5, 0.1, 99999.0, 1e8, -0.0, 100000.0)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "precision": (0, 1, 3, 6, 8),
    "threshold": (0, 5, 20, 100),
    "edgeitems": (1, 2, 5),
    "linewidth": (20, 40, 120),
    "sci_mode": (True, False),
    "profile": ("short", "full", "default"),
}
ENDS = ("x.requires_grad_()", "nn.Parameter(x)", "x.requires_grad_() * 2", "x[..., ::2] if x.ndim else x")


def random_array(choose: random.Random, dtype: str) -> np.ndarray:
    """An array of some shape and kind of numbers, in a dtype of NumPy that holds those of `dtype`."""
    numbers = np.random.default_rng(choose.randrange(2**32))
    shape: tuple[int, ...] = tuple(
        choose.choice((0, 1, 2, 3, 4, 7, 8, 12, 30)) for _ in range(choose.choice((0, 1, 1, 2, 2)))
    )
    if choose.random() < 0.3:
        shape = choose.choice(((1001,), (2000,), (2, 3, 7), (1, 2, 3, 2), (3, 1, 7)))
    array = numbers.normal(size=shape)
    kind = choose.choice(KINDS)
    if kind == "uniform":
        array = numbers.random(shape)
    elif kind == "whole":
        array = numbers.integers(-1000, 1000, shape).astype(float)
    elif kind == "large":
        array = array * 10.0 ** choose.randint(0, 12)
    elif kind == "small":
        array = array * 10.0 ** -choose.randint(0, 12)
    elif kind == "wide":
        array = array * 10.0 ** numbers.integers(-10, 10, shape)
    elif kind == "constant":
        array = np.full(shape, choose.choice(CONSTANTS))
    elif kind == "large_whole":
        array = np.round(array * 10 ** choose.randint(0, 9))
    elif kind == "negative_zero":
        array = np.where(array > 0, -0.0, array)
    elif kind == "rounded":
        array = np.round(array, choose.randint(0, 4))
    if dtype == "bool":
        return np.asarray(array > 0)
    if "int" in dtype:
        return np.asarray(
            np.clip(array, 0, 100) if dtype.endswith("8") else np.clip(array, -(2**31), 2**31 - 1)
        )
    if choose.random() < 0.2:
        odd = numbers.random(shape)
        array = np.where(odd < 0.2, np.nan, np.where(odd < 0.4, np.inf, np.where(odd < 0.5, -np.inf, array)))
    if dtype.startswith("complex"):
        array = array + 1j * np.round(
            numbers.normal(size=shape) * 10.0 ** choose.randint(-5, 5), choose.choice((0, 9))
        )
    return np.asarray(array)


def printed(lib: ModuleType, array: np.ndarray, dtype: str, options: dict[str, Any], end: str) -> str:
    lib.set_printoptions(profile="default")
    try:
        lib.set_printoptions(**options)
        x = lib.from_numpy(array.copy()).to(getattr(lib, dtype))
        return repr(eval(end, {"x": x, "nn": lib.nn}) if end else x)
    finally:
        lib.set_printoptions(profile="default")


@pytest.mark.parametrize("seed", range(20))
def test_random_tensors(seed: int) -> None:
    """Numbers of all kinds in all dtypes and shapes, under all settings."""
    choose = random.Random(seed)
    for _ in range(30):
        dtype = choose.choice(DTYPES)
        array = random_array(choose, dtype)
        options = {}
        if choose.random() < 0.4:
            options = {name: choose.choice(OPTIONS[name]) for name in choose.sample(list(OPTIONS), 2)}
        floating = "float" in dtype or "complex" in dtype
        end = choose.choice(ENDS) if floating and choose.random() < 0.3 else ""
        ours, theirs = (printed(lib, array, dtype, options, end) for lib in (CANDIDATE, REFERENCE))
        assert ours == theirs, (array.shape, dtype, options, end)
