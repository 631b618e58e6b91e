"""How many operations on numbers an event took, by the shapes of its inputs."""

from __future__ import annotations

from math import prod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where the two factors of a product stand among the arguments.
_PRODUCTS = {"mm": 0, "bmm": 0, "matmul": 0, "mv": 0, "addmm": 1, "addmv": 1, "baddbmm": 1}


def _numbers(value: Any, count: int, default: int) -> list[int]:
    """An argument that is a number, or as many as there are dims in space."""
    text = str(value or default).strip("()[]").replace(",", " ")
    try:
        numbers = [int(part) for part in text.split()]
    except ValueError:
        return [default] * count
    return numbers * count if len(numbers) == 1 else numbers


def _convolution(sizes: list[list[int]], arguments: dict[str, Any], dims: int) -> int:
    """Each element of the result takes a multiplication and an addition for each weight of its channel."""
    (batch, *space), weight = sizes[0], sizes[1]
    space = space[-dims:]
    if len(sizes[0]) == dims + 1:
        batch = 1
    stride, padding, dilation = (
        _numbers(arguments.get(name), dims, default)
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    kernel = weight[2:]
    if arguments.get("padding") == "same":
        out = space
    else:
        out = [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(space, padding, dilation, kernel, stride, strict=True)
        ]
    return 2 * batch * prod(out) * prod(weight)


def count_flops(name: str, arguments: list[Any]) -> int:
    """The number for matrix products, convolutions, ``add`` and ``mul``; 0 for others."""
    kind = name.removeprefix("aten::")
    sizes: list[list[int]] = [sizes or [] for _, sizes, _, _ in arguments]
    try:
        if kind in ("add", "mul"):
            return prod(sizes[0])
        if kind == "linear":
            return 2 * prod(sizes[0]) * prod(sizes[1][:-1])
        if kind in _PRODUCTS:
            left, right = sizes[_PRODUCTS[kind]], sizes[_PRODUCTS[kind] + 1]
            if len(right) == 1:
                return 2 * prod(left)
            batch = max(prod(left[:-2]), prod(right[:-2])) if len(left) > 1 else prod(right[:-2])
            rows = left[-2] if len(left) > 1 else 1
            return 2 * batch * rows * left[-1] * right[-1]
        if kind in ("conv1d", "conv2d", "conv3d"):
            names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
            given = {
                keyword or names[i]: text
                for i, (keyword, _, _, text) in enumerate(arguments)
                if i < len(names)
            }
            return _convolution(sizes, given, int(kind[4]))
        if kind.startswith("conv_transpose"):
            return 2 * prod(sizes[0]) * prod(sizes[1][1:])
    except (IndexError, TypeError):
        pass  # arguments that were given in another way
    return 0
