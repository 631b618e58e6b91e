"""From numbers of samples to a batch, in whichever process."""

from __future__ import annotations

from rustnn import _C
from rustnn._C import Tensor
from rustnn.utils.data import collate as collating
from rustnn.utils.data.dataset import IterableDataset, Subset, TensorDataset
from rustnn.utils.data.worker_error import note_sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["IterableFetcher", "MapFetcher", "make_fetcher"]


def make_fetcher(
    dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
) -> MapFetcher | IterableFetcher:
    """What fetches the batches of one pass through ``dataset``."""
    if isinstance(dataset, IterableDataset):
        return IterableFetcher(dataset, batched, collate_fn, drop_last)
    return MapFetcher(dataset, batched, collate_fn)


class MapFetcher:
    """Takes samples by their numbers."""

    def __init__(self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any]) -> None:
        self._dataset = dataset
        self._batched = batched
        self._collate = collate_fn
        self._getitems = getattr(dataset, "__getitems__", None) or None
        self._gathers = batched and collate_fn is collating.default_collate and _is_tensors(dataset)

    def fetch(self, indices: Any) -> Any:
        """The batch of these samples, or without batches the sample ``indices``. A note on an exception says
        which sample was at fault."""
        if not self._batched:
            try:
                sample = self._dataset[indices]
            except Exception as error:
                note_sample(error, f"sample {indices!r} of the data set")
                raise
            return self._collate(sample)
        if self._gathers and type(indices) is list:
            try:
                return _gather(self._dataset, indices)
            except (IndexError, RuntimeError):
                pass  # going sample by sample says what is wrong, and with which
        samples: Any
        if self._getitems is not None:
            try:
                samples = self._getitems(indices)
            except Exception as error:
                note_sample(error, f"samples {indices!r} of the data set")
                raise
        else:
            samples = []
            dataset = self._dataset
            for i in indices:
                try:
                    samples.append(dataset[i])
                except Exception as error:
                    note_sample(error, f"sample {i!r} of the data set")
                    raise
        try:
            return self._collate(samples)
        except Exception as error:
            at = _odd_one(samples, self._collate)
            if at is not None and type(indices) is list and len(indices) == len(samples):
                note_sample(error, f"sample {indices[at]!r} of the data set does not go with {indices[0]!r}")
            raise


class IterableFetcher:
    """Takes as many samples as it is given numbers, whatever these are. StopIteration at the end."""

    def __init__(
        self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self._samples = iter(dataset)
        self._batched = batched
        self._collate = collate_fn
        self._drop_last = drop_last
        self._ended = False
        self._taken = 0

    def _next(self) -> Any:
        try:
            sample = next(self._samples)
        except StopIteration:
            raise
        except Exception as error:
            note_sample(error, f"sample {self._taken} of the data set's iterator")
            raise
        self._taken += 1
        return sample

    def fetch(self, indices: Any) -> Any:
        """The next batch, or without batches the next sample."""
        if self._ended:
            raise StopIteration
        if not self._batched:
            return self._collate(self._next())
        first = self._taken
        samples = []
        for _ in indices:
            try:
                samples.append(self._next())
            except StopIteration:
                self._ended = True
                break
        if not samples or (self._drop_last and len(samples) < len(indices)):
            raise StopIteration
        try:
            return self._collate(samples)
        except Exception as error:
            at = _odd_one(samples, self._collate)
            if at is not None:
                note_sample(
                    error, f"sample {first + at} of the data set's iterator does not go with sample {first}"
                )
            raise


def _odd_one(samples: Any, collate_fn: Callable[[Any], Any]) -> int | None:
    """Which sample cannot be collated with the first one; None unless that can be found out."""
    if collate_fn is not collating.default_collate:
        return None
    try:
        collate_fn(samples[:1])
    except Exception:
        return 0
    for i in range(1, len(samples)):
        try:
            collate_fn([samples[0], samples[i]])
        except Exception:
            return i
    return None


def _is_tensors(dataset: Any) -> bool:
    """Whether this is a TensorDataset of plain tensors, or subsets of one, with nobody else's methods."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return (
        type(dataset) is TensorDataset
        and len(dataset.tensors) > 0
        and all(type(tensor) is Tensor and not tensor.requires_grad for tensor in dataset.tensors)
    )


def _gather(dataset: Any, indices: list[int]) -> list[Tensor]:
    """What collating the samples one by one would give, by one gather a tensor."""
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if set(map(type, indices)) != {int}:
        raise IndexError("only plain numbers are gathered")
    numbers = _C.tensor(indices, dtype=_C.int64)
    return [_rows(tensor, numbers) for tensor in dataset.tensors]


def _rows(tensor: Tensor, numbers: Tensor) -> Tensor:
    if collating.shared_empty is not None:
        out = collating.shared_empty((len(numbers), *tensor.shape[1:]), tensor.dtype)
        if out is not None:
            return _C.index_select(tensor, 0, numbers, out=out)
    return tensor[numbers].contiguous()
