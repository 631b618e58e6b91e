"""How samples become a batch: tensors are stacked, numbers become tensors, containers are gone into."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

from rustnn import _C
from rustnn._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["default_collate", "default_convert"]

_COMPLAINT = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


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
        return data if getattr(data, "ndim", 0) == 0 and _numpy_kind(data) in "SUO" else _C.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def default_collate(batch: Any) -> Any:
    """A batch of samples that look alike: for pairs (tensor, number) a list of two tensors with a new first
    dim.

    Floats become float64 and ints int64 tensors, strings stay a list; dicts, lists and (named) tuples are
    collated member by member. TypeError for anything else, RuntimeError for samples of different lengths.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _C.stack(batch, 0)
    if isinstance(first, (str, bytes)):
        return batch
    if _is_numpy(first):
        if _numpy_kind(first) in "SUO":
            raise TypeError(_COMPLAINT.format(first.dtype))
        return _C.stack([_C.as_tensor(array) for array in batch], 0)
    if isinstance(first, float):
        return _C.tensor(batch, dtype=_C.float64)
    if isinstance(first, int):
        return _C.tensor(batch)
    if isinstance(first, Mapping):
        return _like_mapping(
            first, {key: default_collate([sample[key] for sample in batch]) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like_sequence(first, columns)
    raise TypeError(_COMPLAINT.format(type(first)))


def _like_mapping(model: Any, contents: dict[Any, Any]) -> Any:
    """``contents`` in a mapping of the model's type, or in a dict where that cannot be made."""
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
