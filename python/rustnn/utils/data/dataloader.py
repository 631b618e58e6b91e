"""``DataLoader``: walks through a data set in batches."""

from __future__ import annotations

import os
from itertools import repeat
from typing import Any, Generic, TypeVar, cast

from rustnn.utils.data.collate import default_collate, default_convert
from rustnn.utils.data.dataset import IterableDataset
from rustnn.utils.data.iterator import _BaseDataLoaderIter, _SingleProcessDataLoaderIter
from rustnn.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from rustnn.utils.data.worker_info import get_worker_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sized

    from rustnn.utils.data.dataset import Dataset, Samples
    from rustnn.utils.data.worker_iterator import _MultiProcessingDataLoaderIter

T_co = TypeVar("T_co", covariant=True)

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def __getattr__(name: str) -> Any:
    # Only loops that have workers need what workers need.
    if name == "_MultiProcessingDataLoaderIter":
        from rustnn.utils.data import worker_iterator

        return worker_iterator._MultiProcessingDataLoaderIter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler[None]):
    """``None`` for ever: samples of an iterable data set have no numbers."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


class DataLoader(Generic[T_co]):
    """Batches of ``dataset``, which has ``__getitem__`` and ``__len__`` or is an ``IterableDataset``.

    ``shuffle`` takes the samples in a new random order in every pass; ``sampler`` or ``batch_sampler`` say
    the order themselves; ``drop_last`` leaves a last, shorter batch out; ``collate_fn`` makes a batch of a
    list of samples; ``batch_size=None`` yields single samples; ``generator`` is where orders and seeds come
    from. ValueError for options that do not go together.

    With ``num_workers`` above 0 that many processes fetch batches ahead, ``prefetch_factor`` (2) each, and
    hand them over in shared memory. They start in the way of ``multiprocessing_context`` (a start method's
    name, or a context), call ``worker_init_fn(number)`` first, and live for one pass, or as long as the
    loader if ``persistent_workers``. ``timeout`` is how many seconds a batch may take (0: for ever);
    ``in_order=False`` yields batches as they come. An exception in a worker is raised again in the loop, and
    RuntimeError if a worker dies. With ``pin_memory`` batches come in page-locked memory, which a GPU reads
    by itself (``batch.to("cuda", non_blocking=True)``); without a GPU it does nothing but warn.
    """

    _initialized = False
    _iterator: _MultiProcessingDataLoaderIter | None = None

    def __init__(
        self,
        dataset: Dataset[T_co] | Samples[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        self.dataset: Any = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.in_order = in_order
        self.multiprocessing_context = multiprocessing_context

        iterable = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if iterable else _DatasetKind.Map
        if iterable:
            for name, value, given in (
                ("shuffle", shuffle, shuffle is not None and shuffle != False),  # noqa: E712
                ("sampler", sampler, sampler is not None),
                ("batch_sampler", batch_sampler, batch_sampler is not None),
            ):
                if given:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                        f"{name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        numbers: Any = sampler
        if sampler is None and iterable:
            numbers = _InfiniteConstantSampler()
        elif sampler is None:
            sized = cast("Sized", dataset)
            numbers = RandomSampler(sized, generator=generator) if shuffle else SequentialSampler(sized)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(numbers, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = numbers
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._IterableDataset_len_called: int | None = None
        self._initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers start: a context of ``multiprocessing``, or None for its default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self._context = _checked_context(context, self.num_workers)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        from rustnn.utils.data.worker_iterator import _MultiProcessingDataLoaderIter

        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    def __iter__(self) -> _BaseDataLoaderIter:
        if not self.persistent_workers or self.num_workers == 0:
            return self._get_iterator()
        if self._iterator is None or self._iterator._shutdown:
            self._iterator = self._get_iterator()  # type: ignore[assignment]
        else:
            self._iterator._reset(self)
        return self._iterator  # type: ignore[return-value]

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Iterable:
            length = self._IterableDataset_len_called = len(self.dataset)
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._index_sampler)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than this process may use CPUs."""
        if not self.num_workers:
            return
        known = hasattr(os, "sched_getaffinity")
        cpus = len(os.sched_getaffinity(0)) if known else os.cpu_count()
        if cpus is not None and cpus >= self.num_workers:
            return
        import warnings

        if cpus is None:
            advice = "DataLoader is not able to compute a suggested max number of worker in current system."
        else:
            advice = (
                f"Our suggested max number of worker in current system is {cpus}"
                f"{'' if known else ' (`cpuset` is not taken into account)'}, which is smaller than what "
                "this DataLoader is going to create."
            )
        warnings.warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. {advice} Please be "
            "aware that excessive worker creation might get DataLoader running slow or even freeze, lower "
            "the worker number to avoid potential slowness/freeze if necessary.",
            stacklevel=2,
        )


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _checked_context(context: Any, num_workers: int) -> Any:
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    from multiprocessing import get_all_start_methods, get_context
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        methods = get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={context}"
        )
    return context
