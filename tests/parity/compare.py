"""Two results of the same code: are they the same, as a user would see it?

Tensors are held against each other in class, dtype, shape, strides, requires_grad and values; containers,
scalars and text one by one. Everything that differs is told with the way that leads there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Relative and absolute, by dtype: what PyTorch's own assert_close takes.
TOLERANCE: dict[str, tuple[float, float]] = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


class Different(AssertionError):
    """The two results differ; the message says where and how."""


def is_tensor(value: Any) -> bool:
    return any(
        base.__name__ == "Tensor" and base.__module__.split(".")[0] in ("torch", "rustnn", "builtins")
        for base in type(value).__mro__
    )


def name_of(thing: Any) -> str:
    """How a dtype, device or class of either library reads once the library's name is left out."""
    return str(thing).replace("rustnn.", "torch.").removeprefix("torch.")


def to_array(tensor: Any) -> np.ndarray:
    """The values of a tensor of either library."""
    tensor = tensor.detach().resolve_conj()
    if name_of(tensor.dtype) == "bfloat16":
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy(force=True)  # PyTorch's zeros without memory ask for it
    return array


def compare(
    ours: Any,
    theirs: Any,
    where: str = "result",
    *,
    strides: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    of_largest: float = 0.0,
) -> None:
    """Raise `Different` unless the two are the same to the eye.

    `of_largest` allows an error in proportion to the largest value of a tensor.
    """

    def differ(what: str, a: Any, b: Any) -> None:
        if a != b:
            raise Different(f"{where}: {what} is {a}, PyTorch has {b}")

    def deeper(a: Any, b: Any, step: str) -> None:
        compare(a, b, where + step, strides=strides, rtol=rtol, atol=atol, of_largest=of_largest)

    differ("being a tensor", is_tensor(ours), is_tensor(theirs))
    if is_tensor(ours):
        differ("dtype", name_of(ours.dtype), name_of(theirs.dtype))
        differ("shape", tuple(ours.shape), tuple(theirs.shape))
        differ("requires_grad", ours.requires_grad, theirs.requires_grad)
        differ("is_leaf", ours.is_leaf, theirs.is_leaf)
        if strides and ours.numel() > 0:
            differ("stride", strides_that_count(ours), strides_that_count(theirs))
        same_values(to_array(ours), to_array(theirs), where, name_of(ours.dtype), rtol, atol, of_largest)
    elif isinstance(ours, (tuple, list)) and isinstance(theirs, (tuple, list)):
        differ("the class", type(ours).__name__, type(theirs).__name__)
        differ("length", len(ours), len(theirs))
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            deeper(a, b, f"[{i}]")
    elif isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        differ("keys", list(ours), list(theirs))
        for key in ours:
            deeper(ours[key], theirs[key], f"[{key!r}]")
    elif isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
        differ("dtype", ours.dtype, theirs.dtype)
        differ("shape", ours.shape, theirs.shape)
        same_values(ours, theirs, where, str(ours.dtype), rtol, atol)
    elif isinstance(ours, (bool, str, bytes, type(None))):
        differ("the value", name_of(ours), name_of(theirs))
    elif isinstance(ours, (int, float, complex)):
        differ("the class", type(ours).__name__, type(theirs).__name__)
        kind = "complex64" if isinstance(ours, complex) else "float32"
        exact = isinstance(ours, int)
        same_values(np.asarray(ours), np.asarray(theirs), where, "int64" if exact else kind, rtol, atol)
    else:
        differ("the value", name_of(ours), name_of(theirs))


def strides_that_count(tensor: Any) -> tuple[int, ...]:
    """Strides, but for dims of size one: there they address nothing."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return tuple(stride if size != 1 else 0 for size, stride in pairs)


def same_values(
    ours: np.ndarray,
    theirs: np.ndarray,
    where: str,
    dtype: str,
    rtol: float | None,
    atol: float | None,
    of_largest: float = 0.0,
) -> None:
    if dtype not in TOLERANCE and not np.issubdtype(ours.dtype, np.inexact):
        if not np.array_equal(ours, theirs):
            raise Different(f"{where}: {summary(ours)}, PyTorch has {summary(theirs)}")
        return
    default_rtol, default_atol = TOLERANCE.get(dtype, (1e-7, 1e-7))
    rtol = default_rtol if rtol is None else rtol
    atol = default_atol if atol is None else atol
    if of_largest and theirs.size:
        atol = max(atol, of_largest * float(np.abs(theirs).max()))
    with np.errstate(all="ignore"):
        close = np.isclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        at = tuple(int(i) for i in np.argwhere(~close)[0])
        raise Different(
            f"{where}: {np.count_nonzero(~close)} of {close.size} values differ, first at {at}: "
            f"{ours[at]!r}, PyTorch has {theirs[at]!r}"
        )


def summary(array: np.ndarray) -> str:
    return np.array2string(array, threshold=20, edgeitems=3).replace("\n", "")
