"""Deep copies and pickles of tensors. Tensors that share memory share it again afterwards."""

from __future__ import annotations

from collections import OrderedDict
from weakref import WeakValueDictionary

from rustnn import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor, UntypedStorage


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

    if tensor.is_meta:
        copied = _C.empty_like(tensor.detach())
    else:
        copied = _C._tensor_over(
            _copied_storage(tensor, memo),
            tensor.dtype,
            tensor.storage_offset(),
            tuple(tensor.shape),
            tensor.stride(),
        )
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


def _copied_storage(tensor: Tensor, memo: dict[int, Any]) -> UntypedStorage:
    """The copy of the memory under a tensor: one for all tensors over it that a deep copy meets."""
    copies: dict[int, Any] = memo.setdefault(id(_STORAGES), {})
    storage = tensor.untyped_storage()
    # The old storage is kept as well, so that its address stays its own as long as the copy runs.
    return copies.setdefault(storage.data_ptr(), (storage, storage.clone()))[1]  # type: ignore[no-any-return]


# One object a storage, as long as a pickle holds it: that is how a pickle knows what is shared.
_STORAGES: WeakValueDictionary[tuple[int, int], UntypedStorage] = WeakValueDictionary()


def _storage_of(tensor: Tensor) -> UntypedStorage:
    storage = tensor.untyped_storage()
    return _STORAGES.setdefault((storage.data_ptr(), storage.nbytes()), storage)


def rebuild_tensor(
    kind: type[Tensor],
    storage: UntypedStorage,
    dtype: _C.dtype,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    attributes: dict[str, Any],
) -> Tensor:
    """A tensor from what ``reduce_tensor`` took apart."""
    tensor = _C._tensor_over(storage, dtype, offset, size, stride)
    if kind is not _C.Tensor:
        tensor = _C.Tensor._make_subclass(kind, tensor, requires_grad)
    else:
        tensor.requires_grad_(requires_grad)
    tensor.__dict__.update(attributes)
    return tensor


def rebuild_meta_tensor(
    kind: type[Tensor],
    dtype: _C.dtype,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    attributes: dict[str, Any],
) -> Tensor:
    """A tensor without data."""
    tensor = _C.empty_strided(size, stride, dtype=dtype, device="meta")
    if kind is not _C.Tensor:
        tensor = _C.Tensor._make_subclass(kind, tensor, requires_grad)
    else:
        tensor.requires_grad_(requires_grad)
    tensor.__dict__.update(attributes)
    return tensor


def reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    """What pickle writes, and what ``copy.copy`` shares; a tensor in a graph leaves the graph behind."""
    if tensor.is_meta:
        sizes = tuple(tensor.shape), tensor.stride()
        kept = tensor.requires_grad, OrderedDict(tensor.__dict__)
        return rebuild_meta_tensor, (type(tensor), tensor.dtype, *sizes, *kept)
    return (
        rebuild_tensor,
        (
            type(tensor),
            _storage_of(tensor),
            tensor.dtype,
            tensor.storage_offset(),
            tuple(tensor.shape),
            tensor.stride(),
            tensor.requires_grad,
            OrderedDict(tensor.__dict__),
        ),
    )
