"""How samples become a batch: tensors are stacked, numbers become tensors, containers are gone into."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    FunctionMap = dict[type | tuple[type, ...], Callable[..., Any]]

    default_collate_fn_map: FunctionMap

__all__ = ["collate", "default_collate", "default_convert"]

_COMPLAINT = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"

# In a worker: makes a tensor of this shape and dtype in memory that the loader's process sees, or None.
shared_empty: Callable[[tuple[int, ...], _C.dtype], Tensor | None] | None = None


def _is_numpy(value: object) -> bool:
    """Whether ``value`` is NumPy's, found out without importing NumPy."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _numpy_kind(value: Any) -> str:
    return str(value.dtype.kind)


def default_convert(data: Any) -> Any:
    """``data`` with its NumPy arrays and numbers as tensors; everything else stays."""
    if isinstance(data, Tensor):
        return data
    if _is_numpy(data):
        return data if getattr(data, "ndim", 0) == 0 and _numpy_kind(data) in "SUO" else _as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def _as_tensor(array: Any) -> Any:
    return array if _numpy_kind(array) in "SUO" else _C.as_tensor(array)


def collate_tensor_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """The tensors stacked along a new first dim; in a worker right into shared memory."""
    first = batch[0]
    if shared_empty is not None and all(
        type(tensor) is Tensor
        and tensor.shape == first.shape
        and tensor.dtype == first.dtype
        and not tensor.requires_grad
        for tensor in batch
    ):
        out = shared_empty((len(batch), *first.shape), first.dtype)
        if out is not None:
            return _C.stack(batch, 0, out=out)
    return _C.stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """The arrays stacked along a new first dim. TypeError for arrays of texts and objects."""
    if _numpy_kind(batch[0]) in "SUO":
        raise TypeError(_COMPLAINT.format(batch[0].dtype))
    return collate_tensor_fn([_C.as_tensor(array) for array in batch])


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A tensor of NumPy's numbers."""
    return _C.as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A float64 tensor."""
    return _C.tensor(batch, dtype=_C.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A tensor of the dtype that the numbers have together: int64, or bool for bools."""
    return _C.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Any:
    """Texts stay a list."""
    return batch


_default_map: FunctionMap = {
    Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
_numpy_known = False


def _function_map() -> FunctionMap:
    """The functions of ``default_collate``; NumPy's types are in it as soon as NumPy is imported."""
    global _numpy_known
    if not _numpy_known and "numpy" in sys.modules:
        import numpy

        _numpy_known = True
        _default_map[numpy.ndarray] = collate_numpy_array_fn
        _default_map[numpy.bool_, numpy.number, numpy.object_] = collate_numpy_scalar_fn
    return _default_map


def __getattr__(name: str) -> FunctionMap:
    if name == "default_collate_fn_map":
        return _function_map()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def default_collate(batch: Any) -> Any:
    """A batch of samples that look alike: for pairs (tensor, number) a list of two tensors with a new first
    dim.

    Floats become float64 and ints int64 tensors, strings stay a list; dicts, lists and (named) tuples are
    collated member by member. TypeError for anything else, RuntimeError for samples of different lengths.
    """
    return collate(batch, collate_fn_map=_function_map())


def collate(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Any:
    """A batch of samples that look alike, with functions of your own for types.

    ``collate_fn_map`` names for a type, or a tuple of types, the function that makes a batch of a list of
    them; it is called with the list and ``collate_fn_map=``. Mappings, named tuples, tuples and sequences
    that it does not name are collated member by member. TypeError for anything else.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
        for known, function in collate_fn_map.items():
            if isinstance(first, known):
                return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _like_mapping(
            first, {key: collate([s[key] for s in batch], collate_fn_map=collate_fn_map) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_COMPLAINT.format(kind))


def _like_mapping(model: Any, contents: dict[Any, Any]) -> Any:
    """``contents`` in a mapping of the model's type, or in a dict where that cannot be made."""
    if type(model) is dict:
        return contents
    try:
        if isinstance(model, MutableMapping):
            clone = copy.copy(model)
            clone.update(contents)
            return clone
        return type(model)(contents)
    except TypeError:
        return contents


def _like_sequence(model: Any, contents: list[Any]) -> Any:
    """``contents`` in a sequence of the model's type, or in a list where that cannot be made."""
    if type(model) is list:
        return contents
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, value in enumerate(contents):
                clone[i] = value
            return clone
        return type(model)(contents)
    except TypeError:
        return contents
