"""Sums of products over dimensions: the calls that are more than one native call."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["chain_matmul", "einsum", "tensordot"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _subscripts(labels: Sequence[Any]) -> str:
    """Labels given as numbers, as letters."""
    text = ""
    for label in labels:
        if label is Ellipsis:
            text += "..."
        elif 0 <= label < len(_LETTERS):
            text += _LETTERS[label]
        else:
            raise ValueError("einsum(): subscript in subscript list is not within the valid range [0, 52)")
    return text


def einsum(*args: Any) -> Tensor:
    """Sum of products by Einstein's notation.

    ``einsum("ij,jk->ik", a, b)`` names every dimension by a letter; what the result does not name is
    summed. A letter that stands twice in one operand takes its diagonal, ``...`` stands for all other
    dimensions. Without ``->`` the result has the letters that stand once, in alphabetical order.
    ``einsum(a, [0, 1], b, [1, 2], [0, 2])``
    says the same in numbers. RuntimeError for sizes that do not fit, ValueError for too few arguments.
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, "
            "or at least one operand and its subscripts list"
        )
    if isinstance(args[0], _C.Tensor):
        equation = ",".join(_subscripts(labels) for labels in args[1::2])
        operands = args[::2]
        if len(args) % 2 == 1:
            equation += "->" + _subscripts(args[-1])
            operands = args[:-1:2]
    else:
        equation, operands = args[0], args[1:]
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
    return _C.einsum(equation, operands)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Sum of products over pairs of dimensions; what is left of ``a``'s shape comes first, then of ``b``'s.

    ``dims`` is how many of the last dimensions of ``a`` meet the first ones of ``b``, or two lists (or a
    tensor of two rows) that pair them up. RuntimeError where the sizes of a pair differ and neither is one.
    """
    if isinstance(dims, _C.Tensor):
        if dims.numel() > 1:
            left, right = dims[0].tolist(), dims[1].tolist()
            return _C.tensordot(a, b, left, right, **({} if out is None else {"out": out}))
        dims = int(dims.item())
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    elif isinstance(dims, (tuple, list)):
        left, right = ([side] if isinstance(side, int) else list(side) for side in dims)
    else:
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]], "
            f"but got dims={dims}"
        )
    return _C.tensordot(a, b, left, right, **({} if out is None else {"out": out}))


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications.

    Deprecated in favour of ``linalg.multi_dot``. RuntimeError unless all are matrices whose sizes fit.
    """
    import warnings

    warnings.warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
        "torch.linalg.multi_dot instead, which accepts a list of two or more tensors rather than multiple "
        "parameters.",
        stacklevel=2,
    )
    return _C.chain_matmul(matrices, **({} if out is None else {"out": out}))
