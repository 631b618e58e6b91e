"""Deep copies and pickles of tensors."""

from __future__ import annotations

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor


def deepcopy_tensor(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy with memory, gradient and attributes of its own. RuntimeError for tensors in a graph."""
    known = memo.get(id(tensor))
    if known is not None:
        return known  # type: ignore[no-any-return]
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
            "moment. If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    from copy import deepcopy

    copied = tensor.detach().clone()
    if type(tensor) is not _C.Tensor:
        copied = _C.Tensor._make_subclass(type(tensor), copied, tensor.requires_grad)
    else:
        copied.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = copied
    if tensor.grad is not None:
        copied.grad = deepcopy(tensor.grad, memo)
    if tensor.__dict__:
        copied.__dict__.update(deepcopy(tensor.__dict__, memo))
    return copied


def rebuild_tensor(
    kind: type[Tensor],
    content: bytes,
    dtype: _C.dtype,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    attributes: dict[str, Any],
) -> Tensor:
    """A tensor from what :func:`reduce_tensor` took apart."""
    flat = _C.empty(len(content) // dtype.itemsize, dtype=dtype)
    _C._storage_bytes(flat)[:] = content
    tensor = flat.as_strided(size, stride).detach()
    if kind is not _C.Tensor:
        tensor = _C.Tensor._make_subclass(kind, tensor, requires_grad)
    else:
        tensor.requires_grad_(requires_grad)
    tensor.__dict__.update(attributes)
    return tensor


def reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    """What pickle writes. RuntimeError for tensors in a graph."""
    if not tensor.is_leaf:
        raise RuntimeError(
            "Pickling a tensor that is part of a graph is not supported: "
            "call detach() first (only leaves can be saved)"
        )
    dense = tensor.detach().contiguous().clone()
    content = bytes(_C._storage_bytes(dense))
    size = tuple(dense.shape)
    return (
        rebuild_tensor,
        (
            type(tensor),
            content,
            tensor.dtype,
            size,
            dense.stride(),
            tensor.requires_grad,
            dict(tensor.__dict__),
        ),
    )
